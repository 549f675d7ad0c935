// SPDX-License-Identifier: Apache-2.0
#include "cli/export/export_csv.h"

#include "base/core/text.h"
#include "base/wire/csv.h"
#include "base/wire/json.h"

namespace outrider::cli {
namespace {

using wire::Json;

constexpr std::string_view columns[] = {
    "id",         "time",  "cluster", "namespace", "workload",   "model",      "version",
    "prediction", "score", "segment", "label",     "label_time", "labelled_at"};

std::string field_of(const Json& object, std::string_view name) {
  const auto value = object.find(name);
  if (value == object.end() || value->is_null()) return "";
  return wire::csv_field(value->is_string() ? value->get<std::string>() : wire::to_text(*value));
}

}  // namespace

std::string export_csv_header(const std::vector<std::string>& features) {
  std::string line;
  for (const std::string_view name : columns) line += (line.empty() ? "" : ",") + std::string(name);
  for (const std::string& name : features) line += ',' + wire::csv_field("feature_" + name);
  return line + '\n';
}

Result<std::string> export_csv(std::string_view lines, const std::vector<std::string>& features) {
  std::string out;
  for (const std::string_view line : split(lines, '\n')) {
    if (line.empty()) continue;
    const auto row = wire::parse_json(line);
    if (!row || !row->is_object()) {
      return fail("bad_answer", "a line of the answer is no object of JSON");
    }
    bool first = true;
    for (const std::string_view name : columns) {
      if (!first) out += ',';
      first = false;
      out += field_of(*row, name);
    }
    const auto own = row->find("features");
    for (const std::string& name : features) {
      out += ',';
      if (own != row->end() && own->is_object()) out += field_of(*own, name);
    }
    out += '\n';
  }
  return out;
}

}  // namespace outrider::cli
