// SPDX-License-Identifier: Apache-2.0
#include "agent/truth/topic_labels.h"

#include "truth/api/label_api.h"

namespace outrider::fleet {
namespace {

constexpr Duration publish_timeout = std::chrono::seconds(10);

}  // namespace

TopicLabels::TopicLabels(const kafka::Options& options)
    : troubles_(std::make_shared<kafka::Troubles>("Kafka, topic " + options.topic)),
      publisher_(options, troubles_) {}

net::HttpResponse TopicLabels::take(const net::HttpRequest& request) {
  return truth::publish_labels(
      request, truth::read_scope(request),
      [this](const std::vector<truth::KeyedRecord>& records) { return publish(records); });
}

Result<void> TopicLabels::publish(const std::vector<truth::KeyedRecord>& records) {
  std::vector<kafka::Publisher::Keyed> keyed;
  for (const truth::KeyedRecord& one : records) keyed.emplace_back(one.key, one.value);
  auto ok = publisher_.publish(keyed, publish_timeout);
  (ok ? published_ : failed_) += records.size();
  return ok;
}

void TopicLabels::collect(wire::MetricSink& sink) {
  using wire::MetricType;
  using wire::SeriesKey;
  const auto value = [&sink](Labels labels, std::uint64_t count) {
    sink.value(SeriesKey(std::move(labels)), static_cast<double>(count));
  };
  sink.family(
      {"outrider_kafka_labels_published_total", MetricType::counter,
       "Labels that this agent wrote to the topic, and those that the brokers did not take: "
       "who sent them was told to send them again."});
  value({{"result", "taken"}}, published_.load());
  value({{"result", "failed"}}, failed_.load());
  sink.family({"outrider_kafka_errors_total", MetricType::counter,
               "What went wrong between this program and the brokers, by reason."});
  const auto counts = troubles_->counts();
  for (std::size_t i = 0; i < counts.size(); ++i)
    value({{"reason", std::string(kafka::Troubles::words[i])}}, counts[i]);
}

}  // namespace outrider::fleet
