// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/row_table.h"

#include <algorithm>

namespace outrider::decode {
namespace {

// With fewer names than this, looking through them beats a hash table.
constexpr std::size_t indexed_from = 32;

constexpr std::size_t npos = static_cast<std::size_t>(-1);

// Rows x features of one request: a few wide rows, or many narrow ones. A short body can ask for
// far more (one row of 10 000 keys, then thousands of empty ones).
constexpr std::size_t cells_max = 2 << 20;
// Names that had to be made, of all rows: a long key around short ones multiplies.
constexpr std::size_t kept_bytes_max = 32 << 20;

std::uint64_t inner_size(const Tensor& tensor) {
  std::uint64_t cells = 1;
  for (std::size_t i = 1; i < tensor.shape.size(); ++i) cells *= tensor.shape[i];
  return cells;
}

}  // namespace

void RowTable::clear() {
  own_names_ = guess_ == nullptr;
  positional_ = false;
  names_.clear();
  index_.clear();
  kept_.clear();
  kept_bytes_ = 0;
  values_.clear();
  rows_ = width_ = stride_ = position_ = 0;
}

Decoded<void> RowTable::begin_row() {
  if (rows_ >= rows_max_) return failed(FailReason::too_many_rows);
  if ((rows_ + 1) * stride_ > cells_max) return failed(FailReason::too_many_rows);
  if (rows_ > 0) values_.resize((rows_ + 1) * stride_);
  position_ = 0;
  return {};
}

Decoded<void> RowTable::end_row() {
  if (rows_ == 0) {
    if (!own_names_ && (position_ < guess_->names.size() || positional_ != guess_->positional)) {
      own_names(position_);
    }
    width_ = stride_ = names_count();
  }
  ++rows_;
  return {};
}

Decoded<void> RowTable::add_row(dom::element row, JsonTree& json) {
  if (auto ok = begin_row(); !ok) return ok;
  if (const auto object = object_of(row)) {
    if (positional_) return failed(FailReason::wrong_shape);
    for (const auto field : *object) {
      if (auto ok = add_named(field.key, field.value, json); !ok) return ok;
    }
    return end_row();
  }
  if (rows_ > 0 && !positional_) return failed(FailReason::wrong_shape);
  positional_ = true;
  if (const auto array = array_of(row)) {
    if (auto ok = add_values(*array, json); !ok) return ok;
  } else if (auto ok = put(positional_name(0), json.scalar(row)); !ok) {
    return ok;
  }
  // Rows of a matrix have one length.
  if (rows_ > 0 && position_ != width_) return failed(FailReason::wrong_shape);
  return end_row();
}

Decoded<void> RowTable::add_fields(
    std::span<const std::pair<std::string_view, FeatureValue>> fields) {
  if (rows_ == 0) {
    if (auto ok = begin_row(); !ok) return ok;
    for (const auto& [name, value] : fields) {
      if (auto ok = put(name, value); !ok) return ok;
    }
    return end_row();
  }
  if (!own_names_) own_names(guess_->names.size());
  for (const auto& [name, value] : fields) {
    if (find(name) != npos) continue;
    if (names_.size() >= features_max_) return failed(FailReason::wrong_shape);
    names_.push_back(name);
    if (!index_.empty()) index_.emplace(name, names_.size() - 1);
    if (auto ok = widen(rows_, width_ + 1); !ok) return ok;
    for (std::size_t row = 0; row < rows_; ++row) values_[row * stride_ + width_ - 1] = value;
  }
  positional_ = false;
  return {};
}

Decoded<void> RowTable::add_value(ondemand::field& field, ondemand::json_type type) {
  // The usual case: the very name that is expected here, byte by byte.
  if (!own_names_ && guess_->plain && next_is_free() &&
      field.key().unsafe_is_equal(guess_->names[position_])) {
    return read_scalar(field.value(), type, next_place());
  }
  std::string_view key;
  OUTRIDER_TAKE(key, field.unescaped_key());
  const auto value = read_scalar(field.value(), type);
  if (!value) return failed(value);
  return put(key, *value);
}

// The values of a list without names, of lists in it too, in their order.
Decoded<void> RowTable::add_values(dom::array array, JsonTree& json) {
  for (const dom::element element : array) {
    const dom::element_type type = element.type();
    if (type == dom::element_type::DOUBLE && next_is_positional()) {
      next_place() = FeatureValue::of(element.get_double().value_unsafe());  // Nearly always.
    } else if (type == dom::element_type::ARRAY) {
      if (auto ok = add_values(list_in(element), json); !ok) return ok;
    } else if (type == dom::element_type::OBJECT) {
      return failed(FailReason::wrong_shape);
    } else if (next_is_positional()) {
      next_place() = json.scalar(element);
    } else if (auto ok = put(positional_name(position_), json.scalar(element)); !ok) {
      return ok;
    }
  }
  return {};
}

Decoded<void> RowTable::add_named(std::string_view name, dom::element value, JsonTree& json) {
  if (!is_container(value)) return put(name, json.scalar(value));
  const auto add = [&](std::string_view key, dom::element inner) -> Decoded<void> {
    const auto full = keep(name, key);
    if (!full) return failed(full);
    return add_named(*full, inner, json);
  };
  if (const auto object = object_of(value)) {
    for (const auto field : *object) {
      if (auto ok = add(field.key, field.value); !ok) return ok;
    }
    return {};
  }
  std::size_t number = 0;
  for (const dom::element element : list_in(value)) {
    if (auto ok = add(std::to_string(number++), element); !ok) return ok;
  }
  return {};
}

Decoded<void> RowTable::put(std::string_view name, const FeatureValue& value) {
  if (next_is_free() && name_at(position_) == name) {
    next_place() = value;
    return {};
  }
  if (rows_ == 0 && !own_names_) own_names(position_);
  const std::size_t place = find(name);
  if (place == npos) return append_column(name, value);
  if (rows_ == 0) {
    values_[place] = value;  // A key that came twice: the last one counts, as in most parsers.
  } else {
    values_[rows_ * stride_ + place] = value;
    position_ = std::max(position_, place + 1);
  }
  return {};
}

Decoded<void> RowTable::append_column(std::string_view name, const FeatureValue& value) {
  if (names_count() >= features_max_) return failed(FailReason::wrong_shape);
  if (!own_names_) own_names(guess_->names.size());
  names_.push_back(name);
  if (!index_.empty()) index_.emplace(name, names_.size() - 1);
  if (rows_ == 0) {
    values_.push_back(value);
    position_ = names_.size();
    return {};
  }
  if (positional_) return failed(FailReason::wrong_shape);
  // A later row has a name that the first has not: all earlier rows lack its value.
  if (auto ok = widen(rows_ + 1, width_ + 1); !ok) return ok;
  values_[rows_ * stride_ + width_ - 1] = value;
  position_ = width_;
  return {};
}

// Room for more features in every row so far. Rows are moved apart by doubling, so that many new
// names cost no more than a few moves.
Decoded<void> RowTable::widen(std::size_t rows, std::size_t features) {
  if (features > stride_) {
    const std::size_t stride = std::max(features, stride_ * 2);
    if (rows * stride > cells_max) return failed(FailReason::wrong_shape);
    std::vector<FeatureValue> wider(rows * stride);
    for (std::size_t row = 0; row < rows; ++row) {
      std::copy_n(values_.begin() + static_cast<std::ptrdiff_t>(row * stride_), width_,
                  wider.begin() + static_cast<std::ptrdiff_t>(row * stride));
    }
    values_.swap(wider);
    stride_ = stride;
  }
  width_ = features;
  return {};
}

Decoded<void> RowTable::add_columns(std::span<const Tensor> columns) {
  if (columns.empty()) return {};
  const std::uint64_t rows = columns.front().rows();
  if (rows > rows_max_) return failed(FailReason::too_many_rows);
  // One unnamed-by-feature matrix: its columns are known by their order only.
  const bool is_matrix = columns.size() == 1 && inner_size(columns.front()) > 1;
  std::uint64_t width = 0;
  for (const Tensor& column : columns) {
    if (auto ok = check_shape(column); !ok) return ok;
    if (column.rows() != rows) return failed(FailReason::wrong_shape);
    width += inner_size(column);
    if (width > features_max_) return failed(FailReason::wrong_shape);
  }
  if (is_matrix) {
    take_positional(width);
  } else if (auto ok = name_columns(columns); !ok) {
    return ok;
  }
  width_ = stride_ = width;
  rows_ = rows;
  values_.resize(rows_ * width_);
  std::size_t first = 0;
  for (const Tensor& column : columns) {
    const std::uint64_t inner = inner_size(column);
    for (std::size_t row = 0; row < rows_; ++row) {
      std::copy_n(column.values.begin() + static_cast<std::ptrdiff_t>(row * inner), inner,
                  values_.begin() + static_cast<std::ptrdiff_t>(row * width_ + first));
    }
    first += inner;
  }
  return {};
}

// Each column's name, or one for each of its inner values. Mostly all of them are the guessed ones.
Decoded<void> RowTable::name_columns(std::span<const Tensor> columns) {
  positional_ = false;
  const bool are_plain = std::all_of(columns.begin(), columns.end(),
                                     [](const Tensor& column) { return inner_size(column) == 1; });
  if (are_plain && guess_ != nullptr && !guess_->positional &&
      std::equal(
          columns.begin(), columns.end(), guess_->names.begin(), guess_->names.end(),
          [](const Tensor& column, const std::string& name) { return column.name == name; })) {
    own_names_ = false;
    return {};
  }
  own_names(0);
  for (const Tensor& column : columns) {
    const std::uint64_t inner = inner_size(column);
    if (inner == 1) {
      names_.push_back(column.name);
      continue;
    }
    for (std::uint64_t i = 0; i < inner; ++i) {
      const auto name = keep(column.name, std::to_string(i));
      if (!name) return failed(name);
      names_.push_back(*name);
    }
  }
  return {};
}

// So many names by their order; the guessed ones where those are as many.
void RowTable::take_positional(std::uint64_t count) {
  positional_ = true;
  own_names_ = guess_ == nullptr || !guess_->positional || guess_->names.size() != count;
  if (!own_names_) return;
  names_.clear();
  index_.clear();
  for (std::uint64_t i = 0; i < count; ++i) names_.push_back(positional_name(i));
}

Decoded<void> RowTable::add_matrix(const Tensor& matrix, std::span<const std::string_view> names) {
  if (auto ok = check_shape(matrix); !ok) return ok;
  if (matrix.rows() > rows_max_) return failed(FailReason::too_many_rows);
  // A matrix of rank one is one row, as Seldon's clients send it.
  const bool one_row = matrix.shape.size() < 2;
  const std::uint64_t inner = one_row ? matrix.values.size() : inner_size(matrix);
  if (inner > features_max_) return failed(FailReason::wrong_shape);
  if (!names.empty() && names.size() != inner) return failed(FailReason::wrong_shape);
  if (!names.empty()) {
    own_names(0);
    positional_ = false;
    names_.assign(names.begin(), names.end());
  } else {
    take_positional(inner);
  }
  width_ = stride_ = inner;
  rows_ = one_row ? 1 : matrix.rows();
  values_.assign(matrix.values.begin(), matrix.values.end());
  return {};
}

const FeatureNames* RowTable::finish() {
  if (rows_ == 0 || names_count() == 0) return nullptr;
  if (own_names_) guess_ = table_.intern(names_, positional_);
  return guess_;
}

void RowTable::own_names(std::size_t count) {
  names_.clear();
  index_.clear();
  if (!own_names_) {
    names_.assign(guess_->names.begin(),
                  guess_->names.begin() + static_cast<std::ptrdiff_t>(count));
  }
  own_names_ = true;
}

std::size_t RowTable::find(std::string_view name) {
  const std::size_t count = names_count();
  if (count < indexed_from) {
    for (std::size_t i = 0; i < count; ++i) {
      if (name_at(i) == name) return i;
    }
    return npos;
  }
  if (index_.empty()) {
    for (std::size_t i = 0; i < count; ++i) index_.emplace(name_at(i), i);
  }
  const auto found = index_.find(name);
  return found == index_.end() ? npos : found->second;
}

std::string_view RowTable::positional_name(std::size_t index) {
  while (positional_names_.size() <= index) {
    positional_names_.push_back("x" + std::to_string(positional_names_.size()));
  }
  return positional_names_[index];
}

Decoded<std::string_view> RowTable::keep(std::string_view prefix, std::string_view name) {
  kept_bytes_ += sizeof(std::string) + prefix.size() + 1 + name.size();
  if (kept_bytes_ > kept_bytes_max) return failed(FailReason::wrong_shape);
  std::string& full = kept_.emplace_back();
  full.reserve(prefix.size() + 1 + name.size());
  return full.append(prefix).append(".").append(name);
}

}  // namespace outrider::decode
