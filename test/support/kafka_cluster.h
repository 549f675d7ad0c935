// SPDX-License-Identifier: Apache-2.0
#pragma once

// librdkafka's own cluster of brokers, in this process, on ports of the loopback interface.

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <stdexcept>
#include <string>

#include "base/kafka/options.h"

namespace outrider::test {

class KafkaCluster {
 public:
  explicit KafkaCluster(int brokers = 1) {
    char words[256] = "";
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), words, sizeof words);
    if (!handle_) throw std::runtime_error(words);
    cluster_ = rd_kafka_mock_cluster_new(handle_, brokers);
    if (!cluster_) throw std::runtime_error("no cluster of brokers");
  }
  ~KafkaCluster() {
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(handle_);
  }
  KafkaCluster(const KafkaCluster&) = delete;
  KafkaCluster& operator=(const KafkaCluster&) = delete;

  void create(const std::string& topic, int partitions) {
    rd_kafka_mock_topic_create(cluster_, topic.c_str(), partitions, 1);
  }
  void set_up(bool up) {
    if (up) {
      rd_kafka_mock_broker_set_up(cluster_, 1);
    } else {
      rd_kafka_mock_broker_set_down(cluster_, 1);
    }
  }
  // The next requests of this kind (Kafka's number of it) are answered so.
  void refuse(int kind, rd_kafka_resp_err_t error, int times = 1) {
    for (int i = 0; i < times; ++i)
      rd_kafka_mock_push_request_errors(cluster_, static_cast<std::int16_t>(kind), 1, error);
  }
  kafka::Options options(const std::string& topic) const {
    kafka::Options made;
    made.brokers = {rd_kafka_mock_cluster_bootstraps(cluster_)};
    made.topic = topic;
    return made;
  }

 private:
  rd_kafka_t* handle_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
};

}  // namespace outrider::test
