// SPDX-License-Identifier: Apache-2.0
#pragma once

// The rows of a warehouse's table as labels for POST /api/v1/labels. PURE and streaming: CSV with a
// header, or NDJSON, of any size, fed in pieces.
//
//   LabelRows rows({.id = {"order_id"}, .label = "is_fraud", .time = "decided_at"}, [&](const
//   LabelRow& row) { … }); auto ok = rows.feed(piece); …; ok = rows.finish();
//
// An id is the text of its column, or of several joined by '|', as request.id joins its parts
// (sidecar/monitor/decode/rules.h). A label is a number, or a class by its name; what it is to be
// is judged by who takes it. A time is RFC 3339, a day or a time without a zone (UTC), or seconds
// or milliseconds since 1970; PostgreSQL's "+00" is a zone. A day whose month may be meant
// otherwise (1/2/2026) is refused: nothing is guessed row by row.
//
// Bounds: a row of 1 MiB a field (CSV) or 16 MiB (NDJSON); O(columns) memory.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "reference/table.h"

namespace outrider::cli {

struct LabelColumns {
  std::vector<std::string> id;
  std::string label;
  std::string time;                          // "" where there is none.
  std::map<std::string, std::string> words;  // What a label's text is to be read as: "t" -> "true".
};

struct LabelRow {
  enum class Kind : std::uint8_t {
    label,       // `text` is one JSON object for the API.
    unlabelled,  // The label's column says that there is none (yet).
    invalid      // `text` says why, and what to write.
  };
  std::uint64_t line = 0;
  Kind kind = Kind::label;
  std::string id;  // As far as it could be read.
  std::string text;
};

class LabelRows {
 public:
  using OnRow = std::function<void(const LabelRow&)>;
  LabelRows(LabelColumns columns, OnRow on_row);
  LabelRows(const LabelRows&) = delete;
  LabelRows& operator=(const LabelRows&) = delete;

  // Errors: "no_column", which names those that there are, and those of reference::TableReader but
  // for single bad rows, which come as invalid ones. The first error stays.
  Result<void> feed(std::string_view bytes);
  Result<void> finish();

 private:
  using Row = std::span<const detectors::Value>;
  void take(std::uint64_t line, Row row);
  bool find_columns();
  Result<std::string> id_of(Row row) const;
  Result<std::string> object_of(const std::string& id, Row row) const;
  Result<void> outcome(Result<void> read) const;

  LabelColumns columns_;
  OnRow on_row_;
  reference::TableReader table_;
  bool found_ = false;
  std::optional<Error> failed_;
  std::vector<std::size_t> id_places_;
  std::size_t label_place_ = 0;
  std::optional<std::size_t> time_place_;
};

// "2026-01-31T12:00:00Z", "2026-01-31 12:00:00.123+00", "2026-01-31", "1767225600"; nothing for
// what is none of these, or could be another moment as well.
std::optional<Time> read_label_time(std::string_view text);

}  // namespace outrider::cli
