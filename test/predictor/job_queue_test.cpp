// SPDX-License-Identifier: Apache-2.0
#include "predictor/retrain/job_queue.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "test/support/catch.h"
#include "test/support/fake_clock.h"
#include "test/support/temporary_folder.h"

using namespace outrider;
using namespace outrider::retrain;
namespace fs = std::filesystem;

namespace {

struct Bench {
  TemporaryFolder own;
  const fs::path folder = own.path() / "queue";
  const std::string file = (folder / "jobs.json").string();
  test::FakeClock clock;
};

Request request(const std::string& key, const std::string& reason = "") {
  Request made;
  made.idempotency_key = key;
  made.reason = reason;
  return made;
}

// Waits for the job's end; the queue's thread makes it, so there is nothing to fake.
Job ended(const JobQueue& queue, const std::string& id) {
  for (;;) {
    const Job job = queue.find(id).value();
    if (job.ended()) return job;
    std::this_thread::yield();
  }
}

}  // namespace

TEST_CASE("a job runs and says how it ended") {
  Bench bench;
  JobQueue queue(bench.file, bench.clock, [](const Job& job, const OnStage& on_stage) {
    on_stage("training");
    if (job.request.reason == "throw") throw std::runtime_error("disk full");
    return Ending{job.request.reason, "said", "v2", "all", {}};
  });
  CHECK(ended(queue, queue.submit(request("", "succeeded"))->job.id).version == "v2");
  CHECK(ended(queue, queue.submit(request("", "refused"))->job.id).state == "refused");
  const Job thrown = ended(queue, queue.submit(request("", "throw"))->job.id);
  CHECK(thrown.state == "failed");
  CHECK(thrown.message == "disk full");
  CHECK(queue.list().size() == 3);
  CHECK_FALSE(queue.find("none"));
}

TEST_CASE("the same key is the same job, unless that failed") {
  Bench bench;
  int runs = 0;
  JobQueue queue(bench.file, bench.clock, [&](const Job&, const OnStage&) {
    return Ending{++runs == 1 ? "failed" : "succeeded", "", "", "", {}};
  });
  const auto first = queue.submit(request("k")).value();
  ended(queue, first.job.id);
  const auto second = queue.submit(request("k")).value();
  CHECK_FALSE(second.duplicate);
  ended(queue, second.job.id);
  const auto third = queue.submit(request("k")).value();
  CHECK(third.duplicate);
  CHECK(third.job.id == second.job.id);
  CHECK(runs == 2);
}

TEST_CASE("one job runs at a time, a few wait, and more are turned away") {
  Bench bench;
  std::promise<void> begun, go;
  auto gate = go.get_future().share();
  JobQueue queue(bench.file, bench.clock,
                 [&, first = true](const Job&, const OnStage&) mutable {
                   if (std::exchange(first, false)) begun.set_value();
                   gate.wait();
                   return Ending{"succeeded", "", "", "", {}};
                 },
                 {.queued_max = 2});
  REQUIRE(queue.submit(request("")));
  begun.get_future().wait();
  REQUIRE(queue.submit(request("")));
  const auto last = queue.submit(request("")).value();
  CHECK(queue.submit(request("")).error().code == "queue_full");
  CHECK(queue.find(last.job.id)->state == "queued");
  go.set_value();
  CHECK(ended(queue, last.job.id).state == "succeeded");
}

TEST_CASE("a job cut off by the end of the program starts again, once") {
  Bench bench;
  std::string id;
  std::promise<void> begun;
  for (int start = 1; start <= 2; ++start) {
    std::promise<void> running;
    auto queue = std::make_unique<JobQueue>(bench.file, bench.clock,
                                            [&](const Job&, const OnStage& on_stage) {
                                              running.set_value();
                                              for (;;)
                                                on_stage("training");  // Until the queue stops it.
                                              return Ending{};
                                            });
    if (start == 1) id = queue->submit(request("k"))->job.id;
    running.get_future().wait();
    CHECK(queue->find(id)->starts == start);
    queue.reset();
  }
  JobQueue queue(bench.file, bench.clock, [](const Job&, const OnStage&) { return Ending{}; });
  CHECK(queue.find(id)->state == "failed");
  CHECK_THAT(queue.find(id)->message, Catch::Contains("2 times"));
}

TEST_CASE("a damaged file of jobs is no reason not to start") {
  Bench bench;
  fs::create_directories(bench.folder);
  for (const char* text : {"", "[{", "{}", "[1, {\"id\": 3}, {\"id\": \"x\"}]"}) {
    std::ofstream(bench.file) << text;
    JobQueue queue(bench.file, bench.clock, [](const Job&, const OnStage&) { return Ending{}; });
    CHECK(queue.list().empty());
  }
}
