// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/upstream.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

namespace outrider::proxy {
namespace {

constexpr std::chrono::seconds pause_after_look_up{1};  // However often it is asked for.

// Servers of names hand out the same addresses in turning order: that is no change.
bool are_same(const std::vector<SocketAddress>& a, const std::vector<SocketAddress>& b) {
  return std::is_permutation(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace

// What the thread uses. Once `is_over`, it touches nothing else of it.
struct Upstream::Shared {
  std::mutex lock;
  std::condition_variable bell;
  bool is_asked = false, is_over = false;
  std::vector<SocketAddress> addresses;
  std::atomic<std::uint64_t> version{1};
  tap::ProcessCells* processes = nullptr;

  void keep_looking(const std::string& url, Duration every) {
    std::unique_lock hold(lock);
    for (;;) {
      bell.wait_for(hold, pause_after_look_up, [this] { return is_over; });
      bell.wait_for(hold, every, [this] { return is_asked || is_over; });
      if (is_over) return;
      is_asked = false;
      hold.unlock();
      auto found = find_upstream(url);
      hold.lock();
      if (is_over) return;
      take(std::move(found));
    }
  }

  void take(Result<UpstreamAddresses> found) {
    processes->upstream_lookups.add();
    if (!found) return processes->upstream_lookup_failures.add();
    if (are_same(found->addresses, addresses)) return;
    addresses = std::move(found->addresses);
    version.fetch_add(1, std::memory_order_release);
  }
};

Upstream::Upstream(const std::string& url, Duration look_up_every, tap::ProcessCells& processes)
    : shared_(std::make_shared<Shared>()) {
  auto found = find_upstream(url);
  if (!found) throw std::runtime_error(found.error().message);
  shared_->addresses = std::move(found->addresses);
  host_ = std::move(found->host);
  shared_->processes = &processes;
  if (found->is_named)
    std::thread([shared = shared_, url, look_up_every] {
      shared->keep_looking(url, look_up_every);
    }).detach();
}

Upstream::~Upstream() {
  {
    const std::lock_guard hold(shared_->lock);
    shared_->is_over = true;
  }
  shared_->bell.notify_one();
}

bool Upstream::refresh(std::uint64_t& seen_version, std::vector<SocketAddress>& addresses) const {
  if (shared_->version.load(std::memory_order_acquire) == seen_version) return false;
  const std::lock_guard hold(shared_->lock);
  seen_version = shared_->version.load(std::memory_order_relaxed);
  addresses = shared_->addresses;
  return true;
}

void Upstream::look_up_soon() const {
  {
    const std::lock_guard hold(shared_->lock);
    shared_->is_asked = true;
  }
  shared_->bell.notify_one();
}

}  // namespace outrider::proxy
