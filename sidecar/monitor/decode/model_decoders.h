// SPDX-License-Identifier: Apache-2.0
#pragma once

// ModelDecoders: one Decoder for all models, and others for those that the configuration gives
// rules of their own. PURE. Decodes as Decoder does (decoder.h) and stands in its place.
//
//   ModelDecoders decoders(settings.rules, {{"fraud", fraud_rules}, {"price", price_rules}});
//   const auto observation = decoders.decode(exchange);
//
// The model's rules are chosen by its name. Where the name is told by something other than the
// response's body (a literal, a header, the path, a gRPC request), it is known before decoding.
// Else the common rules decode, and the model's decode again once the name is read. An exchange
// whose name only the body tells, and which the common rules cannot decode, fails: nobody knows
// whose rules hold.
//
// Bounded: decoders are made when they are first needed, one for all models of equal rules. At most
// kept_max of those are kept, the ones used last; one that read a large or a packed body is not
// kept at all, because its buffers grew with it. One takes about 100 KiB; to make it again costs
// about 6 µs. Not thread-safe.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/monitor/decode/decoder.h"
#include "sidecar/monitor/decode/exchange_heads.h"

namespace outrider::decode {

class ModelDecoders {
 public:
  using Outcome = Decoder::Outcome;
  static constexpr std::size_t kept_max = 64;

  explicit ModelDecoders(Rules common, const std::map<std::string, Rules, std::less<>>& own = {});

  // The observation is valid until the next call.
  Outcome decode(const tap::Exchange& exchange);
  Outcome decode(const ExchangeParts& parts);
  // As Decoder::words(), of the last exchange.
  std::string_view words() const { return own_ ? own_->words() : common_.words(); }

  std::size_t kept() const;  // Decoders beside the common one; for tests.

 private:
  // Models of equal rules.
  struct Kind {
    Rules rules;
    std::unique_ptr<Decoder> decoder;  // Null until it is needed.
    std::uint64_t used = 0;            // When it was last, in uses_.
  };
  template <class Source>
  Outcome decode_named(const Source& source, std::optional<std::string_view> name, bool heavy);
  std::optional<std::string_view> name_in(const tap::Exchange& exchange);
  std::optional<std::string_view> name_of(std::string_view path, std::string_view field) const;
  Kind* kind_of(std::string_view name);
  Decoder& decoder_of(Kind& kind);

  Decoder common_;
  std::vector<Kind> kinds_;
  std::map<std::string, std::size_t, std::less<>> kind_of_model_;  // Index into kinds_.
  const Decoder* own_ = nullptr;  // That decoded last; null: the common one.
  std::uint64_t uses_ = 0;
  Kind* heavy_ = nullptr;  // Read a large body last; given up when another is used.
  ExchangeHeads heads_;
};

}  // namespace outrider::decode
