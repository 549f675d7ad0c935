// SPDX-License-Identifier: Apache-2.0
#pragma once

// A detector's state as bytes, and back, so that a restart goes on where the last process stopped.
// PURE, not thread-safe.
//
// Layout, little-endian whatever the machine: kind (4 bytes), version (u16), fields, FNV-1a 64 of
// all that precedes. A cut, corrupt or foreign snapshot is refused with a reason, and the caller
// starts afresh; nothing of a refused snapshot is used.
//
//   SnapshotWriter out("EDET", 1);
//   out.f64(rate);
//   std::string bytes = out.finish();
//
//   auto in = SnapshotReader::open(bytes, "EDET", 1);
//   if (!in) return fail(in);
//   const double rate = in->f64();           // 0 once the bytes have run out
//   if (auto whole = in->finish(); !whole) return fail(whole);
//
// The checksum finds accidents, not forgery: a state file is as trusted as the folder it lies in.
// Even so readers check every field's range, because a wrong build may have written it.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace outrider::detectors {

class SnapshotWriter {
 public:
  SnapshotWriter(std::string_view kind, std::uint16_t version);  // `kind` has four bytes.

  void u64(std::uint64_t value);
  void i64(std::int64_t value) { u64(static_cast<std::uint64_t>(value)); }
  void f64(double value);
  void boolean(bool value) { bytes_ += value ? '\1' : '\0'; }
  void text(std::string_view value);

  std::string finish();  // The bytes with their checksum; the writer is spent.

 private:
  std::string bytes_;
};

class SnapshotReader {
 public:
  // Errors: "snapshot_cut", "snapshot_foreign" (another kind or version), "snapshot_corrupt".
  // The reader views `bytes`, which must outlive it.
  static Result<SnapshotReader> open(std::string_view bytes, std::string_view kind,
                                     std::uint16_t version);

  std::uint64_t u64();
  // How often something happened. Above 2^53 it is nonsense (no double would hold it, sums would
  // overflow), and finish() refuses the snapshot.
  std::uint64_t count();
  std::int64_t i64() { return static_cast<std::int64_t>(u64()); }
  double f64();
  bool boolean();
  std::string_view text();

  // Success when every byte was read, none was missing and every count was one: "snapshot_corrupt"
  // otherwise.
  Result<void> finish() const;

 private:
  explicit SnapshotReader(std::string_view fields) : rest_(fields) {}
  std::string_view take(std::size_t count);

  std::string_view rest_;
  bool ran_out_ = false;
  bool nonsense_ = false;
};

}  // namespace outrider::detectors
