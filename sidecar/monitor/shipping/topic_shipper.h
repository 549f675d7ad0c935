// SPDX-License-Identifier: Apache-2.0
#pragma once

// Predictions to a topic (Kafka): numbered, gathered for a tenth of a second, put in a queue on
// disk, and sent from there, one record a prediction (truth/topic_record.h). SHELL; thread-safe.
//
//   TopicShipper shipper(options, sample, "data/shipping", rule_of, clock);
//   shipper.append(prediction, feature_set);     // copies; never waits
//
// A batch of the queue is given up when each of its records was acknowledged by all replicas in
// sync, or is one that the topic will never take (too large for it), which is counted. Anything
// else (brokers that are away, a topic that is missing, a login that fails) is tried again with a
// back-off for as long as the queue holds it. Delivery is at least once: agents tell
// repetitions apart by the numbers.
//
// What is lost when: a kill -9 loses what came in the last tenth of a second, counted at the next
// start (`crash`). A queue past its bytes or age loses its oldest, counted by reason.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/core/backoff.h"
#include "base/kafka/publisher.h"
#include "base/remote_write/queue.h"
#include "sidecar/monitor/shipping/gatherer.h"
#include "sidecar/monitor/shipping/shipping.h"
#include "sidecar/monitor/shipping/stream_folder.h"
#include "sidecar/options/shipping_options.h"
#include "truth/log/accepted_counter.h"
#include "truth/shipment.h"

namespace outrider::monitor {

class TopicShipper final : public Shipping {
 public:
  // Throws std::runtime_error that names the option that is wrong.
  TopicShipper(const ShippingOptions& options, const truth::Sample& sample,
               const std::filesystem::path& folder, RuleOf rule_of, const Clock& clock);
  ~TopicShipper() override;

  bool append(const truth::PredictionView& prediction, std::uint64_t feature_set) override;
  void caught_up(Time) override {}  // A topic's order says it.
  // Labels go to the topic: `queued`.
  net::HttpResponse relay(const net::HttpRequest& request) override;
  net::HttpResponse erase(const net::HttpRequest& request) override;
  bool stop(Duration limit) override;

  void collect(wire::MetricSink& sink) override;
  wire::Json status() const override;

 private:
  struct Counts {
    std::atomic<std::uint64_t> crash{0}, sent{0}, refused{0}, failed_batches{0};
  };

  void gather(const std::stop_token& stop);
  void cut();
  void deliver(const std::stop_token& stop);
  bool deliver_one();

  const ShippingOptions options_;
  const RuleOf rule_of_;
  const Clock& clock_;
  truth::ShipmentHead identity_;
  StreamFolder folder_;
  Gatherer gatherer_;
  std::unique_ptr<truth::AcceptedCounter> queued_;  // How many rows got as far as the queue.
  remote_write::Queue queue_;
  kafka::Publisher publisher_;
  Counts counts_;
  struct {
    std::atomic<bool> up{false}, cancelled{false};
  } sending_;
  Backoff backoff_;                      // Of the delivering thread.
  std::jthread gathering_, delivering_;  // Last: they use all of the above.
};

// A batch as it lies in the queue, and back. PURE. Of damaged bytes: what was read until then.
struct TopicItem {
  std::vector<std::string_view> keys;
  std::string_view record;
};
void append_topic_item(std::string& batch, std::span<const std::string> keys,
                       std::string_view record);
std::vector<TopicItem> read_topic_items(std::string_view batch);

}  // namespace outrider::monitor
