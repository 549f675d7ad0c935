// SPDX-License-Identifier: Apache-2.0
#pragma once

// Decoder: Exchange -> Observation. What the model was asked, what it answered, who is who. PURE.
//
// Recognised without configuration (protocols/protocols.h, request_body.h and answer.h have the
// shapes):
//   GET  /anything?size=1800&bedrooms=3                       query parameters
//   POST with JSON, whatever its Content-Type calls it        flat, KServe V1 and V2, Seldon, TF-Serving, …
//   POST with a form (application/x-www-form-urlencoded)      as a query
//   POST with text/csv or JSON lines                          a row a line
//   gRPC calls of Open Inference and TF-Serving               as their HTTP bodies (protocols/grpc.h)
// A language model's exchange and an opaque body (an image, a form of several parts) are skipped by
// their names. Everything else is not a prediction (skipped: not_matched) unless the rules name its
// path; then it is one that could not be analysed. An answer of 4xx or 5xx to a request that looks
// like a prediction, an answer of 200 that is an error, and none at all, are failures of the model.
// A gRPC call of another service is no prediction, unless the rules have its descriptors
// (message_schemas.h): then it is as JSON with the names of its .proto file.
// What sampling leaves out is skipped here too: the proxy may have captured it before it knew the
// rate, and posted exchanges never passed the proxy.
//
// Model name: the rule; else the path's "/models/{name}"; else the response's X-Model-Name; else
// its "model_name"; of gRPC else the request's. Version: the rule; else the path's "/versions/{v}";
// else the response's X-Model-Version; else its "model_version". Else "unknown".
//
// The key by which labels name a prediction (Rules::key) is looked for in what could be decoded;
// where there is none, the observation is as without, and says so (keys, key_words).
//
//   Decoder decoder(rules);
//   const auto observation = decoder.decode(exchange);
//   if (!observation) source.dispose(observation.error());
//
// Not thread-safe: one a thread; it keeps its buffers. About 1 µs for 20 features of flat JSON,
// 0.6 µs for as many of gRPC, raw.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/monitor/decode/exchange_parts.h"
#include "sidecar/monitor/decode/observation.h"
#include "sidecar/monitor/decode/rules.h"
#include "sidecar/tap/exchange.h"

namespace outrider::decode {

class Decoder {
 public:
  using Outcome = tl::expected<Observation, tap::Disposal>;

  explicit Decoder(Rules rules);
  ~Decoder();
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;

  // The observation is valid until the next call.
  Outcome decode(const tap::Exchange& exchange);
  Outcome decode(const ExchangeParts& parts);

  const Rules& rules() const;
  // What was seen and what to write into the configuration, of the last exchange that failed: a
  // sentence; "" where the reason says all. Valid until the next call.
  std::string_view words() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrider::decode
