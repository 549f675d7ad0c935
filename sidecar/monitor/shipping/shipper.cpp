// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/shipping/shipper.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <stdexcept>

#include "base/config/yaml.h"
#include "base/core/text.h"

namespace outrider::monitor {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr Duration cut_every = 100ms;
constexpr std::size_t cut_bytes = 1 << 20;           // Then at once.
constexpr std::size_t filling_bytes_max = 16 << 20;  // The disk is behind: drop.
constexpr std::size_t prediction_bytes_max = 2 << 20;
constexpr std::size_t answer_bytes_max = 8 << 20;
constexpr Duration lock_wait = 5s;
constexpr Duration lock_every = 50ms;

std::string read_line(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

// The numbers go on where they ended only within one boot: a power cut may take back the counter's
// page, and numbers that are used again would be taken for repetitions.
truth::Uuid stream_of(const fs::path& folder, Time now) {
  std::error_code error;
  fs::create_directories(folder, error);
  const std::string boot = read_line("/proc/sys/kernel/random/boot_id");
  const fs::path file = folder / "stream";
  const std::string kept = read_line(file);
  const std::size_t blank = kept.find(' ');
  const auto known = truth::parse_uuid7(std::string_view(kept).substr(0, blank));
  if (known && blank != std::string::npos && kept.substr(blank + 1) == boot &&
      fs::exists(folder / "sequence", error)) {
    return *known;
  }
  fs::remove(folder / "sequence", error);
  std::random_device random;
  const auto bits = [&random] { return std::uint64_t{random()} << 32 | random(); };
  const truth::Uuid made = truth::make_uuid7(now, bits(), bits());
  std::ofstream(file) << truth::format_uuid(made) << ' ' << boot << '\n';
  return made;
}

std::string host_name() {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  return name;
}

std::string without_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

// A folder for each agent, by its address: one that is added later begins with an empty queue.
std::string folder_of(const std::string& url) {
  std::string name;
  for (const char c : url) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '-';
  return name.substr(0, 100);
}

}  // namespace

// Two processes of one folder would use the same numbers: the predecessor of a proxy that was
// killed may still be sending, and is waited for.
class Shipper::FolderLock {
 public:
  explicit FolderLock(const fs::path& folder) {
    std::error_code error;
    fs::create_directories(folder, error);
    file_ = ::open((folder / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    const auto deadline = std::chrono::steady_clock::now() + lock_wait;
    while (file_ >= 0 && ::flock(file_, LOCK_EX | LOCK_NB) != 0) {
      if (std::chrono::steady_clock::now() >= deadline) {
        throw std::runtime_error("data.dir: another process ships predictions from " +
                                 folder.string() + "; give each sidecar a --data.dir of its own");
      }
      std::this_thread::sleep_for(lock_every);
    }
    if (file_ < 0) {
      throw std::runtime_error("data.dir: cannot write in " + folder.string() +
                               "; predictions wait there for the agents (truth.url)");
    }
  }
  ~FolderLock() { ::close(file_); }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int file_ = -1;
};

Shipper::Shipper(const ShippingOptions& options, const fs::path& folder, RuleOf rule_of,
                 const Clock& clock)
    : options_(options), rule_of_(std::move(rule_of)), clock_(clock) {
  if (auto ok = options_.check(); !ok) throw std::runtime_error(ok.error().message);
  identity_.workload = {options_.cluster, options_.name_space, options_.workload};
  identity_.pod = options_.pod.empty() ? host_name() : options_.pod;
  lock_ = std::make_unique<FolderLock>(folder);
  identity_.stream = stream_of(folder, clock_.now());
  auto counter = truth::AcceptedCounter::open(folder / "sequence");
  if (!counter) throw std::runtime_error(counter.error().message);
  sequence_ = std::move(*counter);
  for (const std::string& url : options_.urls) {
    remote_write::Courier::Settings settings;
    settings.name = "predictions";
    settings.url = without_slash(url) + "/api/v1/predictions";
    settings.content_type = std::string(truth::shipment_content_type);
    settings.bearer_token_file = options_.bearer_token_file;
    settings.ca_file = options_.ca_file;
    settings.trailer = [this] { return truth::sent_at(clock_.now()); };
    settings.idle_body = [this] { return only_head(); };
    settings.queue.folder = folder / folder_of(url);
    settings.queue.bytes_max = static_cast<std::uint64_t>(options_.queue_bytes_max);
    settings.queue.age_max = options_.queue_age_max;
    couriers_.push_back(std::make_unique<remote_write::Courier>(std::move(settings), clock_));
    spdlog::info("predictions are shipped to {}", url);
  }
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Shipper::~Shipper() {
  stop(Duration::zero());
}

bool Shipper::append(const truth::PredictionView& prediction, std::uint64_t feature_set) {
  const std::uint64_t rows = prediction.rows.size();
  if (rows == 0) return true;
  const auto id = truth::parse_uuid7(prediction.id);
  if (!id) {
    counts_.invalid += rows;
    return false;
  }
  const std::lock_guard lock(mutex_);
  const std::uint64_t sequence =
      sequence_->take(rows);  // What is dropped keeps its number: the agent counts the gap.
  if (filling_.bytes() > filling_bytes_max) {
    counts_.buffer_full += rows;
    return false;
  }
  if (!filling_.add(*id, sequence, prediction, feature_set, prediction_bytes_max)) {
    counts_.too_large += rows;
    return false;
  }
  counts_.appended += rows;
  if (filling_.bytes() > cut_bytes) full_.notify_one();
  return true;
}

void Shipper::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      full_.wait_for(lock, stop, cut_every, [this] { return filling_.bytes() > cut_bytes; });
    }
    cut();
  }
}

// What came so far goes to disk, for each agent.
void Shipper::cut() {
  // Read before the buffer is taken: what came until then is in it.
  const truth::ShipmentHead about = head();
  {
    const std::lock_guard lock(mutex_);
    if (filling_.rows() == 0) return;
    std::swap(filling_, cutting_);
    cutting_busy_ = true;
  }
  for (const truth::ShipmentBody& body : cutting_.finish(about, rule_of_, cut_bytes)) {
    for (const auto& courier : couriers_) courier->append(body.bytes, body.rows);
  }
  const std::lock_guard lock(mutex_);
  cutting_busy_ = false;
}

truth::ShipmentHead Shipper::head() const {
  truth::ShipmentHead about = identity_;
  about.complete_until = from_unix_ms(caught_up_ms_.load());
  about.closed = closed_;
  return about;
}

std::string Shipper::write_head() const {
  return truth::ShipmentWriter().finish(head(), rule_of_).front().bytes;
}

// Says how far this sidecar has come, when it has nothing else to say: what was appended before the
// head was read has been put in the queue, which the courier looks at afterwards.
std::string Shipper::only_head() {
  std::string body = write_head();
  const std::lock_guard lock(mutex_);
  return filling_.rows() > 0 || cutting_busy_ ? std::string() : body;
}

bool Shipper::stop(Duration limit) {
  thread_.request_stop();
  if (thread_.joinable()) {
    thread_.join();
    cut();
    closed_ = true;
    const std::string end = write_head();
    for (const auto& courier : couriers_) courier->append(end, 0);
  }
  bool all = true;
  const auto deadline = std::chrono::steady_clock::now() + limit;
  for (const auto& courier : couriers_) {
    const Duration left =
        std::max<Duration>(deadline - std::chrono::steady_clock::now(), Duration::zero());
    all = courier->stop(left) && all;
  }
  return all;
}

net::HttpResponse Shipper::relay(const net::HttpRequest& request) const {
  const auto& workload = options_;
  std::string query = request.query;
  for (const auto& [name, value] :
       {std::pair("cluster", &workload.cluster), std::pair("namespace", &workload.name_space),
        std::pair("workload", &workload.workload)}) {
    if (value->empty()) continue;
    query += (query.empty() ? "" : "&") + std::string(name) + "=" + percent_encode(*value);
  }
  net::ClientRequest sent;
  sent.method = request.method;
  for (const char* name : {"Content-Type", "Seldon-Puid"}) {
    if (const auto value = request.header(name); !value.empty()) {
      sent.headers.push_back({name, std::string(value)});
    }
  }
  if (!options_.bearer_token_file.empty()) {
    if (const auto token = config::read_file(options_.bearer_token_file, 4'096)) {
      sent.headers.push_back({"Authorization", "Bearer " + std::string(trim(*token))});
    }
  }
  sent.body = request.body;
  sent.ca_file = options_.ca_file;
  sent.body_bytes_max = answer_bytes_max;
  std::string why;
  net::HttpClient client;
  for (const std::string& url : options_.urls) {
    sent.url = without_slash(url) + request.path + "?" + query;
    const auto response = client.send(sent);
    if (response && response->status < 500 && response->status != 429) {
      return {.status = response->status,
              .content_type = std::string(response->header("Content-Type")),
              .body = response->body};
    }
    why += (why.empty() ? "" : "; ") + url + ": " +
           (response ? "status " + std::to_string(response->status) : response.error().message);
  }
  net::HttpResponse response = net::error_response(
      503, "agents_unavailable",
      "this sidecar ships its predictions, and no agent has taken the labels (" + why +
          "); send them again later");
  response.headers.push_back({"Retry-After", "5"});
  return response;
}

void Shipper::collect(wire::MetricSink& sink) {
  using wire::MetricType;
  std::vector<remote_write::Courier::Figures> figures;
  for (const auto& courier : couriers_) figures.push_back(courier->figures());
  const auto number = [](std::uint64_t count) { return static_cast<double>(count); };
  const auto each = [&](const char* name, MetricType type, const char* help, auto value) {
    sink.family({name, type, help});
    for (std::size_t i = 0; i < figures.size(); ++i) {
      sink.value(wire::SeriesKey({{"agent", options_.urls[i]}}), value(figures[i]));
    }
  };
  sink.family({"outrider_shipping_predictions_total", MetricType::counter,
               "Predictions numbered for shipping to the agents."});
  sink.value(wire::SeriesKey(Labels{}), number(counts_.appended));
  sink.family(
      {"outrider_shipping_refused_total", MetricType::counter,
       "Predictions that could not be put in line, by reason: labels for them are unknown."});
  for (const auto& [reason, count] : {std::pair("invalid_id", counts_.invalid.load()),
                                      std::pair("too_large", counts_.too_large.load()),
                                      std::pair("buffer_full", counts_.buffer_full.load())}) {
    sink.value(wire::SeriesKey({{"reason", reason}}), number(count));
  }
  each("outrider_shipping_sent_total", MetricType::counter, "Predictions that the agent took.",
       [&](const auto& one) { return number(one.sent); });
  each("outrider_shipping_pending_predictions", MetricType::gauge,
       "Predictions that wait on disk for the agent.",
       [&](const auto& one) { return number(one.queue.pending.samples); });
  each("outrider_shipping_queue_bytes", MetricType::gauge, "Bytes of the queue for the agent.",
       [&](const auto& one) { return number(one.queue.disk_bytes + one.queue.memory_bytes); });
  each("outrider_shipping_up", MetricType::gauge,
       "1 where the agent took what was last sent to it.",
       [&](const auto& one) { return one.up ? 1.0 : 0.0; });
  each("outrider_shipping_failed_requests_total", MetricType::counter,
       "Requests that the agent did not take.",
       [&](const auto& one) { return number(one.failed); });
  sink.family({"outrider_shipping_dropped_total", MetricType::counter,
               "Predictions given up for one agent, by reason; what the agent refused for good is "
               "http_ and the status."});
  for (std::size_t i = 0; i < figures.size(); ++i) {
    const auto& dropped = figures[i].queue.dropped;
    std::map<std::string, std::uint64_t> reasons = {{"queue_full", dropped.queue_full},
                                                    {"too_old", dropped.too_old},
                                                    {"memory_full", dropped.memory_full},
                                                    {"too_large", dropped.too_large},
                                                    {"damaged", dropped.damaged}};
    for (const int status : {400, 413, 415, 422}) reasons["http_" + std::to_string(status)] = 0;
    for (const auto& [reason, count] : figures[i].refused) reasons[reason] += count;
    for (const auto& [reason, count] : reasons) {
      sink.value(wire::SeriesKey({{"agent", options_.urls[i]}, {"reason", reason}}), number(count));
    }
  }
}

wire::Json Shipper::status() const {
  wire::Json json = wire::Json::array();
  for (std::size_t i = 0; i < couriers_.size(); ++i) {
    const auto figures = couriers_[i]->figures();
    json.push_back({{"agent", options_.urls[i]},
                    {"up", figures.up},
                    {"sent", figures.sent},
                    {"pending", figures.queue.pending.samples}});
  }
  return json;
}

}  // namespace outrider::monitor
