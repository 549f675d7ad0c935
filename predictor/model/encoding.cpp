// SPDX-License-Identifier: Apache-2.0
#include "predictor/model/encoding.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/core/in_quotes.h"
#include "base/core/text.h"
#include "detectors/value_reader.h"

namespace outrider::model {
namespace {

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*std::max_element(values.begin(), middle) + *middle) / 2;
}

// What one column of the training rows holds.
struct ColumnCensus {
  std::vector<double> numbers;
  std::vector<double> booleans;  // As 1 and 0.
  std::size_t missing = 0;
  std::size_t odd = 0;  // Neither missing nor a number nor a boolean.
  std::string odd_example;
  std::unordered_map<std::string, std::uint64_t> categories;  // Canonical text -> rows.
};

ColumnCensus take_census(const wire::CsvTable& table, const std::vector<std::size_t>& rows,
                         std::size_t column) {
  ColumnCensus census;
  std::string scratch;
  for (const std::size_t row : rows) {
    const detectors::Value value = detectors::read_value(table.rows[row].fields[column]);
    const auto number = detectors::as_number(value);
    if (value.kind == detectors::Value::Kind::missing) {
      ++census.missing;
      continue;
    }
    if (number && std::isfinite(*number)) {
      const bool boolean = value.kind == detectors::Value::Kind::text;
      (boolean ? census.booleans : census.numbers).push_back(*number);
    } else if (census.odd++ == 0) {
      census.odd_example = value.text;
    }
    ++census.categories[std::string(detectors::canonical_text(value, scratch))];
  }
  if (!census.numbers.empty()) {  // A boolean among numbers is one.
    census.numbers.insert(census.numbers.end(), census.booleans.begin(), census.booleans.end());
    census.booleans.clear();
  }
  detectors::merge_booleans(census.categories);
  return census;
}

Feature numeric_feature(const std::string& name, const ColumnCensus& census,
                        std::vector<std::string>& notes) {
  Feature feature{.name = name, .kind = Kind::numeric, .fill = median(census.numbers)};
  feature.missing_seen = census.missing + census.odd > 0;
  if (census.missing > 0) {
    notes.push_back("column '" + name + "': " + std::to_string(census.missing) +
                    " missing values filled with the median " + format_double(feature.fill));
  }
  if (census.odd > 0) {
    notes.push_back("column '" + name + "': " + std::to_string(census.odd) +
                    " values are no numbers (e.g. '" + census.odd_example +
                    "') and were read as missing; --categorical " + name + " would keep them");
  }
  return feature;
}

Feature categorical_feature(const std::string& name, const ColumnCensus& census,
                            const EncodingRules& rules, std::vector<std::string>& notes) {
  Feature feature{.name = name, .kind = Kind::categorical};
  std::vector<std::pair<std::string, std::size_t>> ranked(census.categories.begin(),
                                                          census.categories.end());
  std::sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  if (ranked.size() > rules.categories_max) {
    notes.push_back("column '" + name + "': " + std::to_string(ranked.size()) +
                    " categories; the " + std::to_string(rules.categories_max) +
                    " most frequent are kept, the others count as unseen");
    ranked.resize(rules.categories_max);
  }
  for (auto& [category, count] : ranked) feature.categories.push_back(std::move(category));
  if (census.missing > 0) {
    feature.missing_seen = true;
    feature.categories.emplace_back();
    notes.push_back("column '" + name + "': " + std::to_string(census.missing) +
                    " missing values are a category of their own");
  }
  std::sort(feature.categories.begin(), feature.categories.end());
  return feature;
}

// A column of text in which hardly a value repeats tells a linear model nothing.
bool looks_like_free_text(const ColumnCensus& census, std::size_t rows,
                          const EncodingRules& rules) {
  return census.odd > 0 && census.categories.size() > rules.categories_max &&
         census.categories.size() * 2 > rows;
}

}  // namespace

namespace {

// The category by another spelling of the same value, for what is none as it is: a boolean; or a
// code and its number, as JSON cannot write 01234, and a frame may have lost the zero.
std::size_t other_spelling(const std::vector<std::string>& categories, std::string_view canonical) {
  const detectors::Value wanted = detectors::read_value(canonical);
  const bool code = detectors::has_leading_zero(canonical);
  const auto is_it = [&](const std::string& category) {
    if (category.size() <= 5 && detectors::same_class(detectors::read_value(category), wanted))
      return true;
    return code != detectors::has_leading_zero(category) &&
           detectors::parse_exact(category) == detectors::as_number(wanted);
  };
  return static_cast<std::size_t>(std::find_if(categories.begin(), categories.end(), is_it) -
                                  categories.begin());
}

bool may_be_spelled_otherwise(std::string_view canonical) {
  return detectors::parse_boolean(canonical) || detectors::parse_exact(canonical);
}

}  // namespace

std::size_t Feature::category(std::string_view canonical) const {
  const auto place = std::lower_bound(categories.begin(), categories.end(), canonical);
  if (place == categories.end() || *place != canonical) {
    return may_be_spelled_otherwise(canonical) ? other_spelling(categories, canonical)
                                               : categories.size();
  }
  return static_cast<std::size_t>(place - categories.begin());
}

std::string canonical_category(std::string_view text) {
  std::string scratch;
  return std::string(detectors::canonical_text(detectors::read_value(text), scratch));
}

Result<Cell> read_cell(const Feature& feature, std::string_view text) {
  const detectors::Value value = detectors::read_value(text);
  if (value.kind == detectors::Value::Kind::missing) return Cell{};
  if (feature.kind == Kind::categorical) return Cell{canonical_category(text)};
  const auto number = detectors::as_number(value);
  if (!number || !std::isfinite(*number)) {
    return fail("bad_value", in_quotes(text, 64) + ": expected a finite number" +
                                 (detectors::is_ambiguous_number(value.text)
                                      ? "; the comma may stand before decimals or between thousands"
                                      : ""));
  }
  return Cell{*number};
}

Encoding::Encoding(std::vector<Feature> features) : features_(std::move(features)) {
  for (const Feature& feature : features_) {
    offsets_.push_back(columns_);
    columns_ += feature.columns();
  }
}

std::vector<std::string> Encoding::column_names() const {
  std::vector<std::string> names;
  for (const Feature& feature : features_) {
    if (feature.kind == Kind::numeric) names.push_back(feature.name);
    for (const std::string& category : feature.categories) {
      names.push_back(feature.name + "=" + (category.empty() ? "(missing)" : category));
    }
  }
  return names;
}

std::size_t Encoding::find(std::string_view name) const {
  return static_cast<std::size_t>(
      std::find_if(features_.begin(), features_.end(),
                   [&](const Feature& feature) { return feature.name == name; }) -
      features_.begin());
}

// Calls on_column(column, value) for each column that is not 0.
template <class Visit>
RowCounts Encoding::visit(std::span<const Cell> cells, const Visit& on_column) const {
  RowCounts counts;
  for (std::size_t i = 0; i < features_.size(); ++i) {
    const Feature& feature = features_[i];
    const Cell& cell = cells[i];
    if (is_missing(cell)) ++counts.filled;
    if (feature.kind == Kind::numeric) {
      const double* number = std::get_if<double>(&cell);
      on_column(offsets_[i], number ? *number : feature.fill);
      continue;
    }
    const std::string* text = std::get_if<std::string>(&cell);
    const std::size_t category = feature.category(text ? std::string_view(*text) : "");
    if (category < feature.categories.size()) {
      on_column(offsets_[i] + category, 1.0);
    } else if (text) {
      ++counts.unseen;
    }
  }
  return counts;
}

RowCounts Encoding::encode(std::span<const Cell> cells, double* design_row) const {
  std::fill(design_row, design_row + columns_, 0.0);
  return visit(cells, [&](std::size_t column, double value) { design_row[column] = value; });
}

double Encoding::dot(std::span<const Cell> cells, const double* coefficients,
                     RowCounts& counts) const {
  double sum = 0;
  counts =
      visit(cells, [&](std::size_t column, double value) { sum += coefficients[column] * value; });
  return sum;
}

Result<Learned> learn_encoding(const wire::CsvTable& table, const std::vector<std::size_t>& rows,
                               const std::vector<std::string>& features,
                               const EncodingRules& rules) {
  std::vector<Feature> learned;
  std::vector<std::string> notes;
  for (const std::string& name : features) {
    const std::size_t column = table.column(name);
    if (column == table.header.size()) {
      return fail("unknown_column", "the table has no column '" + name + "'");
    }
    const ColumnCensus census = take_census(table, rows, column);
    const std::size_t present = census.numbers.size() + census.booleans.size() + census.odd;
    const bool mostly_numbers =
        !census.numbers.empty() &&
        static_cast<double>(census.odd) <= rules.odd_share_max * static_cast<double>(present);
    if (present == 0) {
      notes.push_back("column '" + name + "' has no value in the training rows and was left out");
    } else if (mostly_numbers && rules.categorical.count(name) == 0) {
      learned.push_back(numeric_feature(name, census, notes));
    } else if (rules.categorical.count(name) == 0 &&
               looks_like_free_text(census, rows.size(), rules)) {
      notes.push_back("column '" + name +
                      "' was left out: " + std::to_string(census.categories.size()) +
                      " different texts in " + std::to_string(rows.size()) +
                      " rows; --categorical " + name + " would keep the most frequent");
    } else {
      learned.push_back(categorical_feature(name, census, rules, notes));
    }
  }
  if (learned.empty()) {
    return fail("no_features", "no column is left to learn from; see --features and --exclude");
  }
  return Learned{Encoding(std::move(learned)), std::move(notes)};
}

Result<std::vector<std::size_t>> feature_columns(const Encoding& encoding,
                                                 const wire::CsvTable& table) {
  std::vector<std::size_t> columns;
  for (const Feature& feature : encoding.features()) {
    columns.push_back(table.column(feature.name));
    if (columns.back() == table.header.size()) {
      return fail("unknown_column", "the table has no column '" + feature.name + "'");
    }
  }
  return columns;
}

Cells read_row(const Encoding& encoding, const std::vector<std::size_t>& columns,
               const wire::CsvRow& row) {
  Cells cells;
  cells.reserve(columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    auto cell = read_cell(encoding.features()[i], row.fields[columns[i]]);
    if (cell) {
      cells.push_back(std::move(*cell));
    } else {
      cells.emplace_back();
    }
  }
  return cells;
}

}  // namespace outrider::model
