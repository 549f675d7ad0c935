// SPDX-License-Identifier: Apache-2.0
#pragma once

// What callers hand to the log's owner: predictions without waiting, labels, shipments and erasures
// with an answer to wait for. Thread-safe. Of prediction_log.cpp alone.
//
// Bounded, each by LogSettings: what does not fit is refused at once ("log_busy"), and so is what
// comes while the store is closed, the disk full or the program about to end ("log_unavailable").

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/mutex.h"
#include "truth/append_buffer.h"
#include "truth/log/accepted_counter.h"
#include "truth/log/log_callers.h"
#include "truth/log/prediction_log.h"

namespace outrider::truth {

class LogInbox {
 public:
  explicit LogInbox(const LogSettings& settings) : settings_(settings) {}  // Must outlive it.

  // Of callers. What is dropped is not counted here.
  std::optional<AppendDrop> append(const Uuid& id, std::uint32_t rows, std::string_view group,
                                   const std::vector<AppendName>& names);
  Result<std::vector<LabelAnswer>> join(std::vector<GroundTruth> labels, JoinOptions options,
                                        Time arrived);
  Result<std::vector<ShipmentTaken>> take_all(std::vector<DecodedShipment> shipments);
  Result<std::vector<Erased>> erase(std::vector<EraseWish> wishes);
  bool flush(Duration deadline);

  struct Waits {
    std::uint64_t labels = 0;
    std::uint64_t prediction_bytes = 0;
    bool open = false;  // It takes predictions and labels.
  };
  Waits waits() const;
  std::string closed_because() const;

  // Of the owner. What a turn of it has to do; predictions always go before the labels.
  struct Work {
    Waiting<LabelCaller>::Callers labels;
    Waiting<ShipmentCaller>::Callers shipments;
    Waiting<EraseCaller>::Callers erasures;
    std::uint64_t flush = 0;  // A flush that somebody waits for; 0: none.
    bool stopping = false;
  };
  // Waits for work, for a commit_interval at most; where that is shipments alone, until more of
  // them may have gathered. Swaps the buffer of predictions with an empty one.
  Work wait(AppendBuffer& predictions, std::chrono::steady_clock::time_point gathered_at);
  void finish_flush(std::uint64_t flush);
  bool is_empty() const;  // But for predictions.

  void open();
  void close(std::string why);
  void set_disk_full(bool full);
  void stop();  // Refuses what comes from now on, and wakes the owner.
  void end();   // Nothing is written any more.
  bool has_ended() const;

  // How many rows the log took in, over its whole life, on a page that outlives a crash: it runs
  // ahead of what is written by what waits here.
  void set_accepted(std::unique_ptr<AcceptedCounter> accepted);
  void note_written(std::uint64_t lifetime_rows);
  void take_back(std::uint64_t rows);  // They were dropped, and counted as such.

 private:
  // What a caller is told: that too much waits for the disk, and that the disk was too slow.
  struct Words {
    std::string (*waiting)(std::size_t weight);
    const char *again, *late, *late_again;
  };
  template <class Caller>
  auto hand_over(Waiting<Caller> LogInbox::*queue_of, std::shared_ptr<Caller> caller,
                 std::size_t weight, std::size_t weight_max, const Words& words)
      -> decltype(caller->answer.get_future().get());
  Result<void> usable() const REQUIRES(mutex_);

  const LogSettings& settings_;
  mutable Mutex mutex_;
  std::condition_variable_any work_;
  std::condition_variable_any flushed_;
  AppendBuffer filling_ GUARDED_BY(mutex_);
  Waiting<LabelCaller> labels_ GUARDED_BY(mutex_);        // Weighed by labels.
  Waiting<ShipmentCaller> shipments_ GUARDED_BY(mutex_);  // By bytes.
  Waiting<EraseCaller> erasures_ GUARDED_BY(mutex_);      // By wishes.
  struct Flushes {
    std::uint64_t wanted = 0, done = 0;
  } flushes_ GUARDED_BY(mutex_);
  bool open_ GUARDED_BY(mutex_) = false;
  bool disk_full_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  bool ended_ GUARDED_BY(mutex_) = false;
  std::string closed_because_ GUARDED_BY(mutex_);
  std::unique_ptr<AcceptedCounter> accepted_ GUARDED_BY(mutex_);
};

}  // namespace outrider::truth
