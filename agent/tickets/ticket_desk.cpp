// SPDX-License-Identifier: Apache-2.0
#include "agent/tickets/ticket_desk.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/core/text.h"
#include "base/wire/json_path.h"

namespace outrider::tickets {
namespace {

using decide::Order;
using decide::Report;
using wire::Json;

constexpr Duration first_again = std::chrono::seconds(5), last_again = std::chrono::minutes(15);
constexpr Duration timeout = std::chrono::seconds(10);
constexpr Duration busy_again = std::chrono::seconds(1);
constexpr Duration hour = std::chrono::hours(1);

std::string key_of(const std::string& incident, const Target& target, const Ticket& ticket) {
  return incident + " " + std::string(name(target.system)) + " " + target.url + " " + ticket.id;
}

Json ticket_json(const Target& target, const Ticket& ticket) {
  return {{"system", name(target.system)}, {"id", ticket.id}, {"url", ticket.url}};
}

Report later(std::string text, std::optional<Duration> again) {
  return {.what = Report::What::failed, .text = std::move(text), .again = again};
}

Report refused(std::string text) {
  return {.what = Report::What::refused, .text = std::move(text)};
}

}  // namespace

class TicketDesk::Busy {
 public:
  Busy(TicketDesk& desk, const std::string& incident) : desk_(desk), incident_(incident) {
    const std::lock_guard lock(desk_.mutex_);
    held_ = desk_.busy_.insert(incident_).second;
  }
  ~Busy() {
    if (!held_) return;
    const std::lock_guard lock(desk_.mutex_);
    desk_.busy_.erase(incident_);
  }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  bool held() const { return held_; }

 private:
  TicketDesk& desk_;
  const std::string incident_;
  bool held_ = false;
};

TicketDesk::TicketDesk(Settings settings, Dependencies dependencies, const Clock& clock)
    : settings_(std::move(settings)),
      dependencies_([&] {
        if (!dependencies.make_web) {
          dependencies.make_web = [&clock, check = dependencies.check_host](
                                      const Target& target,
                                      Duration limit) -> std::unique_ptr<Web> {
            return std::make_unique<HttpWeb>(target, limit, clock, check);
          };
        }
        return std::move(dependencies);
      }()),
      clock_(clock),
      started_at_(clock.now()) {
  load();
}

TicketDesk::~TicketDesk() {
  stop();
}

Result<void> TicketDesk::check_target(decide::Kind kind, const Json& target) const {
  if (kind != decide::Kind::ticket)
    return fail("bad_target", "ticket: only beside 'action: ticket'");
  const auto parsed = parse_target(target);
  if (!parsed) return fail(parsed);
  return {};
}

Report TicketDesk::carry_out(const Order& order) {
  const auto target = parse_target(order.target);
  if (!target) return refused(target.error().message);
  switch (order.step) {
    case decide::Step::check:
      return {.what = Report::What::done};
    case decide::Step::effect:
      return open(order, *target);
    case decide::Step::undo:
      break;
  }
  return refused("a ticket is not taken back: it is closed with its incident");
}

// What keeps a ticket from being opened, without asking its system.
std::optional<Report> TicketDesk::not_now(const Order& order, const Target& target,
                                          const Story& story) {
  // After a first attempt there may be one, which is to be closed.
  if (!story.incident.open && order.attempt <= 1)
    return refused("the incident ended before its ticket was opened");
  const Time now = clock_.now();
  if (const Time until = quiet_until(target.url); until > now)
    return later(target.url + " is left alone for now, as it asked or failed", until - now);
  // A process that was killed may have made one that the search does not find yet.
  if (target.system == System::jira && order.attempt > 1 && now - started_at_ < jira_lags)
    return later("Jira's search lags behind its issues", started_at_ + jira_lags - now);
  const std::lock_guard lock(mutex_);
  if (followed_.size() >= settings_.followed_max) {
    return later(std::to_string(followed_.size()) + " tickets are followed, the most there may be",
                 std::nullopt);
  }
  while (!opened_at_.empty() && now - opened_at_.front() > hour) opened_at_.pop_front();
  if (static_cast<std::int64_t>(opened_at_.size()) >= settings_.opened_per_hour_max) {
    const Duration left = opened_at_.empty() ? hour : opened_at_.front() + hour - now;
    return later(std::to_string(opened_at_.size()) +
                     " tickets were opened within the hour, the most there may be "
                     "(--tickets.max-per-hour)",
                 std::min<Duration>(left, last_again));
  }
  return std::nullopt;
}

Time TicketDesk::quiet_until(const std::string& url) const {
  const std::lock_guard lock(mutex_);
  const auto found = quiet_until_.find(url);
  return found == quiet_until_.end() ? Time{} : found->second;
}

Report TicketDesk::open(const Order& order, const Target& target) {
  const Busy busy(*this, order.incident);
  if (!busy.held()) return later("its incident's ticket is being told", busy_again);
  const auto story = dependencies_.find(order.incident);
  if (!story) return refused("incident " + order.incident + " is no longer in the journal");
  if (auto no = not_now(order, target, *story)) return *no;
  const Content content = content_of(*story, settings_.link_base);
  const std::unique_ptr<Web> web = dependencies_.make_web(target, order.timeout);
  const auto ticket = open_ticket(*web, target, content);
  if (!ticket) {
    const bool again = ticket.error().code == "retry";
    const std::lock_guard lock(mutex_);
    count(Deed::failed);
    if (again && web->wait) quiet_until_[target.url] = clock_.now() + *web->wait;
    // Where nobody knows whether it was made, the next attempt looks for it: past the lag.
    const bool lags = target.system == System::jira && web->may_have_acted;
    return {
        .what = again ? Report::What::failed : Report::What::refused,
        .text = ticket.error().message,
        .again = lags ? std::max<Duration>(jira_lags, web->wait.value_or(Duration{})) : web->wait,
        .may_have_acted = web->may_have_acted,
        .status = web->status};
  }
  Followed one{.incident = order.incident, .target = order.target, .ticket = *ticket};
  one.told = digest_of(*story, content);
  one.news = content.news;
  one.told_at = one.next_at = clock_.now();
  try {
    const std::lock_guard lock(mutex_);
    const std::string key = key_of(order.incident, target, *ticket);
    write(key, one);
    followed_[key] = std::move(one);
    opened_at_.push_back(clock_.now());
    count(Deed::opened);
  } catch (const std::exception& error) {  // The disk's: the next attempt finds the ticket.
    return {.what = Report::What::failed, .text = error.what(), .may_have_acted = true};
  }
  return {.what = Report::What::done,
          .text = std::string(tickets::name(target.system)) + " ticket " + ticket->id +
                  (ticket->url.empty() ? "" : ": " + ticket->url),
          .receipt = ticket_json(target, *ticket),
          .status = web->status};
}

std::vector<std::string> TicketDesk::due_now() {
  const std::set<std::string> changed = dependencies_.changed();
  const Time now = clock_.now();
  std::vector<std::string> due, over;
  const std::lock_guard lock(mutex_);
  for (auto& [key, one] : followed_) {
    if (changed.contains(one.incident)) one.dirty = true;
    if ((!one.open || one.given_up) && now - one.told_at > settings_.forget_after) {
      over.push_back(key);
    } else if (one.dirty && !one.given_up && one.next_at <= now) {
      due.push_back(key);
    }
  }
  for (const std::string& key : over) forget(key);
  return due;
}

void TicketDesk::look() {
  for (const std::string& key : due_now()) {
    if (dependencies_.may_leave && !dependencies_.may_leave()) return;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
    }
    tell(key);
  }
}

std::optional<TicketDesk::Deed> TicketDesk::deed_for(const Followed& one, const Content& content,
                                                     const std::string& digest) const {
  if (content.open != one.open) return content.open ? Deed::reopened : Deed::closed;
  if (digest == one.told) return std::nullopt;
  return Deed::updated;
}

Result<void> TicketDesk::carry(Deed deed, Web& web, const Target& target, const Followed& one,
                               const Content& content) const {
  switch (deed) {
    case Deed::closed:
      return close_ticket(web, target, one.ticket, content);
    case Deed::reopened:
      return reopen_ticket(web, target, one.ticket, content);
    case Deed::updated:
      return update_ticket(web, target, one.ticket, content,
                           content.open && one.news != content.news);
    case Deed::opened:
    case Deed::failed:
      break;
  }
  return {};
}

void TicketDesk::take(const std::string& key, const std::function<void(Followed&)>& change) {
  const std::lock_guard lock(mutex_);
  const auto found = followed_.find(key);
  if (found != followed_.end()) change(found->second);
}

void TicketDesk::tell(const std::string& key) {
  Followed one;
  take(key, [&one](Followed& known) {
    one = known;
    known.dirty = false;  // Before the incident is read: what changes after that is seen next time.
  });
  const auto again_at = [&](Time at) {
    take(key, [&](Followed& known) { known.dirty = true, known.next_at = at; });
  };
  const Time now = clock_.now();
  const Busy busy(*this, one.incident);
  const auto target = parse_target(one.target);
  if (!busy.held()) return again_at(now + busy_again);
  const auto story = dependencies_.find(one.incident);
  if (!story || !target) {
    const std::lock_guard lock(mutex_);
    return forget(key);
  }
  const Content content = content_of(*story, settings_.link_base);
  const std::string digest = digest_of(*story, content);
  const auto deed = deed_for(one, content, digest);
  if (!deed) return;
  if (*deed == Deed::updated && now - one.told_at < target->update_every)
    return again_at(one.told_at + target->update_every);
  if (const Time until = quiet_until(target->url); until > now) return again_at(until);
  const std::unique_ptr<Web> web = dependencies_.make_web(*target, timeout);
  const auto done = carry(*deed, *web, *target, one, content);
  take(key, [&](Followed& known) {
    if (!done) {
      failed(known, *target, done.error(), web->wait);
    } else {
      known.failures = 0;
      known.trouble.clear();
      known.told = digest;
      known.news = content.news;
      known.told_at = now;
      known.open = content.open;
      count(*deed);
    }
    write(key, known);
  });
}

// Under the lock.
void TicketDesk::failed(Followed& one, const Target& target, const Error& error,
                        std::optional<Duration> wait) {
  const Time now = clock_.now();
  count(Deed::failed);
  one.trouble = error.message;
  one.given_up = error.code != "retry";
  const Duration backed_off =
      std::min<Duration>(last_again, first_again * (1 << std::min(one.failures, 10)));
  one.next_at = now + wait.value_or(backed_off);
  one.dirty = true;
  ++one.failures;
  if (one.given_up) {
    one.told_at = now;
  } else {
    quiet_until_[target.url] = one.next_at;
  }
  spdlog::warn("incident {}: its ticket {}: {}{}", one.incident, one.ticket.id, one.trouble,
               one.given_up ? "; it is left as it is" : "");
}

void TicketDesk::start() {
  thread_ = std::thread([this] {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, settings_.look_every, [this] { return stopping_; })) {
      lock.unlock();
      try {
        look();
      } catch (const std::exception& error) {  // The disk's, or the journal's; the next look tries.
        spdlog::error("tickets: {}", error.what());
      }
      lock.lock();
    }
  });
}

void TicketDesk::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Json TicketDesk::tickets_of(const std::string& incident) const {
  const std::lock_guard lock(mutex_);
  Json list = Json::array();
  for (auto it = followed_.lower_bound(incident + " ");
       it != followed_.end() && it->second.incident == incident; ++it) {
    const Followed& one = it->second;
    list.push_back({{"system", wire::text_at(one.target, {"kind"})},
                    {"id", one.ticket.id},
                    {"url", one.ticket.url},
                    {"state", one.open ? "open" : "closed"},
                    {"trouble", one.trouble}});
  }
  return list;
}

void TicketDesk::collect(wire::MetricSink& sink) {
  const std::lock_guard lock(mutex_);
  sink.family({"outrider_agent_tickets_total", wire::MetricType::counter,
               "What was done with tickets of incidents."});
  constexpr std::array<const char*, deed_count> names = {"opened", "updated", "closed", "reopened",
                                                         "failed"};
  for (std::size_t i = 0; i < deed_count; ++i)
    sink.value(wire::SeriesKey({{"result", names[i]}}), static_cast<double>(counts_[i]));
  sink.family({"outrider_agent_tickets_behind", wire::MetricType::gauge,
               "Tickets that do not say what is known, as their system did not take it."});
  const auto behind = std::count_if(followed_.begin(), followed_.end(),
                                    [](const auto& one) { return !one.second.trouble.empty(); });
  sink.value(wire::SeriesKey(), static_cast<double>(behind));
}

void TicketDesk::write(const std::string& key, const Followed& one) {
  dependencies_.keep(key, wire::to_text({{"format", 1},
                                         {"incident", one.incident},
                                         {"target", one.target},
                                         {"id", one.ticket.id},
                                         {"url", one.ticket.url},
                                         {"open", one.open},
                                         {"told", one.told},
                                         {"news", one.news},
                                         {"told_at", format_rfc3339(one.told_at)},
                                         {"trouble", one.trouble},
                                         {"given_up", one.given_up}}));
}

void TicketDesk::forget(const std::string& key) {
  dependencies_.keep(key, "");
  followed_.erase(key);
}

void TicketDesk::load() {
  for (const std::string& text : dependencies_.kept()) {
    const auto json = wire::parse_json(text);
    try {
      if (!json || json->at("format") != 1) throw std::runtime_error("another format");
      Followed one{
          .incident = json->at("incident"),
          .target = json->at("target"),
          .ticket = {json->at("id"), json->at("url")},
          .open = json->at("open"),
          .told = json->at("told"),
          .news = json->at("news"),
          .told_at = parse_rfc3339(json->at("told_at").get<std::string>()).value_or(Time{}),
          .trouble = json->at("trouble"),
          .given_up = json->at("given_up")};
      const auto target = parse_target(one.target);
      if (!target) throw std::runtime_error(target.error().message);
      followed_[key_of(one.incident, *target, one.ticket)] = std::move(one);
    } catch (const std::exception& error) {
      spdlog::error("tickets: one that is kept cannot be read, and is not followed: {}",
                    error.what());
    }
  }
}

}  // namespace outrider::tickets
