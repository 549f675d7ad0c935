// SPDX-License-Identifier: Apache-2.0
#include "base/web/client_options.h"

#include <filesystem>

#include "base/config/yaml.h"
#include "base/core/text.h"

namespace outrider::web {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t token_bytes_max = 4096;

}  // namespace

void ClientOptions::add_to(config::OptionTable& table, const std::string& prefix,
                           const std::string& whom) {
  add_tls_to(table, prefix, whom);
  table
      .add(prefix + ".bearer-token-file", bearer_token_file,
           "File with the token that requests to " + whom + " carry; read again each time.")
      .value_name("FILE");
}

void ClientOptions::add_tls_to(config::OptionTable& table, const std::string& prefix,
                               const std::string& whom) {
  table
      .add(prefix + ".tls-ca", ca_file,
           "File of the authorities that " + whom + " is verified by; empty: ca.crt in " + prefix +
               ".tls-cert-dir, else the system's.")
      .value_name("FILE");
  table
      .add(prefix + ".tls-cert-dir", cert_dir,
           "Directory with the tls.crt and tls.key that " + whom + " is shown; empty: none.")
      .value_name("DIR");
}

Result<void> ClientOptions::apply(net::ClientRequest& request) const {
  request.ca_file = ca_file;
  if (!cert_dir.empty()) {
    const fs::path directory(cert_dir);
    std::error_code none;
    request.certificate_file = directory / "tls.crt";
    request.key_file = directory / "tls.key";
    if (ca_file.empty() && fs::exists(directory / "ca.crt", none))
      request.ca_file = directory / "ca.crt";
  }
  if (bearer_token_file.empty()) return {};
  auto token = read_token(bearer_token_file);
  if (!token) return fail(token);
  request.headers.push_back({"Authorization", "Bearer " + *token});
  return {};
}

Result<std::string> read_token(const std::string& file) {
  const auto text = config::read_file(file, token_bytes_max);
  if (!text) return fail("bad_token_file", text.error().message);
  std::string token(trim(*text));
  if (token.empty()) return fail("bad_token_file", file + ": expected a token, got an empty file");
  return token;
}

}  // namespace outrider::web
