# -ffp-contract=off: random numbers and reductions must have the same bits on every compiler and on the GPU.
# No -march=native: kernels/cpu dispatches at run time, so that a binary can be carried to another machine.
add_library(viswords_flags INTERFACE)
target_compile_options(viswords_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-Wall -Wextra -Wshadow -Wpointer-arith
  -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-missing-field-initializers -fno-math-errno -ffp-contract=off>)
target_compile_definitions(viswords_flags INTERFACE _GNU_SOURCE VISWORDS_VERSION="${PROJECT_VERSION}")
if(VISWORDS_FAULTS)
  target_compile_definitions(viswords_flags INTERFACE VW_FAULTS)
endif()
if(VISWORDS_WERROR)
  target_compile_options(viswords_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-Werror>)
endif()
if(VISWORDS_FUZZ)
  # float-cast-overflow is no part of "undefined": numbers of files that become integers
  add_compile_options(-fsanitize=fuzzer-no-link -fsanitize=float-cast-overflow -fno-sanitize-recover=float-cast-overflow)
endif()
if(VISWORDS_SANITIZE)
  add_compile_options($<$<COMPILE_LANGUAGE:C>:-fsanitize=address,undefined> $<$<COMPILE_LANGUAGE:C>:-fno-sanitize-recover=undefined>
    $<$<COMPILE_LANGUAGE:C>:-fno-omit-frame-pointer>)
  add_link_options(-fsanitize=address,undefined)
  # Every program gets our dlclose (see keep_modules.c), which must win against the sanitizer's own.
  add_library(viswords_keep_modules STATIC ${CMAKE_SOURCE_DIR}/cmake/keep_modules.c)
  link_libraries("$<LINK_LIBRARY:WHOLE_ARCHIVE,viswords_keep_modules>")
endif()
