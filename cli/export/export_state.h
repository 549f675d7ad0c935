// SPDX-License-Identifier: Apache-2.0
#pragma once

// How far an export has come: what its state file keeps, so that a stopped one goes on where it
// was. PURE.
//
// The state is written after the bytes that it speaks of are on disk. A call that goes on cuts the
// output back to these bytes and asks from the cursor on: nothing is written twice, nothing left
// out.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace outrider::cli {

// What one export is: the state of another one is not gone on with.
struct ExportSubject {
  std::string url, from, to, model, workload, name_space, cluster, format, output;
  std::vector<std::string> features;
  bool labelled = false;
};

struct ExportProgress {
  std::string cursor;  // "": at the beginning.
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;  // Of the output, up to the cursor.
  bool operator==(const ExportProgress&) const = default;
};

std::string encode_state(const ExportSubject& subject, const ExportProgress& progress);
// Errors: "bad_state" (no state of ours), "other_export" (of other rows, another address or
// another output), with what differs.
Result<ExportProgress> decode_state(std::string_view text, const ExportSubject& subject);

}  // namespace outrider::cli
