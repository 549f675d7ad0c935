// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/decoder.h"

#include <algorithm>
#include <utility>

#include "base/core/text.h"
#include "detectors/value_reader.h"
#include "sidecar/monitor/decode/answer_reader.h"
#include "sidecar/monitor/decode/body_format.h"
#include "sidecar/monitor/decode/exchange_heads.h"
#include "sidecar/monitor/decode/grpc_messages.h"
#include "sidecar/monitor/decode/json_pointer.h"
#include "sidecar/monitor/decode/key_reader.h"
#include "sidecar/monitor/decode/prediction_route.h"
#include "sidecar/monitor/decode/request_reader.h"
#include "sidecar/monitor/decode/row_builder.h"
#include "sidecar/tap/capture_settings.h"
#include "sidecar/tap/grpc_call.h"

namespace outrider::decode {
namespace {

using tap::Disposal;
using tap::SkipReason;

constexpr std::string_view unknown = "unknown";

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
        route_(rules_),
        messages_(rules_),
        request_(rules_, messages_),
        answer_(rules_, messages_),
        rows_(rules_),
        keys_(rules_.key) {}

  Outcome decode(const tap::Exchange& exchange);
  Outcome decode(const ExchangeParts& parts);
  const Rules& rules() const { return rules_; }
  std::string_view words() const { return words_; }

 private:
  Outcome model_failure(const ExchangeParts& parts);
  Outcome unknown_service(const ExchangeParts& parts);
  std::optional<SkipReason> out_of_scope(const ExchangeParts& parts) const;
  Outcome observe_answer(const ExchangeParts& parts);
  Outcome give_up(const ExchangeParts& parts, FailReason reason);
  void read_keys(const ExchangeParts& parts);
  void read_key_part(std::size_t part, const ExchangeParts& parts);
  template <class ReadScalar>
  void put_key_part(std::size_t part, dom::element found, const ReadScalar& read);
  void identify(const ExchangeParts& parts, bool answered);
  std::string_view find_place(const Place& place, bool answered);
  void gather_aliases(const ExchangeParts& parts);

  const Rules rules_;
  tap::CompiledCapture sampling_;
  PredictionRoute route_;
  GrpcMessages messages_;
  RequestReader request_;
  AnswerReader answer_;
  RowBuilder rows_;
  KeyReader keys_;
  ExchangeHeads heads_;
  bool has_heads_ = false;
  std::string words_;
  std::vector<std::string_view> aliases_;
  std::deque<std::string> kept_;  // Decoded texts of the query that are parts of keys.
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

Decoder::Outcome Decoder::Impl::decode(const ExchangeParts& parts) {
  if (!kept_.empty()) kept_.clear();
  request_.clear();
  answer_.clear();
  rows_.clear();
  words_.clear();
  observation_ = Observation{};
  observation_.id = parts.id;
  observation_.time = parts.started;
  route_.look_at(parts);
  const bool is_bare_get = parts.method == "GET" && parts.query.empty() && rules_.paths.empty();
  if (!parts.exchange_is_prediction && (!route_.is_prediction() || is_bare_get)) {
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
  if (!rules_.names_paths()) return skip(SkipReason::not_matched);
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
  if (answer_.answer().names_prediction()) return std::nullopt;
  if (route_.is_language_model()) return SkipReason::language_model;
  const bool is_opaque = !parts.request_body.empty() && parts.request_json_bytes.empty() &&
                         format_of(parts.request_type, {}, parts.request_body) == Format::opaque;
  return is_opaque ? std::optional(SkipReason::opaque_body) : std::nullopt;
}

// The answer is looked at first: what it is decides whether the request has to be understood.
Decoder::Outcome Decoder::Impl::observe_answer(const ExchangeParts& parts) {
  Answer& answer = answer_.answer();
  const auto opened = answer_.open(parts);
  if (opened && answer.nature() == Answer::Nature::error) return model_failure(parts);
  const bool is_language =
      (opened && answer.nature() == Answer::Nature::language_model) || route_.is_language_model();
  if (is_language && !answer.names_prediction()) return skip(SkipReason::language_model);
  // Who says where the prediction is means what stands there. A prompt is no feature unless it is
  // named one.
  if (is_language && !rows_.selects()) {
    request_.take_unread();
  } else {
    const auto request = request_.read(parts);
    // Features without names; what they are answered is a prediction all the same where the
    // configuration says so.
    if (request_.is_opaque() && !answer.names_prediction()) return skip(SkipReason::opaque_body);
    if (!request) return give_up(parts, request.error());
  }
  if (!opened) return give_up(parts, opened.error());
  if (const auto ok = answer_.read(request_.row_counts()); !ok) return give_up(parts, ok.error());
  if (answer.nature() == Answer::Nature::error) return model_failure(parts);
  if (const auto ok = request_.fill(answer.rows().size()); !ok) return give_up(parts, ok.error());
  if (rows_.wants_query() && !parts.request_body.empty() && !parts.query.empty()) {
    // The same for each of the body's rows.
    if (const auto ok = request_.add_query(parts.query); !ok) return give_up(parts, ok.error());
  }
  rows_.build(request_.table(), request_.body(), keys_, answer.rows(), observation_);
  if (!keys_.empty()) read_keys(parts);
  identify(parts, true);
  gather_aliases(parts);
  return observation_;
}

Decoder::Outcome Decoder::Impl::give_up(const ExchangeParts& parts, FailReason reason) {
  // A page or a file that somebody fetched with a query is no prediction, unless we were told so.
  if (reason == FailReason::unsupported_format && parts.method == "GET" && !rules_.names_paths() &&
      !parts.exchange_is_prediction) {
    return skip(SkipReason::not_matched);
  }
  words_ = answer_.answer().words();
  return fail_with(reason);
}

void Decoder::Impl::read_keys(const ExchangeParts& parts) {
  keys_.begin(rows_.rows().size());
  for (std::size_t part = 0; part < keys_.parts().size(); ++part) read_key_part(part, parts);
  keys_.join(observation_, rows_.rows());
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
      Answer& answer = answer_.answer();
      const auto found = answer.find(wanted.tokens);
      if (!found) return;
      return put_key_part(part, *found, [&](dom::element e) { return answer.scalar(e); });
    }
    case Kind::json:
      if (!request_.body().root()) break;
      if (const auto found = follow(wanted.tokens, *request_.body().root())) {
        return put_key_part(part, *found,
                            [this](dom::element e) { return request_.body().json().scalar(e); });
      }
      break;
    default:
      break;
  }
  // From each row, by the name that it has in the table of all that the request says.
  const FeatureNames* names = rows_.table_names();
  const RowTable& table = request_.table();
  const std::size_t rows = rows_.rows().size();
  if (!names || table.rows() < rows) return;
  const std::size_t column = KeyReader::column_of(wanted, *names);
  if (column == names->names.size()) return;
  std::vector<FeatureValue> values;
  for (std::size_t i = 0; i < rows; ++i) values.push_back(table.row(i)[column]);
  if (values.size() == 1) return keys_.put(part, values[0]);
  keys_.put_rows(part, std::move(values));
}

// What a pointer found from the whole body belongs to every row, or is a list of as many.
template <class ReadScalar>
void Decoder::Impl::put_key_part(std::size_t part, dom::element found, const ReadScalar& read) {
  if (!is_container(found)) return keys_.put(part, read(found));
  const auto list = array_of(found);
  if (!list || size_of(*list) != rows_.rows().size()) {
    return keys_.refuse(part, list ? "is a list, and not of as many values as there are predictions"
                                   : "is an object: let the pointer lead to a value");
  }
  std::vector<FeatureValue> values;
  for (const dom::element element : *list) values.push_back(read(element));
  if (values.size() == 1) return keys_.put(part, values[0]);
  keys_.put_rows(part, std::move(values));
}

void Decoder::Impl::identify(const ExchangeParts& parts, bool answered) {
  Answer& answer = answer_.answer();
  const auto first = [](std::initializer_list<std::string_view> candidates) {
    for (const std::string_view one : candidates) {
      if (!one.empty()) return one;
    }
    return unknown;
  };
  const std::string_view in_body_name =
      answered && parts.model_name.empty() ? answer.model_name() : std::string_view();
  const std::string_view in_body_version =
      answered && parts.model_version.empty() ? answer.model_version() : std::string_view();
  std::string_view asked_model = request_.message().model;
  if (parts.is_grpc && asked_model.empty())
    asked_model = tap::model_in_grpc(tap::grpc_method(parts.path), parts.request_body);
  observation_.model_name = first({find_place(rules_.model_name, answered), route_.model(),
                                   parts.model_name, in_body_name, asked_model});
  observation_.model_version =
      first({find_place(rules_.model_version, answered), route_.version(), parts.model_version,
             in_body_version, request_.message().version});
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
      return request_.query_field(place.text);
    case Place::Kind::json:
    case Place::Kind::response:
      return answered ? answer_.answer().field(pointer_tokens(place.text)) : std::string_view();
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
    add(request_.body().id());
    add(request_.message().id);
    add(answer_.message_id());
    add(answer_.answer().puid());
    add(answer_.answer().id());
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
