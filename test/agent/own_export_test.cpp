// SPDX-License-Identifier: Apache-2.0
#include "agent/own_export.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <stdexcept>

#include "test/support/catch.h"
#include "test/support/fake_clock.h"
#include "test/support/temporary_folder.h"

using namespace outrider;
namespace fs = std::filesystem;

namespace {

struct Watched final : wire::Collector {
  explicit Watched(std::atomic<int>& rounds) : rounds_(rounds) {}
  ~Watched() override { rounds_ += 1'000; }  // Whoever reads it later counts past that.
  void collect(wire::MetricSink& sink) override {
    ++rounds_;
    sink.family({"watched", wire::MetricType::gauge, "Watched."});
    sink.value(wire::SeriesKey(), 1);
  }
  std::atomic<int>& rounds_;
};

}  // namespace

TEST_CASE("the agent's own export tells its last values before what it reads ends, come what may") {
  const TemporaryFolder folder;
  const test::FakeClock clock;
  remote_write::Options options;
  options.url = "http://127.0.0.1:1/";
  options.interval = std::chrono::hours(1);
  std::atomic<int> rounds = 0;
  {
    remote_write::Sender sender(options, folder.path(), clock);
    const auto fail_after_start = [&] {
      Watched watched(rounds);
      const OwnExport own(options, {&watched}, 9510, sender, clock);
      while (rounds == 0) std::this_thread::yield();
      throw std::runtime_error("no thread for the next part");
    };
    CHECK_THROWS(fail_after_start());
    CHECK(rounds == 1'002);  // At the start, at the end, and never again.
  }
}
