// SPDX-License-Identifier: Apache-2.0
#include "agent/app.h"

#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "agent/act/pause_switch.h"
#include "agent/act/runbook_executor.h"
#include "agent/act/worker.h"
#include "agent/api/api.h"
#include "agent/own_export.h"
#include "agent/parts.h"
#include "agent/ticket_parts.h"
#include "base/config/yaml.h"
#include "base/core/version.h"
#include "base/net/metrics_page.h"
#include "base/net/shutdown.h"

namespace outrider {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t policy_bytes_max = 1 << 20;
constexpr Duration keep_every = 10min;
constexpr Duration keep_again = 10s;  // While the journal is too large.
constexpr Duration sender_wait = 200ms;

// The policy file and what its last reading came to.
class PolicyFile {
 public:
  PolicyFile(const AgentSettings& settings, const decide::Executors& executors,
             Dispatcher& dispatcher, AgentMetrics& metrics, const Clock& clock)
      : path_(settings.policy_file),
        allowed_hosts_(settings.sending.allowed_hosts),
        executors_(executors),
        dispatcher_(dispatcher),
        metrics_(metrics),
        clock_(clock) {}

  // A bad file changes nothing but trouble().
  Result<void> load() {
    if (path_.empty()) return {};
    const auto text = config::read_file(path_, policy_bytes_max);
    auto policy =
        text ? decide::parse_policy(path_, *text, executors_) : Result<decide::Policy>(fail(text));
    if (policy) {
      if (auto fits = check_hosts(*policy, allowed_hosts_); !fits) policy = fail(fits);
    }
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
  const std::vector<std::string> allowed_hosts_;
  const decide::Executors& executors_;
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
          const decide::Executors& executors, const AgentSettings& settings)
      : dispatcher_(dispatcher) {
    threads_.emplace_back(
        [this, &journal, &metrics, &clock, look_every = settings.incidents.look_every] {
          look_on(journal, metrics, clock, look_every);
        });
    for (std::int64_t i = 0; i < settings.actions.senders; ++i) {
      threads_.emplace_back([this, &executors, &clock, &settings] {
        work_on(act::Worker(executors, asker_of(settings), settings.sending, clock));
      });
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
        const Duration since = clock.now() - kept_at;
        if (since >= keep_every || (since >= keep_again && journal.is_over())) {
          metrics.count_dropped(journal.prune(clock.now()));
          kept_at = clock.now();
        }
        metrics.set_journal_bytes(journal.bytes());
      } catch (const act::JournalError& error) {
        metrics.count_journal_failure();
        spdlog::error("{}", error.what());
        dispatcher_.wait_for_news(1s);
      }
      dispatcher_.wait_for_news(look_every);
    }
  }

  void work_on(act::Worker worker) {
    while (!stopping_) {
      auto action = dispatcher_.take_due(sender_wait);
      if (!action) continue;
      const decide::Findings findings = worker.perform(*action);
      dispatcher_.give_back(std::move(*action), findings);
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

void tell_where(const net::HttpServer& server, const AgentSettings& settings) {
  spdlog::info("{} listens on port {}, journal in {}", version_line("outrider-agent"),
               server.port(), settings.data_dir);
}

void flush(remote_write::Sender& sender, Duration deadline) {
  if (!sender.stop(deadline))
    spdlog::warn("not all was sent by remote write; the rest is queued for the next start");
}

// What comes in by remote write, what is seen in it, and what goes out.
// The predictions that sidecars ship here, and the topic that they may come by.
struct TruthParts {
  TruthParts(const AgentSettings& settings, bool asks_for_credentials, const Clock& clock,
             ingest::LabelForwarder& labels, net::Router& router)
      : topic_labels(topic_labels_of(settings)),
        fleet(truth_of(settings, asks_for_credentials, topic_labels.get(), clock)),
        topic_reader(topic_reader_of(settings, fleet.get(), topic_labels.get(), clock)) {
    add_truth_routes(router, fleet.get(), labels);
  }
  void add_collectors(std::vector<wire::Collector*>& collectors, ingest::LabelForwarder& labels) {
    if (topic_labels) collectors.push_back(topic_labels.get());
    if (topic_reader) collectors.push_back(topic_reader.get());
    add_truth_collectors(collectors, fleet.get(), labels);
  }
  void stop() {
    if (topic_reader) topic_reader->stop();
    if (fleet) fleet->stop(1s);
  }

  std::unique_ptr<fleet::TopicLabels> topic_labels;
  std::unique_ptr<fleet::FleetTruth> fleet;
  std::unique_ptr<fleet::TopicReader> topic_reader;
};

struct SeriesParts {
  SeriesParts(const AgentSettings& settings, const Clock& clock, Dispatcher& dispatcher,
              net::Router& router)
      : sender(sender_of(settings, clock)),
        watch(watch_settings(settings), watch_rules(settings), clock,
              watch_dependencies(dispatcher, sender.get())),
        receiver(settings.ingest, clock, &watch) {
    add_write_routes(router, receiver, watch);
    add_anomaly_route(router, watch);
  }

  const std::unique_ptr<remote_write::Sender> sender;  // Null: nothing goes out. Ends last.
  watch::SeriesWatch watch;
  ingest::RemoteWriteReceiver receiver;
};

// What asks Prometheus of its own accord; null without one.
struct PrometheusParts {
  PrometheusParts(const AgentSettings& settings, const Clock& clock, net::Router& router)
      : forecaster(forecaster_of(settings, clock)),
        models(model_watch_of(settings, forecaster.get(), clock)),
        right_size(right_size_of(settings, clock)) {
    if (models) models->start();
    if (forecaster) forecaster->start();
    if (right_size) right_size->start();
    add_forecast_route(router, forecaster.get());
  }
  std::function<std::string()> right_size_report() const {
    if (!right_size) return nullptr;
    return [watch = right_size.get()] { return watch->report(); };
  }
  void stop() const {
    if (models) models->stop();
    if (forecaster) forecaster->stop();
    if (right_size) right_size->stop();
  }

  const std::unique_ptr<ahead::Forecaster> forecaster;
  const std::unique_ptr<models::ModelWatch> models;
  const std::unique_ptr<models::RightSizeWatch> right_size;
};

std::unique_ptr<suspects::Diagnoser> diagnoser_of(const AgentSettings& settings,
                                                  const suspects::Correlation& correlation,
                                                  const Clock& clock,
                                                  suspects::Diagnoser::Dependencies dependencies) {
  return std::make_unique<suspects::Diagnoser>(diagnoser_settings(settings, correlation.depends),
                                               clock, std::move(dependencies));
}

// Null where nothing is sent by remote write.
std::unique_ptr<OwnExport> own_export_of(const AgentSettings& settings,
                                         const std::vector<wire::Collector*>& collectors,
                                         std::uint16_t port, remote_write::Sender* sender,
                                         const Clock& clock) {
  if (sender == nullptr) return nullptr;
  return std::make_unique<OwnExport>(settings.remote_write, collectors, port, *sender, clock);
}

std::vector<wire::Collector*> those_there(std::vector<wire::Collector*> collectors) {
  std::erase(collectors, nullptr);
  return collectors;
}

// What decides and acts, from the journal up.
struct ActParts {
  ActParts(const AgentSettings& settings, const Clock& clock, AgentMetrics& metrics)
      : journal(settings.data_dir + "/agent.db", settings.journal),
        pause_switch(settings.actions.paused, settings.actions.pause_file, journal, clock),
        ticket_desk(ticket_desk_of(settings, journal, clock, lease_held(settings))),
        executors(with_runbook(make_executors(settings, clock, lease_check(settings), ticket_desk),
                               settings, clock)),
        dispatcher(dispatcher_settings(settings), clock, journal, metrics,
                   with_switch(make_dependencies(settings), settings)),
        lease(lease_of(settings.kubernetes, clock, [this] { dispatcher.wake(); })) {
    if (lease) lease->start();
    ticket_desk->start();
  }
  ~ActParts() { ticket_desk->stop(); }  // It asks whether the lease is held.

  std::function<wire::Json(const std::string& incident)> tickets() const {
    return [desk = ticket_desk](const std::string& id) { return desk->tickets_of(id); };
  }

  act::Journal journal;
  act::PauseSwitch pause_switch;
  const std::shared_ptr<tickets::TicketDesk> ticket_desk;
  const decide::Executors executors;
  Dispatcher dispatcher;
  // Null: none is needed. Ends before what it wakes.
  const std::unique_ptr<kubernetes::LeaseHolder> lease;

 private:
  decide::Executors with_runbook(decide::Executors others, const AgentSettings& settings,
                                 const Clock& clock) const {
    act::RunbookExecutor::Dependencies dependencies;
    dependencies.executors = others;
    dependencies.sending = settings.sending;
    dependencies.make_ask = [&settings] { return asker_of(settings); };
    dependencies.paused = [this] { return pause_switch.reason(); };
    if (!settings.kubernetes.lease.empty()) dependencies.fencing = [this] { return lease->held(); };
    auto runbook = std::make_shared<act::RunbookExecutor>(std::move(dependencies), clock);
    others.emplace(runbook->name(), runbook);
    return others;
  }

  std::function<bool()> lease_held(const AgentSettings& settings) const {
    if (settings.kubernetes.lease.empty()) return {};
    return [this] { return lease->held().has_value(); };
  }

  Dispatcher::Dependencies with_switch(Dispatcher::Dependencies dependencies,
                                       const AgentSettings& settings) const {
    dependencies.paused = [this] { return pause_switch.reason(); };
    if (!settings.kubernetes.lease.empty()) dependencies.fencing = [this] { return lease->held(); };
    return dependencies;
  }

  std::function<Result<void>(kubernetes::Client&, std::int64_t)> lease_check(
      const AgentSettings& settings) const {
    if (settings.kubernetes.lease.empty()) return {};
    return [this](kubernetes::Client& client, std::int64_t number) {
      return lease->check(client, number);
    };
  }
};

}  // namespace

int run_agent(const AgentSettings& settings) {
  const net::Signals signals;
  const SystemClock clock;
  AgentMetrics metrics;
  ActParts acting(settings, clock, metrics);
  Dispatcher& dispatcher = acting.dispatcher;
  const suspects::Correlation correlation = restore(dispatcher, settings);
  PolicyFile policy(settings, acting.executors, dispatcher, metrics, clock);
  policy.load_or_throw();
  std::atomic<bool> ready = false;
  net::Router router;
  const PrometheusParts asking(settings, clock, router);
  Listener listener(settings);
  api::add_routes(router, {.dispatcher = &dispatcher,
                           .journal = &acting.journal,
                           .metrics = &metrics,
                           .clock = &clock,
                           .pause_switch = &acting.pause_switch,
                           .reload = [&policy] { return policy.load(); },
                           .ready = [&ready] { return ready.load(); },
                           .policy_trouble = [&policy] { return policy.trouble(); },
                           .has_policy = !settings.policy_file.empty(),
                           .github_secret = github_secret_of(settings),
                           .grafana_url = settings.grafana_url,
                           .tickets = acting.tickets(),
                           .models = asking.models.get(),
                           .right_size = asking.right_size_report()});
  ingest::LabelForwarder labels(forwarder_settings(settings));
  TruthParts truth(settings, listener.asks_for_credentials, clock, labels, router);
  SeriesParts series(settings, clock, dispatcher, router);
  const auto watcher = watcher_of(settings.kubernetes, dispatcher, clock);
  net::ProcessCollector process;
  std::vector<wire::Collector*> collectors = those_there(
      {&metrics, &series.receiver, &series.watch, &listener.tls, &listener.guards, &process,
       asking.forecaster.get(), series.sender.get(), &acting.pause_switch, watcher.get(),
       acting.lease.get(), acting.ticket_desk.get(), asking.right_size.get()});
  truth.add_collectors(collectors, labels);
  add_metrics_route(router, collectors, series.watch);
  net::HttpServer server(listener.settings, std::move(router));
  const Threads threads(dispatcher, acting.journal, metrics, clock, acting.executors, settings);
  auto own_export = own_export_of(settings, collectors, server.port(), series.sender.get(), clock);
  auto diagnoser =
      diagnoser_of(settings, correlation, clock,
                   diagnoser_dependencies(dispatcher, acting.journal, labels, watcher.get()));
  series.watch.start();
  ready = true;
  tell_where(server, settings);
  wait_until_told_to_stop(signals, policy);
  ready = false;
  server.stop();
  diagnoser.reset();
  truth.stop();
  series.watch.stop();
  asking.stop();
  own_export.reset();
  if (series.sender) flush(*series.sender, settings.remote_write.flush_deadline);
  return 0;
}

}  // namespace outrider
