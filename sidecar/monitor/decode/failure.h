// SPDX-License-Identifier: Apache-2.0
#pragma once

// Decoded<T>: a value, or the reason why an exchange could not be analysed. On the observed path a
// reason is a word, not a sentence: it becomes a metric's label and nobody reads it one by one.

#include <tl/expected.hpp>

#include "sidecar/tap/exchange.h"

namespace outrider::decode {

using tap::FailReason;

template <class T>
using Decoded = tl::expected<T, FailReason>;

inline tl::unexpected<FailReason> failed(FailReason reason) {
  return tl::unexpected<FailReason>(reason);
}

template <class T>
tl::unexpected<FailReason> failed(const Decoded<T>& other) {
  return tl::unexpected<FailReason>(other.error());
}

}  // namespace outrider::decode
