// SPDX-License-Identifier: Apache-2.0
#include "sidecar/options/shipping_options.h"

#include <algorithm>

#include "base/core/text.h"

namespace outrider {

void ShippingOptions::add_to(config::OptionTable& table) {
  table
      .add("truth.url", urls,
           "Ship the predictions to this agent, which keeps them and joins their labels. "
           "Repeatable: a pair. Without it predictions wait here, and go with the pod.")
      .as_url()
      .value_name("URL")
      .example("http://outrider-agent:9510");
  table.add("truth.workload", workload,
            "Of shipped predictions: the label job that Prometheus gives this sidecar. Required "
            "with truth.url and truth.kafka.");
  table.add("truth.namespace", name_space,
            "Of shipped predictions: the label namespace of this sidecar's metrics, if they have "
            "one.");
  table.add("truth.cluster", cluster,
            "Of shipped predictions: the label cluster of this sidecar's metrics, if they have "
            "one.");
  table.add("truth.pod", pod, "Of shipped predictions: this pod; empty: the host's name.");
  client.add_to(table, "truth", "each agent");
  kafka.add_to(table, "truth.kafka", "instead of to truth.url");
  table
      .add(
          "truth.queue-size", queue_bytes_max,
          "Predictions that wait on disk for an agent, each agent; past it the oldest go, counted.")
      .as_bytes()
      .between(1 << 20, 1LL << 40);
  table
      .add("truth.queue-age", queue_age_max,
           "How long predictions wait on disk for an agent; older ones go, counted.")
      .between(60, 3650.0 * 86'400);
}

Result<void> ShippingOptions::check() const {
  if (!enabled()) return {};
  if (auto ok = kafka.check("truth.kafka"); !ok) return ok;
  if (kafka.enabled() && !urls.empty()) {
    return fail("bad_options",
                "truth.url and truth.kafka.brokers: expected one of them; the agents read the "
                "topic");
  }
  if (workload.empty()) {
    return fail("bad_options",
                "truth.workload: expected the label job that Prometheus gives this sidecar, since "
                "truth.url or truth.kafka.brokers is set: the agents count outcomes under it");
  }
  for (const std::string* part : {&workload, &name_space, &cluster, &pod}) {
    const bool plain = std::none_of(part->begin(), part->end(),
                                    [](unsigned char c) { return c < ' ' || c == 0x7F; });
    if (!plain || part->size() > 512 || !is_valid_utf8(*part)) {
      return fail("bad_options",
                  "truth.workload, truth.namespace, truth.cluster and truth.pod: expected UTF-8 of "
                  "at most 512 bytes without control characters");
    }
  }
  return {};
}

}  // namespace outrider
