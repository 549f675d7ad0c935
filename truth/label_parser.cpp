// SPDX-License-Identifier: Apache-2.0
#include "truth/label_parser.h"

#include <simdjson.h>

#include <algorithm>

#include "base/core/in_quotes.h"
#include "base/core/text.h"
#include "base/wire/json.h"
#include "detectors/value_reader.h"

namespace outrider::truth {
namespace {

namespace dom = simdjson::dom;
using Items = std::vector<ParsedLabel>;

constexpr std::size_t diagnosed_bytes_max = 1 << 20;
constexpr double epoch_seconds_max = 4e9;  // The year 2096: more is milliseconds by mistake.
constexpr std::int64_t row_max = 999'999'999;

Failure invalid(std::string message) {
  return fail("invalid_label", std::move(message));
}

// "label: expected …, got an object"
std::string_view kind_of(dom::element element) {
  switch (element.type()) {
    case dom::element_type::ARRAY:
      return "an array";
    case dom::element_type::OBJECT:
      return "an object";
    case dom::element_type::STRING:
      return "a string";
    case dom::element_type::BOOL:
      return "true or false";
    case dom::element_type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

Failure wrong_kind(std::string_view field, std::string_view expected, dom::element got) {
  return invalid("\"" + std::string(field) + "\": expected " + std::string(expected) + ", got " +
                 std::string(kind_of(got)));
}

// The field, or nothing when it is absent or null.
std::optional<dom::element> find(dom::object object, std::string_view name) {
  dom::element element;
  if (object.at_key(name).get(element) != simdjson::SUCCESS || element.is_null())
    return std::nullopt;
  return element;
}

std::optional<dom::object> find_object(dom::object object, std::string_view name) {
  const auto element = find(object, name);
  dom::object inner;
  if (!element || element->get(inner) != simdjson::SUCCESS) return std::nullopt;
  return inner;
}

// A string or CSV value: its text in one spelling, or why it is no value.
Result<Value> text_value(std::string_view field, std::string_view text) {
  const detectors::Value value = detectors::read_value(text);
  if (value.kind == detectors::Value::Kind::missing) {
    return invalid("\"" + std::string(field) + "\": '" + std::string(text) +
                   "' says that the value is missing; a class needs another name");
  }
  if (detectors::is_ambiguous_number(trim(text))) {
    return invalid("\"" + std::string(field) + "\": '" + std::string(text) +
                   "' has a decimal comma or a comma between thousands; write 1234 or 1.234");
  }
  return Value(std::string(value.text));
}

Result<Value> read_value(std::string_view field, dom::element element) {
  // An integer that no double holds is a name: another one must not be taken for it.
  std::int64_t whole = 0;
  if (element.get(whole) == simdjson::SUCCESS && !detectors::is_exact(whole))
    return Value(std::to_string(whole));
  std::uint64_t large = 0;
  if (element.get(large) == simdjson::SUCCESS && !detectors::is_exact(large))
    return Value(std::to_string(large));
  double number = 0;
  if (element.get(number) == simdjson::SUCCESS) return Value(number);
  bool truth = false;
  if (element.get(truth) == simdjson::SUCCESS) return Value(truth ? "true" : "false");
  std::string_view text;
  if (element.get(text) != simdjson::SUCCESS) {
    return wrong_kind(field, "a number, a string, true or false", element);
  }
  if (text.size() > class_bytes_max) {
    return invalid("\"" + std::string(field) + "\": a class of " + std::to_string(text.size()) +
                   " bytes; at most " + std::to_string(class_bytes_max) + " are taken");
  }
  return text_value(field, text);
}

Result<std::string> read_id(std::string_view field, dom::element element) {
  std::string_view text;
  std::string id;
  std::uint64_t number = 0;
  if (element.get(text) == simdjson::SUCCESS) {
    id = text;
  } else if (element.get(number) == simdjson::SUCCESS) {
    id = std::to_string(number);
  } else {
    return wrong_kind(field, "a string", element);
  }
  if (id.empty())
    return invalid("\"" + std::string(field) + "\" is empty: expected a prediction's id");
  if (id.size() > id_bytes_max) {
    return invalid("\"" + std::string(field) + "\" has " + std::to_string(id.size()) +
                   " bytes; at most " + std::to_string(id_bytes_max) + " are taken");
  }
  return id;
}

Result<std::string> read_text(std::string_view field, dom::element element) {
  std::string_view text;
  if (element.get(text) != simdjson::SUCCESS) return wrong_kind(field, "a string", element);
  if (text.size() > class_bytes_max) {
    return invalid("\"" + std::string(field) + "\": at most " + std::to_string(class_bytes_max) +
                   " bytes are taken");
  }
  return std::string(text);
}

Result<Time> read_timestamp(dom::element element) {
  double seconds = 0;
  if (element.get(seconds) == simdjson::SUCCESS) {
    if (seconds < 0 || seconds > epoch_seconds_max) {
      return invalid("\"timestamp\": " + format_double(seconds) +
                     " is no number of seconds since 1970; write RFC 3339 or seconds");
    }
    return Time{from_seconds(seconds)};
  }
  std::string_view text;
  if (element.get(text) != simdjson::SUCCESS) {
    return wrong_kind("timestamp", "RFC 3339 or seconds since 1970", element);
  }
  const auto time = parse_rfc3339(text);
  if (!time) {
    return invalid("\"timestamp\": " + in_quotes(text, 64) +
                   " is not RFC 3339, e.g. 2026-01-31T12:00:00Z");
  }
  return *time;
}

Result<BroughtPrediction> read_brought(dom::object object, dom::element prediction) {
  BroughtPrediction brought;
  auto value = read_value("prediction", prediction);
  if (!value) return fail(value);
  brought.prediction = std::move(*value);
  const auto version = find(object, "model_version");
  if (!version) {
    return invalid(
        "a label with a \"prediction\" needs its \"model_version\" too; without both, it is joined "
        "by "
        "its id");
  }
  const std::pair<std::string_view, std::string*> texts[] = {
      {"model_version", &brought.model_version},
      {"model_name", &brought.model_name},
      {"segment", &brought.segment}};
  for (const auto& [name, target] : texts) {
    const auto element = find(object, name);
    if (!element) continue;
    auto text = read_text(name, *element);
    if (!text) return fail(text);
    *target = std::move(*text);
  }
  if (const auto score = find(object, "score")) {
    double number = 0;
    if (score->get(number) != simdjson::SUCCESS) return wrong_kind("score", "a number", *score);
    brought.score = number;
  }
  return brought;
}

Result<GroundTruth> read_ours(dom::object object) {
  GroundTruth label;
  const auto id = find(object, "id");
  if (!id) return invalid("\"id\" is missing: expected {\"id\": …, \"label\": …}");
  auto id_text = read_id("id", *id);
  if (!id_text) return fail(id_text);
  label.id = std::move(*id_text);

  const auto truth = find(object, "label");
  if (!truth)
    return invalid("\"label\" is missing or null: expected a number, a string, true or false");
  auto value = read_value("label", *truth);
  if (!value) return fail(value);
  label.truth = std::move(*value);

  if (const auto timestamp = find(object, "timestamp")) {
    auto time = read_timestamp(*timestamp);
    if (!time) return fail(time);
    label.timestamp = *time;
  }
  if (const auto row = find(object, "row")) {
    std::int64_t number = 0;
    if (row->get(number) != simdjson::SUCCESS || number < 0 || number > row_max) {
      return invalid("\"row\": expected a whole number from 0");
    }
    label.row = static_cast<std::uint32_t>(number);
  }
  if (const auto prediction = find(object, "prediction")) {
    auto brought = read_brought(object, *prediction);
    if (!brought) return fail(brought);
    label.brought = std::move(*brought);
  }
  return label;
}

void push_failure(Items& items, std::string id, const Error& error) {
  items.push_back({std::move(id), Failure(error)});
}

// One truth for each of the request's rows; a single one is for the request as such.
void push_rows(Items& items, const std::string& id, std::vector<Value> truths) {
  for (std::size_t row = 0; row < truths.size(); ++row) {
    GroundTruth label;
    label.id = id;
    label.truth = std::move(truths[row]);
    std::string shown = id;
    if (truths.size() > 1) {
      label.row = static_cast<std::uint32_t>(row);
      shown += '_' + std::to_string(row);
    }
    items.push_back({std::move(shown), std::move(label)});
  }
}

Result<std::vector<Value>> read_sagemaker_data(dom::object data) {
  const auto element = find(data, "data");
  if (!element) return invalid("\"groundTruthData.data\" is missing");
  std::string_view encoding = "CSV";
  if (const auto named = find(data, "encoding")) {
    if (named->get(encoding) != simdjson::SUCCESS || !iequals_ascii(encoding, "CSV")) {
      return invalid("\"groundTruthData.encoding\": expected \"CSV\"");
    }
  }
  std::string_view text;
  if (element->get(text) != simdjson::SUCCESS) {
    auto one = read_value("groundTruthData.data", *element);
    if (!one) return fail(one);
    return std::vector<Value>{std::move(*one)};
  }
  std::vector<Value> values;
  for (const std::string_view piece : split(text, ',')) {
    if (trim(piece).empty()) return invalid("\"groundTruthData.data\" has an empty value");
    if (piece.size() > class_bytes_max) {
      return invalid("\"groundTruthData.data\": a class has at most " +
                     std::to_string(class_bytes_max) + " bytes");
    }
    auto value = text_value("groundTruthData.data", piece);
    if (!value) return fail(value);
    const detectors::Value read = detectors::read_value(piece);
    const bool number =
        read.kind == detectors::Value::Kind::number && !detectors::has_leading_zero(read.text);
    values.push_back(number ? Value(read.number) : std::move(*value));
  }
  return values;
}

void read_sagemaker(dom::object object, dom::object data, Items& items) {
  std::string id;
  if (const auto metadata = find_object(object, "eventMetadata")) {
    if (const auto event = find(*metadata, "eventId")) {
      auto text = read_id("eventMetadata.eventId", *event);
      if (!text) return push_failure(items, "", text.error());
      id = std::move(*text);
    }
  }
  if (id.empty()) {
    return push_failure(items, "", {"invalid_label", "\"eventMetadata.eventId\" is missing"});
  }
  auto values = read_sagemaker_data(data);
  if (!values) return push_failure(items, id, values.error());
  push_rows(items, id, std::move(*values));
}

void read_item(dom::element element, Items& items) {
  dom::object object;
  if (element.get(object) != simdjson::SUCCESS) {
    const std::string message =
        "expected an object {\"id\": …, \"label\": …}, got " + std::string(kind_of(element));
    return push_failure(items, "", {"invalid_label", message});
  }
  if (const auto data = find_object(object, "groundTruthData")) {
    return read_sagemaker(object, *data, items);
  }
  auto label = read_ours(object);
  if (label) {
    std::string shown = label->id;
    if (label->row) shown += '_' + std::to_string(*label->row);
    items.push_back({std::move(shown), std::move(label)});
    return;
  }
  std::string_view id;
  const auto named = find(object, "id");
  if (named && named->get(id) == simdjson::SUCCESS) id = id.substr(0, id_bytes_max);
  push_failure(items, std::string(id), label.error());
}

Failure too_many() {
  return fail("too_many_labels", "the body has more than " + std::to_string(labels_in_body_max) +
                                     " labels; send them in several requests");
}

// Which byte is wrong is found out by a second parser, for bodies of a size where that is cheap.
Failure bad_json(simdjson::error_code code, std::string_view body) {
  if (code == simdjson::UTF8_ERROR) {
    return fail("invalid_utf8", "the body is not UTF-8; JSON must be");
  }
  if (body.size() <= diagnosed_bytes_max) {
    const auto diagnosed = wire::parse_json(body);
    if (!diagnosed) return fail(diagnosed);
  }
  return fail("invalid_json", simdjson::error_message(code));
}

// A body and the padding behind it that simdjson reads, but does not interpret.
class PaddedBody {
 public:
  explicit PaddedBody(std::string_view body) : bytes_(body) {
    bytes_.append(simdjson::SIMDJSON_PADDING, ' ');
  }
  // A piece of the body, which is a view into the one this was made of.
  simdjson::error_code parse(std::string_view body, std::string_view piece, dom::element& element) {
    const std::size_t begin = static_cast<std::size_t>(piece.data() - body.data());
    return parser_.parse(bytes_.data() + begin, piece.size(), false).get(element);
  }

 private:
  std::string bytes_;
  dom::parser parser_;
};

std::vector<std::string_view> non_blank_lines(std::string_view body) {
  std::vector<std::string_view> lines;
  while (!body.empty()) {
    const std::size_t end = std::min(body.find('\n'), body.size());
    const std::string_view line = trim(body.substr(0, end));
    if (!line.empty()) lines.push_back(line);
    body.remove_prefix(std::min(end + 1, body.size()));
    if (lines.size() > labels_in_body_max) break;
  }
  return lines;
}

Result<Items> read_document(dom::element document) {
  Items items;
  dom::array array;
  if (document.get(array) != simdjson::SUCCESS) {
    read_item(document, items);
    return items;
  }
  for (const dom::element element : array) {
    read_item(element, items);
    if (items.size() > labels_in_body_max) return too_many();
  }
  return items;
}

// Nothing when no line at all is JSON: then the body is one broken document.
std::optional<Result<Items>> read_lines(PaddedBody& padded, std::string_view body,
                                        const std::vector<std::string_view>& lines) {
  Items items;
  bool any = false;
  std::size_t number = 0;
  for (const std::string_view line : lines) {
    ++number;
    dom::element element;
    const simdjson::error_code code = padded.parse(body, line, element);
    if (code == simdjson::SUCCESS) {
      any = true;
      read_item(element, items);
    } else {
      const Failure error = bad_json(code, line);
      push_failure(
          items, "",
          {error.value().code, "line " + std::to_string(number) + ": " + error.value().message});
    }
    if (items.size() > labels_in_body_max) return too_many();
  }
  if (!any) return std::nullopt;
  return items;
}

// Seldon's DefaultData: {"ndarray": [[1], [0]]}, {"tensor": {"shape": [2, 1], "values": [1, 0]}}.
Result<std::vector<Value>> read_seldon_array(dom::array rows, std::string_view field) {
  std::vector<Value> values;
  for (dom::element row : rows) {
    dom::array columns;
    if (row.get(columns) == simdjson::SUCCESS) {
      if (columns.size() != 1) {
        return invalid("\"" + std::string(field) + "\": a row of " +
                       std::to_string(columns.size()) + " columns; the truth is one value a row");
      }
      row = columns.at(0).value_unsafe();
    }
    auto value = read_value(field, row);
    if (!value) return fail(value);
    values.push_back(std::move(*value));
  }
  if (values.empty()) return invalid("\"" + std::string(field) + "\" has no rows");
  return values;
}

Result<std::vector<Value>> read_seldon_truth(dom::object truth) {
  if (const auto text = find(truth, "strData")) {
    auto value = read_value("truth.strData", *text);
    if (!value) return fail(value);
    return std::vector<Value>{std::move(*value)};
  }
  const auto data = find_object(truth, "data");
  dom::array rows;
  if (data) {
    const auto ndarray = find(*data, "ndarray");
    if (ndarray && ndarray->get(rows) == simdjson::SUCCESS) {
      return read_seldon_array(rows, "truth.data.ndarray");
    }
    const auto tensor = find_object(*data, "tensor");
    const auto values = tensor ? find(*tensor, "values") : std::nullopt;
    if (values && values->get(rows) == simdjson::SUCCESS) {
      return read_seldon_array(rows, "truth.data.tensor.values");
    }
  }
  return invalid("\"truth\": expected data.ndarray, data.tensor or strData");
}

std::string find_puid(dom::object feedback, std::string_view puid_header) {
  for (const std::string_view part : {"response", "request"}) {
    const auto message = find_object(feedback, part);
    const auto meta = message ? find_object(*message, "meta") : std::nullopt;
    const auto puid = meta ? find(*meta, "puid") : std::nullopt;
    std::string_view text;
    if (puid && puid->get(text) == simdjson::SUCCESS && !text.empty()) return std::string(text);
  }
  return std::string(puid_header);
}

}  // namespace

Result<std::vector<ParsedLabel>> parse_labels(std::string_view body) {
  if (body.starts_with("\xEF\xBB\xBF")) body.remove_prefix(3);
  const std::vector<std::string_view> lines = non_blank_lines(body);
  if (lines.empty()) {
    return fail("empty_body",
                "the body is empty: expected {\"id\": …, \"label\": …}, an array of "
                "these, or one a line");
  }
  PaddedBody padded(body);
  dom::element element;
  // One object a line is the bulk form: then the first line is whole, and others follow.
  const bool bulk = lines.size() > 1 && lines[0].front() == '{' &&
                    padded.parse(body, lines[0], element) == simdjson::SUCCESS;
  if (!bulk) {
    const simdjson::error_code code = padded.parse(body, body, element);
    if (code == simdjson::SUCCESS) return read_document(element);
    if (lines.size() == 1 || lines[0].front() == '[') return bad_json(code, body);
  }
  if (lines.size() > labels_in_body_max) return too_many();
  if (auto items = read_lines(padded, body, lines)) return *items;
  padded.parse(body, body, element);
  return bad_json(padded.parse(body, body, element), body);
}

Result<std::vector<ParsedLabel>> parse_feedback(std::string_view body,
                                                std::string_view puid_header) {
  if (trim(body).empty()) {
    return fail("empty_body", "the body is empty: expected {\"response\": …, \"truth\": …}");
  }
  PaddedBody padded(body);
  dom::element element;
  const simdjson::error_code code = padded.parse(body, body, element);
  if (code != simdjson::SUCCESS) return bad_json(code, body);
  Items items;
  dom::object feedback;
  if (element.get(feedback) != simdjson::SUCCESS) {
    push_failure(items, "",
                 {"invalid_label", "expected an object with \"response\" and \"truth\""});
    return items;
  }
  const std::string id = find_puid(feedback, puid_header);
  if (id.empty() || id.size() > id_bytes_max) {
    push_failure(items, "",
                 {"invalid_label",
                  "no id: expected \"response\".\"meta\".\"puid\" or the header Seldon-Puid, of at "
                  "most 256 bytes"});
    return items;
  }
  const auto truth = find_object(feedback, "truth");
  if (!truth) {
    push_failure(items, id,
                 {"invalid_label", "\"truth\" is missing: a reward alone is no ground truth"});
    return items;
  }
  auto values = read_seldon_truth(*truth);
  if (!values) {
    push_failure(items, id, values.error());
    return items;
  }
  if (values->size() > labels_in_body_max) return too_many();
  push_rows(items, id, std::move(*values));
  return items;
}

}  // namespace outrider::truth
