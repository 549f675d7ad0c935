// SPDX-License-Identifier: Apache-2.0
#include "base/kafka/client.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace outrider::kafka {
namespace {

namespace fs = std::filesystem;

constexpr auto tell_every = std::chrono::minutes(1);

void on_error(rd_kafka_t* handle, int error, const char* words, void* opaque) {
  auto code = static_cast<rd_kafka_resp_err_t>(error);
  char fatal[512] = "";
  if (code == RD_KAFKA_RESP_ERR__FATAL) code = rd_kafka_fatal_error(handle, fatal, sizeof fatal);
  auto* holder = static_cast<TroubleHolder*>(opaque);
  const auto reason = reason_of(code);
  if (reason == Troubles::authentication) holder->refused = true;
  holder->troubles->note(reason, *fatal ? fatal : words);
}

void on_log(const rd_kafka_t*, int level, const char* facility, const char* words) {
  // What matters comes to on_error as well.
  if (level <= 3) {
    spdlog::debug("librdkafka: {}: {}", facility, words);
  } else {
    spdlog::trace("librdkafka: {}: {}", facility, words);
  }
}

Result<std::string> read_password(const std::string& file) {
  std::ifstream in(file);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (!in || text.empty())
    return fail("kafka_password", "sasl-password-file: " + file + " cannot be read, or is empty");
  return text;
}

Result<Properties> properties_of(const Options& options) {
  std::string brokers;
  for (const std::string& one : options.brokers) brokers += (brokers.empty() ? "" : ",") + one;
  Properties made = {{"bootstrap.servers", brokers},
                     {"client.id", "outrider"},
                     {"socket.keepalive.enable", "true"},
                     {"reconnect.backoff.max.ms", "10000"},
                     {"log.connection.close", "false"}};
  const bool login = !options.sasl_mechanism.empty();
  made.push_back({"security.protocol", options.tls ? (login ? "sasl_ssl" : "ssl")
                                                   : (login ? "sasl_plaintext" : "plaintext")});
  if (options.tls) {
    made.push_back({"ssl.endpoint.identification.algorithm", "https"});
    const fs::path folder = options.cert_dir;
    std::string authorities = options.ca_file;
    std::error_code error;
    if (authorities.empty() && !options.cert_dir.empty() && fs::exists(folder / "ca.crt", error))
      authorities = (folder / "ca.crt").string();
    if (!authorities.empty()) made.push_back({"ssl.ca.location", authorities});
    if (!options.cert_dir.empty()) {
      made.push_back({"ssl.certificate.location", (folder / "tls.crt").string()});
      made.push_back({"ssl.key.location", (folder / "tls.key").string()});
    }
  }
  if (login) {
    auto password = read_password(options.sasl_password_file);
    if (!password) return fail(password);
    made.push_back({"sasl.mechanism", options.sasl_mechanism});
    made.push_back({"sasl.username", options.sasl_user});
    made.push_back({"sasl.password", std::move(*password)});
  }
  return made;
}

}  // namespace

void Troubles::note(Reason reason, const std::string& message) {
  const auto now = Steady::now();
  {
    const std::lock_guard hold(mutex_);
    ++counts_[reason];
    last_ = message;
    if (told_[reason] != Steady::time_point{} && now - told_[reason] < tell_every) return;
    told_[reason] = now;
  }
  spdlog::warn("{}: {}: {}", whose_, words[reason], message);
}

std::array<std::uint64_t, Troubles::reason_count> Troubles::counts() const {
  const std::lock_guard hold(mutex_);
  return counts_;
}

std::string Troubles::last() const {
  const std::lock_guard hold(mutex_);
  return last_;
}

void Troubles::all_well() {
  const std::lock_guard hold(mutex_);
  last_.clear();
}

Troubles::Reason reason_of(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
      return Troubles::unreachable;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
      return Troubles::authentication;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return Troubles::authorization;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
      return Troubles::topic;
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST:
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
      return Troubles::group;
    default:
      return Troubles::protocol;
  }
}

Result<Conf> make_conf(const Options& options, const Properties& more, TroubleHolder& opaque) {
  auto properties = properties_of(options);
  if (!properties) return fail(properties);
  properties->insert(properties->end(), more.begin(), more.end());
  Conf conf(rd_kafka_conf_new());
  char words[512] = "";
  for (const auto& [name, value] : *properties) {
    if (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), words, sizeof words) !=
        RD_KAFKA_CONF_OK) {
      return fail("kafka_options", std::string("librdkafka: ") + words);
    }
  }
  rd_kafka_conf_set_opaque(conf.get(), &opaque);
  rd_kafka_conf_set_error_cb(conf.get(), on_error);
  rd_kafka_conf_set_log_cb(conf.get(), on_log);
  return conf;
}

Result<Handle> make_handle(rd_kafka_type_t type, Conf conf) {
  char words[512] = "";
  rd_kafka_t* made = rd_kafka_new(type, conf.get(), words, sizeof words);
  if (!made) return fail("kafka_options", std::string("librdkafka: ") + words);
  (void)conf.release();  // The handle's now.
  return Handle(made);
}

Result<std::int32_t> count_partitions(rd_kafka_t* handle, const std::string& topic,
                                      Duration timeout) {
  rd_kafka_topic_t* one = rd_kafka_topic_new(handle, topic.c_str(), nullptr);
  if (!one) return fail("kafka_topic_missing", "the topic " + topic + " has no possible name");
  const rd_kafka_metadata_t* found = nullptr;
  const auto error = rd_kafka_metadata(handle, 0, one, &found, to_ms(timeout));
  rd_kafka_topic_destroy(one);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return fail("kafka_unavailable",
                std::string("the brokers did not tell of the topic: ") + rd_kafka_err2str(error));
  }
  std::int32_t count = 0;
  auto topic_error = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
  for (int i = 0; i < found->topic_cnt; ++i) {
    if (topic != found->topics[i].topic) continue;
    count = found->topics[i].partition_cnt;
    topic_error = found->topics[i].err;
  }
  rd_kafka_metadata_destroy(found);
  if (topic_error == RD_KAFKA_RESP_ERR_NO_ERROR && count > 0) return count;
  return fail("kafka_topic_missing",
              "the topic " + topic + " cannot be used: " + rd_kafka_err2str(topic_error) +
                  "; create it with its final number of partitions, or put its name right");
}

int to_ms(Duration duration) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return static_cast<int>(std::clamp<std::int64_t>(ms, 0, 86'400'000));
}

}  // namespace outrider::kafka
