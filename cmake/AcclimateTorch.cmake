# One clean target, acclimate_torch, over LibTorch's exported ones, and one precompiled header of
# its heavy includes that every library of core reuses.
find_package(Torch REQUIRED)
add_library(acclimate_torch INTERFACE)
target_link_libraries(acclimate_torch INTERFACE ${TORCH_LIBRARIES})

add_library(acclimate_torch_pch OBJECT ${PROJECT_SOURCE_DIR}/cmake/torch_pch.cc)
acclimate_compile_options(acclimate_torch_pch)
target_link_libraries(acclimate_torch_pch PUBLIC acclimate_torch)
target_precompile_headers(acclimate_torch_pch PRIVATE <torch/types.h>)

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
