# SPDX-License-Identifier: MIT
# Tests that run the built programs: Python 3, its standard library only, tests/harness.
# anyvisor_add_process_test(NAME LABEL SECONDS PROCESSORS SCRIPT [ARGUMENT...])
find_package(Python3 REQUIRED COMPONENTS Interpreter)
if(ANYVISOR_SANITIZE)
  set(ANYVISOR_TEST_TIME_FACTOR 4)
else()
  set(ANYVISOR_TEST_TIME_FACTOR 1)
endif()

function(anyvisor_add_process_test name label seconds processors script)
  add_test(NAME ${name} COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_CURRENT_SOURCE_DIR}/${script} ${ARGN})
  math(EXPR limit "${seconds} * ${ANYVISOR_TEST_TIME_FACTOR}")
  set_tests_properties(${name} PROPERTIES
    LABELS ${label} TIMEOUT ${limit} PROCESSORS ${processors} SKIP_RETURN_CODE 77
    ENVIRONMENT "ANYVISOR_CLI=${ANYVISOR_STAGE}/bin/anyvisor;ANYVISOR_TINY_GUEST=${PROJECT_BINARY_DIR}/guests/tiny.elf;ANYVISOR_DISK_GUEST=${PROJECT_BINARY_DIR}/guests/disk.img;ANYVISOR_TEST_TIME_FACTOR=${ANYVISOR_TEST_TIME_FACTOR}")
endfunction()

# anyvisor_add_debian_test(NAME SECONDS PROCESSORS SCRIPT [ARGUMENT...]): one that needs a real Debian guest. Label debian.
# The fixture debian-image (tests/debian-images) builds debian:bookworm once into the cache that all of them share, so that
# `launch debian:bookworm` in a fresh home folder takes a second.
set(ANYVISOR_DEBIAN_CACHE ${PROJECT_BINARY_DIR}/debian-cache CACHE PATH "Where tests keep the Debian image")
function(anyvisor_add_debian_test name seconds processors script)
  anyvisor_add_process_test(${name} debian ${seconds} ${processors} ${script} ${ARGN})
  set_tests_properties(${name} PROPERTIES FIXTURES_REQUIRED debian-image)
  set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT ANYVISOR_DEBIAN_CACHE=${ANYVISOR_DEBIAN_CACHE})
endfunction()
