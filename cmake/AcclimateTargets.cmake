# acclimate_library(name SOURCES ... [DEPS ...])   a static library with the project's warnings
# acclimate_test(name SOURCES ... [DEPS ...] [LABELS ...] [TIMEOUT seconds])   a GoogleTest program,
#     each of whose tests CTest runs in a process of its own
# acclimate_embed_file(variable name symbol file folder namespace)   a file as a string of C++
#
# A folder may set ACCLIMATE_TEST_LABELS for all its tests. Those labelled compat, and what they run,
# are built by the target compat_tests: they also run on Debian's LibTorch (tests/run).
include(CheckCXXCompilerFlag)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # A precompiled header changes nothing that ccache has to see twice.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_INODECACHE=1
      # A clone in another folder finds what this one has compiled.
      CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
      ${CCACHE_PROGRAM})
endif()

# Several sources of a library or a test program are compiled as one: the headers of LibTorch and gRPC
# cost more than the code does. GCC also instantiates all templates that inline functions in the
# precompiled header of LibTorch use, at the end of every compilation, which takes 5 seconds.
# -DCMAKE_UNITY_BUILD=OFF compiles one by one, for a shorter wait after a change of one file.
option(CMAKE_UNITY_BUILD "Compile the sources of a library in batches" ON)
set(acclimate_library_batch 32)
set(acclimate_test_batch 14)

# Batches of `target` of about the same size, of at most `largest` sources.
function(acclimate_unity target largest)
  get_target_property(sources ${target} SOURCES)
  list(LENGTH sources count)
  math(EXPR batches "(${count} + ${largest} - 1) / ${largest}")
  math(EXPR batch_size "(${count} + ${batches} - 1) / ${batches}")
  set_target_properties(${target} PROPERTIES UNITY_BUILD_BATCH_SIZE ${batch_size})
endfunction()

find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()

# Garbage collection takes up to a sixth of GCC's time on a batch of sources; without it a process
# takes a tenth more memory.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  add_compile_options(--param=ggc-min-expand=1000 --param=ggc-min-heapsize=2500000)
endif()

# For the folder from which it is called and those below it.
macro(acclimate_optimize)
  add_compile_options($<$<CONFIG:Release>:-O2>)
endmacro()

function(acclimate_compile_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Werror)
  if(CMAKE_UNITY_BUILD)
    # GCC means sources that include headers with unnamed namespaces, and takes ours for headers.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR})
endfunction()

# -O1 -g1 is enough for a stack that can be read, and builds faster. Instrumented code makes GCC see
# uninitialised values in LibTorch's headers where there are none; checks of vptr need types that
# LibTorch does not export.
if(ACCLIMATE_SANITIZE)
  add_compile_options(-fsanitize=${ACCLIMATE_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all -fno-sanitize=vptr -O1 -g1
                      -Wno-maybe-uninitialized)
  add_link_options(-fsanitize=${ACCLIMATE_SANITIZE})
endif()

function(acclimate_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  acclimate_compile_options(${name})
  acclimate_unity(${name} ${acclimate_library_batch})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS})
endfunction()

# A file becomes a string of C++ (EmbedFile.cmake): `variable` is set to the source that defines `symbol`
# of `folder`/`name`.h, name.cc in the build's folder.
function(acclimate_embed_file variable name symbol file folder namespace)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${name}.cc)
  set(script ${PROJECT_SOURCE_DIR}/cmake/EmbedFile.cmake)
  add_custom_command(OUTPUT ${source}
    COMMAND ${CMAKE_COMMAND} -DFILE=${CMAKE_CURRENT_SOURCE_DIR}/${file} -DOUTPUT=${source}
            -DHEADER=${name}.h -DSYMBOL=${symbol} -DFOLDER=${folder} -DNAMESPACE=${namespace}
            -P ${script}
    DEPENDS ${file} ${script}
    COMMENT "Embedding ${folder}/${file}")
  set(${variable} ${source} PARENT_SCOPE)
endfunction()

add_custom_target(compat_tests)

# What every test program has; sets `labels` for its properties.
macro(acclimate_test_program name)
  add_executable(${name} ${ARG_SOURCES})
  acclimate_compile_options(${name})
  acclimate_unity(${name} ${acclimate_test_batch})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest)
  set(labels ${ARG_LABELS} ${ACCLIMATE_TEST_LABELS})
  if("compat" IN_LIST labels)
    add_dependencies(compat_tests ${name})
  endif()
endmacro()

# Each test in a process of its own.
macro(acclimate_isolated_tests name)
  # A list would end where the properties are passed on.
  list(JOIN labels "\\;" labels)
  # Generous: the limit is there for a hang, not for a slow machine.
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  gtest_discover_tests(${name}
    DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 120
    PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${labels}")
endmacro()

function(acclimate_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  acclimate_test_program(${name})
  target_link_libraries(${name} PRIVATE GTest::gtest_main)
  acclimate_isolated_tests(${name})
endfunction()
