// SPDX-License-Identifier: Apache-2.0
#include "cli/credential_files.h"

namespace outrider::cli {

void CredentialFiles::add_to(config::OptionTable& options, const std::string& token) {
  options
      .add("bearer-token-file", bearer_token_file,
           "A file with the token that the address wants" + token)
      .value_name("FILE");
  options.add("ca-file", ca_file, "PEM of the authority to trust; without, the system's.")
      .value_name("FILE");
  options
      .add("certificate-file", certificate_file,
           "PEM of the certificate to show, where the address asks for one.")
      .value_name("FILE");
  options.add("key-file", key_file, "PEM of its key.").value_name("FILE");
}

void CredentialFiles::apply_tls(net::ClientRequest& request) const {
  request.ca_file = ca_file;
  request.certificate_file = certificate_file;
  request.key_file = key_file;
}

}  // namespace outrider::cli
