# One clean target, acclimate_torch, over LibTorch, and one precompiled header of its heavy includes
# that every library of core reuses.
#
# ACCLIMATE_LIBTORCH says which LibTorch: a folder with include/, lib/ and share/, or "debian" for the
# package libtorch-dev. Empty, it is build/libtorch, where deploy/install-packages puts one, and
# Debian's where there is none. deploy/libtorch.versions names the versions.
set(ACCLIMATE_LIBTORCH "" CACHE STRING "LibTorch's folder, or \"debian\"; empty: what is there")
set(libtorch ${ACCLIMATE_LIBTORCH})
if(NOT libtorch)
  set(libtorch ${PROJECT_SOURCE_DIR}/build/libtorch)
  if(NOT EXISTS ${libtorch}/include)
    set(libtorch debian)
  endif()
endif()
# What find_package remembers is of the LibTorch that was there before.
if(NOT "${libtorch}" STREQUAL "${ACCLIMATE_LIBTORCH_BEFORE}")
  foreach(remembered Torch_DIR Caffe2_DIR TORCH_LIBRARY C10_LIBRARY c10_LIBRARY)
    unset(${remembered} CACHE)
  endforeach()
  set(ACCLIMATE_LIBTORCH_BEFORE ${libtorch} CACHE INTERNAL "")
endif()

set(libtorch_versions ${PROJECT_SOURCE_DIR}/deploy/libtorch.versions)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${libtorch_versions})
foreach(flavour cpu debian)
  file(STRINGS ${libtorch_versions} libtorch_${flavour}_version REGEX "^${flavour}=")
  string(REPLACE "${flavour}=" "" libtorch_${flavour}_version "${libtorch_${flavour}_version}")
endforeach()

add_library(acclimate_torch INTERFACE)
if(libtorch STREQUAL "debian")
  find_package(Torch REQUIRED)
  target_link_libraries(acclimate_torch INTERFACE ${TORCH_LIBRARIES})
elseif(NOT EXISTS ${libtorch}/lib/libtorch_cpu.so)
  message(FATAL_ERROR "there is no LibTorch in ${libtorch}; deploy/install-packages brings one")
elseif(EXISTS ${libtorch}/lib/libtorch_cuda.so)
  include(CudaLibTorch)
else()
  # Only this folder counts: a LibTorch elsewhere on the machine would be another one. Its
  # configuration looks for parts of itself in the system's folders too, after this prefix.
  list(PREPEND CMAKE_PREFIX_PATH ${libtorch})
  # It warns that there is no library kineto, which is inside libtorch_cpu.so.
  set(kineto_LIBRARY ${libtorch}/lib/libtorch_cpu.so)
  find_package(Torch REQUIRED PATHS ${libtorch}/share/cmake/Torch NO_DEFAULT_PATH)
  list(POP_FRONT CMAKE_PREFIX_PATH)
  target_link_libraries(acclimate_torch INTERFACE ${TORCH_LIBRARIES})
endif()
if(NOT Torch_VERSION)
  message(FATAL_ERROR "${libtorch} does not say which LibTorch it is; "
                      "deploy/install-packages brings one")
endif()
# Debian's 1.13.1 calls itself 1.13.0 there: its last number does not count.
string(REGEX REPLACE "\\.[0-9]+$" "" libtorch_debian_series ${libtorch_debian_version})
string(FIND "${Torch_VERSION}" "${libtorch_debian_series}." libtorch_debian_at)
if(NOT libtorch_debian_at EQUAL 0 AND
   (Torch_VERSION VERSION_LESS libtorch_cpu_version OR Torch_VERSION VERSION_GREATER_EQUAL 3))
  message(FATAL_ERROR "found LibTorch ${Torch_VERSION} in ${libtorch}; wanted is "
                      "${libtorch_cpu_version} or a later 2.x, or Debian's "
                      "${libtorch_debian_version}; deploy/install-packages brings one")
endif()
# Its headers ask for it; those of 1.13 do not compile with it.
if(Torch_VERSION VERSION_GREATER_EQUAL 2)
  set(CMAKE_CXX_STANDARD 20)
endif()
message(STATUS "LibTorch ${Torch_VERSION} from ${libtorch}, C++${CMAKE_CXX_STANDARD}")

# `cmake --install` copies LibTorch's libraries beside the programs, which look for them there.
# Debian's are a package.
set(libtorch_install_rpath "")
if(EXISTS ${libtorch}/lib/libtorch_cuda.so)
  # In the folders in which they look for each other.
  set(libtorch_install_folder lib/acclimate/torch/lib)
  if(EXISTS ${libtorch}/nvidia)
    file(REAL_PATH ${libtorch}/nvidia libtorch_nvidia)
    install(DIRECTORY ${libtorch_nvidia}/ DESTINATION lib/acclimate/nvidia
      PATTERN include EXCLUDE)
  endif()
else()
  set(libtorch_install_folder lib/acclimate)
endif()
if(NOT libtorch STREQUAL "debian")
  set(libtorch_install_rpath "$ORIGIN/../${libtorch_install_folder}")
  # The folder itself: a link would be installed as a link.
  file(REAL_PATH ${libtorch}/lib libtorch_libraries)
  # Without the libraries of Python and of LibTorch's own tests.
  install(DIRECTORY ${libtorch_libraries}/ DESTINATION ${libtorch_install_folder}
    FILES_MATCHING PATTERN "*.so*"
    REGEX "/lib(torch_python|shm|.*_test|backend_with_compiler|aoti_custom_ops)\\.so" EXCLUDE)
endif()

add_library(acclimate_torch_pch OBJECT ${PROJECT_SOURCE_DIR}/cmake/torch_pch.cc)
acclimate_compile_options(acclimate_torch_pch)
# GCC takes a header precompiled with -O2 for -O1 too, but not the other way round.
target_compile_options(acclimate_torch_pch PRIVATE $<$<CONFIG:Release>:-O2>)
target_link_libraries(acclimate_torch_pch PUBLIC acclimate_torch)
target_precompile_headers(acclimate_torch_pch PRIVATE
  <ATen/ATen.h> <absl/status/statusor.h> <absl/strings/str_cat.h>)

# acclimate_torch_library: as acclimate_library, linked with LibTorch and compiled with the precompiled
# header.
function(acclimate_torch_library name)
  acclimate_library(${name} ${ARGN})
  target_link_libraries(${name} PUBLIC acclimate_torch)
  target_precompile_headers(${name} REUSE_FROM acclimate_torch_pch)
endfunction()

# acclimate_torch_test(name SOURCES ... [DEPS ...] [LABELS ...] [TIMEOUT seconds] [ISOLATED]): a
# GoogleTest program that links LibTorch. CTest runs the tests of each source x_test.cc in one process,
# under the source's path in tests/ (tests/core/test_main.cc says why); with ISOLATED each test in a
# process of its own, under its own name.
function(acclimate_torch_test name)
  cmake_parse_arguments(ARG "ISOLATED" "TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  acclimate_test_program(${name})
  # The precompiled header is -fPIC, which CMake would turn into -fPIE for a program.
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${name} PRIVATE -fPIC)
  target_link_libraries(${name} PRIVATE acclimate_torch_test_main acclimate_torch)
  target_precompile_headers(${name} REUSE_FROM acclimate_torch_pch)
  if(ARG_ISOLATED)
    acclimate_isolated_tests(${name})
    return()
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 1800)
  endif()
  file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR}/tests ${CMAKE_CURRENT_SOURCE_DIR})
  foreach(source ${ARG_SOURCES})
    if(source MATCHES "_test\\.cc$")
      cmake_path(GET source FILENAME file)
      string(REGEX REPLACE "\\.cc$" "" test ${folder}/${source})
      add_test(NAME ${test} COMMAND ${name} --source=${file})
      set_tests_properties(${test} PROPERTIES
        TIMEOUT ${ARG_TIMEOUT} LABELS "${labels}" SKIP_RETURN_CODE 77)
    endif()
  endforeach()
endfunction()
