// SPDX-License-Identifier: Apache-2.0
#pragma once

// Rows to batches to answers: the import without its file, its network and its clock. PURE, but for
// the LabelSink that it is given.
//
//   LabelImport import(batching, progress, sink);
//   rows.feed(piece)  -> import.take(row) for each
//   import.finish()                                    // The last batch.
//
// One batch is under way at a time, in the order of the rows, so that what is done is a beginning
// of the input.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "cli/labels/import_progress.h"
#include "cli/labels/label_rows.h"

namespace outrider::cli {

// What the API made of one label.
struct LabelVerdict {
  std::string result;
  std::string message;
};

struct BatchAnswer {
  std::vector<LabelVerdict> verdicts;  // One a label, in order.
  bool sent_again = false;             // An earlier attempt may have been joined.
};

// The body of an answer of the API. Errors: "bad_answer".
Result<std::vector<LabelVerdict>> read_verdicts(std::string_view body);

class LabelSink {
 public:
  virtual ~LabelSink() = default;
  // NDJSON, so many labels. Tries until it is answered or gives up. The error "too_large": fewer,
  // please.
  virtual Result<BatchAnswer> send(const std::string& body, std::size_t labels) = 0;
  // After each batch: what is done now. An error ends the import.
  virtual Result<void> keep(const ImportProgress& progress) = 0;
};

struct Batching {
  std::size_t labels = 5'000;
  std::size_t bytes = 2 << 20;
};

class LabelImport {
 public:
  // `done`: where a stopped import was, or the beginning.
  LabelImport(Batching batching, ImportProgress done, LabelSink& sink);

  // After the first error nothing more is taken. "other_input": the rows that were done before are
  // not these.
  void take(const LabelRow& row);
  Result<void> finish();
  const std::optional<Error>& failed() const { return failed_; }
  const ImportProgress& progress() const { return progress_; }

 private:
  struct Waiting {
    std::uint64_t line = 0;
    std::string id;
    std::string object;
  };
  bool skip(const LabelRow& row);
  void send_waiting();
  Result<void> send(std::size_t begin, std::size_t end);
  void count(const Waiting& label, LabelVerdict verdict, bool sent_again);
  void refuse(const Error& error) {
    if (!failed_) failed_ = error;
  }

  Batching batching_;
  ImportProgress progress_;
  LabelSink& sink_;
  std::optional<Error> failed_;
  RowHash hash_;
  std::uint64_t to_skip_ = 0, expected_hash_ = 0;
  std::uint64_t may_be_sent_ = 0;  // Of the labels to come, sent by the run that was stopped.
  std::vector<Waiting> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::uint64_t rows_ = 0, last_line_ = 0;  // Taken, with those that wait.
};

}  // namespace outrider::cli
