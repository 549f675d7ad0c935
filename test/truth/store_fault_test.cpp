// SPDX-License-Identifier: Apache-2.0
// Disks that are full, slow or gone. The size limit of files (RLIMIT_FSIZE) plays the full disk: it
// makes write(2) fail in the same places, and needs no rights.
#include <signal.h>
#include <sys/resource.h>

#include <condition_variable>
#include <thread>

#include "test/support/catch.h"
#include "test/truth/log_fixture.h"
#include "truth/api/label_api.h"

namespace outrider::truth::test {
namespace {

using namespace std::chrono_literals;

// While it lives, no file of this process grows past the limit.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);  // So that write() answers EFBIG instead.
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

// Tries until the log is open again, which it tries itself, with back-off.
LabelResult label_when_open(LogFixture& f, const std::string& id, double truth) {
  for (int i = 0; i < 400; ++i) {
    const auto answers = f.log->join({f.truth(id, truth)});
    if (answers) return answers->at(0).result;
    CHECK(answers.error().code == "log_unavailable");
    f.log->flush(100ms);  // Waits; the log cannot be flushed while it is closed.
  }
  return LabelResult::invalid;
}

TEST_CASE(
    "when the disk takes no more, labels are refused, nothing waits, and all is right afterwards") {
  LogFixture f;
  f.open();
  const std::string before = f.predict(1), during = f.predict(2);
  CHECK(f.label(before, 10.0) == LabelResult::joined);
  {
    const FileSizeLimit full(1);
    const auto refused = f.log->join({f.truth(during, 20.0)});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == "log_unavailable");
    // append() goes on at once, and says that it drops.
    for (int i = 0; i < 1000; ++i) f.predict(i);
    CHECK(f.dropped(AppendDrop::unavailable) > 0);
    CHECK_FALSE(f.log->figures().available);
    net::Router router;
    add_label_routes(router, *f.log);
    net::HttpRequest request;
    request.method = "POST";
    request.path = "/api/v1/labels";
    request.body = "{\"id\":\"" + during + "\",\"label\":20}";
    CHECK(router.handle(request).status == 503);
  }
  const LabelResult after = label_when_open(f, during, 20.0);
  CHECK((after == LabelResult::joined || after == LabelResult::duplicate));
  CHECK(f.consumer.restores() >= 2);
  CHECK(f.consumer.rows() == 2);
  CHECK(f.consumer.sum() == 30.0);
  CHECK(f.joined_rows().size() == 2);
  CHECK(f.label(before, 10.0) == LabelResult::duplicate);
  f.open();
  CHECK(f.consumer.rows() == 2);
  CHECK(f.dropped(AppendDrop::crash) == 0);
}

TEST_CASE("a disk that fills up again and again never makes a label count twice or not at all") {
  LogFixture f;
  f.open();
  std::uint64_t acknowledged = 0;
  for (int round = 0; round < 8; ++round) {
    std::vector<std::string> ids;
    for (int i = 0; i < 50; ++i) ids.push_back(f.predict(1));
    REQUIRE(f.log->flush(patience));
    {
      // A limit in the middle of what is to be written.
      const FileSizeLimit nearly_full(static_cast<rlim_t>(1000 + 700 * round));
      for (const std::string& id : ids) {
        const auto answers = f.log->join({f.truth(id, 1.0)});
        if (answers && answers->at(0).result == LabelResult::joined) ++acknowledged;
      }
    }
    for (const std::string& id : ids) {
      const LabelResult result = label_when_open(f, id, 1.0);
      // Known by now or joined now; a label that was refused may be on disk all the same.
      CHECK((result == LabelResult::joined || result == LabelResult::duplicate));
    }
    CHECK(f.consumer.rows() == 50u * static_cast<unsigned>(round + 1));
    CHECK(f.joined_rows().size() == f.consumer.rows());
  }
  CHECK(acknowledged < f.consumer.rows());
}

TEST_CASE("when little of the disk is free, nothing is written and it is counted") {
  LogFixture f;
  f.open();
  f.log.reset();
  f.settings.free_bytes_min = 1ull << 60;
  f.open();
  REQUIRE(f.log->flush(patience));
  f.predict(1);
  CHECK(f.dropped(AppendDrop::disk_full) == 1);
  const auto refused = f.log->join({f.truth("a", 1.0)});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "log_unavailable");
  CHECK(refused.error().message.find(f.settings.folder.string()) != std::string::npos);
}

// Stands for a disk that does not answer: the owner is stuck until it is let go.
class StuckConsumer final : public TruthConsumer {
 public:
  void restore(std::span<const StateBlob>) override {}
  void on_joined(const JoinedRow&) override {
    std::unique_lock lock(mutex_);
    stuck_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return let_go_; });
  }
  void changed_state(StateWriter&) override {}
  void committed() override {}
  void wait_until_stuck() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stuck_; });
  }
  void let_go() {
    const std::lock_guard lock(mutex_);
    let_go_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stuck_ = false, let_go_ = false;
};

TEST_CASE("while the owner is stuck, append drops past its buffer and labels time out as busy") {
  LogFixture f;
  StuckConsumer consumer;
  f.settings.append_bytes_max = 16 << 10;
  f.settings.queued_labels_max = 2;
  f.settings.join_deadline = 50ms;
  auto opened = PredictionLog::open(f.settings, consumer, f.clock);
  REQUIRE(opened);
  f.log = std::move(*opened);
  const std::string id = f.predict(1), other = f.predict(2);
  std::thread labeller([&] { f.log->join({f.truth(id, 1.0)}); });
  consumer.wait_until_stuck();
  for (int i = 0; i < 1000; ++i) f.predict(i);
  CHECK(f.dropped(AppendDrop::queue_full) > 0);
  const auto timed_out = f.log->join({f.truth(other, 1.0)});
  REQUIRE_FALSE(timed_out);
  CHECK(timed_out.error().code == "log_busy");
  CHECK(f.log->figures().queued_labels == 0);  // It does not go on waiting for nobody.
  std::thread waiting([&] { f.log->join({f.truth(other, 1.0), f.truth(other, 1.0)}); });
  while (f.log->figures().queued_labels < 2) std::this_thread::yield();
  const auto refused = f.log->join({f.truth(other, 1.0)});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("waiting") != std::string::npos);
  consumer.let_go();
  labeller.join();
  waiting.join();
}

}  // namespace
}  // namespace outrider::truth::test
