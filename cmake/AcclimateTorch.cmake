# One clean target, acclimate_torch, over LibTorch, and one precompiled header of its heavy includes
# that every library of core reuses.
#
# ACCLIMATE_LIBTORCH says which LibTorch: a folder with include/, lib/ and share/ (the default is
# where deploy/install-packages puts it), or "debian" for the package libtorch-dev.
set(default_libtorch ${PROJECT_SOURCE_DIR}/build/libtorch)
if(NOT EXISTS ${default_libtorch}/include)
  set(default_libtorch debian)
endif()
set(ACCLIMATE_LIBTORCH ${default_libtorch} CACHE STRING "LibTorch's folder, or \"debian\"")

add_library(acclimate_torch INTERFACE)
if(ACCLIMATE_LIBTORCH STREQUAL "debian")
  find_package(Torch 1.13 REQUIRED)
  target_link_libraries(acclimate_torch INTERFACE ${TORCH_LIBRARIES})
elseif(EXISTS ${ACCLIMATE_LIBTORCH}/lib/libtorch_cuda.so)
  include(CudaLibTorch)
else()
  # Only this folder counts: a LibTorch elsewhere on the machine would be another one.
  find_package(Torch REQUIRED PATHS ${ACCLIMATE_LIBTORCH}/share/cmake/Torch NO_DEFAULT_PATH)
  target_link_libraries(acclimate_torch INTERFACE ${TORCH_LIBRARIES})
endif()
if(NOT Torch_VERSION)
  message(FATAL_ERROR "${ACCLIMATE_LIBTORCH} does not say which LibTorch it is; "
                      "deploy/install-packages brings one")
endif()
if(Torch_VERSION VERSION_LESS 1.13 OR
   (Torch_VERSION VERSION_GREATER_EQUAL 1.14 AND Torch_VERSION VERSION_LESS 2.13) OR
   Torch_VERSION VERSION_GREATER_EQUAL 3)
  message(FATAL_ERROR "found LibTorch ${Torch_VERSION} in ${ACCLIMATE_LIBTORCH}; wanted is 2.13 "
                      "or a later 2.x, or Debian's 1.13; deploy/install-packages brings one")
endif()
# Its headers ask for it; those of 1.13 do not compile with it.
if(Torch_VERSION VERSION_GREATER_EQUAL 2)
  set(CMAKE_CXX_STANDARD 20)
endif()
message(STATUS "LibTorch ${Torch_VERSION} from ${ACCLIMATE_LIBTORCH}, C++${CMAKE_CXX_STANDARD}")

add_library(acclimate_torch_pch OBJECT ${PROJECT_SOURCE_DIR}/cmake/torch_pch.cc)
acclimate_compile_options(acclimate_torch_pch)
target_link_libraries(acclimate_torch_pch PUBLIC acclimate_torch)
target_precompile_headers(acclimate_torch_pch PRIVATE
  <torch/types.h> <absl/status/statusor.h> <absl/strings/str_cat.h>)

# acclimate_torch_library / acclimate_torch_test: as their plain forms, linked with LibTorch and
# compiled with the precompiled header.
function(acclimate_torch_library name)
  acclimate_library(${name} ${ARGN})
  target_link_libraries(${name} PUBLIC acclimate_torch)
  target_precompile_headers(${name} REUSE_FROM acclimate_torch_pch)
endfunction()

function(acclimate_torch_test name)
  acclimate_test(${name} ${ARGN})
  # The precompiled header is -fPIC, which CMake would turn into -fPIE for a program.
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${name} PRIVATE -fPIC)
  target_link_libraries(${name} PRIVATE acclimate_torch)
  target_precompile_headers(${name} REUSE_FROM acclimate_torch_pch)
endfunction()
