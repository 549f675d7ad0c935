// SPDX-License-Identifier: Apache-2.0
#pragma once

// Keeps a Lease (lease.h), or waits for it. SHELL: one thread.
//
//   LeaseHolder lease({.client = …, .name_space = "outrider", .name = "agent"}, clock, metrics…);
//   lease.start();
//   if (const auto number = lease.held()) act(*number);
//
// An API server without the Lease API, or without a right to it, is no lease: nothing is held, and
// the log says why.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "agent/kubernetes/client.h"
#include "agent/kubernetes/lease.h"
#include "base/wire/registry.h"

namespace outrider::kubernetes {

class LeaseHolder final : public wire::Collector {
 public:
  struct Settings {
    Client::Settings client;
    std::string name_space, name;
    std::string holder;  // Unique: of this process.
    LeaseTimes times;
  };
  // `changed` is called when it was won or lost.
  LeaseHolder(
      Settings settings, const Clock& clock, std::function<void()> changed = [] {});
  ~LeaseHolder() override { stop(); }

  void start();
  void stop();  // Idempotent. Gives the lease back, within a second or not at all.

  // The fencing number while the lease is held; thread-safe, and quick.
  std::optional<std::int64_t> held() const;
  // Asks the API server once more, right before an act: who holds it now, under which number.
  // Errors: "lease_lost", those of Client.
  Result<void> check(Client& client, std::int64_t fencing_number) const;

  void collect(wire::MetricSink& sink) override;

 private:
  void hold_on();
  Result<void> round(Client& client);
  std::string path() const;

  const Settings settings_;
  const Clock& clock_;
  const std::function<void()> changed_;
  std::atomic<bool> stopping_{false};

  mutable std::mutex mutex_;  // Guards the state.
  std::condition_variable wake_;
  LeaseState state_;
  bool held_before_ = false;  // The thread's.
  std::string trouble_;       // The thread's: what the log was told last.

  wire::Registry registry_;
  prometheus::Gauge &is_held_, &number_;
  prometheus::Counter& failures_;
  std::thread thread_;
};

// "NAMESPACE/NAME". Error "bad_lease_name".
Result<std::pair<std::string, std::string>> parse_lease_name(std::string_view text);

}  // namespace outrider::kubernetes
