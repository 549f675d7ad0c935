// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/model_decoders.h"

#include <algorithm>
#include <utility>

#include "sidecar/tap/model_path.h"

namespace outrider::decode {
namespace {

// Bodies up to here leave buffers of a few hundred KiB.
constexpr std::size_t light_bytes_max = 16 << 10;

// As decoder.cpp has it.
constexpr http1::HeadLimits head_limits{
    .head_bytes = 16 << 20, .request_line_bytes = 16 << 20, .fields = http1::fields_capacity};

ModelDecoders::Outcome told_refusals(ModelDecoders::Outcome outcome, int status) {
  if (outcome && outcome->model_failed) outcome->refused = status >= 400 && status < 500;
  return outcome;
}

bool is_packed(const http1::Head& head) {
  return head.find(http1::FieldId::content_encoding) != nullptr;
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
  if (kinds_.empty()) return told_refusals(common_.decode(exchange), exchange.status);
  const auto name = name_in(exchange);  // Reads the heads.
  const bool heavy =
      exchange.request_body.size() + exchange.response_body.size() > light_bytes_max ||
      is_packed(request_head_) || (!exchange.response_head.empty() && is_packed(response_head_));
  return told_refusals(decode_named(exchange, name, heavy), exchange.status);
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
  http1::HeadCursor cursor;
  if (parse(exchange.request_head, cursor, head_limits, request_head_) !=
      http1::Progress::complete) {
    return std::nullopt;
  }
  const bool answered = !exchange.response_head.empty();
  if (answered) {
    cursor = {};
    const auto context = http1::ResponseContext::of(request_head_.summary);
    if (parse(exchange.response_head, cursor, head_limits, context, response_head_) !=
        http1::Progress::complete) {
      return std::nullopt;
    }
  }
  const Place& rule = common_.rules().model_name;
  if (rule.kind == Place::Kind::header) {
    const std::string_view told = answered ? response_head_.value_of(rule.text) : "";
    if (!told.empty()) return told;
    if (const auto asked = request_head_.value_of(rule.text); !asked.empty()) return asked;
  }
  return name_of(request_head_.path(),
                 answered ? response_head_.value_of(http1::FieldId::x_model_name) : "");
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
