// SPDX-License-Identifier: Apache-2.0
#pragma once

// How far an import has come and what became of its rows: what the state file keeps, so that a
// stopped import goes on where it was. PURE.
//
// A row is done when its batch was answered. The rows that are done are known by a hash of all of
// them: an import goes on only with the input that it began with. What was under way when it
// stopped may have been joined already; it is sent again, and what comes back as `duplicate` of it
// is told apart (resent).

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "cli/labels/label_rows.h"

namespace outrider::cli {

// FNV-1a over what was read of each row, in order: tells inputs apart, is no seal.
class RowHash {
 public:
  void add(const LabelRow& row);
  std::uint64_t value() const { return value_; }

 private:
  void add(std::string_view bytes);
  std::uint64_t value_ = 14695981039346656037ull;
};

// What one import is: a state of another one is not gone on with.
struct ImportSubject {
  std::string url;
  std::string from;
  LabelColumns columns;
};

struct Example {
  std::uint64_t line = 0;
  std::string id;
  std::string message;
  bool operator==(const Example&) const = default;
};

inline constexpr std::size_t examples_max = 5;  // Of each result.

struct ImportProgress {
  std::uint64_t rows = 0;  // Done, labels or not.
  std::uint64_t line = 0;  // Of the last of them.
  std::uint64_t hash = 0;
  std::uint64_t under_way = 0;  // Labels behind them that may have been sent.
  // By result: what the API answers, and "resent", "unlabelled", "invalid".
  std::map<std::string, std::uint64_t, std::less<>> counts;
  std::map<std::string, std::vector<Example>, std::less<>> examples;

  void count(std::string_view result) { ++counts[std::string(result)]; }
  void count(std::string_view result, Example example);
  std::uint64_t of(std::string_view result) const;
  bool operator==(const ImportProgress&) const = default;
};

std::string encode_state(const ImportSubject& subject, const ImportProgress& progress);
// Errors: "bad_state" (no state of ours), "other_import" (of another input, address or columns),
// with what differs.
Result<ImportProgress> decode_state(std::string_view text, const ImportSubject& subject);

// What is told at the end, a line a result that has rows, with examples of those that were not
// joined.
std::string report(const ImportProgress& progress);

// 0: every row was decided and none was invalid. 3: some rows were invalid, or no label at all
// found its prediction.
int exit_status(const ImportProgress& progress);

}  // namespace outrider::cli
