// SPDX-License-Identifier: Apache-2.0
// Plays the sidecars of a fleet that ship their predictions to a pair of agents, and whoever labels
// them, over loopback, in one thread.
//   bench_fleet_play SIDECARS RATE SECONDS LABEL_DELAY PORT PORT
// Each sidecar does as sidecar/monitor/shipping does: what came in a tenth of a second is one body,
// sent to each agent over a connection of its own, in order, one at a time, again after a back-off
// with jitter where it was not taken. Each prediction is labelled after LABEL_DELAY seconds, in
// requests of a hundred, to one agent and the other in turn, again until it is answered.
// Prints a line of JSON each second, and one with the totals at the end, when all was taken or the
// time is up.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/backoff.h"
#include "base/core/clock.h"
#include "truth/shipment.h"

namespace {

using namespace outrider;
using namespace outrider::truth;
using namespace std::chrono_literals;
using Instant = std::chrono::steady_clock::time_point;

constexpr Duration cut_every = 100ms;
constexpr Duration request_timeout = 10s;  // As the sidecar's courier.
constexpr std::size_t labels_each = 100;
constexpr std::size_t labellers_each = 4;  // Connections to each agent.

struct Body {
  std::string bytes;
  std::uint64_t items = 0;
  Instant made{};
};

struct Totals {
  std::uint64_t taken[2] = {0, 0};  // Predictions, of each agent.
  std::uint64_t again[2] = {0, 0}, lost[2] = {0, 0};
  std::uint64_t requests = 0, failed = 0;
  std::uint64_t bytes_out = 0, bytes_in = 0;
  std::uint64_t labels = 0, joined = 0, held = 0, duplicate = 0, other = 0;
  std::vector<double> label_seconds, shipping_seconds;
};

std::uint64_t number_after(std::string_view text, std::string_view name) {
  const std::size_t at = text.find(name);
  if (at == std::string_view::npos) return 0;
  return std::strtoull(text.data() + at + name.size(), nullptr, 10);
}

// A connection that posts what waits in its queue, one body at a time.
class Poster {
 public:
  using OnAnswer = void (*)(Totals& totals, std::size_t agent, const Body& body,
                            std::string_view answer, Instant now);

  Poster(int epoll, std::size_t agent, std::uint16_t port, std::string path, bool is_shipment,
         OnAnswer on_answer)
      : epoll_(epoll),
        agent_(agent),
        port_(port),
        path_(std::move(path)),
        is_shipment_(is_shipment),
        on_answer_(on_answer) {}
  ~Poster() { disconnect(); }
  Poster(const Poster&) = delete;
  Poster& operator=(const Poster&) = delete;

  void add(Body body) { queue_.push_back(std::move(body)); }
  bool idle() const { return queue_.empty(); }
  std::uint64_t waiting() const {
    std::uint64_t items = 0;
    for (const Body& body : queue_) items += body.items;
    return items;
  }
  bool up() const { return up_; }

  // Begins what is to be begun, and gives up what takes too long.
  void tick(Instant now, Totals& totals, std::minstd_rand& random) {
    if (sending_ && now - sent_at_ > request_timeout) fail(now, totals, random);
    if (!sending_ && !queue_.empty() && now >= retry_at_) begin(now, totals, random);
  }

  void ready(std::uint32_t events, Instant now, Totals& totals, std::minstd_rand& random) {
    if (fd_ < 0) return;
    if (events & EPOLLOUT) flush(now, totals, random);
    if (fd_ >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) receive(now, totals, random);
  }

 private:
  void begin(Instant now, Totals& totals, std::minstd_rand& random) {
    const Body& body = queue_.front();
    const std::string trailer = is_shipment_ ? sent_at(SystemClock().now()) : std::string();
    out_ = "POST " + path_ + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: " +
           (is_shipment_ ? "application/x-protobuf" : "application/json") +
           "\r\nContent-Length: " + std::to_string(body.bytes.size() + trailer.size()) + "\r\n\r\n";
    out_ += body.bytes;
    out_ += trailer;
    written_ = 0;
    in_.clear();
    sending_ = true;
    sent_at_ = now;
    ++totals.requests;
    if (fd_ < 0 && !connect()) return fail(now, totals, random);
    flush(now, totals, random);
  }

  bool connect() {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd_ < 0) throw std::runtime_error("no more sockets: raise the limit of open files");
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int done = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    if (done != 0 && errno != EINPROGRESS) return false;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.ptr = this;
    return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd_, &event) == 0;
  }
  void disconnect() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  void flush(Instant now, Totals& totals, std::minstd_rand& random) {
    while (written_ < out_.size()) {
      const ssize_t sent =
          ::send(fd_, out_.data() + written_, out_.size() - written_, MSG_NOSIGNAL);
      if (sent < 0 && (errno == EAGAIN || errno == ENOTCONN)) return;
      if (sent <= 0) return fail(now, totals, random);
      written_ += static_cast<std::size_t>(sent);
      totals.bytes_out += static_cast<std::uint64_t>(sent);
    }
  }

  void receive(Instant now, Totals& totals, std::minstd_rand& random) {
    char bytes[65536];
    for (;;) {
      const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
      if (got < 0 && errno == EAGAIN) break;
      if (got <= 0) {  // An idle connection may be closed by the server; then nothing has failed.
        if (sending_) return fail(now, totals, random);
        return disconnect();
      }
      totals.bytes_in += static_cast<std::uint64_t>(got);
      in_.append(bytes, static_cast<std::size_t>(got));
    }
    const std::size_t end = in_.find("\r\n\r\n");
    if (end == std::string::npos || !sending_) return;
    const std::size_t length = number_after(in_, "Content-Length: ");
    if (in_.size() < end + 4 + length) return;
    sending_ = false;
    if (in_.compare(9, 1, "2") != 0) {
      if (failures_++ < 3) std::fprintf(stderr, "refused: %s\n", in_.c_str());
      return fail(now, totals, random);
    }
    on_answer_(totals, agent_, queue_.front(), std::string_view(in_).substr(end + 4), now);
    queue_.pop_front();
    up_ = true;
    backoff_.reset();
    retry_at_ = {};
    tick(now, totals, random);
  }

  void fail(Instant now, Totals& totals, std::minstd_rand& random) {
    disconnect();
    sending_ = false;
    up_ = false;
    ++totals.failed;
    retry_at_ = now + backoff_.next(std::generate_canonical<double, 24>(random));
  }

  const int epoll_;
  const std::size_t agent_;
  const std::uint16_t port_;
  const std::string path_;
  const bool is_shipment_;
  const OnAnswer on_answer_;
  int fd_ = -1;
  std::deque<Body> queue_;
  std::string out_, in_;
  std::size_t written_ = 0;
  bool sending_ = false, up_ = false;
  int failures_ = 0;
  Instant sent_at_{}, retry_at_{};
  Backoff backoff_{{.initial = 30ms, .max = 10s}};
};

void note_shipment(Totals& totals, std::size_t agent, const Body& body, std::string_view answer,
                   Instant now) {
  totals.taken[agent] += number_after(answer, "\"taken\":");
  totals.again[agent] += number_after(answer, "\"again\":");
  totals.lost[agent] += number_after(answer, "\"lost\":");
  totals.shipping_seconds.push_back(to_seconds(now - body.made));
}

// From the moment at which the request could have been sent to its answer.
void note_labels(Totals& totals, std::size_t, const Body& body, std::string_view answer,
                 Instant now) {
  totals.labels += body.items;
  const std::string_view counts = answer.substr(std::min(answer.find("\"counts\""), answer.size()));
  const std::uint64_t joined = number_after(counts, "\"joined\":"),
                      held = number_after(counts, "\"early\":"),
                      duplicate = number_after(counts, "\"duplicate\":");
  totals.joined += joined;
  totals.held += held;
  totals.duplicate += duplicate;
  totals.other += body.items - std::min(body.items, joined + held + duplicate);
  totals.label_seconds.push_back(to_seconds(now - body.made));
}

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::size_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

class Fleet {
 public:
  Fleet(std::size_t sidecars, double rate, Duration label_delay,
        const std::array<std::uint16_t, 2>& ports)
      : rate_(rate), label_delay_(label_delay), epoll_(::epoll_create1(0)) {
    const Time now = SystemClock().now();
    for (std::size_t i = 0; i < sidecars; ++i) {
      Sidecar& one = sidecars_.emplace_back();
      one.head.workload = {"", "shop", "model-" + std::to_string(i % 50)};
      one.head.pod = "pod-" + std::to_string(i);
      one.head.stream = make_uuid7(now, random_(), random_());
      // Their phases are spread over a tenth of a second.
      one.next_cut = Instant::clock::now() + cut_every * i / sidecars;
      one.since = one.next_cut - cut_every;
      for (std::size_t a = 0; a < 2; ++a) {
        one.agents[a] = std::make_unique<Poster>(epoll_, a, ports[a], "/api/v1/predictions", true,
                                                 note_shipment);
      }
    }
    for (std::size_t i = 0; i < 2 * labellers_each; ++i) {
      labellers_.push_back(std::make_unique<Poster>(epoll_, i % 2, ports[i % 2], "/api/v1/labels",
                                                    false, note_labels));
    }
  }
  ~Fleet() { ::close(epoll_); }
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  void play(Duration seconds) {
    const Instant begin = Instant::clock::now(), end = begin + seconds;
    const Instant limit = end + label_delay_ + 60s;
    Instant told = begin;
    for (;;) {
      const Instant now = Instant::clock::now();
      if (now < end) {
        for (Sidecar& one : sidecars_) cut(one, now);
      }
      label(now, now >= end);
      for (Sidecar& one : sidecars_) {
        for (const auto& agent : one.agents) agent->tick(now, totals_, random_posts_);
      }
      for (const auto& one : labellers_) one->tick(now, totals_, random_posts_);
      wait();
      if (now - told >= 1s) {
        told += 1s;
        tell(to_seconds(now - begin));
      }
      if (now > limit || (now >= end && pending_.empty() && unsent_.empty() && all_idle())) break;
    }
    tell_totals(to_seconds(Instant::clock::now() - begin));
  }

 private:
  struct Sidecar {
    ShipmentHead head;
    std::uint64_t sequence = 0;
    double owed = 0;  // Predictions, of time that has passed.
    Instant since{}, next_cut{};
    std::array<std::unique_ptr<Poster>, 2> agents;
  };
  struct Pending {
    Instant due;
    std::string id;
  };

  void cut(Sidecar& one, Instant now) {
    if (now < one.next_cut) return;
    one.owed += rate_ * to_seconds(now - one.since);
    one.since = now;
    one.next_cut = std::max(one.next_cut + cut_every, now);
    if (one.owed < 1) return;
    const Time time = SystemClock().now();
    const RowView row{.prediction = 312000.0};
    const std::string alias = "request-" + std::to_string(random_() % 1'000'000'000);
    const std::string_view aliases[] = {alias};
    std::uint64_t rows = 0;
    for (; one.owed >= 1; one.owed -= 1, ++rows) {
      const Uuid id = make_uuid7(time, random_(), random_());
      const std::string text = format_uuid(id);
      writer_.add(id, one.sequence++,
                  {.id = text,
                   .time = time,
                   .model_name = "house-price",
                   .model_version = "v12",
                   .aliases = aliases,
                   .rows = std::span(&row, 1)},
                  0);
      pending_.push_back({now + label_delay_, text});
    }
    made_ += rows;
    one.head.complete_until = time;
    for (const ShipmentBody& body :
         writer_.finish(one.head, [](auto, auto) { return JudgeRule{}; })) {
      for (const auto& agent : one.agents) agent->add({body.bytes, body.rows, now});
    }
  }

  void label(Instant now, bool all) {
    while (!pending_.empty() && pending_.front().due <= now) {
      unsent_ += (unsent_.empty() ? "" : ",") + ("{\"id\":\"" + pending_.front().id) +
                 "\",\"label\":300000}";
      pending_.pop_front();
      if (++unsent_count_ < labels_each && !(all && pending_.empty())) continue;
      labellers_[next_labeller_++ % labellers_.size()]->add(
          {"[" + unsent_ + "]", unsent_count_, now});
      unsent_.clear();
      unsent_count_ = 0;
    }
  }

  bool all_idle() const {
    return std::all_of(labellers_.begin(), labellers_.end(),
                       [](const auto& one) { return one->idle(); }) &&
           std::all_of(sidecars_.begin(), sidecars_.end(), [](const Sidecar& one) {
             return one.agents[0]->idle() && one.agents[1]->idle();
           });
  }

  void wait() {
    epoll_event events[256];
    const int count = ::epoll_wait(epoll_, events, std::size(events), 1);
    const Instant now = Instant::clock::now();
    for (int i = 0; i < count; ++i) {
      static_cast<Poster*>(events[i].data.ptr)
          ->ready(events[i].events, now, totals_, random_posts_);
    }
  }

  void tell(double at) const {
    std::uint64_t waiting[2] = {0, 0}, up[2] = {0, 0};
    for (const Sidecar& one : sidecars_) {
      for (std::size_t a = 0; a < 2; ++a) {
        waiting[a] += one.agents[a]->waiting();
        up[a] += one.agents[a]->up() ? 1 : 0;
      }
    }
    std::printf(R"({"at": %.1f, "made": %llu, "waiting": [%llu, %llu], "up": [%llu, %llu], )"
                R"("labels": %llu})"
                "\n",
                at, count(made_), count(waiting[0]), count(waiting[1]), count(up[0]), count(up[1]),
                count(totals_.labels));
    std::fflush(stdout);
  }

  void tell_totals(double seconds) const {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto cpu = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
    };
    const Totals& t = totals_;
    std::printf(
        R"({"seconds": %.2f, "made": %llu, "taken": [%llu, %llu], "again": [%llu, %llu], )"
        R"("lost": [%llu, %llu], "requests": %llu, "failed": %llu, "bytes_out": %llu, )"
        R"("bytes_in": %llu, "labels": %llu, "joined": %llu, "held": %llu, "duplicate": %llu, )"
        R"("other": %llu, "label_p50": %.4f, "label_p99": %.4f, "label_max": %.4f, )"
        R"("shipping_p50": %.4f, "shipping_p99": %.4f, "cpu": %.2f})"
        "\n",
        seconds, count(made_), count(t.taken[0]), count(t.taken[1]), count(t.again[0]),
        count(t.again[1]), count(t.lost[0]), count(t.lost[1]), count(t.requests), count(t.failed),
        count(t.bytes_out), count(t.bytes_in), count(t.labels), count(t.joined), count(t.held),
        count(t.duplicate), count(t.other), percentile(t.label_seconds, 0.5),
        percentile(t.label_seconds, 0.99), percentile(t.label_seconds, 1),
        percentile(t.shipping_seconds, 0.5), percentile(t.shipping_seconds, 0.99),
        cpu(usage.ru_utime) + cpu(usage.ru_stime));
  }

  static unsigned long long count(std::uint64_t number) { return number; }

  const double rate_;
  const Duration label_delay_;
  const int epoll_;
  std::mt19937_64 random_{500};
  std::minstd_rand random_posts_{500};
  std::vector<Sidecar> sidecars_;
  std::vector<std::unique_ptr<Poster>> labellers_;
  ShipmentWriter writer_;
  std::deque<Pending> pending_;  // Predictions that are to be labelled, in order.
  std::string unsent_;
  std::size_t unsent_count_ = 0, next_labeller_ = 0;
  std::uint64_t made_ = 0;
  Totals totals_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "bench_fleet_play SIDECARS RATE SECONDS LABEL_DELAY PORT PORT\n");
    return 2;
  }
  const auto number = [&](int i) { return std::strtod(argv[i], nullptr); };
  Fleet fleet(static_cast<std::size_t>(number(1)), number(2), from_seconds(number(4)),
              {static_cast<std::uint16_t>(number(5)), static_cast<std::uint16_t>(number(6))});
  fleet.play(from_seconds(number(3)));
  return 0;
}
