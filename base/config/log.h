// SPDX-License-Identifier: Apache-2.0
#pragma once

// The log of every program: one line an event, on standard error, in the fields of Prometheus's
// programs. SHELL.

#include <string>
#include <string_view>

namespace outrider::config {

struct LogOptions {
  std::string level = "info";     // debug, info, warn or error.
  std::string format = "logfmt";  // Or json.
};

// Makes spdlog's default logger one of this kind.
void start_log(const std::string& program, const LogOptions& options);

// The text between quotes of a logfmt or JSON value: quotes, backslashes and control characters are
// escaped, so that no text from outside can begin a line or a field of its own. Where the text is
// no UTF-8, each of its bytes from 0x80 on becomes U+FFFD. O(bytes).
void append_quoted(std::string& out, std::string_view text);

}  // namespace outrider::config
