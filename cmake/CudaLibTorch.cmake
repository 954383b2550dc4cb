# acclimate_torch over a CUDA build of LibTorch in ${libtorch}, by hand: its own configuration asks
# for a whole CUDA toolkit, and the wheels are enough. Sets Torch_VERSION.
#
# Programs link the CPU's part alone and load libtorch_cuda.so when a job may use a GPU
# (core/runtime/cuda_library.h): that costs 265 MiB and up to 2 s a process, which a machine without
# a GPU need not pay for. What calls CUDA's own functions links acclimate_torch_cuda instead.
file(READ ${libtorch}/include/torch/headeronly/version.h version_header)
foreach(part MAJOR MINOR PATCH)
  string(REGEX MATCH "TORCH_VERSION_${part} ([0-9]+)" matched "${version_header}")
  set(version_${part} ${CMAKE_MATCH_1})
endforeach()
set(Torch_VERSION ${version_MAJOR}.${version_MINOR}.${version_PATCH})

target_include_directories(acclimate_torch SYSTEM INTERFACE
  ${libtorch}/include ${libtorch}/include/torch/csrc/api/include)
target_link_libraries(acclimate_torch INTERFACE
  ${libtorch}/lib/libtorch_cpu.so ${libtorch}/lib/libc10.so)
# libtorch_cpu.so needs two of CUDA's libraries, which it finds by itself when it is loaded.
target_link_options(acclimate_torch INTERFACE LINKER:--allow-shlib-undefined)

set(cuda_libraries ${libtorch}/nvidia/cu13)
add_library(acclimate_torch_cuda INTERFACE)
target_link_libraries(acclimate_torch_cuda INTERFACE acclimate_torch
  -Wl,--no-as-needed ${libtorch}/lib/libtorch_cuda.so ${libtorch}/lib/libc10_cuda.so)
if(EXISTS ${cuda_libraries}/include)
  target_include_directories(acclimate_torch_cuda SYSTEM INTERFACE ${cuda_libraries}/include)
  target_link_libraries(acclimate_torch_cuda INTERFACE ${cuda_libraries}/lib/libcudart.so.13)
else()
  find_package(CUDAToolkit REQUIRED)
  target_link_libraries(acclimate_torch_cuda INTERFACE CUDA::cudart)
endif()
