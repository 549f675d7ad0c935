// SPDX-License-Identifier: Apache-2.0
#include "predictor/retrain/job_queue.h"

#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "base/config/files.h"
#include "base/config/yaml.h"
#include "base/core/text.h"

namespace outrider::retrain {
namespace {

using wire::Json;

constexpr int training_niceness = 10;  // Serving goes first.

Json time_json(const std::optional<Time>& time) {
  return time ? Json(format_rfc3339(*time)) : Json();
}

std::string text_of(const Json& json, const char* key) {
  const auto place = json.find(key);
  return place != json.end() && place->is_string() ? place->get<std::string>() : "";
}

}  // namespace

Json to_json(const Job& job) {
  return {{"id", job.id},
          {"state", job.state},
          {"message", job.message},
          {"created", format_rfc3339(job.created)},
          {"started", time_json(job.started)},
          {"finished", time_json(job.finished)},
          {"version", job.version.empty() ? Json() : Json(job.version)},
          {"strategy", job.strategy.empty() ? Json() : Json(job.strategy)},
          {"gates", job.gates},
          {"request", to_json(job.request)},
          {"starts", job.starts},
          {"url", "/api/v1/jobs/" + job.id}};
}

Result<Job> parse_job(const Json& json) {
  if (!json.is_object()) return fail("bad_job", "expected an object");
  const auto asked = json.find("request");
  const auto request = asked == json.end()
                           ? Result<std::optional<Request>>(fail("bad_job", "no request"))
                           : parse_request(wire::to_text(*asked));
  Job job{.id = text_of(json, "id"), .request = {}};
  if (job.id.empty() || !request || !*request)
    return fail("bad_job", "a job needs 'id' and 'request'");
  job.request = **request;
  job.state = text_of(json, "state");
  job.message = text_of(json, "message");
  job.created = parse_rfc3339(text_of(json, "created")).value_or(Time{});
  job.started = parse_rfc3339(text_of(json, "started"));
  job.finished = parse_rfc3339(text_of(json, "finished"));
  job.version = text_of(json, "version");
  job.strategy = text_of(json, "strategy");
  if (const auto gates = json.find("gates"); gates != json.end()) job.gates = *gates;
  if (const auto starts = json.find("starts");
      starts != json.end() && starts->is_number_integer()) {
    job.starts = starts->get<int>();
  }
  return job;
}

JobQueue::JobQueue(std::string file, const Clock& clock, Run run, Limits limits)
    : file_(std::move(file)), clock_(clock), run_(std::move(run)), limits_(limits) {
  load();
  thread_ = std::thread([this] { work(); });
}

JobQueue::~JobQueue() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void JobQueue::load() {
  const auto text = config::read_file(file_);
  if (!text) return;  // The first start.
  const auto json = wire::parse_json(*text);
  if (!json || !json->is_array()) {
    spdlog::error("{} is damaged; the jobs it held are forgotten", file_);
    return;
  }
  for (const Json& item : *json) {
    auto job = parse_job(item);
    if (!job) continue;
    if (!job->ended()) {
      const bool given_up = job->starts >= limits_.starts_max;
      job->state = given_up ? "failed" : "queued";
      job->message = given_up
                         ? "cut off by the program's end " + std::to_string(job->starts) + " times"
                         : "cut off by the program's end; waits for another start";
      if (given_up) job->finished = clock_.now();
    }
    jobs_.push_back(std::move(*job));
  }
}

void JobQueue::save() const {
  Json jobs = Json::array();
  for (const Job& job : jobs_) jobs.push_back(to_json(job));
  std::filesystem::create_directories(std::filesystem::path(file_).parent_path());
  if (auto ok = config::replace_file(file_, wire::to_text(jobs) + "\n", config::everybody_reads);
      !ok) {
    throw std::runtime_error(ok.error().message);
  }
}

void JobQueue::save_or_log() const {
  try {
    save();
  } catch (const std::exception& error) {
    spdlog::error("the jobs cannot be kept on disk: {}", error.what());
  }
}

Job* JobQueue::find_locked(std::string_view id) {
  const auto place =
      std::find_if(jobs_.begin(), jobs_.end(), [&](const Job& job) { return job.id == id; });
  return place == jobs_.end() ? nullptr : &*place;
}

void JobQueue::forget_oldest() {
  for (auto job = jobs_.begin(); job != jobs_.end() && jobs_.size() > limits_.kept_max;) {
    job = job->ended() ? jobs_.erase(job) : job + 1;
  }
}

Result<JobQueue::Submitted> JobQueue::submit(Request request) {
  std::lock_guard lock(mutex_);
  if (!request.idempotency_key.empty()) {
    for (auto job = jobs_.rbegin(); job != jobs_.rend(); ++job) {
      if (job->request.idempotency_key == request.idempotency_key && job->state != "failed") {
        return Submitted{*job, true};
      }
    }
  }
  const auto waiting = std::count_if(jobs_.begin(), jobs_.end(),
                                     [](const Job& job) { return job.state == "queued"; });
  if (static_cast<std::size_t>(waiting) >= limits_.queued_max) {
    ++turned_away_;
    return fail("queue_full",
                std::to_string(waiting) + " retraining jobs wait already; ask again later");
  }
  const Time now = clock_.now();
  Job job{.id = "retrain-" + std::to_string(to_unix_ms(now)) + "-" + std::to_string(++minted_),
          .request = std::move(request),
          .created = now};
  jobs_.push_back(job);
  forget_oldest();
  try {
    save();
  } catch (const std::exception& error) {
    jobs_.pop_back();
    return fail("not_kept", std::string("the job cannot be kept on disk: ") + error.what());
  }
  wake_.notify_all();
  return Submitted{std::move(job), false};
}

std::vector<Job> JobQueue::list() const {
  std::lock_guard lock(mutex_);
  return {jobs_.rbegin(), jobs_.rend()};
}

std::optional<Job> JobQueue::find(std::string_view id) const {
  std::lock_guard lock(mutex_);
  for (const Job& job : jobs_) {
    if (job.id == id) return job;
  }
  return std::nullopt;
}

void JobQueue::work() {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), training_niceness);
  for (;;) {
    std::optional<Job> next;
    {
      std::unique_lock lock(mutex_);
      const auto queued = [this] {
        return std::find_if(jobs_.begin(), jobs_.end(),
                            [](const Job& job) { return job.state == "queued"; });
      };
      wake_.wait(lock, [&] { return stopping_ || queued() != jobs_.end(); });
      if (stopping_) return;
      Job& job = *queued();
      job.state = "running";
      job.message = "begins";
      job.started = clock_.now();
      ++job.starts;
      save_or_log();
      next = job;
    }
    run_one(std::move(*next));
  }
}

void JobQueue::run_one(Job job) {
  spdlog::info("{} begins: {}", job.id, job.request.reason);
  const OnStage on_stage = [&](const std::string& stage) {
    if (stopping_) throw Stopped{};
    std::lock_guard lock(mutex_);
    if (Job* kept = find_locked(job.id)) kept->message = stage;
  };
  Ending ending;
  try {
    ending = run_(job, on_stage);
  } catch (const Stopped&) {
    return;  // It stands in the file as running, so the next start takes it up.
  } catch (const std::exception& error) {
    ending = {"failed", error.what(), "", "", {}};
  }
  spdlog::info("{} {}: {}", job.id, ending.state, ending.message);
  std::lock_guard lock(mutex_);
  Job* kept = find_locked(job.id);
  if (!kept) return;
  kept->state = ending.state;
  kept->message = ending.message;
  kept->version = ending.version;
  kept->strategy = ending.strategy;
  kept->gates = ending.gates;
  kept->finished = clock_.now();
  (ending.state == "succeeded" ? succeeded_ : ending.state == "refused" ? refused_ : failed_) += 1;
  save_or_log();
}

void JobQueue::collect(wire::MetricSink& sink) {
  std::lock_guard lock(mutex_);
  const auto count = [this](std::string_view state) {
    return static_cast<double>(std::count_if(jobs_.begin(), jobs_.end(),
                                             [&](const Job& job) { return job.state == state; }));
  };
  const auto state = [](const char* name) { return wire::SeriesKey(Labels{{"state", name}}); };
  sink.family({"outrider_predictor_retrain_jobs_total", wire::MetricType::counter,
               "Retraining jobs that ended, by how."});
  sink.value(state("succeeded"), static_cast<double>(succeeded_));
  sink.value(state("refused"), static_cast<double>(refused_));
  sink.value(state("failed"), static_cast<double>(failed_));
  sink.family({"outrider_predictor_retrain_jobs_turned_away_total", wire::MetricType::counter,
               "Retraining requests refused because too many wait."});
  sink.value({}, static_cast<double>(turned_away_));
  sink.family(
      {"outrider_predictor_retrain_jobs", wire::MetricType::gauge, "Retraining jobs not ended."});
  sink.value(state("queued"), count("queued"));
  sink.value(state("running"), count("running"));
}

}  // namespace outrider::retrain
