# The cuda backend, where a toolkit is found: the target vw_cuda. Without one the build goes on and says so.
# Architectures: code for 8.x and 9.0 devices, and PTX that the driver compiles for newer ones.
find_package(CUDAToolkit 12.4 QUIET)
if(NOT CUDAToolkit_FOUND)
  message(STATUS "CUDA: no toolkit >= 12.4 found, building without the cuda backend "
                 "(-DCUDAToolkit_ROOT=DIR names one, -DVISWORDS_CUDA=OFF silences this line)")
  return()
endif()
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  set(CMAKE_CUDA_COMPILER ${CUDAToolkit_NVCC_EXECUTABLE})
endif()
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  message(STATUS "CUDA: toolkit ${CUDAToolkit_VERSION} is there, but nvcc does not work with this host compiler "
                 "(is g++ installed?): building without the cuda backend")
  return()
endif()
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90a-real 90-virtual)
endif()
enable_language(CUDA)

file(GLOB cuda_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels/cuda/*.cu)
add_library(vw_cuda STATIC ${cuda_sources})
# t-SNE's bits are the CPU's, which contracts nothing.
set_source_files_properties(${CMAKE_SOURCE_DIR}/kernels/cuda/pairs.cu PROPERTIES COMPILE_OPTIONS --fmad=false)
target_include_directories(vw_cuda PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/src)
target_compile_features(vw_cuda PRIVATE cuda_std_17)
target_compile_options(vw_cuda PRIVATE -Xcompiler=-Wall,-Wextra)
if(VISWORDS_WERROR)
  target_compile_options(vw_cuda PRIVATE -Werror=all-warnings -Xcompiler=-Werror)
endif()
target_link_libraries(vw_cuda PUBLIC vw_core CUDA::cudart CUDA::cublasLt)
message(STATUS "CUDA: toolkit ${CUDAToolkit_VERSION}, architectures ${CMAKE_CUDA_ARCHITECTURES}")

# NCCL: its header is enough to build with; the library is opened by name at run time (src/cluster/nccl.c), first as the
# system finds it, then where it is now.
option(VISWORDS_NCCL "Build the exchange between GPUs by NCCL when its header is found" ON)
set(VISWORDS_HAS_NCCL OFF CACHE INTERNAL "nccl.h was found")
if(VISWORDS_NCCL)
  find_path(VISWORDS_NCCL_INCLUDE nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS} ${CUDAToolkit_BIN_DIR}/../include)
  find_library(VISWORDS_NCCL_LIBRARY NAMES libnccl.so.2 nccl
               HINTS ${CUDAToolkit_LIBRARY_DIR} ${CUDAToolkit_BIN_DIR}/../lib ${CUDAToolkit_BIN_DIR}/../lib64)
  if(VISWORDS_NCCL_INCLUDE)
    set(VISWORDS_HAS_NCCL ON CACHE INTERNAL "nccl.h was found")
    set(nccl_library libnccl.so.2)
    if(VISWORDS_NCCL_LIBRARY)
      set(nccl_library ${VISWORDS_NCCL_LIBRARY})
    endif()
    set_source_files_properties(${CMAKE_SOURCE_DIR}/src/cluster/nccl.c PROPERTIES
      COMPILE_DEFINITIONS "VW_WITH_NCCL;VW_NCCL_LIBRARY=\"${nccl_library}\""
      COMPILE_OPTIONS "-isystem;${VISWORDS_NCCL_INCLUDE};-isystem;${CUDAToolkit_INCLUDE_DIRS}")
    message(STATUS "NCCL: ${VISWORDS_NCCL_INCLUDE}/nccl.h")
  else()
    message(STATUS "NCCL: no nccl.h found: GPUs exchange data through the host by MPI "
                   "(-DVISWORDS_NCCL_INCLUDE=DIR names its folder)")
  endif()
endif()

# cuDNN: its header is enough to build with; the library is opened by name at run time (kernels/cuda/cudnn.cu).
option(VISWORDS_CUDNN "Build convolutions on cuDNN when its header is found" ON)
if(VISWORDS_CUDNN)
  find_path(VISWORDS_CUDNN_INCLUDE cudnn_graph.h HINTS ${CUDAToolkit_INCLUDE_DIRS} ${CUDAToolkit_BIN_DIR}/../include)
  set(cudnn_attends)
  file(GLOB cudnn_headers ${VISWORDS_CUDNN_INCLUDE}/cudnn_graph*.h)
  foreach(header ${cudnn_headers}) # older ones lack the operation
    file(STRINGS ${header} found REGEX "OPERATION_SDPA_FWD_DESCRIPTOR")
    list(APPEND cudnn_attends ${found})
  endforeach()
  set(VISWORDS_HAS_CUDNN OFF CACHE INTERNAL "cudnn_graph.h was found")
  if(VISWORDS_CUDNN_INCLUDE AND cudnn_attends)
    set(VISWORDS_HAS_CUDNN ON CACHE INTERNAL "cudnn_graph.h was found")
    set(cudnn_sources ${CMAKE_SOURCE_DIR}/kernels/cuda/cudnn.cu ${CMAKE_SOURCE_DIR}/kernels/cuda/cudnn_items.cu)
    set_property(SOURCE ${cudnn_sources} APPEND PROPERTY COMPILE_DEFINITIONS VW_WITH_CUDNN)
    set_property(SOURCE ${cudnn_sources} APPEND PROPERTY INCLUDE_DIRECTORIES ${VISWORDS_CUDNN_INCLUDE})
    target_link_libraries(vw_cuda PUBLIC ${CMAKE_DL_LIBS})
    message(STATUS "cuDNN: ${VISWORDS_CUDNN_INCLUDE}/cudnn_graph.h")
  else()
    message(STATUS "cuDNN: no cudnn_graph.h with fused attention found: convolutions on GPUs run on own kernels "
                   "(-DVISWORDS_CUDNN_INCLUDE=DIR names its folder)")
  endif()
endif()
