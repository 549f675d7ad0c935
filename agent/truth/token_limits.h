// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a token's limits (base/net/access.h) leave of a request about shipped predictions and their
// labels. PURE.
//
//   if (auto why = outside_of(*request.scope, shipment)) return 403;
//   auto own = narrowed(request);      // ?workload=… where the token is for one alone
//
// A token is for workloads: what does not say whose it is lies outside of a limit.

#include <optional>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/net/access.h"
#include "base/net/http_server.h"
#include "truth/shipment.h"

namespace outrider::fleet {

// Why the token is not for the sender of the shipment, or one of its models; nothing where it is.
std::optional<std::string> outside_of(const net::Scope& limits,
                                      const truth::DecodedShipment& shipment);

// Whether a token (null: one without limits) reaches to what is of this scoped name.
bool reaches(const net::Scope* limits, std::string_view scoped_model);

// The request as one about what its token is for alone: cluster, namespace, workload and model of
// the query are within the limits, and stand there where a limit has one name. Error
// "out_of_scope": one is not, or a limit has several names and the query none.
Result<net::HttpRequest> narrowed(const net::HttpRequest& request);

}  // namespace outrider::fleet
