// SPDX-License-Identifier: Apache-2.0
#include "base/kafka/consumer.h"

#include <algorithm>
#include <cstring>

#include "base/kafka/client.h"

namespace outrider::kafka {
namespace {

constexpr Duration refused_again = std::chrono::seconds(30);

Result<void> as_result(rd_kafka_resp_err_t error, const std::string& what) {
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  return fail("kafka_unavailable", what + ": " + rd_kafka_err2str(error));
}

std::vector<std::int32_t> numbers_of(const rd_kafka_topic_partition_list_t& list) {
  std::vector<std::int32_t> numbers;
  for (int i = 0; i < list.cnt; ++i) numbers.push_back(list.elems[i].partition);
  return numbers;
}

}  // namespace

void Consumer::Settings::add_to(config::OptionTable& table, const std::string& prefix,
                                const std::string& note) {
  options.add_to(table, prefix, note);
  table.add(prefix + ".group", group, "Consumer group of the agents.").value_name("NAME");
  table
      .add(prefix + ".instance", instance,
           "This agent's name in the group, which a restart keeps (static membership); empty: the "
           "host's name.")
      .value_name("NAME");
  table
      .add(prefix + ".session-timeout", session_timeout,
           "An agent that is silent for so long loses its partitions to the others.")
      .between(1, 1800);
}

class Consumer::Inside final : public TroubleHolder {
 public:
  Inside(const Settings& settings, Listener* listener, std::shared_ptr<Troubles> shared)
      : TroubleHolder(std::move(shared)), settings_(settings), listener_(listener) {}
  ~Inside() {
    if (!handle_) return;
    // Serves revoked() as well.
    rd_kafka_consumer_close(handle_.get());
  }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

  Result<void> open();
  Result<void> read(std::span<const Place> from);
  std::optional<Record> poll(Duration timeout);
  std::vector<bool> commit(std::span<const Place> places);
  Result<std::vector<Place>> committed(std::span<const std::int32_t> partitions, Duration timeout);
  Result<Bounds> bounds(std::int32_t partition, Duration timeout);
  std::optional<Bounds> known_bounds(std::int32_t partition) const;
  Result<std::int32_t> partitions(Duration timeout) {
    return count_partitions(handle_.get(), settings_.options.topic, timeout);
  }
  // A refused login ends a consumer that reads only now and then: one broker of several may be at
  // fault.
  bool broken() const {
    return broken_ || (refused && (!reads_ || Steady::now() - opened_ > refused_again));
  }

 private:
  static void on_rebalance(rd_kafka_t* handle, rd_kafka_resp_err_t event,
                           rd_kafka_topic_partition_list_t* partitions, void* opaque);
  void assign(rd_kafka_topic_partition_list_t& partitions);
  PartitionList list_of(std::span<const Place> places) const;

  using Steady = std::chrono::steady_clock;
  const Settings settings_;
  Listener* const listener_;
  const Steady::time_point opened_ = Steady::now();
  bool broken_ = false;
  bool reads_ = false;  // It has its partitions.
  Handle handle_;
};

Result<void> Consumer::Inside::open() {
  const bool member = !settings_.group.empty();
  Properties more = {{"group.id", member ? settings_.group : "outrider-reader"},
                     {"enable.auto.commit", "false"},
                     {"enable.auto.offset.store", "false"},
                     // What is older than the topic keeps is gone; what there is comes first.
                     {"auto.offset.reset", "earliest"},
                     {"partition.assignment.strategy", "range"},
                     {"allow.auto.create.topics", "false"},
                     {"fetch.wait.max.ms", "100"},
                     {"socket.timeout.ms", "10000"},
                     {"queued.max.messages.kbytes", "16384"},
                     {"session.timeout.ms", std::to_string(to_ms(settings_.session_timeout))},
                     {"heartbeat.interval.ms",
                      std::to_string(std::max(to_ms(settings_.session_timeout) / 10, 100))}};
  if (member && !settings_.instance.empty())
    more.push_back({"group.instance.id", settings_.instance});
  auto conf = make_conf(settings_.options, more, *this);
  if (!conf) return fail(conf);
  rd_kafka_conf_set_rebalance_cb(conf->get(), on_rebalance);
  auto handle = make_handle(RD_KAFKA_CONSUMER, std::move(*conf));
  if (!handle) return fail(handle);
  handle_ = std::move(*handle);
  rd_kafka_poll_set_consumer(handle_.get());
  if (!member) return {};
  const PartitionList topics(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(topics.get(), settings_.options.topic.c_str(),
                                    RD_KAFKA_PARTITION_UA);
  return as_result(rd_kafka_subscribe(handle_.get(), topics.get()), "the group was not joined");
}

PartitionList Consumer::Inside::list_of(std::span<const Place> places) const {
  PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(places.size())));
  for (const Place& place : places) {
    auto* one = rd_kafka_topic_partition_list_add(list.get(), settings_.options.topic.c_str(),
                                                  place.partition);
    one->offset = place.offset < 0 ? RD_KAFKA_OFFSET_BEGINNING : place.offset;
    if (place.metadata.empty()) continue;
    // librdkafka's to free.
    one->metadata = ::strdup(place.metadata.c_str());
    one->metadata_size = place.metadata.size();
  }
  return list;
}

Result<void> Consumer::Inside::read(std::span<const Place> from) {
  const PartitionList list = list_of(from);
  reads_ = true;
  return as_result(rd_kafka_assign(handle_.get(), list.get()), "the partitions cannot be read");
}

void Consumer::Inside::on_rebalance(rd_kafka_t* handle, rd_kafka_resp_err_t event,
                                    rd_kafka_topic_partition_list_t* partitions, void* opaque) {
  auto* self = static_cast<Inside*>(static_cast<TroubleHolder*>(opaque));
  if (event == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    self->assign(*partitions);
    return;
  }
  self->reads_ = false;
  self->listener_->revoked(numbers_of(*partitions));
  rd_kafka_assign(handle, nullptr);
}

void Consumer::Inside::assign(rd_kafka_topic_partition_list_t& partitions) {
  const auto numbers = numbers_of(partitions);
  auto from = listener_->assigned(numbers);
  if (!from) {
    troubles->note(Troubles::unreachable, from.error().message);
    broken_ = true;
    from = std::vector<Place>();
  }
  const PartitionList list = list_of(*from);
  const auto error = rd_kafka_assign(handle_.get(), list.get());
  reads_ = true;
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  troubles->note(reason_of(error), rd_kafka_err2str(error));
  broken_ = true;
}

std::optional<Record> Consumer::Inside::poll(Duration timeout) {
  rd_kafka_message_t* message = rd_kafka_consumer_poll(handle_.get(), to_ms(timeout));
  if (!message) return std::nullopt;
  std::optional<Record> record;
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    record.emplace();
    record->partition = message->partition;
    record->offset = message->offset;
    rd_kafka_timestamp_type_t kind{};
    const std::int64_t ms = rd_kafka_message_timestamp(message, &kind);
    record->time = from_unix_ms(kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
                                    ? 0
                                    : std::clamp<std::int64_t>(ms, 0, 9'200'000'000'000));
    if (message->key) record->key.assign(static_cast<const char*>(message->key), message->key_len);
    if (message->payload)
      record->value.assign(static_cast<const char*>(message->payload), message->len);
  } else if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    const auto error = message->err;
    troubles->note(reason_of(error), rd_kafka_message_errstr(message));
    // Past a fatal error nothing works any more; a topic that is missing is looked for again.
    broken_ = broken_ || error == RD_KAFKA_RESP_ERR__FATAL ||
              error == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED ||
              reason_of(error) == Troubles::topic || reason_of(error) == Troubles::authorization ||
              reason_of(error) == Troubles::authentication ||
              error == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
  }
  rd_kafka_message_destroy(message);
  return record;
}

std::vector<bool> Consumer::Inside::commit(std::span<const Place> places) {
  const PartitionList list = list_of(places);
  const auto error = rd_kafka_commit(handle_.get(), list.get(), 0);
  std::vector<bool> taken;
  for (int i = 0; i < list->cnt; ++i) {
    taken.push_back(error == RD_KAFKA_RESP_ERR_NO_ERROR &&
                    list->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR);
    if (taken.back()) continue;
    const auto why = error == RD_KAFKA_RESP_ERR_NO_ERROR ? list->elems[i].err : error;
    troubles->note(reason_of(why), "partition " + std::to_string(list->elems[i].partition) +
                                       ": the offset was not committed: " + rd_kafka_err2str(why));
  }
  return taken;
}

Result<std::vector<Place>> Consumer::Inside::committed(std::span<const std::int32_t> partitions,
                                                       Duration timeout) {
  std::vector<Place> places;
  for (const std::int32_t partition : partitions) places.push_back({.partition = partition});
  const PartitionList list = list_of(places);
  auto ok = as_result(rd_kafka_committed(handle_.get(), list.get(), to_ms(timeout)),
                      "the committed offsets are not known");
  for (int i = 0; ok && i < list->cnt; ++i) {
    const auto& one = list->elems[i];
    ok = as_result(one.err, "the committed offset is not known");
    auto& place = places[static_cast<std::size_t>(i)];
    place.partition = one.partition;
    place.offset = one.offset < 0 ? -1 : one.offset;
    if (one.metadata)
      place.metadata.assign(static_cast<const char*>(one.metadata), one.metadata_size);
  }
  if (!ok) return fail(ok);
  return places;
}

Result<Consumer::Bounds> Consumer::Inside::bounds(std::int32_t partition, Duration timeout) {
  Bounds found;
  const auto ok = as_result(
      rd_kafka_query_watermark_offsets(handle_.get(), settings_.options.topic.c_str(), partition,
                                       &found.low, &found.high, to_ms(timeout)),
      "the partition's offsets are not known");
  if (!ok) return fail(ok);
  return found;
}

std::optional<Consumer::Bounds> Consumer::Inside::known_bounds(std::int32_t partition) const {
  Bounds found;
  const auto error = rd_kafka_get_watermark_offsets(handle_.get(), settings_.options.topic.c_str(),
                                                    partition, &found.low, &found.high);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR || found.high < 0) return std::nullopt;
  return found;
}

Consumer::Consumer(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
Consumer::~Consumer() = default;

Result<std::unique_ptr<Consumer>> Consumer::open(const Settings& settings, Listener* listener,
                                                 std::shared_ptr<Troubles> troubles) {
  auto inside = std::make_unique<Inside>(settings, listener, std::move(troubles));
  if (auto ok = inside->open(); !ok) return fail(ok);
  return std::unique_ptr<Consumer>(new Consumer(std::move(inside)));
}

Result<void> Consumer::read(std::span<const Place> from) {
  return inside_->read(from);
}
std::optional<Record> Consumer::poll(Duration timeout) {
  return inside_->poll(timeout);
}
bool Consumer::broken() const {
  return inside_->broken();
}
std::vector<bool> Consumer::commit(std::span<const Place> places) {
  return inside_->commit(places);
}
Result<std::vector<Place>> Consumer::committed(std::span<const std::int32_t> partitions,
                                               Duration timeout) {
  return inside_->committed(partitions, timeout);
}
Result<Consumer::Bounds> Consumer::bounds(std::int32_t partition, Duration timeout) {
  return inside_->bounds(partition, timeout);
}
std::optional<Consumer::Bounds> Consumer::known_bounds(std::int32_t partition) const {
  return inside_->known_bounds(partition);
}
Result<std::int32_t> Consumer::partitions(Duration timeout) {
  return inside_->partitions(timeout);
}

}  // namespace outrider::kafka
