# SPDX-License-Identifier: MIT
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
# 1.81: 1.74's library_info sees nothing in a stripped plugin.
find_package(Boost 1.81 REQUIRED COMPONENTS filesystem program_options)
find_package(spdlog REQUIRED)
find_package(RapidJSON REQUIRED)
find_package(tl-expected REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(LibArchive REQUIRED)
find_package(yaml-cpp REQUIRED)
pkg_check_modules(libguestfs REQUIRED IMPORTED_TARGET libguestfs)
if(ANYVISOR_TESTS)
  find_package(GTest REQUIRED)
endif()
if(ANYVISOR_BENCH)
  find_package(benchmark REQUIRED)
endif()

# RapidJSON, set up the same way everywhere: std::string, full-precision numbers, no exceptions from assertions.
add_library(anyvisor-rapidjson INTERFACE)
target_include_directories(anyvisor-rapidjson SYSTEM INTERFACE ${RAPIDJSON_INCLUDE_DIRS})
target_compile_definitions(anyvisor-rapidjson INTERFACE RAPIDJSON_HAS_STDSTRING=1)
