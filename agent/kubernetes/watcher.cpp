// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/watcher.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>
#include <stdexcept>

namespace outrider::kubernetes {
namespace {

using namespace std::chrono_literals;

constexpr int failures_before_list = 3;
constexpr Duration journal_retry = 1s;
// A watch that a server ends sooner was refused in effect; asking again at once would be a storm.
constexpr Duration watch_min = 1s;

}  // namespace

Watcher::Watcher(Settings settings, const Clock& clock, Sink sink)
    : settings_(std::move(settings)),
      clock_(clock),
      sink_(std::move(sink)),
      book_(settings_.cluster, settings_.book),
      objects_(registry_.gauge("outrider_agent_kubernetes_objects",
                               "Objects of the cluster that are known.")),
      delay_(registry_.gauge("outrider_agent_kubernetes_change_delay_seconds",
                             "From the newest change, by the API server's clock, until it was "
                             "filed.")),
      turned_away_(registry_.counter("outrider_agent_kubernetes_objects_turned_away_total",
                                     "Objects past the limit on those that are known; of them no "
                                     "change is seen.")) {
  if (settings_.namespaces.size() > namespaces_max) {
    throw std::runtime_error("kubernetes.namespaces: expected at most " +
                             std::to_string(namespaces_max) + ", got " +
                             std::to_string(settings_.namespaces.size()) +
                             "; without the option all namespaces are watched");
  }
  std::vector<std::string> places = settings_.namespaces;
  if (places.empty()) places.emplace_back();
  for (std::size_t i = 0; i < resource_count; ++i) {
    const auto resource = static_cast<Resource>(i);
    const wire::Registry::LabelMap labels = {{"resource", std::string(name(resource))}};
    const std::string prefix = "outrider_agent_kubernetes_";
    figures_[i] = {
        &registry_.counter(prefix + "events_total", "Watch events taken in.", labels),
        &registry_.counter(prefix + "changes_total", "Changes that they made.", labels),
        &registry_.counter(prefix + "relists_total", "Lists that were asked for, each whole.",
                           labels),
        &registry_.counter(prefix + "failures_total",
                           "Lists and watches that failed, and are tried again.", labels),
        &registry_.counter(prefix + "invalid_objects_total", "Objects that could not be read.",
                           labels),
        &registry_.gauge(prefix + "last_success_timestamp_seconds",
                         "When the API server last answered, of the namespace where that is "
                         "longest ago; 0: never.",
                         labels)};
    for (const std::string& place : places)
      streams_.push_back(std::make_unique<Stream>(resource, place));
  }
}

void Watcher::start() {
  for (const auto& stream : streams_)
    threads_.emplace_back([this, &stream = *stream] { follow(stream); });
}

void Watcher::stop() {
  {
    std::lock_guard lock(wake_mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool Watcher::rest(Duration time) {
  std::unique_lock lock(wake_mutex_);
  return !wake_.wait_for(lock, time, [this] { return stopping_.load(); });
}

const Watcher::Figures& Watcher::figures_of(const Stream& stream) const {
  return figures_.at(static_cast<std::size_t>(stream.reflector.resource()));
}

void Watcher::follow(Stream& stream) {
  Client::Settings asked = settings_.client;
  asked.cancelled = &stopping_;
  Client client(std::move(asked));
  Backoff backoff(settings_.retry);
  std::mt19937_64 random{std::random_device{}()};
  std::uniform_real_distribution<double> unit(0, 1);
  while (!stopping_) {
    const auto done =
        stream.reflector.is_listing() ? list(stream, client) : watch(stream, client, unit(random));
    if (stopping_) return;
    if (done) {
      note_success(stream);
      backoff.reset();
      continue;
    }
    note_failure(stream, done.error());
    rest(backoff.next(unit(random)));
  }
}

Result<void> Watcher::list(Stream& stream, Client& client) {
  figures_of(stream).relists->Increment();
  while (!stopping_) {
    const auto page =
        client.get(stream.reflector.next_path({}), accept_of(stream.reflector.resource(), false));
    if (!page) return fail(page);
    const auto taken = stream.reflector.take_page(*page);
    if (!taken) return fail(taken);
    figures_of(stream).invalid->Increment(static_cast<double>(taken->invalid));
    if (!taken->is_last) continue;
    ChangeBook::Changes changes;
    {
      std::lock_guard lock(mutex_);
      changes = book_.replace(stream.reflector.resource(), stream.reflector.name_space(),
                              stream.reflector.take_listed(), clock_.now());
      objects_.Set(static_cast<double>(book_.size()));
    }
    tell(changes, figures_of(stream));
    return {};
  }
  return {};
}

Result<void> Watcher::watch(Stream& stream, Client& client, double unit) {
  const Duration watch_for = std::chrono::ceil<std::chrono::seconds>(
      from_seconds(to_seconds(settings_.watch_for) * (1 + unit / 3)));
  stream.reflector.begin_watch();
  Result<void> read;
  const auto started = std::chrono::steady_clock::now();
  const auto ended = client.watch(
      stream.reflector.next_path(watch_for), accept_of(stream.reflector.resource(), true),
      watch_for + settings_.idle_max, settings_.idle_max, [&](std::string_view piece) {
        read = stream.reflector.take_piece(
            piece, [&](Reflector::Event event) { take(stream, std::move(event)); });
        if (read) note_success(stream);
        return read.has_value() && !stopping_;
      });
  if (!read) return read;
  if (!ended) return ended;
  const auto lasted = std::chrono::steady_clock::now() - started;
  if (lasted < std::min(watch_min, watch_for)) {
    return fail("watch_error", "a watch of " + std::string(name(stream.reflector.resource())) +
                                   " was ended by the server at once");
  }
  return {};
}

void Watcher::take(Stream& stream, Reflector::Event event) {
  const Resource resource = stream.reflector.resource();
  const Figures& figures = figures_of(stream);
  figures.events->Increment();
  const Time now = clock_.now();
  ChangeBook::Changes changes;
  {
    std::lock_guard lock(mutex_);
    changes = event.is_deleted ? book_.remove(resource, event.object.uid, now)
                               : book_.apply(resource, std::move(event.object), now);
    objects_.Set(static_cast<double>(book_.size()));
  }
  tell(changes, figures);
}

void Watcher::tell(const ChangeBook::Changes& changes, const Figures& figures) {
  for (const incident::Change& change : changes) {
    do {
      try {
        sink_(change);
        figures.changes->Increment();
        delay_.Set(to_seconds(clock_.now() - change.at));
        spdlog::info("{} of {}/{}: {}", change.kind, change.name_space, change.workload,
                     change.summary);
        break;
      } catch (const std::exception& error) {
        spdlog::error("a change waits to be filed: {}", error.what());
      }
    } while (rest(journal_retry));
  }
}

void Watcher::note_success(Stream& stream) {
  if (std::exchange(stream.failures, 0) > 0) {
    const std::string& place = stream.reflector.name_space();
    spdlog::info("kubernetes: {}{}{} are watched again", name(stream.reflector.resource()),
                 place.empty() ? "" : " of ", place);
  }
  stream.succeeded_ms = to_unix_ms(clock_.now());
}

void Watcher::note_failure(Stream& stream, const Error& error) {
  figures_of(stream).failures->Increment();
  const bool gone = error.code == "gone";
  // Which version to go on from is not known any more, or does not help.
  if (gone || ++stream.failures % failures_before_list == 0) stream.reflector.start_over();
  if (gone) {
    spdlog::info("kubernetes: {}; asking for all {} anew", error.message,
                 name(stream.reflector.resource()));
  } else if (stream.failures == 1) {
    spdlog::warn("kubernetes: {}", error.message);
  }
}

std::vector<incident::Topology::Edge> Watcher::owner_edges() const {
  std::lock_guard lock(mutex_);
  return book_.owner_edges(clock_.now());
}

void Watcher::collect(wire::MetricSink& sink) {
  std::array<std::optional<std::int64_t>, resource_count> oldest;
  for (const auto& stream : streams_) {
    auto& one = oldest.at(static_cast<std::size_t>(stream->reflector.resource()));
    one = std::min(one.value_or(stream->succeeded_ms), stream->succeeded_ms.load());
  }
  {
    std::lock_guard lock(mutex_);
    turned_away_.Increment(static_cast<double>(book_.turned_away()) - turned_away_.Value());
  }
  for (std::size_t i = 0; i < resource_count; ++i)
    figures_[i].last_success->Set(static_cast<double>(oldest[i].value_or(0)) / 1000);
  registry_.collect(sink);
}

}  // namespace outrider::kubernetes
