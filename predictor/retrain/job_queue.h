// SPDX-License-Identifier: Apache-2.0
#pragma once

// Retraining jobs: one runs at a time on a thread of its own and lower priority, a few wait, the
// last hundred are remembered. SHELL. Thread-safe.
//
// An accepted job is on disk (jobs.json) until it ended: after a crash it starts again, once; a job
// that was cut off twice has failed. Requests with the same idempotency key are one job, unless
// that job failed: asking again is then a new try.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/wire/exposition.h"
#include "base/wire/json.h"
#include "predictor/retrain/request.h"
#include "predictor/retrain/retraining.h"

namespace outrider::retrain {

struct Job {
  std::string id;
  Request request;
  std::string state = "queued";  // queued, running, succeeded, refused, failed.
  std::string message = "waits for its turn";
  Time created{};
  std::optional<Time> started = {};
  std::optional<Time> finished = {};
  std::string version = {};
  std::string strategy = {};
  wire::Json gates = {};
  int starts = 0;

  bool ended() const { return state != "queued" && state != "running"; }
};

wire::Json to_json(const Job& job);
Result<Job> parse_job(const wire::Json& json);  // What to_json wrote. Error "bad_job".

class JobQueue final : public wire::Collector {
 public:
  struct Limits {
    std::size_t queued_max = 4;
    std::size_t kept_max = 100;
    int starts_max = 2;
  };
  using Run = std::function<Ending(const Job& job, const OnStage& on_stage)>;

  // Takes up what `file` says was not ended. Ended jobs are remembered from it, too.
  JobQueue(std::string file, const Clock& clock, Run run)
      : JobQueue(std::move(file), clock, std::move(run), Limits{}) {}
  JobQueue(std::string file, const Clock& clock, Run run, Limits limits);
  ~JobQueue() override;  // Gives up the job at hand at its next stage; it starts again next time.

  struct Submitted {
    Job job;
    bool duplicate = false;
  };
  // Errors "queue_full", "not_kept" (the disk refuses): ask again later.
  Result<Submitted> submit(Request request);

  std::vector<Job> list() const;  // Newest first.
  std::optional<Job> find(std::string_view id) const;
  void collect(wire::MetricSink& sink) override;

 private:
  struct Stopped {};  // Thrown into a job at its next stage.

  void work();
  void run_one(Job job);
  void save() const;  // With the lock held, as those below. Throws when the disk refuses.
  void save_or_log() const;
  void load();
  Job* find_locked(std::string_view id);
  void forget_oldest();

  const std::string file_;
  const Clock& clock_;
  const Run run_;
  const Limits limits_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;  // Oldest first.
  std::uint64_t minted_ = 0;
  std::uint64_t succeeded_ = 0, refused_ = 0, failed_ = 0, turned_away_ = 0;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace outrider::retrain
