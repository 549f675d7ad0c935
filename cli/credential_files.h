// SPDX-License-Identifier: Apache-2.0
#pragma once

// The files with what a command shows to the address that it asks, and whom it trusts.

#include <string>

#include "base/config/options.h"
#include "base/net/http_client.h"

namespace outrider::cli {

struct CredentialFiles {
  std::string bearer_token_file, ca_file, certificate_file, key_file;

  // --bearer-token-file, --ca-file, --certificate-file, --key-file. `token`: which token it is, for
  // people. The files must outlive the table.
  void add_to(config::OptionTable& options, const std::string& token);
  void apply_tls(net::ClientRequest& request) const;
};

}  // namespace outrider::cli
