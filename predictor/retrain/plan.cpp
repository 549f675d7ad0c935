// SPDX-License-Identifier: Apache-2.0
#include "predictor/retrain/plan.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/core/digest.h"
#include "base/core/text.h"
#include "detectors/timestamp.h"
#include "detectors/value_reader.h"

namespace outrider::retrain {
namespace {

using train::Dataset;
using train::Settings;

constexpr const char* time_column = "timestamp";

struct PooledRow {
  Time time;
  bool live;
  std::vector<std::string> fields;  // In the order of Pool::columns.
};

struct Pool {
  std::vector<std::string> columns;  // Features, segment and group columns, target.
  std::vector<PooledRow> rows;
  std::set<std::string> ids;  // Of live rows: two sources may hold the same one.
  std::vector<std::string> notes;
};

// A source's column by name. Live data calls the target `label`, and a feature whose name is one of
// its own columns `feature_NAME`.
std::size_t column_in(const wire::CsvTable& table, const std::string& name,
                      const std::string& target) {
  const std::size_t none = table.header.size();
  if (const std::size_t prefixed = table.column("feature_" + name); prefixed != none)
    return prefixed;
  if (const std::size_t column = table.column(name); column != none) return column;
  return name == target ? table.column("label") : none;
}

// The time of each row; 1970 for an original without a time column: older than anything live.
Result<std::vector<std::optional<Time>>> times_of(const Dataset& source, const Settings& settings,
                                                  bool live) {
  const wire::CsvTable& table = source.table;
  std::size_t column = table.column(time_column);
  if (column == table.header.size() && settings.split_by_time)
    column = table.column(settings.split_column);
  std::vector<std::optional<Time>> times(table.rows.size());
  if (column == table.header.size()) {
    if (live) {
      return fail("unknown_column",
                  source.source + " has no column '" + time_column + "' with the rows' time");
    }
    std::fill(times.begin(), times.end(), Time{});
    return times;
  }
  std::vector<std::string_view> texts;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const std::string_view text = trim(table.rows[i].fields[column]);
    if (detectors::says_missing(text)) continue;
    texts.push_back(text);
    places.push_back(i);
  }
  if (texts.empty()) return times;
  const auto parsed = detectors::parse_timestamps(texts);
  if (!parsed && !live) {  // Older than anything live is all that is asked of them.
    std::fill(times.begin(), times.end(), Time{});
    return times;
  }
  if (!parsed) {
    return fail(parsed.error().code, source.source + ", column '" + table.header[column] +
                                         "': " + parsed.error().message);
  }
  for (std::size_t i = 0; i < places.size(); ++i) times[places[i]] = (*parsed)[i];
  return times;
}

bool is_usable_truth(std::string_view text, const model::Model& production) {
  const detectors::Value truth = detectors::read_value(text);
  if (truth.kind == detectors::Value::Kind::missing) return false;
  const auto number = detectors::as_number(truth);
  return production.is_classifier() || (number && std::isfinite(*number));
}

Result<void> add_source(Pool& pool, const Dataset& source, const PlanInputs& in, bool live) {
  const wire::CsvTable& table = source.table;
  const auto times = times_of(source, in.settings, live);
  if (!times) return fail(times);
  std::vector<std::size_t> places;
  for (const std::string& name : pool.columns) {
    places.push_back(column_in(table, name, in.settings.target));
    const bool needed = name == in.settings.target || in.production.encoding.find(name) <
                                                          in.production.encoding.features().size();
    if (needed && places.back() == table.header.size()) {
      return fail("unknown_column", source.source + " has no column '" + name + "', which model " +
                                        in.production.name + " needs");
    }
  }
  const std::size_t id = live ? table.column("id") : table.header.size();
  std::size_t unusable = 0;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const std::vector<std::string>& fields = table.rows[i].fields;
    if (!(*times)[i] || !is_usable_truth(fields[places.back()], in.production)) {
      ++unusable;
      continue;
    }
    if (id < fields.size() && !fields[id].empty() && !pool.ids.insert(fields[id]).second) continue;
    PooledRow row{*(*times)[i], live, {}};
    for (const std::size_t place : places)
      row.fields.push_back(place < fields.size() ? fields[place] : "");
    pool.rows.push_back(std::move(row));
  }
  if (unusable > 0) {
    pool.notes.push_back(std::to_string(unusable) + " rows of " + source.source +
                         " without a usable truth or time were left out");
  }
  return {};
}

std::vector<std::string> pooled_columns(const PlanInputs& in) {
  std::vector<std::string> columns;
  const auto add = [&](const std::string& name) {
    const bool known = std::find(columns.begin(), columns.end(), name) != columns.end();
    if (!name.empty() && name != in.settings.target && !known) columns.push_back(name);
  };
  for (const model::Feature& feature : in.production.encoding.features()) add(feature.name);
  for (const std::string& name : in.settings.segments) add(name);
  add(in.settings.group);
  columns.push_back(in.settings.target);
  return columns;
}

// The next training keeps the model's shape: the same features of the same kinds.
Settings settings_for(const PlanInputs& in) {
  Settings settings = in.settings;
  settings.features.clear();
  settings.exclude.clear();
  settings.categorical.clear();
  for (const model::Feature& feature : in.production.encoding.features()) {
    settings.features.push_back(feature.name);
    if (feature.kind == model::Kind::categorical) settings.categorical.push_back(feature.name);
  }
  settings.split_by_time = true;
  settings.split_column = time_column;
  settings.since = in.since;
  return settings;
}

Dataset to_dataset(const Pool& pool, const std::string& source) {
  Dataset dataset{source, "", {}};
  dataset.table.header = pool.columns;
  dataset.table.header.emplace_back(time_column);
  std::string bytes;
  for (const PooledRow& row : pool.rows) {
    wire::CsvRow csv{dataset.table.rows.size() + 2, row.fields};
    csv.fields.push_back(format_rfc3339(row.time));
    for (const std::string& field : csv.fields) bytes += field + '\x1f';
    dataset.table.rows.push_back(std::move(csv));
  }
  dataset.sha256 = sha256_hex(bytes);
  return dataset;
}

std::string describe(const PlanInputs& in) {
  std::string sources;
  const auto add = [&](const Dataset& dataset) {
    sources += (sources.empty() ? "" : " + ") + dataset.source;
  };
  if (in.original) add(*in.original);
  for (const Dataset* live : in.live) add(*live);
  return sources;
}

struct Choice {
  std::size_t first;  // Training rows begin here, in time order.
  std::size_t held_out;
  bool recalibrate;
  std::string strategy;
};

// Rows are in time order; `changed` is the first live row since the change.
Choice choose(const PlanInputs& in, const PlanRules& rules, const Pool& pool, std::size_t changed,
              std::size_t live_rows) {
  const std::size_t total = pool.rows.size();
  const auto held_out_of = [&](std::size_t rows) {
    const auto share =
        static_cast<std::size_t>(std::lround(static_cast<double>(rows) * rules.holdout));
    return std::max(share, train::held_out_rows_min);
  };
  if (in.since) {
    const std::size_t recent = total - changed;
    const std::size_t held_out = held_out_of(recent);
    const std::size_t training = recent > held_out ? recent - held_out : 0;
    const std::size_t anew =
        std::max(rules.rows_min, rules.rows_per_column_min * in.production.encoding.columns());
    const std::string since = "since the change at " + format_rfc3339(*in.since);
    if (training >= anew)
      return {changed, held_out, false, std::to_string(training) + " rows " + since};
    if (training >= rules.recalibrate_rows_min) {
      return {changed, held_out, true,
              "recalibrated on " + std::to_string(training) + " rows " + since + " (" +
                  std::to_string(anew) + " are needed to learn anew)"};
    }
  }
  const std::size_t held_out = held_out_of(live_rows > 0 ? live_rows : total);
  return {0, std::min(held_out, total), false,
          std::string("pooled: original and live rows") +
              (in.since ? ", too few since the change at " + format_rfc3339(*in.since) : "")};
}

}  // namespace

Result<Plan> make_plan(const PlanInputs& in, const PlanRules& rules) {
  Pool pool{pooled_columns(in), {}, {}, {}};
  if (in.original) {
    if (auto added = add_source(pool, *in.original, in, false); !added) return fail(added);
  }
  for (const Dataset* live : in.live) {
    if (auto added = add_source(pool, *live, in, true); !added) return fail(added);
  }
  std::stable_sort(pool.rows.begin(), pool.rows.end(), [](const PooledRow& a, const PooledRow& b) {
    return std::pair(a.live, a.time) < std::pair(b.live, b.time);
  });
  std::size_t live_rows = 0, changed = pool.rows.size();
  for (std::size_t i = pool.rows.size(); i-- > 0 && pool.rows[i].live;) {
    ++live_rows;
    if (in.since && pool.rows[i].time >= *in.since) changed = i;
  }
  const Choice choice = choose(in, rules, pool, changed, live_rows);
  Plan plan{
      to_dataset(pool, describe(in)), {}, settings_for(in), choice.recalibrate, choice.strategy};
  plan.split.notes = pool.notes;
  for (std::size_t i = choice.first; i < pool.rows.size(); ++i) {
    (i + choice.held_out < pool.rows.size() ? plan.split.training : plan.split.held_out)
        .push_back(i);
  }
  if (plan.split.training.size() < rules.recalibrate_rows_min) {
    return fail(
        "too_few_rows",
        std::to_string(pool.rows.size()) + " usable rows, " + std::to_string(live_rows) +
            " of them live; at least " +
            std::to_string(rules.recalibrate_rows_min + train::held_out_rows_min) +
            " are needed: wait for more labels, or name more data (--retrain.data, --retrain.url)");
  }
  return plan;
}

}  // namespace outrider::retrain
