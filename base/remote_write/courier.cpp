// SPDX-License-Identifier: Apache-2.0
#include "base/remote_write/courier.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/core/text.h"
#include "base/core/version.h"
#include "base/wire/retry_after.h"

namespace outrider::remote_write {
namespace {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

constexpr Duration sync_every = 1s;
constexpr Duration tell_every = 60s;
constexpr Duration retry_after_max = 5min;
constexpr std::size_t words_max = 300;
constexpr std::size_t answer_bytes_max = 64 << 10;

bool is_final(int status) {
  return status == 400 || status == 413 || status == 415 || status == 422;
}

}  // namespace

Courier::Courier(Settings settings, const Clock& clock)
    : settings_(std::move(settings)),
      clock_(clock),
      queue_(settings_.queue, clock),
      random_(std::random_device()()) {
  thread_ = std::thread([this] { run(); });
}

Courier::~Courier() {
  stop(Duration::zero());
}

bool Courier::append(std::string_view body, std::uint64_t items) {
  const bool taken = queue_.append(body, {.samples = items}, to_unix_ms(clock_.now()));
  const std::lock_guard hold(wake_.mutex);
  wake_.called = true;
  wake_.condition.notify_one();
  return taken;
}

bool Courier::stop(Duration limit) {
  {
    const std::lock_guard hold(wake_.mutex);
    if (!wake_.stopping) wake_.deadline = SteadyClock::now() + std::min<Duration>(limit, 1h);
    wake_.stopping = wake_.called = true;
    wake_.condition.notify_all();
    if (limit <= Duration::zero()) cancelled_ = true;
  }
  if (thread_.joinable()) thread_.join();
  return empty();
}

void Courier::run() {
  for (;;) {
    const Instant next = work();
    std::unique_lock hold(wake_.mutex);
    if (wake_.stopping && (SteadyClock::now() >= wake_.deadline || empty())) break;
    wake_.condition.wait_until(hold, std::min(next, wake_.deadline),
                               [this] { return wake_.called; });
    wake_.called = false;
    if (wake_.stopping && SteadyClock::now() >= wake_.deadline) break;
  }
  queue_.sync();
}

// One step; gives when the next one is due.
Courier::Instant Courier::work() {
  const Instant now = SteadyClock::now();
  if (now - synced_ >= sync_every) {
    synced_ = now;
    queue_.sync();
  }
  if (now < retry_at_) return std::min(retry_at_, now + sync_every);
  const auto record = queue_.front();
  if (record) return conclude(&*record, post(record->payload));
  if (!settings_.idle_body || now - sent_at_ < settings_.idle_every) return now + sync_every;
  const std::string body = settings_.idle_body();
  // What came meanwhile goes first: the idle body may be about it.
  if (body.empty() || !empty()) return now + 50ms;
  return conclude(nullptr, post(body));
}

Courier::Answer Courier::post(std::string_view body) {
  net::ClientRequest request{.method = "POST", .url = settings_.url};
  request.headers = {{"Content-Type", settings_.content_type},
                     {"User-Agent", "Outrider/" + std::string(outrider::version())}};
  if (settings_.prepare) {
    if (auto ok = settings_.prepare(request); !ok)
      return {.status = 0, .retry_after = "", .words = ok.error().message};
  }
  request.body = body;
  if (settings_.trailer) request.body += settings_.trailer();
  request.timeout = settings_.timeout;
  request.connect_timeout = std::min<Duration>(settings_.timeout, request.connect_timeout);
  request.body_bytes_max = answer_bytes_max;
  request.cancelled = &cancelled_;
  const auto response = client_.send(request);
  sent_at_ = SteadyClock::now();
  if (!response) return {.status = 0, .retry_after = "", .words = response.error().message};
  return {.status = response->status,
          .retry_after = std::string(response->header("Retry-After")),
          .words = response->body};
}

Courier::Instant Courier::conclude(const Queue::Record* record, const Answer& answer) {
  const std::uint64_t items = record ? record->header.counts.samples : 0;
  const bool taken = answer.status / 100 == 2;
  {
    const std::lock_guard hold(tally_mutex_);
    ++(taken ? tally_.answered : tally_.failed);
    tally_.up = taken;
    if (taken) tally_.sent += items;
    if (is_final(answer.status)) {
      tally_.refused["http_" + std::to_string(answer.status)] += items;
    }
  }
  if (taken || is_final(answer.status)) {
    if (taken) {
      told_.status = -1;
    } else {
      note_trouble(answer, items, true);
    }
    backoff_.reset();
    if (record) queue_.release(*record);
    return SteadyClock::now();
  }
  note_trouble(answer, items, false);
  if (record) queue_.keep(*record);
  const double unit = std::uniform_real_distribution<double>()(random_);
  Duration wait = backoff_.next(unit);
  if (const auto told = wire::parse_retry_after(answer.retry_after, clock_.now())) {
    // Not all at once when the receiver is back.
    wait = std::max<Duration>(
        wait,
        from_seconds(to_seconds(std::min<Duration>(*told, retry_after_max)) * (1 + 0.25 * unit)));
  }
  retry_at_ = SteadyClock::now() + wait;
  return retry_at_;
}

// The receiver's words as they are, once a minute for the same status.
void Courier::note_trouble(const Answer& answer, std::uint64_t items, bool given_up) {
  const Instant now = SteadyClock::now();
  if (answer.status == told_.status && now - told_.at < tell_every && !given_up) return;
  told_.status = answer.status;
  told_.at = now;
  const std::string words = answer.words.substr(0, words_max);
  if (given_up) {
    spdlog::error("{}: status {} from {}: {} are given up: {}", settings_.name, answer.status,
                  settings_.url, items, words);
  } else if (answer.status == 0) {
    spdlog::warn("{}: {} does not answer; what waits is sent again: {}", settings_.name,
                 settings_.url, words);
  } else {
    spdlog::warn("{}: status {} from {}; what waits is sent again: {}", settings_.name,
                 answer.status, settings_.url, words);
  }
}

Courier::Figures Courier::figures() const {
  Figures figures;
  {
    const std::lock_guard hold(tally_mutex_);
    figures = tally_;
  }
  figures.queue = queue_.figures();
  return figures;
}

}  // namespace outrider::remote_write
