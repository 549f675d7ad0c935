// SPDX-License-Identifier: Apache-2.0
#pragma once

// Requests by model: a fixed table of slots in each data thread's lane of the memory file, written
// by that thread alone.
//
// Slot 0 is "unknown" (neither path nor header names a model), slot 1 is "other" (a name for which
// there was no slot, or which is no text); the others are given to names as they come and never
// taken back. A name that was only ever answered 4xx gets none, so that a scanner cannot fill the
// table: its requests count as "unknown".
//
//   ModelTable models(file.models(lane), file.latency_bounds(), counters);      // of the data thread
//   RequestModel model;                                                          // of the connection
//   model.begin(); model.name(models, model_in_path(path)); …                    // each request
//   model.count(models, Outcome::success, 200, nanoseconds);
//
// The usual request costs one comparison with the name that the connection's last one had, and
// allocates nothing.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sidecar/tap/counters.h"
#include "sidecar/tap/model_path.h"

namespace outrider::tap {

inline constexpr std::size_t models_max_usual = 256, models_max_limit = 4096;
inline constexpr std::size_t request_codes_max =
    32;  // Pairs of outcome and code a model has series of.
inline constexpr std::string_view unknown_model = "unknown", other_model = "other";

// Requests by outcome and status. Pairs are given cells as they occur, so that a model costs half a
// KiB and not 28; past the last cell the status is not kept, the outcome is.
class RequestCells {
 public:
  void add(Outcome outcome, int code) {
    const std::uint32_t wanted = pair_of(outcome, code);
    for (Cell& cell : cells_) {
      const std::uint32_t pair = cell.pair.load(std::memory_order_relaxed);
      if (pair == wanted) return cell.count.add();
      if (pair == 0) {
        cell.count.add();
        return cell.pair.store(wanted, std::memory_order_release);
      }
    }
    without_code_[static_cast<std::size_t>(outcome)].add();
  }

  // Calls visit(Outcome, int code, std::uint64_t count) for each; the code is -1 where it was not
  // kept.
  template <class Visit>
  void each(Visit visit) const {
    for (const Cell& cell : cells_) {
      const std::uint32_t pair = cell.pair.load(std::memory_order_acquire);
      if (pair == 0) break;
      const std::uint32_t outcome = pair / codes - 1;
      if (outcome < outcome_count)
        visit(static_cast<Outcome>(outcome), static_cast<int>(pair % codes), cell.count.get());
    }
    for (std::size_t i = 0; i < outcome_count; ++i)
      if (const std::uint64_t n = without_code_[i].get(); n != 0)
        visit(static_cast<Outcome>(i), -1, n);
  }

 private:
  static constexpr std::uint32_t codes = 1000;
  static std::uint32_t pair_of(Outcome outcome, int code) {
    const bool is_status = code >= 0 && code < static_cast<int>(codes);
    return (static_cast<std::uint32_t>(outcome) + 1) * codes +
           (is_status ? static_cast<std::uint32_t>(code) : 0);
  }
  struct Cell {
    std::atomic<std::uint32_t> pair{0};  // 0: not taken, and none after it.
    Counter count;
  };
  std::array<Cell, request_codes_max> cells_{};
  std::array<Counter, outcome_count> without_code_{};
};

struct ModelCounters {
  RequestCells requests;
  HistogramCells<latency_bounds_max + 1> duration;
  std::atomic<std::uint32_t> name_bytes{0};  // 0: not taken, and none after it.
  std::array<char, model_name_bytes_max> name_text{};

  bool is_taken() const { return name_bytes.load(std::memory_order_acquire) != 0; }
  std::string_view name() const;  // Of one that is taken; bounded whatever the bytes say.
};

// The writer's end. One data thread.
class ModelTable {
 public:
  using Slot = std::uint16_t;
  static constexpr Slot unknown = 0, other = 1, first_named = 2, none = UINT16_MAX;

  // `slots` has at least first_named of them; `bounds` are seconds, ascending, at most
  // latency_bounds_max.
  ModelTable(std::span<ModelCounters> slots, std::span<const double> bounds,
             ProxyCounters& counters);
  ModelTable(const ModelTable&) = delete;
  ModelTable& operator=(const ModelTable&) = delete;

  bool is_name_of(Slot slot, std::string_view name) const {
    return slot < names_.size() && names_[slot] == name;
  }
  Slot find(std::string_view name) const;  // `none` where it has no slot.
  Slot take(std::string_view name);  // `other`, counted, where there is none left or it is no text.
  // A name that has none yet: requests that are there at the same time share it.
  std::shared_ptr<const std::string> keep_new(std::string_view name);

  void count(Slot slot, Outcome outcome, int code) { slots_[slot].requests.add(outcome, code); }
  void observe(Slot slot, std::uint64_t nanoseconds) {
    slots_[slot].duration.observe(nanoseconds, bounds_);
  }

 private:
  Slot add(std::string_view name);

  std::span<ModelCounters> slots_;
  std::vector<std::uint64_t> bounds_;  // Nanoseconds.
  Counter& turned_away_;
  std::shared_ptr<const std::string> new_name_;  // The last one.
  // The thread's own: the other process may write over what is shared.
  std::deque<std::string> names_;
  std::unordered_map<std::string_view, Slot> by_name_;
};

// Which model the request at hand counts for. One a connection.
class RequestModel {
 public:
  void begin() {
    is_named_ = false;
    new_name_.reset();
  }
  bool is_named() const { return is_named_; }
  // "": nothing is said. The last one that said something holds.
  void name(ModelTable& table, std::string_view name);
  void count(ModelTable& table, Outcome outcome, int code, std::uint64_t nanoseconds);

 private:
  ModelTable::Slot slot_ = ModelTable::unknown;  // Of this request, else of the last.
  bool is_named_ = false;
  std::shared_ptr<const std::string> new_name_;  // It has no slot yet; nullptr: it has one.
};

}  // namespace outrider::tap
