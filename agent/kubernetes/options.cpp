// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/options.h"

#include <cstdlib>

#include "base/net/address.h"

namespace outrider::kubernetes {

void Options::add_to(config::OptionTable& options) {
  options.add("kubernetes.watch", watch,
              "Take rollouts, scalings, configuration changes and warnings from the Kubernetes API "
              "(docs/incidents.md).");
  options
      .add("kubernetes.url", url,
           "The API server. Without it that of the cluster in which the agent runs, with its "
           "service account's token and authority.")
      .as_url()
      .example("https://10.96.0.1:443");
  client.add_to(options, "kubernetes", "the Kubernetes API");
  options
      .add("kubernetes.namespaces", namespaces,
           "Namespaces to watch, 16 at most; a role in each is enough. Without it all are watched.")
      .value_name("NAME")
      .example("shop");
  options.add("actions.kubernetes", acts,
              "Carry out the policy's `kubernetes:` actions through the Kubernetes API "
              "(docs/policy.md).");
  options
      .add("actions.lease", lease,
           "A Lease of the Kubernetes API: nothing is acted on but while this agent holds it, so "
           "of two agents that name it one acts.")
      .value_name("NAMESPACE/NAME")
      .example("outrider/agents");
  options
      .add("kubernetes.cluster", cluster,
           "The cluster's name, as the label cluster of its series has it; empty where they have "
           "none.")
      .value_name("NAME")
      .example("eu-1");
}

Result<Client::Settings> Options::client_settings() const {
  Client::Settings made;
  made.url = url;
  web::ClientOptions known = client;
  if (made.url.empty()) {
    const auto found = in_cluster_url([](const char* name) { return std::getenv(name); });
    if (!found) return fail(found);
    made.url = *found;
    if (known.bearer_token_file.empty()) known.bearer_token_file = service_account_token;
    if (known.ca_file.empty() && known.cert_dir.empty()) known.ca_file = service_account_ca;
  }
  made.url = net::without_slash(made.url);
  made.prepare = [known](net::ClientRequest& request) { return known.apply(request); };
  return made;
}

}  // namespace outrider::kubernetes
