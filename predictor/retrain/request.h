// SPDX-License-Identifier: Apache-2.0
#pragma once

// What asks for a retraining: the agent's webhook, or Alertmanager's (where no agent stands
// between). PURE.
//
//   {"model": "house-price", "version": "v1", "reason": "accuracy fell from 95% to 72%",
//    "since": "2026-01-31T12:00:00Z", "incident": "inc-7", "idempotency_key": "inc-7/retrain"}
//
// Every key may be absent, null or "". `since` is when the change began; without it all rows are
// used. Alertmanager's webhook v4: the first firing alert speaks; its label model_name names the
// model, its annotation `since` the change (else startsAt, which is later than the change), and
// groupKey, fingerprint and startsAt make the key. Nothing firing: nothing to do.

#include <optional>
#include <string>
#include <string_view>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/wire/json.h"

namespace outrider::retrain {

struct Request {
  std::string model = {};
  std::string version = {};  // The version that is found wanting.
  std::string reason = {};
  std::string incident = {};
  std::string idempotency_key = {};
  std::optional<Time> since = {};

  bool operator==(const Request&) const = default;
};

constexpr std::size_t text_bytes_max = 4096;  // Of each text; longer ones are cut, keys refused.

// Nothing when the body asks for nothing (only resolved alerts). Error "bad_request".
Result<std::optional<Request>> parse_request(std::string_view body);

wire::Json to_json(const Request& request);

}  // namespace outrider::retrain
