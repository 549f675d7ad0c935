// SPDX-License-Identifier: Apache-2.0
#include "base/kafka/producer.h"

#include <algorithm>

#include "base/kafka/client.h"

namespace outrider::kafka {
namespace {

constexpr int poll_ms = 20;

bool is_final(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
         error == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE ||
         error == RD_KAFKA_RESP_ERR_INVALID_RECORD || error == RD_KAFKA_RESP_ERR_INVALID_MSG ||
         error == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
         error == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP;
}

}  // namespace

class Producer::Inside final : public TroubleHolder {
 public:
  Inside(const Options& options, std::shared_ptr<Troubles> shared)
      : TroubleHolder(std::move(shared)), topic_(options.topic) {}
  Result<void> open(const Options& options);
  Result<std::int32_t> partitions(Duration timeout);
  std::vector<Fate> send(std::span<const Message> messages, Duration timeout,
                         const std::atomic<bool>* cancelled);

 private:
  using Steady = std::chrono::steady_clock;
  static void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque);
  Fate hand_over(const Message& message, Fate& fate, Steady::time_point deadline,
                 const std::atomic<bool>* cancelled);
  void wait(Steady::time_point deadline, const std::atomic<bool>* cancelled);

  const std::string topic_;
  std::mutex mutex_;  // One batch at a time.
  std::atomic<std::int32_t> partitions_{0};
  std::size_t waiting_ = 0;  // Of the batch: handed over, without an answer.
  Handle handle_;            // Last: its callbacks use the above.
};

Result<void> Producer::Inside::open(const Options& options) {
  auto conf = make_conf(options,
                        {{"enable.idempotence", "true"},
                         // Never: the queue on disk decides what is too old.
                         {"message.timeout.ms", "0"},
                         {"linger.ms", "5"},
                         {"compression.type", "lz4"},
                         {"queue.buffering.max.messages", "100000"},
                         {"queue.buffering.max.kbytes", "65536"}},
                        *this);
  if (!conf) return fail(conf);
  rd_kafka_conf_set_dr_msg_cb(conf->get(), on_delivery);
  auto handle = make_handle(RD_KAFKA_PRODUCER, std::move(*conf));
  if (!handle) return fail(handle);
  handle_ = std::move(*handle);
  return {};
}

Result<std::int32_t> Producer::Inside::partitions(Duration timeout) {
  if (partitions_ > 0) return partitions_.load();
  const auto count = count_partitions(handle_.get(), topic_, timeout);
  if (!count) {
    troubles->note(
        count.error().code == "kafka_topic_missing" ? Troubles::topic : Troubles::unreachable,
        count.error().message);
    rd_kafka_poll(handle_.get(), 0);  // Why nobody answered: TLS or a login comes by callback.
    return fail(count);
  }
  partitions_ = *count;
  return *count;
}

// Called by rd_kafka_poll(), under the lock of send().
void Producer::Inside::on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto* self = static_cast<Inside*>(static_cast<TroubleHolder*>(opaque));
  auto& fate = *static_cast<Fate*>(message->_private);
  --self->waiting_;
  fate = message->err == RD_KAFKA_RESP_ERR_NO_ERROR ? Fate::taken
         : is_final(message->err)                   ? Fate::refused
                                                    : Fate::failed;
  if (fate == Fate::taken || message->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
      message->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) {
    return;
  }
  self->troubles->note(reason_of(message->err),
                       std::string("a record was not taken: ") + rd_kafka_err2str(message->err));
}

Fate Producer::Inside::hand_over(const Message& message, Fate& fate, Steady::time_point deadline,
                                 const std::atomic<bool>* cancelled) {
  for (;;) {
    // The bytes are copied. NOLINTNEXTLINE: a C API without const.
    const auto error = rd_kafka_producev(
        handle_.get(), RD_KAFKA_V_TOPIC(topic_.c_str()), RD_KAFKA_V_PARTITION(message.partition),
        RD_KAFKA_V_KEY(message.key.data(), message.key.size()),
        RD_KAFKA_V_VALUE(const_cast<char*>(message.value.data()), message.value.size()),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE(&fate), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      ++waiting_;
      return Fate::waiting;
    }
    if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL && Steady::now() < deadline &&
        !(cancelled && cancelled->load())) {
      rd_kafka_poll(handle_.get(), poll_ms);
      continue;
    }
    if (is_final(error)) return Fate::refused;
    troubles->note(reason_of(error),
                   std::string("a record was not sent: ") + rd_kafka_err2str(error));
    return Fate::failed;
  }
}

void Producer::Inside::wait(Steady::time_point deadline, const std::atomic<bool>* cancelled) {
  while (waiting_ > 0 && Steady::now() < deadline && !(cancelled && cancelled->load()))
    rd_kafka_poll(handle_.get(), poll_ms);
}

std::vector<Fate> Producer::Inside::send(std::span<const Message> messages, Duration timeout,
                                         const std::atomic<bool>* cancelled) {
  const std::lock_guard hold(mutex_);
  const auto deadline = Steady::now() + timeout;
  rd_kafka_poll(handle_.get(), 0);
  std::vector<Fate> fates(messages.size(), Fate::waiting);
  bool going = true;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    // Past one that failed nothing is sent: what is taken has to be a prefix.
    const Fate fate = going ? hand_over(messages[i], fates[i], deadline, cancelled) : Fate::failed;
    if (fate != Fate::waiting) fates[i] = fate;
    going = going && fate != Fate::failed;
  }
  wait(deadline, cancelled);
  if (waiting_ > 0) {
    rd_kafka_purge(handle_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    // Each is reported: `fates` must not go before.
    while (waiting_ > 0) rd_kafka_poll(handle_.get(), poll_ms);
  }
  if (std::count(fates.begin(), fates.end(), Fate::taken) > 0) troubles->all_well();
  return fates;
}

Producer::Producer(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
Producer::~Producer() = default;

Result<std::unique_ptr<Producer>> Producer::open(const Options& options,
                                                 std::shared_ptr<Troubles> troubles) {
  auto inside = std::make_unique<Inside>(options, std::move(troubles));
  if (auto ok = inside->open(options); !ok) return fail(ok);
  return std::unique_ptr<Producer>(new Producer(std::move(inside)));
}

Result<std::int32_t> Producer::partitions(Duration timeout) {
  return inside_->partitions(timeout);
}

std::vector<Fate> Producer::send(std::span<const Message> messages, Duration timeout,
                                 const std::atomic<bool>* cancelled) {
  return inside_->send(messages, timeout, cancelled);
}

}  // namespace outrider::kafka
