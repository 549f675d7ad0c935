# SPDX-License-Identifier: Apache-2.0
# How every target of the project is built: one flags target, one function a kind of target.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(OUTRIDER_CCACHE ccache)
if(OUTRIDER_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Paths are cached as they stand from the checkout's root, so that another clone of it hits.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${OUTRIDER_CCACHE})
endif()

add_library(outrider_flags INTERFACE)
add_library(outrider::flags ALIAS outrider_flags)
target_include_directories(outrider_flags INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
target_compile_options(outrider_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
  # GCC 12 warns of overlaps that std::string operator+ cannot have (GCC bug 105651).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
if(OUTRIDER_WERROR)
  target_compile_options(outrider_flags INTERFACE -Werror)
endif()
if(OUTRIDER_SANITIZE)
  target_compile_options(outrider_flags INTERFACE -fsanitize=${OUTRIDER_SANITIZE}
                         -fno-omit-frame-pointer -fno-sanitize-recover=all
                         # GCC 12 under sanitizers takes Catch's std::regex for uninitialised (GCC bug 105562).
                         $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(outrider_flags INTERFACE -fsanitize=${OUTRIDER_SANITIZE})
endif()
if(OUTRIDER_FUZZ)
  # Coverage instrumentation for the code under test; the fuzz targets themselves link the driver.
  target_compile_options(outrider_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# outrider_library(NAME SOURCES ... [DEPENDS ...])
# One library a folder: target outrider_NAME, alias outrider::NAME. DEPENDS are public.
function(outrider_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  if(arg_SOURCES)
    add_library(outrider_${name} STATIC ${arg_SOURCES})
    target_link_libraries(outrider_${name} PUBLIC outrider::flags ${arg_DEPENDS} PRIVATE ${arg_PRIVATE_DEPENDS})
  else()
    add_library(outrider_${name} INTERFACE)
    target_link_libraries(outrider_${name} INTERFACE outrider::flags ${arg_DEPENDS})
  endif()
  add_library(outrider::${name} ALIAS outrider_${name})
endfunction()

# outrider_program(NAME SOURCES ... DEPENDS ...): an executable named outrider-NAME in <build>/bin. It loads only the shared
# libraries that it calls, not all that its rooms could.
function(outrider_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(outrider-${name} ${arg_SOURCES})
  target_link_libraries(outrider-${name} PRIVATE outrider::flags ${arg_DEPENDS})
  if(NOT OUTRIDER_SANITIZE)
    # Under a sanitizer the linker would take its wrapper of a function (crypt_r) for the function's library.
    target_link_options(outrider-${name} PRIVATE LINKER:--as-needed)
  endif()
  set_target_properties(outrider-${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${OUTRIDER_PROGRAM_DIR})
endfunction()

# Programs of the release preset land in build/bin, where scripts and people look for them.
set(OUTRIDER_PROGRAM_DIR ${PROJECT_BINARY_DIR}/bin CACHE PATH "Where the programs are put")

# outrider_test(NAME [SIMULATES] SOURCES ... DEPENDS ...): Catch2 cases, each one a CTest case "NAME: sentence".
# SIMULATES: most of their time goes to streams that the cases make themselves.
function(outrider_test name)
  cmake_parse_arguments(arg "SIMULATES" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(test_${name} ${arg_SOURCES})
  target_link_libraries(test_${name} PRIVATE outrider::test_main ${arg_DEPENDS})
  if(OUTRIDER_SANITIZE AND NOT arg_SIMULATES)
    # What is tested stays optimised, and streams of random rows; checks alone compile in half the time without.
    target_compile_options(test_${name} PRIVATE -O0)
  endif()
  # A name that Catch does not find again (CMake cuts one at a semicolon) would pass without a check.
  catch_discover_tests(test_${name} TEST_PREFIX "${name}. " DISCOVERY_MODE PRE_TEST
                       PROPERTIES FAIL_REGULAR_EXPRESSION "No tests ran|No test cases matched")
endfunction()

# outrider_bench(NAME SOURCES ... DEPENDS ...): a program bench_NAME that scripts/bench runs.
function(outrider_bench name)
  if(NOT OUTRIDER_BENCH)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(bench_${name} ${arg_SOURCES})
  target_link_libraries(bench_${name} PRIVATE outrider::flags ${arg_DEPENDS})
  set_target_properties(bench_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${OUTRIDER_PROGRAM_DIR})
endfunction()

# outrider_fuzz(NAME SOURCES ... DEPENDS ...): fuzz_NAME. With OUTRIDER_FUZZ it is a libFuzzer program;
# otherwise it is linked with a main that replays the corpus test/fuzz/corpus/NAME, as a CTest case.
function(outrider_fuzz name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(fuzz_${name} ${arg_SOURCES})
  target_link_libraries(fuzz_${name} PRIVATE outrider::flags ${arg_DEPENDS})
  if(OUTRIDER_FUZZ)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR}/test/fuzz/replay_main.cpp)
    add_test(NAME "fuzz: the corpus of ${name} is replayed without a fault"
             COMMAND fuzz_${name} ${PROJECT_SOURCE_DIR}/test/fuzz/corpus/${name})
  endif()
endfunction()

# version_generated.h: the version, and the commit that was built: -DOUTRIDER_REVISION where it is given (images are
# built without .git), else of the checkout, else of the archive that `git archive` made, else "unknown".
set(OUTRIDER_REVISION "" CACHE STRING "The commit that is built; empty: found out")
set(outrider_revision "${OUTRIDER_REVISION}")
if(NOT outrider_revision AND EXISTS ${PROJECT_SOURCE_DIR}/.git)
  execute_process(COMMAND git -C ${PROJECT_SOURCE_DIR} rev-parse --short=12 HEAD
                  OUTPUT_VARIABLE outrider_revision OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  # A release says the commit that it was built from, not the one at which CMake first ran. (Contributors' builds do
  # not link every test again after each commit for it.)
  execute_process(COMMAND git -C ${PROJECT_SOURCE_DIR} rev-parse --path-format=absolute --git-path logs/HEAD
                  OUTPUT_VARIABLE outrider_head_log OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(CMAKE_BUILD_TYPE STREQUAL "Release" AND EXISTS "${outrider_head_log}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${outrider_head_log}")
  endif()
endif()
if(NOT outrider_revision)
  file(STRINGS ${PROJECT_SOURCE_DIR}/cmake/archived-revision.txt archived REGEX "^[0-9a-f]+$")
  string(SUBSTRING "${archived}" 0 12 outrider_revision)
endif()
if(NOT outrider_revision)
  set(outrider_revision unknown)
endif()
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/version_generated.h CONTENT
"#pragma once
#define OUTRIDER_VERSION \"@PROJECT_VERSION@\"
#define OUTRIDER_REVISION \"@outrider_revision@\"
" @ONLY)

# outrider_embed(HEADER NAMESPACE FILE ...): <build>/generated/HEADER, where each file is a std::string_view that is named
# as the file ("page.css" is page_css), so that HTML, CSS and JavaScript are files of their own kind.
function(outrider_embed header namespace)
  set(text "#pragma once\n#include <string_view>\nnamespace ${namespace} {\n")
  foreach(file ${ARGN})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    file(READ ${file} content)
    get_filename_component(name ${file} NAME)
    string(MAKE_C_IDENTIFIER ${name} identifier)
    string(APPEND text "inline constexpr std::string_view ${identifier} = R\"asset(${content})asset\";\n")
  endforeach()
  string(APPEND text "}  // namespace ${namespace}\n")
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/${header} CONTENT "@text@" @ONLY)
endfunction()
