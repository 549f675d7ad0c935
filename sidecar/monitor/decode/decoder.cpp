// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/decoder.h"

#include <algorithm>
#include <utility>

#include "base/core/text.h"
#include "detectors/value_reader.h"
#include "sidecar/monitor/decode/answer.h"
#include "sidecar/monitor/decode/body_format.h"
#include "sidecar/monitor/decode/content_coding.h"
#include "sidecar/monitor/decode/csv_body.h"
#include "sidecar/monitor/decode/event_stream.h"
#include "sidecar/monitor/decode/exchange_heads.h"
#include "sidecar/monitor/decode/feature_selection.h"
#include "sidecar/monitor/decode/grpc_messages.h"
#include "sidecar/monitor/decode/json_pointer.h"
#include "sidecar/monitor/decode/key_reader.h"
#include "sidecar/monitor/decode/protocols/language_model.h"
#include "sidecar/monitor/decode/request_body.h"
#include "sidecar/monitor/decode/row_table.h"
#include "sidecar/tap/capture_settings.h"
#include "sidecar/tap/grpc_call.h"
#include "sidecar/tap/model_path.h"

namespace outrider::decode {
namespace {

using tap::Disposal;
using tap::SkipReason;

constexpr std::string_view unknown = "unknown";

// Where no paths are configured, every POST and PUT counts as a prediction but those that no
// protocol means as one: model management, explanations (which repeat a prediction's input) and
// feedback.
constexpr std::string_view no_prediction_paths[] = {
    "/v2/repository/*", "/v2/*sharedmemory/*", "/v2/logging", "*/trace/setting", "*/load",
    "*/unload",         "*/explain",           "*:explain",   "*/feedback"};

struct Bodies {
  std::string_view json, binary;
};

// JSON and what follows it, as the field Inference-Header-Content-Length says.
Decoded<Bodies> split_binary(std::string_view body, std::string_view json_bytes) {
  if (json_bytes.empty()) return Bodies{body, {}};
  const auto length = parse_uint(json_bytes);
  if (!length || *length > body.size()) return failed(FailReason::wrong_shape);
  return Bodies{body.substr(0, *length), body.substr(*length)};
}

// The whole events of a long stream's end.
Decoded<std::string_view> events_at_end(const ExchangeParts& parts) {
  const bool are_events = iequals_ascii(media_type(parts.response_type), "text/event-stream");
  const std::size_t whole = after_first_event(parts.response_body);
  if (!are_events || !parts.response_coding.empty() || whole == parts.response_body.size())
    return failed(FailReason::too_long);
  return parts.response_body.substr(whole);
}

tl::unexpected<Disposal> fail_with(FailReason reason) {
  return tl::unexpected<Disposal>(Disposal::failed(reason));
}
tl::unexpected<Disposal> skip(SkipReason reason) {
  return tl::unexpected<Disposal>(Disposal::skipped(reason));
}

}  // namespace

class Decoder::Impl {
 public:
  explicit Impl(Rules rules)
      : rules_(std::move(rules)),
        sampling_(
            tap::compile({.sample_rate = rules_.sample_rate}).value_or(tap::CompiledCapture())),
        selection_(rules_.features),
        keys_(rules_.key),
        table_(rules_.rows_max, rules_.features_max),
        request_(rules_),
        answer_(rules_),
        request_csv_(rules_.rows_max),
        answer_csv_(rules_.rows_max),
        request_unpacker_(rules_.unpacked_bytes_max),
        response_unpacker_(rules_.unpacked_bytes_max),
        messages_(rules_) {}

  Outcome decode(const tap::Exchange& exchange);
  Outcome decode(const ExchangeParts& parts);
  const Rules& rules() const { return rules_; }
  std::string_view words() const { return words_; }

 private:
  void look_at_path(const ExchangeParts& parts);
  bool matches(const ExchangeParts& parts) const;
  bool names_paths() const { return !rules_.paths.empty() || !rules_.methods.empty(); }
  Decoded<void> read_request(const ExchangeParts& parts, bool has_features);
  Decoded<void> read_request_body(const ExchangeParts& parts, std::string_view body);
  Decoded<void> add_query(std::string_view query);
  Outcome model_failure(const ExchangeParts& parts);
  Outcome unknown_service(const ExchangeParts& parts);
  Decoded<void> read_request_message(const ExchangeParts& parts);
  std::optional<SkipReason> out_of_scope(const ExchangeParts& parts) const;
  Outcome observe_answer(const ExchangeParts& parts);
  Outcome give_up(const ExchangeParts& parts, FailReason reason);
  Decoded<void> open_answer(const ExchangeParts& parts);
  Decoded<void> open_events(std::string_view stream);
  Decoded<void> read_answer();
  void build_rows();
  void select_from_body(std::size_t rows, std::size_t width);
  const FeatureNames* leave_out_key(const FeatureNames& names, std::size_t rows);
  void read_keys(const ExchangeParts& parts);
  void read_key_part(std::size_t part, const ExchangeParts& parts);
  template <class ReadScalar>
  void put_key_part(std::size_t part, dom::element found, const ReadScalar& read);
  void identify(const ExchangeParts& parts, bool answered);
  std::string_view find_place(const Place& place, bool answered);
  void gather_aliases(const ExchangeParts& parts);
  std::string_view segment_of(const FeatureNames* names, std::span<const FeatureValue> values);

  Rules rules_;
  tap::CompiledCapture sampling_;
  FeatureSelection selection_;
  KeyReader keys_;
  RowTable table_;
  RequestBody request_;
  Answer answer_;
  CsvBody request_csv_, answer_csv_;
  Unpacker request_unpacker_, response_unpacker_;
  ExchangeHeads heads_;
  bool has_heads_ = false;
  GrpcMessages messages_;
  std::string_view asked_model_, asked_version_;  // What a gRPC request says of its model.
  std::string_view request_id_, answer_id_;       // Of gRPC messages.

  struct Route {
    std::string method, path;
    std::string_view model, version;  // In the path.
    bool is_prediction = false, is_language_model = false;
  };
  Route route_;
  bool request_is_opaque_ = false, answer_is_table_ = false;
  std::vector<std::size_t> row_counts_;  // That the request may have; empty where nobody knows.
  std::string words_;

  std::vector<std::string_view> aliases_;
  std::vector<std::pair<std::string_view, FeatureValue>> query_fields_;
  std::deque<std::string> kept_;               // Decoded query text, segments.
  const FeatureNames* table_names_ = nullptr;  // Of the request as it came.
  std::string event_, answer_text_;            // JSON lines as a list; data of a server-sent event.
  std::vector<FeatureValue> selected_;
  std::vector<Row> rows_;
  Observation observation_;
};

Decoder::Outcome Decoder::Impl::decode(const tap::Exchange& exchange) {
  if (!heads_.read(exchange)) return fail_with(FailReason::unsupported_format);
  ExchangeParts parts;
  heads_.fill(parts);
  has_heads_ = true;
  auto outcome = decode(std::as_const(parts));
  has_heads_ = false;
  return outcome;
}

// Traffic is mostly on one path: what its method and path say is kept for the next exchange.
void Decoder::Impl::look_at_path(const ExchangeParts& parts) {
  if (parts.path == route_.path && parts.method == route_.method) return;
  route_.path = parts.path;
  route_.method = parts.method;
  route_.is_prediction = matches(parts);
  route_.is_language_model = protocols::is_language_model_path(parts.path);
  route_.model = tap::model_in_path(route_.path);
  route_.version = tap::version_in_path(route_.path);
}

// By the rules; else every POST and PUT but those above, and every GET with a query.
bool Decoder::Impl::matches(const ExchangeParts& parts) const {
  if (!rules_.methods.empty() && std::find(rules_.methods.begin(), rules_.methods.end(),
                                           parts.method) == rules_.methods.end()) {
    return false;
  }
  if (!rules_.paths.empty()) {
    return std::any_of(rules_.paths.begin(), rules_.paths.end(), [&](const std::string& pattern) {
      return tap::matches_pattern(pattern, parts.path);
    });
  }
  if (parts.method == "POST" || parts.method == "PUT") {
    return std::none_of(std::begin(no_prediction_paths), std::end(no_prediction_paths),
                        [&](std::string_view p) { return tap::matches_pattern(p, parts.path); });
  }
  return parts.method == "GET";
}

Decoder::Outcome Decoder::Impl::decode(const ExchangeParts& parts) {
  kept_.clear();
  selection_.clear();
  table_.clear();
  answer_.clear();
  row_counts_.clear();
  request_is_opaque_ = answer_is_table_ = false;
  words_.clear();
  asked_model_ = asked_version_ = request_id_ = answer_id_ = {};
  rows_.clear();
  observation_ = Observation{};
  observation_.id = parts.id;
  observation_.time = parts.started;
  look_at_path(parts);
  const bool is_bare_get = parts.method == "GET" && parts.query.empty() && rules_.paths.empty();
  if (!parts.exchange_is_prediction && (!route_.is_prediction || is_bare_get)) {
    return skip(SkipReason::not_matched);
  }
  if (parts.is_grpc && !messages_.knows(parts.path)) return unknown_service(parts);
  const std::string_view key = parts.sampling_key.empty() ? parts.id : parts.sampling_key;
  if (!tap::is_sampled(sampling_, key)) return skip(SkipReason::sampled_out);

  using tap::Outcome;
  if (parts.status >= 400 || parts.outcome == Outcome::timeout ||
      parts.outcome == Outcome::unreachable || parts.outcome == Outcome::client_error ||
      parts.outcome == Outcome::server_error) {
    if (const auto reason = out_of_scope(parts)) return skip(*reason);
    return model_failure(parts);
  }
  if (parts.outcome != Outcome::success) return fail_with(FailReason::incomplete);
  if (parts.status < 200 || parts.status >= 300 || parts.status == 204) {
    return skip(SkipReason::not_matched);  // Upgrades, redirects, and answers without content.
  }
  const bool streamed = iequals_ascii(media_type(parts.response_type), "text/event-stream");
  if (streamed && rules_.skip_streams) return skip(SkipReason::not_matched);
  return observe_answer(parts);
}

// Traffic, and no prediction that anybody could read.
Decoder::Outcome Decoder::Impl::unknown_service(const ExchangeParts& parts) {
  if (!names_paths()) return skip(SkipReason::not_matched);
  words_ = "the messages of " + std::string(parts.path) +
           " are not known: write request.proto, a file of descriptors that protoc "
           "--include_imports --descriptor_set_out makes";
  return fail_with(FailReason::unsupported_format);
}

Decoder::Outcome Decoder::Impl::model_failure(const ExchangeParts& parts) {
  identify(parts, false);
  gather_aliases(parts);
  observation_.model_failed = true;
  return observation_;
}

// What is skipped when it succeeds is when it fails, too: a share of failures needs both.
std::optional<SkipReason> Decoder::Impl::out_of_scope(const ExchangeParts& parts) const {
  if (answer_.names_prediction()) return std::nullopt;
  if (route_.is_language_model) return SkipReason::language_model;
  const bool is_opaque = !parts.request_body.empty() && parts.request_json_bytes.empty() &&
                         format_of(parts.request_type, {}, parts.request_body) == Format::opaque;
  return is_opaque ? std::optional(SkipReason::opaque_body) : std::nullopt;
}

// The answer is looked at first: what it is decides whether the request has to be understood.
Decoder::Outcome Decoder::Impl::observe_answer(const ExchangeParts& parts) {
  const auto opened = open_answer(parts);
  if (opened && answer_.nature() == Answer::Nature::error) return model_failure(parts);
  const bool is_language =
      (opened && answer_.nature() == Answer::Nature::language_model) || route_.is_language_model;
  if (is_language && !answer_.names_prediction()) return skip(SkipReason::language_model);
  // Who says where the prediction is means what stands there. A prompt is no feature unless it is
  // named one.
  const bool has_features = !is_language || !selection_.empty();
  const auto request = read_request(parts, has_features);
  if (request_is_opaque_) return skip(SkipReason::opaque_body);
  if (!request) return give_up(parts, request.error());
  if (!opened) return give_up(parts, opened.error());
  if (const auto ok = read_answer(); !ok) return give_up(parts, ok.error());
  if (answer_.nature() == Answer::Nature::error) return model_failure(parts);
  if (const auto ok = request_.fill(answer_.rows().size(), table_); !ok) {
    return give_up(parts, ok.error());
  }
  if (selection_.wants_query() && !parts.request_body.empty() && !parts.query.empty()) {
    // The same for each of the body's rows.
    if (const auto ok = add_query(parts.query); !ok) return give_up(parts, ok.error());
  }
  build_rows();
  if (!keys_.empty()) read_keys(parts);
  identify(parts, true);
  gather_aliases(parts);
  return observation_;
}

Decoder::Outcome Decoder::Impl::give_up(const ExchangeParts& parts, FailReason reason) {
  // A page or a file that somebody fetched with a query is no prediction, unless we were told so.
  if (reason == FailReason::unsupported_format && parts.method == "GET" && !names_paths() &&
      !parts.exchange_is_prediction) {
    return skip(SkipReason::not_matched);
  }
  words_ = answer_.words();
  return fail_with(reason);
}

Decoded<void> Decoder::Impl::read_request(const ExchangeParts& parts, bool has_features) {
  query_fields_.clear();
  request_.clear();
  if (!has_features) {
    row_counts_.push_back(1);
    return {};
  }
  if (parts.request_body.empty()) {
    if (auto ok = add_query(parts.query); !ok) return ok;
    if (table_.rows() > 0) row_counts_.push_back(1);
    return {};
  }
  if (parts.is_grpc) {
    if (auto ok = read_request_message(parts); !ok) return ok;
  } else {
    const auto body = request_unpacker_.unpack(parts.request_coding, parts.request_body);
    if (!body) return failed(body);
    if (auto ok = read_request_body(parts, *body); !ok) return ok;
  }
  const auto counts = request_.row_counts();
  row_counts_.assign(counts.begin(), counts.end());
  if (counts.empty() && table_.rows() > 0) row_counts_.push_back(table_.rows());
  return {};
}

Decoded<void> Decoder::Impl::read_request_message(const ExchangeParts& parts) {
  const auto message = messages_.request(parts.request_coding, parts.request_body);
  if (!message) return failed(message);
  request_id_ = (*message)->id;
  asked_model_ = (*message)->model_name;
  asked_version_ = (*message)->model_version;
  return request_.open((*message)->json.text(), (*message)->binary, table_);
}

Decoded<void> Decoder::Impl::read_request_body(const ExchangeParts& parts, std::string_view body) {
  switch (format_of(parts.request_type, parts.request_json_bytes, body)) {
    case Format::json: {
      const auto pieces = split_binary(body, parts.request_json_bytes);
      if (!pieces) return failed(pieces);
      const auto ok = request_.open(pieces->json, pieces->binary, table_);
      if (ok || !are_json_lines(ok.error(), body)) return ok;
      table_.clear();
      return request_.open(read_json_lines(body, event_).as_list, {}, table_);
    }
    case Format::json_lines: {
      const JsonLines lines = read_json_lines(body, event_);
      return request_.open(lines.count == 1 ? lines.last : lines.as_list, {}, table_);
    }
    case Format::csv:
      if (auto ok = request_csv_.read(body); !ok) return ok;
      return table_.add_matrix(request_csv_.matrix(), request_csv_.names());
    case Format::form:
      return add_query(body);
    case Format::opaque:
      // Raw tensors (Triton's raw binary request) have no names; what they are answered is a
      // prediction all the same, and so is what the configuration says is one.
      request_is_opaque_ = parts.request_json_bytes.empty() && !answer_.names_prediction();
      return {};
    case Format::event_stream:
    case Format::other:
      break;
  }
  return failed(FailReason::unsupported_format);
}

Decoded<void> Decoder::Impl::add_query(std::string_view query) {
  const auto is_encoded = [](std::string_view raw) {
    return raw.find('%') != std::string_view::npos || raw.find('+') != std::string_view::npos;
  };
  // Mostly, all of it is as it stands; then its pieces are.
  const bool plain = !is_encoded(query) && is_valid_utf8(query);
  const auto keep = [&](std::string_view raw) -> Decoded<std::string_view> {
    if (plain) return raw;
    if (!is_encoded(raw)) {
      if (!is_valid_utf8(raw)) return failed(FailReason::invalid_utf8);
      return raw;
    }
    auto text = percent_decode(raw, true);
    if (!text) return failed(FailReason::invalid_query);
    if (!is_valid_utf8(*text)) return failed(FailReason::invalid_utf8);
    return std::string_view(kept_.emplace_back(std::move(*text)));
  };
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view piece = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (piece.empty()) continue;
    const std::size_t equals = piece.find('=');
    const auto name = keep(piece.substr(0, equals));
    const auto text = keep(equals == std::string_view::npos ? "" : piece.substr(equals + 1));
    if (!name) return failed(name);
    if (!text) return failed(text);
    if (query_fields_.size() >= rules_.features_max) return failed(FailReason::wrong_shape);
    query_fields_.emplace_back(*name, detectors::read_value(*text));
  }
  if (query_fields_.empty()) return {};
  return table_.add_fields(query_fields_);
}

Decoded<void> Decoder::Impl::open_answer(const ExchangeParts& parts) {
  if (parts.response_is_end_only) {
    const auto events = events_at_end(parts);
    return events ? open_events(*events) : Decoded<void>(failed(events));
  }
  if (parts.is_grpc) {
    const auto message = messages_.answer(parts.response_coding, parts.response_body);
    if (!message) return failed(message);
    answer_id_ = (*message)->id;
    return answer_.open((*message)->json.text(), (*message)->binary);
  }
  const auto body = response_unpacker_.unpack(parts.response_coding, parts.response_body);
  if (!body) return failed(body);
  switch (format_of(parts.response_type, parts.response_json_bytes, *body)) {
    case Format::json: {
      const auto pieces = split_binary(*body, parts.response_json_bytes);
      if (!pieces) return failed(pieces);
      const auto ok = answer_.open(pieces->json, pieces->binary);
      if (ok || !are_json_lines(ok.error(), *body)) return ok;
      return answer_.open_lines(read_json_lines(*body, answer_text_).as_list);
    }
    case Format::event_stream:
      return open_events(*body);
    case Format::json_lines: {
      // A line for each of the request's rows, or a stream whose last line counts: read() will
      // know.
      const JsonLines lines = read_json_lines(*body, answer_text_);
      if (lines.count == 0) return failed(FailReason::missing_prediction);
      return lines.count == 1 ? answer_.open(lines.last, {}) : answer_.open_lines(lines.as_list);
    }
    case Format::csv:
      if (parts.method == "GET" && !names_paths()) break;  // A file that somebody fetched.
      answer_is_table_ = true;
      return answer_csv_.read(*body);
    case Format::form:
    case Format::opaque:
    case Format::other:
      break;
  }
  return failed(FailReason::unsupported_format);
}

Decoded<void> Decoder::Impl::open_events(std::string_view stream) {
  const StreamEnd end = read_stream_end(stream, answer_text_);
  if (end.has_error) {
    answer_.note_error();
    return {};
  }
  if (end.last_json.empty()) return failed(FailReason::missing_prediction);
  return answer_.open(end.last_json, {});
}

Decoded<void> Decoder::Impl::read_answer() {
  if (!answer_is_table_) return answer_.read(row_counts_);
  return answer_.read_table(answer_csv_.matrix(), answer_csv_.names(), row_counts_);
}

void Decoder::Impl::build_rows() {
  const FeatureNames* names = table_.finish();
  table_names_ = names;
  bool select = !selection_.empty();
  std::size_t width = select ? selection_.names()->names.size() : 0;
  const std::size_t count = answer_.rows().size();
  selected_.clear();
  if (select) {
    selected_.reserve(count * width);
    for (std::size_t i = 0; i < count; ++i) {
      selection_.select(names, names ? table_.row(i) : std::span<const FeatureValue>(), selected_);
    }
    if (request_.root()) select_from_body(count, width);
    names = selection_.names();
  } else if (names && !keys_.empty()) {
    names = leave_out_key(*names, count);
    select = names != table_names_;  // Then the rows are in selected_, too.
    width = select && names ? names->names.size() : 0;
  }
  for (std::size_t i = 0; i < count; ++i) {
    Row row;
    if (select) {
      row.features = {selected_.data() + i * width, width};
    } else if (names) {
      row.features = table_.row(i);
    }
    row.prediction = answer_.rows()[i];
    row.failed = row.prediction.value.kind == ValueKind::missing;
    if (!rules_.segments.empty()) row.segment = segment_of(names, row.features);
    rows_.push_back(row);
  }
  observation_.names = names;
  observation_.rows = rows_;
}

// What names a prediction says nothing of it: a key is a feature only where request.features names
// it.
const FeatureNames* Decoder::Impl::leave_out_key(const FeatureNames& names, std::size_t rows) {
  const KeyReader::Features& left = keys_.without_key(names);
  if (left.names && left.places.empty()) return &names;
  selected_.reserve(rows * left.places.size());
  for (std::size_t i = 0; i < rows; ++i) {
    const std::span<const FeatureValue> row = table_.row(i);
    for (const std::size_t place : left.places) selected_.push_back(row[place]);
  }
  return left.names;
}

void Decoder::Impl::read_keys(const ExchangeParts& parts) {
  keys_.begin(rows_.size());
  for (std::size_t part = 0; part < keys_.parts().size(); ++part) read_key_part(part, parts);
  keys_.join(observation_, rows_);
}

void Decoder::Impl::read_key_part(std::size_t part, const ExchangeParts& parts) {
  const KeyReader::Part& wanted = keys_.parts()[part];
  using Kind = Place::Kind;
  switch (wanted.place.kind) {
    case Kind::header:
      return keys_.put(part, detectors::read_value(find_place(wanted.place, true)));
    case Kind::literal:
      return keys_.put(part, FeatureValue::of(std::string_view(wanted.place.text)));
    case Kind::query: {
      auto text = query_parameter(parts.query, wanted.place.text);
      if (!text) return;
      return keys_.put(part, detectors::read_value(kept_.emplace_back(std::move(*text))));
    }
    case Kind::response: {
      const auto found = answer_.find(wanted.tokens);
      if (!found) return;
      return put_key_part(part, *found, [this](dom::element e) { return answer_.scalar(e); });
    }
    case Kind::json:
      if (!request_.root()) break;
      if (const auto found = follow(wanted.tokens, *request_.root())) {
        return put_key_part(part, *found,
                            [this](dom::element e) { return request_.json().scalar(e); });
      }
      break;
    default:
      break;
  }
  // From each row, by the name that it has in the table of all that the request says.
  if (!table_names_ || table_.rows() < rows_.size()) return;
  const std::size_t column = KeyReader::column_of(wanted, *table_names_);
  if (column == table_names_->names.size()) return;
  std::vector<FeatureValue> values;
  for (std::size_t i = 0; i < rows_.size(); ++i) values.push_back(table_.row(i)[column]);
  if (values.size() == 1) return keys_.put(part, values[0]);
  keys_.put_rows(part, std::move(values));
}

// What a pointer found from the whole body belongs to every row, or is a list of as many.
template <class ReadScalar>
void Decoder::Impl::put_key_part(std::size_t part, dom::element found, const ReadScalar& read) {
  if (!is_container(found)) return keys_.put(part, read(found));
  const auto list = array_of(found);
  if (!list || size_of(*list) != rows_.size()) {
    return keys_.refuse(part, list ? "is a list, and not of as many values as there are predictions"
                                   : "is an object: let the pointer lead to a value");
  }
  std::vector<FeatureValue> values;
  for (const dom::element element : *list) values.push_back(read(element));
  if (values.size() == 1) return keys_.put(part, values[0]);
  keys_.put_rows(part, std::move(values));
}

// A pointer leads from the whole body; what it finds there belongs to every row, or is a list of as
// many.
void Decoder::Impl::select_from_body(std::size_t rows, std::size_t width) {
  for (std::size_t place = 0; place < width; ++place) {
    const std::span<const std::string> tokens = selection_.pointer(place);
    if (tokens.empty()) continue;
    const auto found = follow(tokens, *request_.root());
    if (!found) continue;
    const auto value_of = [&](dom::element value) {
      return selection_.as_configured(request_.json().scalar(value), place);
    };
    if (!is_container(*found)) {
      const FeatureValue value = value_of(*found);
      for (std::size_t row = 0; row < rows; ++row) selected_[row * width + place] = value;
    } else if (const auto list = array_of(found); list && list->size() == rows) {
      std::size_t row = 0;
      for (const dom::element value : *list) selected_[row++ * width + place] = value_of(value);
    }
  }
}

std::string_view Decoder::Impl::segment_of(const FeatureNames* names,
                                           std::span<const FeatureValue> values) {
  constexpr std::size_t segment_bytes_max = 128;
  std::string text, scratch;
  for (const std::string& wanted : rules_.segments) {
    std::string_view value;
    if (names) {
      const auto found = std::find(names->names.begin(), names->names.end(), wanted);
      const auto place = static_cast<std::size_t>(found - names->names.begin());
      if (place < values.size()) value = as_category(values[place], scratch);
    }
    if (!text.empty()) text += ',';
    text.append(wanted).append("=").append(value);
  }
  if (text.size() > segment_bytes_max) return "other";
  return kept_.emplace_back(std::move(text));
}

void Decoder::Impl::identify(const ExchangeParts& parts, bool answered) {
  const auto first = [](std::initializer_list<std::string_view> candidates) {
    for (const std::string_view one : candidates) {
      if (!one.empty()) return one;
    }
    return unknown;
  };
  const std::string_view in_body_name =
      answered && parts.model_name.empty() ? answer_.field("model_name") : std::string_view();
  const std::string_view in_body_version =
      answered && parts.model_version.empty() ? answer_.field("model_version") : std::string_view();
  if (parts.is_grpc && asked_model_.empty())
    asked_model_ = tap::model_in_grpc(tap::grpc_method(parts.path), parts.request_body);
  observation_.model_name = first({find_place(rules_.model_name, answered), route_.model,
                                   parts.model_name, in_body_name, asked_model_});
  observation_.model_version = first({find_place(rules_.model_version, answered), route_.version,
                                      parts.model_version, in_body_version, asked_version_});
}

std::string_view Decoder::Impl::find_place(const Place& place, bool answered) {
  switch (place.kind) {
    case Place::Kind::inferred:
    case Place::Kind::path:  // What the path says comes next in any case.
      return {};
    case Place::Kind::literal:
      return place.text;
    case Place::Kind::header:
      return has_heads_ ? heads_.value_of(place.text) : std::string_view();
    case Place::Kind::query:
      for (const auto& [name, value] : query_fields_) {
        if (name == place.text) return value.text;
      }
      return {};
    case Place::Kind::json:
    case Place::Kind::response:
      return answered ? answer_.field(pointer_tokens(place.text)) : std::string_view();
    case Place::Kind::row:  // Of features and predictions only.
      return {};
  }
  return {};
}

void Decoder::Impl::gather_aliases(const ExchangeParts& parts) {
  constexpr std::size_t alias_bytes_max = 256;
  aliases_.clear();
  const auto add = [this](std::string_view alias) {
    if (alias.empty() || alias.size() > alias_bytes_max || alias == observation_.id) return;
    if (std::find(aliases_.begin(), aliases_.end(), alias) == aliases_.end()) {
      aliases_.push_back(alias);
    }
  };
  for (const std::string_view alias : parts.aliases) add(alias);
  if (!observation_.model_failed) {
    add(request_.id());
    add(request_id_);
    add(answer_id_);
    add(answer_.puid());
    add(answer_.field("id"));
  }
  observation_.aliases = aliases_;
}

Decoder::Decoder(Rules rules) : impl_(std::make_unique<Impl>(std::move(rules))) {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

Decoder::Outcome Decoder::decode(const tap::Exchange& exchange) {
  return impl_->decode(exchange);
}
Decoder::Outcome Decoder::decode(const ExchangeParts& parts) {
  return impl_->decode(parts);
}
const Rules& Decoder::rules() const {
  return impl_->rules();
}
std::string_view Decoder::words() const {
  return impl_->words();
}

}  // namespace outrider::decode
