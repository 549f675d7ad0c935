// SPDX-License-Identifier: Apache-2.0
#pragma once

// --web.config.file: basic authentication in the format of Prometheus's exporter-toolkit:
//
//   basic_auth_users:  {alice: $2y$10$…}          # bcrypt
//
// tls_server_config is refused (--web.tls-cert-dir says it), and so is what else the toolkit knows,
// rather than passed over.

#include <functional>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace outrider::web {

// Whether the password is the user's. Thread-safe.
using Passwords = std::function<bool(std::string_view user, std::string_view password)>;

// None where the file names no user, or there is no file (""). Errors: "bad_config", all mistakes
// at once; "cannot_read".
Result<Passwords> read_passwords(const std::string& file);

}  // namespace outrider::web
