// SPDX-License-Identifier: Apache-2.0
#pragma once

// Result<T>: a value, or an Error that says what, where and what to change.
//
// Functions that take bytes from outside return Result; start-up code may throw; broken invariants
// assert. Result is tl::expected, so it becomes std::expected the day the compiler has it.
//
//   Result<int> port = parse_port(text);
//   if (!port) return fail(port);                 // pass the error on
//   return fail("bad_port", "port=" + text + ": expected 1 to 65535");

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace outrider {

struct Error {
  // A word of low cardinality, e.g. "invalid_json". The same word is the metric's label value and
  // the HTTP error body's "error". It must outlive the Error: use string literals.
  std::string_view code;
  std::string message;  // What, where, and what to change. For people.

  bool operator==(const Error&) const = default;
};

template <class T>
using Result = tl::expected<T, Error>;

using Failure = tl::unexpected<Error>;

inline Failure fail(std::string_view code, std::string message) {
  return Failure(Error{code, std::move(message)});
}

// Passes on the error of a failed Result of another type.
template <class T>
Failure fail(const Result<T>& failed) {
  return Failure(failed.error());
}

}  // namespace outrider
