// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which series a limited token reaches to: by the labels `cluster`, `namespace`, `job` and
// `model_name`. A label that a limit is about and that a series has not lies outside. PURE.

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "base/net/access.h"
#include "base/remote_write/codec/decode.h"

namespace outrider::ingest {

// `label(name)` gives the value of a series' label, "" where it has none.
template <class LabelOf>
bool reaches(const net::Scope& limits, const LabelOf& label) {
  return limits.covers({.cluster = label("cluster"),
                        .name_space = label("namespace"),
                        .workload = label("job"),
                        .model = label("model_name")});
}

// Why a request with samples is refused whole: it has a series that the limits do not reach to.
// Series whose labels cannot be read are passed over: they are refused one by one, in any case.
// O(labels of the request).
std::optional<std::string> outside_of(const net::Scope& limits,
                                      const remote_write::WriteRequest& request,
                                      const remote_write::LabelLimits& labels_max);

}  // namespace outrider::ingest
