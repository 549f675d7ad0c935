// SPDX-License-Identifier: Apache-2.0
#pragma once

// A port's guard, made of what a user set. SHELL: reads files.

#include <functional>
#include <memory>
#include <string>

#include "base/web/access_options.h"
#include "base/web/guard.h"

namespace outrider::web {

// What differs between the ports of a program.
struct Door {
  std::string port;                    // The label `port`.
  std::string single_token_file = "";  // "": none.
  bool with_passwords = true;
  bool reading_is_open = false;                                       // See Guard::Settings.
  std::function<std::string()> model = [] { return std::string(); };  // "": not known.
};

// Throws std::runtime_error: a file that cannot be read, and its mistakes.
std::shared_ptr<Guard> make_guard(const AccessOptions& options, const Door& door);

}  // namespace outrider::web
