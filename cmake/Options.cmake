# SPDX-License-Identifier: MIT
option(ANYVISOR_TESTS "Build the tests" ON)
option(ANYVISOR_BENCH "Build the benchmarks" ON)
option(ANYVISOR_FAULT_POINTS "Durable steps can be armed by environment (tests only)" ${ANYVISOR_TESTS})
set(ANYVISOR_SANITIZE "" CACHE STRING "Value of -fsanitize=, for instance address,undefined or thread")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# One tree to run from, laid out as it is installed: programs find each other by relative paths in both.
set(ANYVISOR_STAGE ${PROJECT_BINARY_DIR}/stage)
set(CMAKE_INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR};$ORIGIN/../../${CMAKE_INSTALL_LIBDIR}")
# Room for another path at installation is an empty one until then, which the dynamic linker takes for the working directory.
set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)

# Every target of ours links this: warnings are errors, sanitizers where asked for.
add_library(anyvisor-flags INTERFACE)
target_compile_options(anyvisor-flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC bug 105651: "text" + std::to_string(n) is taken for an overlapping copy.
  target_compile_options(anyvisor-flags INTERFACE -Wno-restrict)
endif()
target_compile_definitions(anyvisor-flags INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64)
if(ANYVISOR_FAULT_POINTS)
  target_compile_definitions(anyvisor-flags INTERFACE ANYVISOR_FAULT_POINTS=1)
endif()
if(ANYVISOR_SANITIZE)
  target_compile_options(anyvisor-flags INTERFACE -fsanitize=${ANYVISOR_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(anyvisor-flags INTERFACE -fsanitize=${ANYVISOR_SANITIZE})
endif()
