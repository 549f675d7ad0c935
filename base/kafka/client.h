// SPDX-License-Identifier: Apache-2.0
#pragma once

// What producer and consumer have in common. SHELL; of this folder alone.

#include <librdkafka/rdkafka.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/kafka/options.h"
#include "base/kafka/trouble.h"

namespace outrider::kafka {

using Properties = std::vector<std::pair<std::string, std::string>>;

struct HandleEnd {
  void operator()(rd_kafka_t* handle) const { rd_kafka_destroy(handle); }
};
using Handle = std::unique_ptr<rd_kafka_t, HandleEnd>;

struct ListEnd {
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
};
using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t, ListEnd>;

struct ConfEnd {
  void operator()(rd_kafka_conf_t* conf) const { rd_kafka_conf_destroy(conf); }
};
using Conf = std::unique_ptr<rd_kafka_conf_t, ConfEnd>;

struct TroubleHolder {
  explicit TroubleHolder(std::shared_ptr<Troubles> shared) : troubles(std::move(shared)) {}
  std::shared_ptr<Troubles> troubles;
  // TLS or a login did not work: certificates and password are read when a client is made.
  std::atomic<bool> refused{false};
};
// A configuration of these options and more properties. Reads the password file. `opaque` is what
// callbacks are given; its first base must be a TroubleHolder. Errors: "kafka_options" (a value
// that librdkafka refuses, in its words), "kafka_password" (the file).
Result<Conf> make_conf(const Options& options, const Properties& more, TroubleHolder& opaque);

// Takes the configuration. Error "kafka_options".
Result<Handle> make_handle(rd_kafka_type_t type, Conf conf);

// Partitions of the topic, as the cluster has them now. Errors: "kafka_unavailable",
// "kafka_topic_missing".
Result<std::int32_t> count_partitions(rd_kafka_t* handle, const std::string& topic,
                                      Duration timeout);

// Which of Troubles' reasons an error belongs to.
Troubles::Reason reason_of(rd_kafka_resp_err_t error);

int to_ms(Duration duration);

}  // namespace outrider::kafka
