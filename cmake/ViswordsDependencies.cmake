# Every dependency becomes one target; what is missing is named with the Debian package that brings it.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS C)
find_package(MPI REQUIRED COMPONENTS C)
set(HDF5_PREFER_PARALLEL ON)
find_package(HDF5 REQUIRED COMPONENTS C HL)
if(NOT HDF5_IS_PARALLEL)
  message(FATAL_ERROR "viswords needs parallel HDF5 (Debian: libhdf5-openmpi-dev; modules: hdf5 built with +mpi)")
endif()
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(YAJL REQUIRED IMPORTED_TARGET yajl)
pkg_check_modules(LIBXML2 REQUIRED IMPORTED_TARGET libxml-2.0)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)

# The openmp (or serial) build of OpenBLAS: one threading runtime. Never the pthread build.
find_library(VISWORDS_OPENBLAS NAMES openblas REQUIRED
  PATH_SUFFIXES openblas-openmp x86_64-linux-gnu/openblas-openmp aarch64-linux-gnu/openblas-openmp openblas-serial)
find_path(VISWORDS_OPENBLAS_INCLUDE cblas.h REQUIRED
  PATH_SUFFIXES x86_64-linux-gnu/openblas-openmp aarch64-linux-gnu/openblas-openmp openblas)
add_library(viswords_openblas INTERFACE)
target_link_libraries(viswords_openblas INTERFACE ${VISWORDS_OPENBLAS})
target_include_directories(viswords_openblas SYSTEM INTERFACE ${VISWORDS_OPENBLAS_INCLUDE})

add_library(viswords_xxhash INTERFACE)
target_link_libraries(viswords_xxhash INTERFACE PkgConfig::XXHASH)
add_library(viswords_io_deps INTERFACE)
target_link_libraries(viswords_io_deps INTERFACE PkgConfig::YAML PkgConfig::JANSSON PkgConfig::YAJL PkgConfig::LIBXML2 PkgConfig::UTF8PROC JPEG::JPEG PNG::PNG
  ${HDF5_C_HL_LIBRARIES} ${HDF5_C_LIBRARIES} Threads::Threads)
target_include_directories(viswords_io_deps SYSTEM INTERFACE ${HDF5_C_INCLUDE_DIRS})
