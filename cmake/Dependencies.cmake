# SPDX-License-Identifier: Apache-2.0
# Everything comes from Debian's packages, of 12 or 13; scripts/install names them. Versions: docs/architecture.md.

find_package(Threads REQUIRED)
if(POLICY CMP0167)
  cmake_policy(SET CMP0167 NEW)  # Boost's own package rather than CMake's module, which newer ones lack.
endif()
find_package(Boost 1.81 REQUIRED COMPONENTS program_options)
find_package(tl-expected REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(yaml-cpp 0.7 REQUIRED)
find_package(spdlog 1.10 REQUIRED)
find_package(civetweb REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(CURL REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(zstd REQUIRED)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
find_package(simdjson REQUIRED)
find_package(RocksDB REQUIRED)  # 7.8 and 9.10 are tried; its package takes a major number for an incompatibility.
if(RocksDB_VERSION VERSION_LESS 7.8)
  message(FATAL_ERROR "RocksDB ${RocksDB_VERSION} is too old: 7.8 or newer is needed")
endif()
find_package(SQLite3 REQUIRED)
find_package(Protobuf 3.21 REQUIRED)
find_package(Snappy REQUIRED)
# They have no CMake package of their own in Debian.
find_package(PkgConfig REQUIRED)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(RDKAFKA REQUIRED IMPORTED_TARGET rdkafka>=2.0)
# Headers only.
find_path(PROTOZERO_INCLUDE_DIR protozero/pbf_reader.hpp REQUIRED)
find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
