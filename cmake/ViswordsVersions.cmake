# What a build wants of compilers and libraries. All that is wrong is collected and told at once, each with the Debian
# package that brings it (docs/install.md, "What is needed", has the same numbers).
set(viswords_problems "")

# viswords_problem(TEXT...): told by viswords_tell_problems; no semicolons, which are lists to CMake.
macro(viswords_problem)
  string(JOIN "" viswords_text ${ARGN})
  list(APPEND viswords_problems "${viswords_text}")
endmacro()

# viswords_at_least(NAME FOUND VERSION MINIMUM HINT): FOUND is true when it is there at all; VERSION may be empty: unknown,
# which is taken for new enough.
macro(viswords_at_least name found version minimum hint)
  if(NOT "${found}")
    viswords_problem("${name} is missing, wanted: ${minimum} or newer (${hint})")
  elseif(NOT "${version}" STREQUAL "" AND "${version}" VERSION_LESS "${minimum}")
    viswords_problem("${name} is ${version}, wanted: ${minimum} or newer (${hint})")
  endif()
endmacro()

# viswords_module(PREFIX MODULE MINIMUM HINT): a library by pkg-config, as the target PkgConfig::PREFIX.
macro(viswords_module prefix module minimum hint)
  pkg_check_modules(${prefix} QUIET IMPORTED_TARGET ${module})
  viswords_at_least("${module} (pkg-config)" "${${prefix}_FOUND}" "${${prefix}_VERSION}" "${minimum}" "${hint}")
endmacro()

# viswords_tell_problems(): ends the configuration when there are any.
function(viswords_tell_problems)
  if(viswords_problems)
    list(JOIN viswords_problems "\n  - " text)
    message(FATAL_ERROR "viswords cannot be built with what was found here:\n  - ${text}\n"
                        "docs/install.md says how to bring or name each of them.")
  endif()
endfunction()

# viswords_needed_mpi(RESULT FILE): the MPI libraries that the shared library FILE was linked with, by their names in the
# file ("libmpi.so.40" of Open MPI, "libmpich.so.12" of MPICH); empty where that cannot be seen.
function(viswords_needed_mpi result file)
  set(${result} "" PARENT_SCOPE)
  if(CMAKE_READELF AND EXISTS "${file}")
    execute_process(COMMAND ${CMAKE_COMMAND} -E env LC_ALL=C ${CMAKE_READELF} -d ${file} OUTPUT_VARIABLE dynamic ERROR_QUIET)
    string(REGEX MATCHALL "\\(NEEDED\\)[^\n]*\\[libmpi[^]]*\\]" lines "${dynamic}")
    string(REGEX REPLACE "[^;]*\\[(libmpi[^]]*)\\]" "\\1" names "${lines}")
    set(${result} "${names}" PARENT_SCOPE)
  endif()
endfunction()

# viswords_soname(RESULT FILE): the name that programs linked with FILE ask for; empty where that cannot be seen.
function(viswords_soname result file)
  set(${result} "" PARENT_SCOPE)
  if(CMAKE_READELF AND EXISTS "${file}")
    execute_process(COMMAND ${CMAKE_COMMAND} -E env LC_ALL=C ${CMAKE_READELF} -d ${file} OUTPUT_VARIABLE dynamic ERROR_QUIET)
    if(dynamic MATCHES "\\(SONAME\\)[^\n]*\\[([^]]*)\\]")
      set(${result} "${CMAKE_MATCH_1}" PARENT_SCOPE)
    endif()
  endif()
endfunction()

# viswords_one_mpi(HDF5_LIBRARIES MPI_LIBRARIES): HDF5 must have been built with the MPI that the program uses: handles of
# one mean nothing to the other, and such a program links and then crashes or writes nonsense.
macro(viswords_one_mpi hdf5_libraries mpi_libraries)
  set(viswords_sonames "")
  foreach(viswords_file ${mpi_libraries})
    viswords_soname(viswords_name "${viswords_file}")
    list(APPEND viswords_sonames ${viswords_name})
  endforeach()
  foreach(viswords_file ${hdf5_libraries})
    viswords_needed_mpi(viswords_names "${viswords_file}")
    foreach(viswords_name ${viswords_names})
      # C++ bindings and the like may come along; of the C libraries each must be ours.
      if(viswords_name MATCHES "^libmpi(ch)?\\.so" AND viswords_sonames AND NOT viswords_name IN_LIST viswords_sonames)
        string(JOIN " " viswords_ours ${viswords_sonames})
        viswords_problem("HDF5 (${viswords_file}) was built with another MPI: it needs ${viswords_name}, and "
          "${MPI_C_COMPILER} brings ${viswords_ours}. Set MPI_C_COMPILER and HDF5_ROOT or HDF5_C_COMPILER_EXECUTABLE "
          "to a pair, for example mpicc.mpich and h5pcc.mpich")
      endif()
    endforeach()
  endforeach()
endmacro()
