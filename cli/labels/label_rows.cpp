// SPDX-License-Identifier: Apache-2.0
#include "cli/labels/label_rows.h"

#include <algorithm>
#include <cmath>

#include "base/core/in_quotes.h"
#include "base/core/text.h"
#include "base/wire/json.h"
#include "detectors/timestamp.h"
#include "detectors/value_reader.h"

namespace outrider::cli {
namespace {

using detectors::Value;

constexpr char key_separator = '|';  // As decode::key_separator.
constexpr std::size_t id_bytes_max = 256;

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

Failure invalid(std::string why) {
  return fail("invalid_row", std::move(why));
}

void append_text(std::string& out, std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c >= ' ' && c < 0x7F && c != '"' && c != '\\';
  });
  if (!plain) {
    out += wire::to_text(wire::Json(std::string(text)));
    return;
  }
  out += '"';
  out += text;
  out += '"';
}

// "+00", "-0530" behind a time of day, as PostgreSQL writes zones, as "+00:00", "-05:30".
std::string with_whole_zone(std::string_view text) {
  const std::size_t sign = text.find_last_of("+-");
  std::string whole(text);
  if (sign == std::string_view::npos || sign < 16) return whole;
  const std::string_view digits = text.substr(sign + 1);
  const bool number = parse_uint(digits).has_value();
  if (number && digits.size() == 2) return whole + ":00";
  if (number && digits.size() == 4) whole.insert(sign + 3, ":");
  return whole;
}

bool may_be_either_order(std::string_view text) {
  return detectors::parse_timestamp(text, detectors::TimestampForm::month_first) ||
         detectors::parse_timestamp(text, detectors::TimestampForm::day_first);
}

std::string text_of(const Value& value) {
  if (value.kind == Value::Kind::number && value.text.empty()) return format_double(value.number);
  return std::string(value.text);
}

}  // namespace

std::optional<Time> read_label_time(std::string_view text) {
  using detectors::TimestampForm;
  if (const auto time = parse_rfc3339(with_whole_zone(text))) return time;
  for (const TimestampForm form :
       {TimestampForm::iso, TimestampForm::compact, TimestampForm::named_month,
        TimestampForm::unix_seconds, TimestampForm::unix_ms}) {
    if (const auto time = detectors::parse_timestamp(text, form)) return time;
  }
  return std::nullopt;
}

LabelRows::LabelRows(LabelColumns columns, OnRow on_row)
    : columns_(std::move(columns)), on_row_(std::move(on_row)) {
  std::vector<std::string> names = columns_.id;
  names.push_back(columns_.label);
  if (!columns_.time.empty()) names.push_back(columns_.time);
  table_.read_only(std::move(names));
  table_.pass_over_bad_rows([this](std::uint64_t line, const std::string& why) {
    if (!failed_) on_row_({.line = line, .kind = LabelRow::Kind::invalid, .id = "", .text = why});
  });
}

Result<void> LabelRows::feed(std::string_view bytes) {
  return outcome(table_.feed(bytes, [this](std::uint64_t line, Row row) { take(line, row); }));
}

Result<void> LabelRows::finish() {
  auto read = table_.finish([this](std::uint64_t line, Row row) { take(line, row); });
  if (read && !found_ && !failed_) (void)find_columns();  // A header, and nothing below it.
  return outcome(std::move(read));
}

Result<void> LabelRows::outcome(Result<void> read) const {
  if (failed_) return Failure(*failed_);
  return read;
}

bool LabelRows::find_columns() {
  const std::vector<std::string>& names = table_.columns();
  std::vector<std::string> missing;
  const auto place_of = [&](const std::string& name) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) missing.push_back("'" + name + "'");
    return static_cast<std::size_t>(found - names.begin());
  };
  for (const std::string& name : columns_.id) id_places_.push_back(place_of(name));
  label_place_ = place_of(columns_.label);
  if (!columns_.time.empty()) time_place_ = place_of(columns_.time);
  found_ = missing.empty();
  if (!found_) {
    failed_ =
        Error{"no_column", "no column " + list_of(missing) + "; there are: " + list_of(names)};
  }
  return found_;
}

void LabelRows::take(std::uint64_t line, Row row) {
  if (failed_ || (!found_ && !find_columns())) return;
  LabelRow out{.line = line, .kind = LabelRow::Kind::label, .id = "", .text = ""};
  auto id = id_of(row);
  if (!id) {
    out.kind = LabelRow::Kind::invalid;
    out.text = id.error().message;
    return on_row_(out);
  }
  out.id = std::move(*id);
  if (row[label_place_].kind == Value::Kind::missing) {
    out.kind = LabelRow::Kind::unlabelled;
    return on_row_(out);
  }
  auto object = object_of(out.id, row);
  if (!object) out.kind = LabelRow::Kind::invalid;
  out.text = object ? std::move(*object) : object.error().message;
  on_row_(out);
}

Result<std::string> LabelRows::id_of(Row row) const {
  std::string id;
  for (std::size_t i = 0; i < id_places_.size(); ++i) {
    const Value& value = row[id_places_[i]];
    const std::string& name = columns_.id[i];
    if (value.kind == Value::Kind::missing) {
      return invalid("'" + name + "' is empty or says that it is missing: expected an id");
    }
    const std::string text = text_of(value);
    if (detectors::parse_boolean(text))
      return invalid("'" + name + "' is " + text + ", which is no id");
    if (id_places_.size() > 1 && text.find(key_separator) != std::string::npos) {
      return invalid("'" + name + "': " + in_quotes(text) +
                     " has a '|' in it, which stands between the parts of an id");
    }
    if (i > 0) id += key_separator;
    id += text;
  }
  if (id.size() > id_bytes_max) {
    return invalid("an id of " + std::to_string(id.size()) + " bytes; at most " +
                   std::to_string(id_bytes_max) + " are taken");
  }
  return id;
}

Result<std::string> LabelRows::object_of(const std::string& id, Row row) const {
  Value label = row[label_place_];
  const std::string written = text_of(label);
  if (const auto word = columns_.words.find(written); word != columns_.words.end()) {
    label = detectors::read_value(word->second);
    if (label.kind == Value::Kind::text || label.kind == Value::Kind::missing)
      label = Value::of(std::string_view(word->second));
  } else if (written == "t" || written == "f") {
    return invalid("'" + columns_.label + "' is " + in_quotes(written) +
                   ": so PostgreSQL writes true and false; say --map t=true --map f=false, or "
                   "--map t=t --map f=f where these are the names of classes");
  }
  std::string object = "{\"id\":";
  append_text(object, id);
  object += ",\"label\":";
  if (label.kind == Value::Kind::number && !std::isfinite(label.number)) {
    return invalid("'" + columns_.label + "': " + in_quotes(written) + " is no finite number");
  }
  // A code such as 007 is a class by its text.
  const bool number = label.kind == Value::Kind::number && !detectors::has_leading_zero(label.text);
  if (number) {
    append_double(object, label.number);
  } else {
    append_text(object, text_of(label));
  }
  if (time_place_ && row[*time_place_].kind != Value::Kind::missing) {
    const std::string text = text_of(row[*time_place_]);
    const auto time = read_label_time(text);
    if (!time) {
      return invalid("'" + columns_.time + "': " + in_quotes(text) +
                     (may_be_either_order(text)
                          ? ": days and months may stand in either order; write 2026-01-31"
                          : " is no time; write 2026-01-31T12:00:00Z"));
    }
    object += ",\"timestamp\":\"" + format_rfc3339(*time) + '"';
  }
  return object + '}';
}

}  // namespace outrider::cli
