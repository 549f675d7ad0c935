// SPDX-License-Identifier: Apache-2.0
#include "predictor/train/split.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/core/digest.h"
#include "base/core/in_quotes.h"
#include "base/core/text.h"
#include "detectors/timestamp.h"
#include "detectors/value_reader.h"

namespace outrider::train {
namespace {

Failure unknown_column(const Dataset& dataset, const std::string& name, const std::string& option) {
  std::string known;
  for (const std::string& column : dataset.table.header)
    known += (known.empty() ? "" : ", ") + column;
  return fail("unknown_column",
              dataset.source + " has no column '" + name + "' (" + option + "); it has " + known);
}

// Rows that cannot be learnt from: how many, and the first few with the reason.
class LeftOut {
 public:
  explicit LeftOut(const Dataset& dataset) : dataset_(dataset) {}

  void add(std::size_t row, const std::string& why) {
    if (rows_++ < shown_max) {
      shown_ += (shown_.empty() ? "line " : ", line ") +
                std::to_string(dataset_.table.rows[row].line) + ": " + why;
    }
  }
  std::size_t rows() const { return rows_; }
  std::string shown() const { return shown_ + (rows_ > shown_max ? ", …" : ""); }

  // A note; or an error where they are too many to go on in silence.
  Result<void> tell(const std::string& what, const Settings& settings,
                    std::vector<std::string>& notes) const {
    if (rows_ == 0) return {};
    const std::string said = std::to_string(rows_) + " rows without a usable '" + what + "'";
    const auto all = static_cast<double>(dataset_.table.rows.size());
    const double share = static_cast<double>(rows_) / all;
    if (share <= settings.rows_drop_max) {
      notes.push_back(said + " were left out (" + shown() + ")");
      return {};
    }
    char percent[128];
    std::snprintf(percent, sizeof percent,
                  " are %.1f%% of all, more than the %g%% of --rows.drop-max", 100 * share,
                  100 * settings.rows_drop_max);
    return fail("too_many_dropped", dataset_.source + ": " + said + percent + " (" + shown() +
                                        "): mend them, or allow more");
  }

 private:
  static constexpr std::size_t shown_max = 5;
  const Dataset& dataset_;
  std::size_t rows_ = 0;
  std::string shown_;
};

struct Timed {
  Time time;
  std::size_t row;
};

// The rows' times; rows without one are left out.
Result<std::vector<Timed>> read_times(const Dataset& dataset, const std::vector<std::size_t>& rows,
                                      std::size_t column, LeftOut& left_out) {
  std::vector<std::string_view> texts;
  std::vector<std::size_t> with_time;
  for (const std::size_t row : rows) {
    const std::string_view text = trim(dataset.table.rows[row].fields[column]);
    if (detectors::says_missing(text)) {
      left_out.add(row, in_quotes(text) + " is missing");
      continue;
    }
    texts.push_back(text);
    with_time.push_back(row);
  }
  if (texts.empty()) return std::vector<Timed>{};
  const auto times = detectors::parse_timestamps(texts);
  if (!times) {
    return fail(times.error().code, dataset.source + ", column '" + dataset.table.header[column] +
                                        "': " + times.error().message);
  }
  std::vector<Timed> timed;
  for (std::size_t i = 0; i < with_time.size(); ++i) timed.push_back({(*times)[i], with_time[i]});
  std::stable_sort(timed.begin(), timed.end(),
                   [](const Timed& a, const Timed& b) { return a.time < b.time; });
  return timed;
}

// Rows whose target can be learnt from.
Result<std::vector<std::size_t>> usable_rows(const Dataset& dataset, const Settings& settings,
                                             std::vector<std::string>& notes) {
  const std::size_t column = dataset.table.column(settings.target);
  if (column == dataset.table.header.size())
    return unknown_column(dataset, settings.target, "--target");
  const bool classes = settings.algorithm == model::Algorithm::logistic;
  const auto ambiguous = dataset.ambiguous_columns.find(settings.target);
  if (!classes && ambiguous != dataset.ambiguous_columns.end()) {
    return fail("ambiguous_numbers",
                dataset.source + ": column '" + settings.target + "': " + ambiguous->second);
  }
  std::vector<std::size_t> rows;
  LeftOut left_out(dataset);
  std::string odd;
  for (std::size_t row = 0; row < dataset.table.rows.size(); ++row) {
    const detectors::Value value = detectors::read_value(dataset.table.rows[row].fields[column]);
    const auto number = detectors::as_number(value);
    if (value.kind == detectors::Value::Kind::missing) {
      left_out.add(row, in_quotes(trim(dataset.table.rows[row].fields[column])) + " is missing");
    } else if (classes || (number && std::isfinite(*number))) {
      rows.push_back(row);
    } else {
      left_out.add(row, in_quotes(value.text) + " is no number");
      if (odd.empty())
        odd = in_quotes(value.text) + " on line " + std::to_string(dataset.table.rows[row].line);
    }
  }
  if (rows.empty()) {
    return fail("bad_target", dataset.source + ": column '" + settings.target + "' holds no " +
                                  (odd.empty() ? "value"
                                               : "number (e.g. " + odd +
                                                     "); --algorithm logistic learns classes"));
  }
  if (auto told = left_out.tell(settings.target, settings, notes); !told) return fail(told);
  return rows;
}

Result<Split> split_by_time(const Dataset& dataset, const Settings& settings,
                            const std::vector<std::size_t>& rows, std::size_t column, Split split) {
  LeftOut left_out(dataset);
  auto timed = read_times(dataset, rows, column, left_out);
  if (!timed) return fail(timed);
  if (auto told = left_out.tell(settings.split_column, settings, split.notes); !told)
    return fail(told);
  if (settings.since) {
    const std::size_t before = timed->size();
    std::erase_if(*timed, [&](const Timed& t) { return t.time < *settings.since; });
    split.notes.push_back(std::to_string(before - timed->size()) + " rows before " +
                          format_rfc3339(*settings.since) + " were left out");
  }
  const auto held_out =
      static_cast<std::size_t>(std::floor(static_cast<double>(timed->size()) * settings.holdout));
  for (std::size_t i = 0; i < timed->size(); ++i) {
    (i + held_out < timed->size() ? split.training : split.held_out).push_back((*timed)[i].row);
  }
  return split;
}

Split split_by_hash(const Dataset& dataset, const Settings& settings,
                    const std::vector<std::size_t>& rows, std::size_t column, Split split) {
  for (const std::size_t row : rows) {
    std::string key;
    if (column < dataset.table.header.size()) {
      key = dataset.table.rows[row].fields[column];
    } else {
      // An index would make copies of a row differ; it leads the row.
      const auto& fields = dataset.table.rows[row].fields;
      for (std::size_t i = dataset.index_columns.size(); i < fields.size(); ++i)
        key += fields[i] + '\x1f';
    }
    const std::string hash = sha256_hex(key).substr(0, 8);
    const double place = static_cast<double>(std::stoul(hash, nullptr, 16)) / 4294967296.0;
    (place < settings.holdout ? split.held_out : split.training).push_back(row);
  }
  return split;
}

}  // namespace

Result<Split> split_rows(const Dataset& dataset, const Settings& settings) {
  Split split;
  const auto rows = usable_rows(dataset, settings, split.notes);
  if (!rows) return fail(rows);
  const std::size_t column = dataset.table.column(settings.split_column);
  if (!settings.split_column.empty() && column == dataset.table.header.size()) {
    return unknown_column(dataset, settings.split_column, "--split.column");
  }
  if (settings.since && !settings.split_by_time) {
    return fail("bad_split", "--since needs the rows' time: name its column by --split.column");
  }
  auto done = settings.split_by_time ? split_by_time(dataset, settings, *rows, column, split)
                                     : split_by_hash(dataset, settings, *rows, column, split);
  if (!done) return done;
  if (settings.holdout > 0 && done->held_out.size() < held_out_rows_min) {
    done->notes.push_back("too few rows for a hold-out (" + std::to_string(done->held_out.size()) +
                          " of " + std::to_string(done->training.size() + done->held_out.size()) +
                          ", at least " + std::to_string(held_out_rows_min) +
                          " are needed): trained on all rows, metrics are of the training rows");
    done->training.insert(done->training.end(), done->held_out.begin(), done->held_out.end());
    done->held_out.clear();
    if (!settings.split_by_time) std::sort(done->training.begin(), done->training.end());
  }
  if (done->training.empty()) {
    return fail("no_rows", dataset.source + ": no row is left to train on" +
                               (settings.since ? " since " + format_rfc3339(*settings.since) : ""));
  }
  return done;
}

}  // namespace outrider::train
