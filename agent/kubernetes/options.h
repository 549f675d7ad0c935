// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a user sets of the Kubernetes API: how it is asked, and what for.

#include <string>
#include <vector>

#include "agent/kubernetes/client.h"
#include "base/config/options.h"
#include "base/web/client_options.h"

namespace outrider::kubernetes {

// The variables must outlive the table they are added to.
struct Options {
  std::string url;  // "": as a pod is told it.
  web::ClientOptions client;
  bool watch = false;
  std::vector<std::string> namespaces;  // To watch; none: all.
  std::string cluster;
  bool acts = false;  // The policy's `kubernetes:` actions.
  std::string lease;  // "NAMESPACE/NAME"; "": none.

  void add_to(config::OptionTable& options);

  // As the options say, in a pod as its service account. The error is in_cluster_url()'s.
  Result<Client::Settings> client_settings() const;
};

}  // namespace outrider::kubernetes
