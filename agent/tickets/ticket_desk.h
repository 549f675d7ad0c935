// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tickets that live with their incidents: opened once by an action of the policy, told what is new,
// closed when the incident ends, opened again when it does. SHELL; thread-safe.
//
//   TicketDesk desk(settings, dependencies, clock);   // the executor "ticket" of decide/executor.h
//   desk.start();                                     // follows incidents in a thread of its own
//
// What is followed is kept before an action is reported as done: after kill -9 it goes on. News
// (digest_of of content.h) are told `update_every` after the last at the soonest, the end and a
// reopening at once. A failure is tried again with back-off, from 5 s to 15 min, or when the system
// says; meanwhile nothing else is asked of that system. A refusal ends the following, and is told.
//
// Bounds: `followed_max` tickets; `opened_per_hour_max` new ones, past which an action waits; one
// that has ended is let go after `forget_after`, within which an incident may reopen.

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "agent/decide/executor.h"
#include "agent/tickets/tracker.h"
#include "base/core/clock.h"
#include "base/wire/exposition.h"

namespace outrider::config {
class OptionTable;
}

namespace outrider::tickets {

class TicketDesk final : public decide::Executor, public wire::Collector {
 public:
  struct Settings {
    std::string link_base = {};  // The agent's address for people; "": not known.
    std::int64_t opened_per_hour_max = 100;
    Duration look_every = std::chrono::seconds(2);
    Duration forget_after = std::chrono::hours(24 * 7);
    std::size_t followed_max = 5'000;

    void add_to(config::OptionTable& options);  // tickets.*
  };
  using MakeWeb = std::function<std::unique_ptr<Web>(const Target& target, Duration timeout)>;
  struct Dependencies {
    std::function<std::optional<Story>(const std::string& incident)> find;
    // The incidents that have changed, or whose actions have, since it was asked last.
    std::function<std::set<std::string>()> changed;
    // Keeps a text under a key on disk; "": forgets it. Throws where it cannot.
    std::function<void(const std::string& key, const std::string& text)> keep;
    std::function<std::vector<std::string>()> kept;
    std::function<bool()> may_leave = {};  // Whether this agent holds the lease; empty: none.
    CheckHost check_host = {};
    MakeWeb make_web = {};  // Empty: over HTTP.
  };

  TicketDesk(Settings settings, Dependencies dependencies, const Clock& clock);
  ~TicketDesk() override;

  std::string_view name() const override { return "ticket"; }
  Result<void> check_target(decide::Kind kind, const wire::Json& target) const override;
  bool takes_placeholder(std::string_view place) const override {
    return tickets::takes_placeholder(place);
  }
  // It is closed with its incident; that it was opened hurts nobody.
  bool can_undo(decide::Kind, const wire::Json&) const override { return false; }
  std::string always_asks(decide::Kind, const wire::Json&) const override { return {}; }
  decide::Report carry_out(const decide::Order& order) override;

  void start();
  void stop();  // Idempotent.
  void look();  // One round over what is followed and due. Throws what keep() does.

  // [{"system", "id", "url", "state", "trouble"}] of an incident's tickets.
  wire::Json tickets_of(const std::string& incident) const;
  void collect(wire::MetricSink& sink) override;

 private:
  struct Followed {
    std::string incident;
    wire::Json target;
    Ticket ticket;
    bool open = true;
    std::string told = {}, news = {};  // digest_of and news of what it says.
    Time told_at = {}, next_at = {};
    int failures = 0;
    std::string trouble = {};
    bool given_up = false;
    bool dirty = true;  // The incident may say something else by now.
  };
  enum class Deed { opened, updated, closed, reopened, failed };
  static constexpr std::size_t deed_count = 5;
  class Busy;  // Holds an incident: one conversation about it at a time.

  decide::Report open(const decide::Order& order, const Target& target);
  std::optional<decide::Report> not_now(const decide::Order& order, const Target& target,
                                        const Story& story);
  Time quiet_until(const std::string& url) const;
  std::vector<std::string> due_now();
  void tell(const std::string& key);
  std::optional<Deed> deed_for(const Followed& one, const Content& content,
                               const std::string& digest) const;
  Result<void> carry(Deed deed, Web& web, const Target& target, const Followed& one,
                     const Content& content) const;
  void take(const std::string& key, const std::function<void(Followed&)>& change);
  void failed(Followed& one, const Target& target, const Error& error,
              std::optional<Duration> wait);
  void write(const std::string& key, const Followed& one);
  void forget(const std::string& key);
  void load();
  void count(Deed deed) { ++counts_[static_cast<std::size_t>(deed)]; }

  const Settings settings_;
  const Dependencies dependencies_;
  const Clock& clock_;
  const Time started_at_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::map<std::string, Followed> followed_;  // By incident, system and ticket.
  std::set<std::string> busy_;                // Incidents.
  std::map<std::string, Time> quiet_until_;   // By a system's URL: it asked to wait, or failed.
  std::deque<Time> opened_at_;                // Of the last hour.
  std::array<std::uint64_t, deed_count> counts_{};
  std::thread thread_;
};

}  // namespace outrider::tickets
