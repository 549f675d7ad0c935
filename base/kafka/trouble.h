// SPDX-License-Identifier: Apache-2.0
#pragma once

// What goes wrong between a client and the brokers: counted by reason, logged once a minute at most
// each, and kept for a status. Thread-safe.

#include <array>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace outrider::kafka {

class Troubles {
 public:
  enum Reason : std::uint8_t {
    unreachable,     // No broker answers, or not in time.
    authentication,  // TLS or login.
    authorization,   // The topic or the group may not be used.
    topic,           // It is not there, or has not the partitions that it had.
    group,           // The group had moved on: another agent has the partition.
    protocol,        // Anything else.
  };
  static constexpr std::size_t reason_count = 6;
  static constexpr std::array<std::string_view, reason_count> words = {
      "unreachable", "authentication", "authorization", "topic", "group", "protocol"};

  explicit Troubles(std::string whose) : whose_(std::move(whose)) {}

  void note(Reason reason, const std::string& message);
  std::array<std::uint64_t, reason_count> counts() const;
  std::string last() const;  // The last message; "" where there was none.
  void all_well();           // Forgets the last one.

 private:
  using Steady = std::chrono::steady_clock;
  const std::string whose_;  // For the log.
  mutable std::mutex mutex_;
  std::array<std::uint64_t, reason_count> counts_{};
  std::array<Steady::time_point, reason_count> told_{};
  std::string last_;
};

}  // namespace outrider::kafka
