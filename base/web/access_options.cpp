// SPDX-License-Identifier: Apache-2.0
#include "base/web/access_options.h"

namespace outrider::web {

void AccessOptions::add_to(config::OptionTable& table, bool with_namespace) {
  table
      .add("web.config.file", config_file,
           "Basic authentication, in the format of Prometheus's programs.")
      .value_name("FILE");
  table
      .add("web.tokens-file", tokens_file,
           "YAML file of bearer tokens, each with its roles, namespaces and models "
           "(docs/access.md). Read again when it changes.")
      .value_name("FILE");
  if (!with_namespace) return;
  table
      .add("web.namespace", name_space,
           "The namespace that tokens are limited by; empty: that of the pod's service account.")
      .value_name("NAME");
}

void AccessOptions::add_proxy_to(config::OptionTable& table) {
  table
      .add("web.trusted-user-header", user_header,
           "The header in which an authenticating proxy names the person (docs/access.md). It is "
           "believed of --web.trusted-proxies only.")
      .value_name("HEADER")
      .example("X-Forwarded-User");
  table
      .add("web.trusted-proxies", proxies,
           "The addresses from which that proxy's connections come, one by one or as ranges.")
      .value_name("ADDRESS")
      .example("10.0.0.0/8");
}

}  // namespace outrider::web
