// SPDX-License-Identifier: Apache-2.0
#pragma once

// An executor that takes every target; the test carries it out.

#include "agent/decide/executor.h"

namespace outrider::testing {

struct PlayedExecutor final : decide::Executor {
  std::string_view name() const override { return "kubernetes"; }
  Result<void> check_target(decide::Kind, const wire::Json&) const override { return {}; }
  bool can_undo(decide::Kind, const wire::Json&) const override { return false; }
  std::string always_asks(decide::Kind, const wire::Json&) const override { return ""; }
  decide::Report carry_out(const decide::Order&) override { return {}; }
};

}  // namespace outrider::testing
