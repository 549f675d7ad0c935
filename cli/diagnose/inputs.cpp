// SPDX-License-Identifier: Apache-2.0
#include "cli/diagnose/inputs.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "agent/diagnose/channels.h"
#include "base/core/text.h"
#include "detectors/value_reader.h"

namespace outrider::cli {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t shown_bytes = 40;
constexpr std::size_t beginning_bytes = 4;  // A byte-order mark is told by as many, together.

std::string shown(std::string_view text) {
  return "'" + std::string(text.substr(0, shown_bytes)) + "'";
}

std::string at_line(std::size_t line) {
  return "line " + std::to_string(line) + ": ";
}

Failure limit(std::size_t line, std::size_t most, std::string_view of_what) {
  return fail("diagnose_limit", at_line(line) + "more than " + std::to_string(most) + " " +
                                    std::string(of_what) +
                                    ": give fewer components or a shorter baseline");
}

}  // namespace

std::string component_name(std::string_view text) {
  std::string name(trim(text));
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

Result<void> ColumnsReader::feed(std::string_view bytes) {
  if (beginning_.size() >= beginning_bytes) return feed_on(bytes);
  const std::size_t lacking = std::min(bytes.size(), beginning_bytes - beginning_.size());
  beginning_ += bytes.substr(0, lacking);
  if (beginning_.size() < beginning_bytes) return state_;
  return feed_on(beginning_ + std::string(bytes.substr(lacking)));
}

Result<void> ColumnsReader::feed_on(std::string_view bytes) {
  if (!state_) return state_;
  const auto fed = reader_.feed(bytes, [this](const wire::CsvRow& row) {
    if (state_) state_ = take(row);
  });
  if (state_ && !fed) state_ = fed;
  return state_;
}

Result<void> ColumnsReader::finish() {
  if (beginning_.size() < beginning_bytes) (void)feed_on(beginning_);
  if (!state_) return state_;
  const auto ended = reader_.finish([this](const wire::CsvRow& row) {
    if (state_) state_ = take(row);
  });
  if (state_ && !ended) state_ = ended;
  if (state_ && !has_header_)
    state_ = fail("diagnose_header", "line 1: expected a header line, got an empty file");
  return state_;
}

Result<void> ColumnsReader::take(const wire::CsvRow& row) {
  if (has_header_) {
    if (row.fields.size() != columns_)
      return fail("diagnose_row",
                  at_line(row.line) + wire::ragged_row(row.fields.size(), columns_));
    return take_row(row);
  }
  if (const auto mistake = wire::header_mistake(names_told(row)))
    return fail(mistake->code, at_line(row.line) + mistake->message);
  has_header_ = true;
  columns_ = row.fields.size();
  return take_header(row);
}

Result<std::size_t> ColumnsReader::column(const wire::CsvRow& header, std::string_view name) {
  std::string names;
  for (std::size_t i = 0; i < header.fields.size(); ++i) {
    if (trim(header.fields[i]) == name) return i;
    if (i < 10)
      names += (i ? ", " : "") + std::string(trim(header.fields[i])).substr(0, shown_bytes);
  }
  return fail("diagnose_header", at_line(header.line) + "no column '" + std::string(name) +
                                     "'; the header has " + names);
}

Result<double> ColumnsReader::number(const wire::CsvRow& row, std::size_t field,
                                     std::string_view name) {
  const std::string_view text = trim(row.fields[field]);
  if (const auto quick = parse_plain_decimal(text)) return *quick;
  if (detectors::says_missing(text)) return nan;
  const auto value = parse_double(text);
  if (!value || !std::isfinite(*value)) {
    return fail("diagnose_row", at_line(row.line) + std::string(name) + "=" + shown(text) +
                                    ": expected a finite number, or nothing where it has no value");
  }
  return *value;
}

Result<double> ColumnsReader::unix_seconds(const wire::CsvRow& row, std::size_t field) {
  const auto value = number(row, field, "timestamp");
  if (!value) return fail(value);
  if (!(std::abs(*value) < diagnose_seconds_max)) {
    return fail("diagnose_row", at_line(row.line) + "timestamp=" + shown(trim(row.fields[field])) +
                                    ": expected Unix seconds, such as 1661140279");
  }
  return *value;
}

Result<void> MetricsReader::take_header(const wire::CsvRow& row) {
  const auto time = column(row, "timestamp");
  if (!time) return fail(time);
  time_ = *time;
  for (std::size_t i = 0; i < row.fields.size(); ++i) {
    header_.emplace_back(trim(row.fields[i]));
    if (i != time_ && (diagnose::is_read(header_[i]) || (!also_.empty() && header_[i] == also_)))
      kept_.push_back(i);
  }
  values_.resize(kept_.size());
  return {};
}

Result<void> MetricsReader::take_row(const wire::CsvRow& row) {
  const auto time = unix_seconds(row, time_);
  if (!time) return fail(time);
  const bool future = *time >= end_;
  if (!future) {
    if (values_left_ < kept_.size() + 1)
      return limit(row.line, diagnose_values_max, "values in this folder");
    values_left_ -= kept_.size() + 1;
    times_.push_back(*time);
  }
  // Columns that are not kept must be numbers, too: a slip elsewhere in the row is a slip.
  std::size_t next = 0;
  for (std::size_t i = 0; i < row.fields.size(); ++i) {
    if (i == time_) continue;
    const auto value = number(row, i, header_[i]);
    if (!value) return fail(value);
    if (next < kept_.size() && kept_[next] == i) {
      if (!future) values_[next].push_back(*value);
      ++next;
    }
  }
  return {};
}

diagnose::Rows MetricsReader::rows() && {
  diagnose::Rows out;
  if (std::is_sorted(times_.begin(), times_.end())) {
    for (std::size_t i = 0; i < kept_.size(); ++i)
      out.metrics.emplace(header_[kept_[i]], std::move(values_[i]));
    out.times = std::move(times_);
    return out;
  }
  std::vector<std::size_t> order(times_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [this](std::size_t a, std::size_t b) { return times_[a] < times_[b]; });
  const auto sorted = [&order](const diagnose::Values& values) {
    diagnose::Values to;
    to.reserve(values.size());
    for (const std::size_t i : order) to.push_back(values[i]);
    return to;
  };
  out.times = sorted(times_);
  for (std::size_t i = 0; i < kept_.size(); ++i)
    out.metrics.emplace(header_[kept_[i]], sorted(values_[i]));
  return out;
}

bool MetricsReader::knows(std::string_view metric) const {
  return std::find(header_.begin(), header_.end(), metric) != header_.end();
}

Result<void> EdgesReader::take_header(const wire::CsvRow& row) {
  const auto caller = column(row, "caller"), callee = column(row, "callee");
  if (!caller) return fail(caller);
  if (!callee) return fail(callee);
  caller_ = *caller;
  callee_ = *callee;
  return {};
}

Result<void> EdgesReader::take_row(const wire::CsvRow& row) {
  if (edges.size() >= diagnose_edges_max) return limit(row.line, diagnose_edges_max, "calls");
  for (const auto& [field, name] : {std::pair(caller_, "caller"), std::pair(callee_, "callee")}) {
    if (trim(row.fields[field]).empty())
      return fail("diagnose_row",
                  at_line(row.line) + name + " is empty: expected a component's name");
  }
  edges.emplace_back(component_name(row.fields[caller_]), component_name(row.fields[callee_]));
  return {};
}

Result<void> LogsReader::take_header(const wire::CsvRow& row) {
  for (const auto& [name, place] :
       {std::pair("timestamp", &time_), std::pair("component", &component_),
        std::pair("template_or_level", &site_), std::pair("count", &count_)}) {
    const auto found = column(row, name);
    if (!found) return fail(found);
    *place = *found;
  }
  return {};
}

Result<void> LogsReader::take_row(const wire::CsvRow& row) {
  const auto time = unix_seconds(row, time_);
  if (!time) return fail(time);
  const auto lines = number(row, count_, "count");
  if (!lines) return fail(lines);
  if (!(*lines >= 0))
    return fail("diagnose_row", at_line(row.line) + "count=" + shown(row.fields[count_]) +
                                    ": expected a number of lines, 0 or more");
  const std::string component = component_name(row.fields[component_]);
  if (component.empty())
    return fail("diagnose_row",
                at_line(row.line) + "component is empty: expected a component's name");
  if (*time >= end_) return {};
  if (++rows_ > diagnose_log_rows_max)
    return limit(row.line, diagnose_log_rows_max, "rows of logs");
  const std::string_view site = trim(row.fields[site_]);
  auto known = site_index_.find(site);
  if (known == site_index_.end()) {
    known = site_index_.emplace(std::string(site), static_cast<std::uint32_t>(sites.size())).first;
    sites.emplace_back(site);
  }
  counts[component].push_back({*time, known->second, *lines});
  return {};
}

diagnose::Values LogsReader::times() const {
  diagnose::Values out;
  for (const auto& [component, of_component] : counts) {
    for (const auto& count : of_component) out.push_back(count.time);
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
  }
  return out;
}

Result<void> ChangesReader::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (line_.size() + piece.size() > diagnose_line_bytes_max)
      return fail("diagnose_limit",
                  at_line(number_ + 1) + "longer than " + format_bytes(diagnose_line_bytes_max));
    line_ += piece;
    if (end == std::string_view::npos) return {};
    if (auto taken = take_line(); !taken) return taken;
    bytes.remove_prefix(end + 1);
  }
  return {};
}

Result<void> ChangesReader::finish() {
  return take_line();
}

Result<void> ChangesReader::take_line() {
  ++number_;
  const std::string line(trim(line_));
  line_.clear();
  if (line.empty()) return {};
  const auto wrong = [this](const std::string& what) {
    return fail("diagnose_change", at_line(number_) + what);
  };
  const auto json = wire::parse_json(line);
  if (!json) return wrong(json.error().message);
  if (!json->is_object())
    return wrong("expected an object such as {\"time\": …, \"component\": …, \"kind\": …}");
  ToldChange change;
  for (const char* key : {"component", "time", "kind", "what"}) {
    if (const auto found = json->find(key); found != json->end()) change.told[key] = *found;
  }
  for (const char* key : {"component", "kind", "what"}) {
    const auto found = change.told.find(key);
    if (found != change.told.end() && !found->is_null() && !found->is_string())
      return wrong(std::string(key) + ": expected a text");
  }
  if (!change.told.contains("component") || !change.told["component"].is_string())
    return wrong("no component: say at which component it was, as its metrics file is named");
  change.component = component_name(change.told["component"].get<std::string>());
  const wire::Json time = json->value("time", wire::Json());
  if (time.is_number()) {
    change.time = time.get<double>();
  } else if (const auto parsed =
                 time.is_string() ? parse_rfc3339(time.get<std::string>()) : std::nullopt) {
    change.time = to_seconds(parsed->time_since_epoch());
  } else {
    return wrong("time: expected RFC 3339, such as \"2026-01-31T12:00:00Z\", or Unix seconds");
  }
  if (!(std::abs(change.time) < diagnose_seconds_max)) return wrong("time: expected Unix seconds");
  if (changes.size() >= diagnose_changes_max)
    return limit(number_, diagnose_changes_max, "changes");
  changes.push_back(std::move(change));
  return {};
}

}  // namespace outrider::cli
