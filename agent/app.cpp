// SPDX-License-Identifier: Apache-2.0
#include "agent/app.h"

#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "agent/act/sender.h"
#include "agent/api/api.h"
#include "agent/own_export.h"
#include "agent/parts.h"
#include "base/config/yaml.h"
#include "base/core/version.h"
#include "base/net/metrics_page.h"
#include "base/net/shutdown.h"

namespace outrider {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t policy_bytes_max = 1 << 20;
constexpr Duration keep_every = 10min;
constexpr Duration sender_wait = 200ms;

// The policy file and what its last reading came to.
class PolicyFile {
 public:
  PolicyFile(std::string path, Dispatcher& dispatcher, AgentMetrics& metrics, const Clock& clock)
      : path_(std::move(path)), dispatcher_(dispatcher), metrics_(metrics), clock_(clock) {}

  // A bad file changes nothing but trouble().
  Result<void> load() {
    if (path_.empty()) return {};
    const auto text = config::read_file(path_, policy_bytes_max);
    const auto policy =
        text ? decide::parse_policy(path_, *text) : Result<decide::Policy>(fail(text));
    metrics_.set_reload(policy.has_value(), clock_.now());
    std::lock_guard lock(mutex_);
    trouble_ = policy ? "" : policy.error().message;
    if (!policy) return fail(policy);
    dispatcher_.set_policy(std::make_shared<decide::Policy>(*policy));
    spdlog::info("policy {}: {} rules, {}", path_, policy->rules.size(),
                 policy->dry_run ? "dry run" : "live");
    return {};
  }

  void load_or_throw() {
    if (auto loaded = load(); !loaded) throw std::runtime_error(loaded.error().message);
  }

  std::string trouble() const {
    std::lock_guard lock(mutex_);
    return trouble_;
  }

 private:
  const std::string path_;
  Dispatcher& dispatcher_;
  AgentMetrics& metrics_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::string trouble_;
};

// The threads that look and send. They end when the dispatcher is stopped.
class Threads {
 public:
  Threads(Dispatcher& dispatcher, act::Journal& journal, AgentMetrics& metrics, const Clock& clock,
          const AgentSettings& settings)
      : dispatcher_(dispatcher) {
    threads_.emplace_back([this, &journal, &metrics, &clock, look_every = settings.look_every] {
      look_on(journal, metrics, clock, look_every);
    });
    for (std::int64_t i = 0; i < settings.senders; ++i) {
      threads_.emplace_back([this] { send_on(); });
    }
  }
  ~Threads() {
    stopping_ = true;
    dispatcher_.stop();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void look_on(act::Journal& journal, AgentMetrics& metrics, const Clock& clock,
               Duration look_every) {
    Time kept_at{};
    while (!stopping_) {
      try {
        dispatcher_.look();
        if (clock.now() - kept_at >= keep_every) {
          journal.prune(clock.now());
          kept_at = clock.now();
        }
      } catch (const act::JournalError& error) {
        metrics.count_journal_failure();
        spdlog::error("{}", error.what());
        dispatcher_.wait_for_news(1s);
      }
      dispatcher_.wait_for_news(look_every);
    }
  }

  void send_on() {
    act::Sender sender;
    while (!stopping_) {
      auto action = dispatcher_.take_due(sender_wait);
      if (!action) continue;
      const decide::Answer answer = action->stage == decide::Stage::watching
                                        ? sender.ask_job(*action)
                                        : sender.send(action->delivery);
      dispatcher_.give_back(std::move(*action), answer);
    }
  }

  Dispatcher& dispatcher_;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

void wait_until_told_to_stop(const net::Signals& signals, PolicyFile& policy) {
  while (signals.wait() == net::Signal::reload) {
    if (auto loaded = policy.load(); !loaded) {
      spdlog::error("the policy before stays in force: {}", loaded.error().message);
    }
  }
  spdlog::info("stopping: started requests are finished, what is queued stays in the journal");
}

void flush(remote_write::Sender& sender, Duration deadline) {
  if (!sender.stop(deadline))
    spdlog::warn("not all was sent by remote write; the rest is queued for the next start");
}

// What comes in by remote write, what is seen in it, and what goes out.
struct SeriesParts {
  SeriesParts(const AgentSettings& settings, const Clock& clock, Dispatcher& dispatcher,
              net::Router& router)
      : limits(receiver_settings(settings.ingest)),
        sender(sender_of(settings, clock)),
        watch(watch_settings(settings, limits.partitions), watch_rules(settings.watch), clock,
              watch_dependencies(dispatcher, sender.get())),
        receiver(limits, clock, &watch) {
    add_write_routes(router, receiver, watch);
    add_anomaly_route(router, watch);
  }

  const ingest::RemoteWriteReceiver::Settings limits;
  const std::unique_ptr<remote_write::Sender> sender;  // Null: nothing goes out. Ends last.
  watch::SeriesWatch watch;
  ingest::RemoteWriteReceiver receiver;
};

}  // namespace

int run_agent(const AgentSettings& settings) {
  const net::Signals signals;
  const SystemClock clock;
  AgentMetrics metrics;
  act::Journal journal(settings.data_dir + "/agent.db", journal_limits(settings));
  Dispatcher dispatcher(dispatcher_settings(settings), clock, journal, metrics,
                        make_dependencies(settings));
  const suspects::Correlation correlation = restore(dispatcher, settings);
  PolicyFile policy(settings.policy_file, dispatcher, metrics, clock);
  policy.load_or_throw();
  std::atomic<bool> ready = false;
  net::Router router;
  api::add_routes(router, {.dispatcher = &dispatcher,
                           .journal = &journal,
                           .metrics = &metrics,
                           .clock = &clock,
                           .reload = [&policy] { return policy.load(); },
                           .ready = [&ready] { return ready.load(); },
                           .policy_trouble = [&policy] { return policy.trouble(); },
                           .has_policy = !settings.policy_file.empty()});
  Listener listener(settings);
  ingest::LabelForwarder labels(forwarder_settings(settings));
  const auto fleet_truth = truth_of(settings, listener.asks_for_credentials, clock);
  add_truth_routes(router, fleet_truth.get(), labels);
  SeriesParts series(settings, clock, dispatcher, router);
  const std::unique_ptr<ahead::Forecaster> forecaster = forecaster_of(settings, clock);
  add_forecast_route(router, forecaster.get());
  net::ProcessCollector process;
  std::vector<wire::Collector*> collectors = {&metrics,         &series.receiver,   &series.watch,
                                              &listener.tls,    &listener.guards,   &process,
                                              forecaster.get(), series.sender.get()};
  std::erase(collectors, nullptr);
  add_truth_collectors(collectors, fleet_truth.get(), labels);
  add_metrics_route(router, collectors, series.watch);
  net::HttpServer server(listener.settings, std::move(router));
  const Threads threads(dispatcher, journal, metrics, clock, settings);
  std::optional<OwnExport> own_export;
  if (series.sender)
    own_export.emplace(settings.remote_write, collectors, server.port(), *series.sender, clock);
  auto diagnoser =
      std::make_unique<suspects::Diagnoser>(diagnoser_settings(settings, correlation.depends),
                                            clock, diagnoser_dependencies(dispatcher, labels));
  series.watch.start();
  if (forecaster) forecaster->start();
  ready = true;
  spdlog::info("{} listens on port {}, journal in {}", version_line("outrider-agent"),
               server.port(), settings.data_dir);

  wait_until_told_to_stop(signals, policy);
  ready = false;
  server.stop();
  diagnoser.reset();
  if (fleet_truth) fleet_truth->stop(1s);
  series.watch.stop();
  if (forecaster) forecaster->stop();
  own_export.reset();
  if (series.sender) flush(*series.sender, settings.remote_write.flush_deadline);
  return 0;
}

}  // namespace outrider
