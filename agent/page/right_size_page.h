// SPDX-License-Identifier: Apache-2.0
#pragma once

// The page /right-size: what the models' containers ask for, used, and should ask for. PURE.
//
// Told from the JSON of GET /api/v1/right-size, so that nothing shows that the API does not tell.

#include <functional>
#include <string>

#include "agent/incident/identity.h"
#include "base/core/clock.h"
#include "base/wire/json.h"

namespace outrider::page {

struct RightSizeContent {
  Time now;
  wire::Json report = {};  // Null: the agent does not ask (--right-size.every).
  std::string search = {};
  std::function<bool(const incident::Identity&)> may_see = {};  // None: everything.
};
std::string right_size_main(const RightSizeContent& content);

inline constexpr std::size_t right_size_rows_max = 200;  // Shown; more are found by searching.

}  // namespace outrider::page
