// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/model_decoders.h"

#include <algorithm>
#include <utility>

#include "sidecar/tap/grpc_call.h"
#include "sidecar/tap/model_path.h"

namespace outrider::decode {
namespace {

// Bodies up to here leave buffers of a few hundred KiB.
constexpr std::size_t light_bytes_max = 16 << 10;

ModelDecoders::Outcome told_refusals(ModelDecoders::Outcome outcome, int status) {
  if (outcome && outcome->model_failed) outcome->refused = status >= 400 && status < 500;
  return outcome;
}

}  // namespace

ModelDecoders::ModelDecoders(Rules common, const std::map<std::string, Rules, std::less<>>& own)
    : common_(std::move(common)) {
  for (const auto& [model, rules] : own) {
    if (rules == common_.rules()) continue;
    const auto same = std::find_if(kinds_.begin(), kinds_.end(),
                                   [&](const Kind& kind) { return kind.rules == rules; });
    kind_of_model_[model] = static_cast<std::size_t>(same - kinds_.begin());
    if (same == kinds_.end()) kinds_.push_back({rules, nullptr, 0});
  }
}

ModelDecoders::Outcome ModelDecoders::decode(const tap::Exchange& exchange) {
  const int status = tap::effective_status(exchange);
  if (kinds_.empty()) return told_refusals(common_.decode(exchange), status);
  const auto name = name_in(exchange);  // Reads the heads.
  const bool heavy =
      exchange.request_body.size() + exchange.response_body.size() > light_bytes_max ||
      heads_.is_packed();
  return told_refusals(decode_named(exchange, name, heavy), status);
}

ModelDecoders::Outcome ModelDecoders::decode(const ExchangeParts& parts) {
  if (kinds_.empty()) return told_refusals(common_.decode(parts), parts.status);
  const bool heavy = parts.request_body.size() + parts.response_body.size() > light_bytes_max ||
                     !parts.request_coding.empty() || !parts.response_coding.empty();
  return told_refusals(decode_named(parts, name_of(parts.path, parts.model_name), heavy),
                       parts.status);
}

template <class Source>
ModelDecoders::Outcome ModelDecoders::decode_named(const Source& source,
                                                   std::optional<std::string_view> name,
                                                   bool heavy) {
  own_ = nullptr;
  Kind* kind = name ? kind_of(*name) : nullptr;
  if (!kind) {
    auto outcome = common_.decode(source);
    if (name || !outcome) return outcome;
    kind = kind_of(outcome->model_name);
    if (!kind) return outcome;
  }
  if (heavy_ && heavy_ != kind) {
    heavy_->decoder.reset();
    heavy_ = nullptr;
  }
  if (heavy) heavy_ = kind;
  Decoder& decoder = decoder_of(*kind);
  own_ = &decoder;
  return decoder.decode(source);
}

// The name as far as it is told before the response's body; nothing where that may tell it.
std::optional<std::string_view> ModelDecoders::name_in(const tap::Exchange& exchange) {
  if (!heads_.read(exchange)) return std::nullopt;
  const Place& rule = common_.rules().model_name;
  if (rule.kind == Place::Kind::header) {
    if (const auto told = heads_.value_of(rule.text); !told.empty()) return told;
  }
  const std::string_view path = heads_.request().path();
  const auto name = name_of(path, heads_.answered(http1::FieldId::x_model_name));
  if (name || rule.kind == Place::Kind::response || exchange.protocol != tap::Protocol::grpc)
    return name;
  const auto asked = tap::model_in_grpc(tap::grpc_method(path), exchange.request_body);
  return asked.empty() ? std::nullopt : std::optional(asked);
}

std::optional<std::string_view> ModelDecoders::name_of(std::string_view path,
                                                       std::string_view field) const {
  const Place& rule = common_.rules().model_name;
  if (rule.kind == Place::Kind::literal) return rule.text;
  if (rule.kind == Place::Kind::response) return std::nullopt;
  if (const auto name = tap::model_in_path(path); !name.empty()) return name;
  if (!field.empty()) return field;
  return std::nullopt;
}

ModelDecoders::Kind* ModelDecoders::kind_of(std::string_view name) {
  const auto found = kind_of_model_.find(name);
  return found == kind_of_model_.end() ? nullptr : &kinds_[found->second];
}

Decoder& ModelDecoders::decoder_of(Kind& kind) {
  kind.used = ++uses_;
  if (kind.decoder) return *kind.decoder;
  if (kept() >= kept_max) {
    Kind* oldest = nullptr;
    for (Kind& one : kinds_) {
      if (one.decoder && (!oldest || one.used < oldest->used)) oldest = &one;
    }
    oldest->decoder.reset();
  }
  kind.decoder = std::make_unique<Decoder>(kind.rules);
  return *kind.decoder;
}

std::size_t ModelDecoders::kept() const {
  return static_cast<std::size_t>(std::count_if(
      kinds_.begin(), kinds_.end(), [](const Kind& kind) { return kind.decoder != nullptr; }));
}

}  // namespace outrider::decode
