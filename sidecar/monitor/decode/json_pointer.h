// SPDX-License-Identifier: Apache-2.0
#pragma once

// A JSON pointer (RFC 6901): "/out/price/0". PURE.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/monitor/decode/json.h"

namespace outrider::decode {

// The pieces between the slashes, with ~1 and ~0 as '/' and '~'.
std::vector<std::string> pointer_tokens(std::string_view pointer);

// A token as a place in a list: decimal, without leading zeros.
std::optional<std::uint64_t> list_index(std::string_view token);

// What the tokens lead to: members of objects by name, elements of lists by their decimal index,
// without leading zeros. Nothing where a step finds nothing. A name that comes twice: the last one.
std::optional<dom::element> follow(std::span<const std::string> tokens, dom::element from);

}  // namespace outrider::decode
