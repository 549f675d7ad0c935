// SPDX-License-Identifier: Apache-2.0
#pragma once

// Ground truth by way of a topic (Kafka): labels that are sent here go to it, and the partitions
// that this agent has come from it. SHELL; thread-safe.
//
//   TopicLabels labels(options);                    // before the log: it answers requests
//   net::HttpResponse answer = labels.take(request);
//   TopicReader reader(…, log, labels.publisher(), labels.troubles(), clock);

#include <memory>

#include "base/kafka/publisher.h"
#include "base/net/http_server.h"
#include "base/wire/exposition.h"
#include "truth/api/topic_labels.h"

namespace outrider::fleet {

class TopicLabels final : public wire::Collector {
 public:
  explicit TopicLabels(const kafka::Options& options);

  // The limits of the request's token stand in its query already (token_limits.h).
  net::HttpResponse take(const net::HttpRequest& request);
  // Sends records to the partitions of their keys, and waits.
  Result<void> publish(const std::vector<truth::KeyedRecord>& records);
  std::shared_ptr<kafka::Troubles> troubles() const { return troubles_; }

  void collect(wire::MetricSink& sink) override;

 private:
  const std::shared_ptr<kafka::Troubles> troubles_;
  kafka::Publisher publisher_;
  std::atomic<std::uint64_t> published_{0}, failed_{0};
};

}  // namespace outrider::fleet
