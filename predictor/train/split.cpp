// SPDX-License-Identifier: Apache-2.0
#include "predictor/train/split.h"

#include <algorithm>
#include <cmath>

#include "base/core/digest.h"
#include "base/core/text.h"
#include "predictor/model/moment.h"

namespace outrider::train {
namespace {

Failure unknown_column(const Dataset& dataset, const std::string& name, const std::string& option) {
  std::string known;
  for (const std::string& column : dataset.table.header)
    known += (known.empty() ? "" : ", ") + column;
  return fail("unknown_column",
              dataset.source + " has no column '" + name + "' (" + option + "); it has " + known);
}

struct Timed {
  Time time;
  std::size_t row;
};

// The rows' times; rows without one are left out.
Result<std::vector<Timed>> read_times(const Dataset& dataset, const std::vector<std::size_t>& rows,
                                      std::size_t column) {
  std::vector<std::string_view> texts;
  std::vector<std::size_t> with_time;
  for (const std::size_t row : rows) {
    const std::string_view text = trim(dataset.table.rows[row].fields[column]);
    if (model::is_missing_text(text)) continue;
    texts.push_back(text);
    with_time.push_back(row);
  }
  if (texts.empty()) return std::vector<Timed>{};
  const auto times = model::parse_moments(texts);
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
  std::vector<std::size_t> rows;
  std::size_t odd_line = 0;
  std::string odd;
  for (std::size_t row = 0; row < dataset.table.rows.size(); ++row) {
    const std::string_view text = trim(dataset.table.rows[row].fields[column]);
    if (model::is_missing_text(text)) continue;
    const auto number = parse_double(text);
    if (classes || (number && std::isfinite(*number))) {
      rows.push_back(row);
    } else if (odd.empty()) {
      odd = text;
      odd_line = dataset.table.rows[row].line;
    }
  }
  const std::size_t dropped = dataset.table.rows.size() - rows.size();
  if (rows.empty()) {
    return fail("bad_target", dataset.source + ": column '" + settings.target + "' holds no " +
                                  (odd.empty() ? "value"
                                               : "number (e.g. '" + odd + "' on line " +
                                                     std::to_string(odd_line) +
                                                     "); --algorithm logistic learns classes"));
  }
  if (dropped > 0) {
    notes.push_back(
        std::to_string(dropped) + " rows without a usable '" + settings.target + "' were left out" +
        (odd.empty() ? "" : " (e.g. '" + odd + "' on line " + std::to_string(odd_line) + ")"));
  }
  return rows;
}

Result<Split> split_by_time(const Dataset& dataset, const Settings& settings,
                            const std::vector<std::size_t>& rows, std::size_t column, Split split) {
  auto timed = read_times(dataset, rows, column);
  if (!timed) return fail(timed);
  if (timed->size() < rows.size()) {
    split.notes.push_back(std::to_string(rows.size() - timed->size()) + " rows without a '" +
                          settings.split_column + "' were left out");
  }
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
      for (const std::string& field : dataset.table.rows[row].fields) key += field + '\x1f';
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
