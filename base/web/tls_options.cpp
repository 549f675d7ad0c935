// SPDX-License-Identifier: Apache-2.0
#include "base/web/tls_options.h"

namespace outrider::web {

void TlsOptions::add_to(config::OptionTable& table, const std::string& prefix,
                        const std::string& of_what) {
  table
      .add(prefix + ".tls-cert-dir", cert_dir,
           "Directory with tls.crt and tls.key, as a Kubernetes Secret is mounted: " + of_what +
               " speak TLS (1.2 or 1.3) alone. Read again when it changes; empty: plain HTTP.")
      .value_name("DIR");
  table.add(prefix + ".tls-require-client-certificate", require_client_certificate,
            "Refuse a client without a certificate that ca.crt in " + prefix +
                ".tls-cert-dir has signed.");
  table
      .add(prefix + ".tls-client-name", client_names,
           "A URI or DNS name, one of which a client's certificate must have as a subject "
           "alternative name. Repeatable; none: any certificate that ca.crt has signed.")
      .value_name("NAME")
      .example("spiffe://cluster.local/ns/monitoring/sa/prometheus");
}

}  // namespace outrider::web
