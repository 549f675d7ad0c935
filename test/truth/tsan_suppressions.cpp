// SPDX-License-Identifier: Apache-2.0
// RocksDB's library is not built with ThreadSanitizer, which therefore does not see its locks and
// takes its inner workings for races. What is ours, and what RocksDB calls of ours, is watched.
#if defined(__SANITIZE_THREAD__)
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:librocksdb.so\nrace:librocksdb.so\n";
}
#endif
