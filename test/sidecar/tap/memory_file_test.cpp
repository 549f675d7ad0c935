// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/memory_file.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <thread>

#include "sidecar/tap/capture.h"
#include "test/sidecar/tap/tap_support.h"
#include "test/support/catch.h"

namespace outrider::tap {
namespace {

std::string attach_error(int descriptor) {
  auto file = MemoryFile::attach(descriptor);
  return file ? "" : file.error().message;
}

// A copy of the memory file's bytes in a file that is not sealed, with some changed.
int changed_copy(const MemoryFile& file, std::size_t bytes, std::size_t at, unsigned char value) {
  std::vector<char> content(bytes);
  REQUIRE(::pread(file.descriptor(), content.data(), bytes, 0) == static_cast<ssize_t>(bytes));
  content[at] = static_cast<char>(value);
  const int copy = ::memfd_create("copy", 0);
  REQUIRE(::write(copy, content.data(), bytes) == static_cast<ssize_t>(bytes));
  return copy;
}

TEST_CASE("what one process writes into the memory file the other finds there") {
  auto proxy = MemoryFile::create({.lanes = 2, .ring_bytes = 1 << 16});
  REQUIRE(proxy);
  auto monitor = MemoryFile::attach(proxy->descriptor());
  REQUIRE(monitor);
  CHECK(monitor->lane_count() == 2);
  CHECK(monitor->ring_bytes(1).size() == 1 << 16);
  proxy->lane(1).counters.upstream_connects.add(3);
  CHECK(monitor->lane(1).counters.upstream_connects.get() == 3);
  RingWriter writer(proxy->lane(1).ring, proxy->ring_bytes(1));
  writer.write(NumberedExchange(4).view);
  RingSource source(*monitor);
  const Exchange* got = source.next();
  REQUIRE(got != nullptr);
  CHECK(*got == NumberedExchange(4).view);
}

TEST_CASE("a memory file of another build, cut short or of another kind is refused with a reason") {
  auto file = MemoryFile::create({.lanes = 1, .ring_bytes = 8192});
  REQUIRE(file);
  const auto total = static_cast<std::size_t>(::lseek(file->descriptor(), 0, SEEK_END));
  CHECK_THAT(attach_error(changed_copy(*file, total, 0, 'X')),
             Catch::Contains("not a memory file"));
  CHECK_THAT(attach_error(changed_copy(*file, total, 16, 1)), Catch::Contains("another build"));
  CHECK_THAT(attach_error(changed_copy(*file, total, 24, 1)), Catch::Contains("another build"));
  CHECK_THAT(attach_error(changed_copy(*file, total, 28, 0)), Catch::Contains("bounds"));
  CHECK_THAT(attach_error(changed_copy(*file, total, 28, 200)), Catch::Contains("bounds"));
  CHECK_THAT(attach_error(changed_copy(*file, total, 32, 200)), Catch::Contains("sizes"));
  CHECK_THAT(attach_error(changed_copy(*file, total, 50, 200)), Catch::Contains("sizes"));
  CHECK_THAT(attach_error(changed_copy(*file, total, 63, 0x80)), Catch::Contains("bounds"));
  CHECK_THAT(attach_error(changed_copy(*file, total - 4096, 0, 'O')), Catch::Contains("sizes"));
  CHECK_THAT(attach_error(changed_copy(*file, 64, 0, 'O')), Catch::Contains("too short"));
  CHECK_THAT(attach_error(changed_copy(*file, 8, 0, 'O')), Catch::Contains("too short"));
  CHECK_THAT(attach_error(-1), Catch::Contains("fstat"));
}

TEST_CASE("a memory file of another version is refused by a word that names both versions") {
  auto file = MemoryFile::create({.lanes = 1, .ring_bytes = 8192});
  REQUIRE(file);
  // Whatever else that version has in its header, and however short it is.
  for (const std::size_t bytes : {std::size_t{64}, std::size_t{1} << 16}) {
    for (const unsigned version : {layout_version - 1, layout_version + 1}) {
      const int copy = changed_copy(*file, bytes, 8, static_cast<unsigned char>(version));
      CHECK_THAT(
          attach_error(copy),
          Catch::Contains("writes layout version " + std::to_string(version)) &&
              Catch::Contains("reads version " + std::to_string(layout_version)) &&
              Catch::Contains("install outrider-sidecar and outrider-monitor of one release"));
    }
  }
}

TEST_CASE("neither process can shrink the memory file under the other") {
  auto file = MemoryFile::create({.lanes = 1, .ring_bytes = 8192});
  REQUIRE(file);
  CHECK(::ftruncate(file->descriptor(), 4096) == -1);
}

TEST_CASE("impossible sizes are refused") {
  CHECK_FALSE(MemoryFile::create({.lanes = 0}));
  CHECK_FALSE(MemoryFile::create({.lanes = 65}));
  CHECK_FALSE(MemoryFile::create({.lanes = 1, .ring_bytes = 100}));
  CHECK_FALSE(MemoryFile::create({.models = 0}));
  CHECK_FALSE(MemoryFile::create({.models = models_max_limit + 1}));
  using Bounds = std::vector<double>;
  for (const Bounds& bounds : {Bounds{}, Bounds{0, 1}, Bounds{1, 1}, Bounds{2, 1}, Bounds{NAN},
                               Bounds{1, INFINITY}, Bounds(latency_bounds_max + 1, 1)}) {
    const auto file = MemoryFile::create({.latency_bounds = bounds});
    REQUIRE_FALSE(file);
    CHECK_THAT(file.error().message, Catch::Contains("latency buckets"));
  }
}

TEST_CASE("the buckets and the models of the proxy are what the monitor finds") {
  auto proxy = MemoryFile::create({.lanes = 2, .models = 3, .latency_bounds = {.25, 60}});
  REQUIRE(proxy);
  auto monitor = MemoryFile::attach(proxy->descriptor());
  REQUIRE(monitor);
  const auto bounds = monitor->latency_bounds();
  CHECK(std::vector<double>(bounds.begin(), bounds.end()) == std::vector<double>{.25, 60});
  CHECK(monitor->models(1).size() == ModelTable::first_named + 3);
  CHECK_FALSE(monitor->models(1)[0].is_taken());
  ModelTable table(proxy->models(1), proxy->latency_bounds(), proxy->lane(1).counters);
  const ModelTable::Slot slot = table.take("house");
  table.count(slot, Outcome::success, 200);
  CHECK(monitor->models(1)[slot].name() == "house");
  CHECK_FALSE(monitor->models(0)[slot].is_taken());
}

TEST_CASE("slots of models that nobody took cost no memory") {
  auto file = MemoryFile::create({.lanes = 1, .ring_bytes = 8192, .models = models_max_limit});
  REQUIRE(file);
  struct stat status {};
  REQUIRE(::fstat(file->descriptor(), &status) == 0);
  CHECK(status.st_size > 2 << 20);
  CHECK(status.st_blocks * 512 < 128 << 10);
}

TEST_CASE("the source takes the lanes in turn") {
  auto file = MemoryFile::create({.lanes = 3, .ring_bytes = 1 << 16});
  REQUIRE(file);
  for (std::size_t lane = 0; lane < 3; ++lane) {
    RingWriter writer(file->lane(lane).ring, file->ring_bytes(lane));
    for (std::uint64_t i = 0; i < 2; ++i) writer.write(NumberedExchange(lane).view);
  }
  RingSource source(*file);
  std::string order;
  while (const Exchange* exchange = source.next()) {
    order += exchange->id[0];
    source.dispose(Disposal::analysed());
  }
  CHECK(order.size() == 6);
  CHECK(order.substr(0, 3) == order.substr(3));
  CHECK(count_exchanges(*file).analysed == 6);
}

TEST_CASE("exchanges balance over rings, the proxy's own counts and posted ones") {
  auto file = MemoryFile::create({.lanes = 2, .ring_bytes = 1 << 16});
  REQUIRE(file);
  RingWriter writer(file->lane(0).ring, file->ring_bytes(0));
  for (std::uint64_t n = 0; n < 5; ++n) writer.write(NumberedExchange(n).view);
  RingSource source(*file);
  source.next();
  source.dispose(Disposal::failed(FailReason::invalid_json));
  source.next();
  source.dispose(Disposal::analysed());
  file->lane(1).counters.exchanges_dropped[0].add(7);
  file->lane(1).counters.exchanges_skipped[1].add(2);
  PostedCounts posted(*file);
  posted.count(Disposal::analysed());
  const ExchangeCounts counts = count_exchanges(*file);
  CHECK(counts.seen == 12);
  CHECK(counts.analysed == 2);
  CHECK(counts.dropped[0] == 7);
  CHECK(counts.skipped[1] == 2);
  CHECK(counts.failed[0] == 1);
  CHECK(counts.waiting == 3);
  // A monitor that starts anew goes on counting.
  PostedCounts successor(*file);
  successor.count(Disposal::analysed());
  CHECK(count_exchanges(*file).seen == 13);
}

TEST_CASE("published settings reach a reader whole or not at all") {
  auto file = MemoryFile::create({.lanes = 1, .ring_bytes = 8192});
  REQUIRE(file);
  SettingsCell& cell = file->capture_settings();
  std::uint64_t version = 0;
  CompiledCapture seen;
  CHECK_FALSE(cell.refresh(version, seen));
  std::atomic<bool> done{false};
  std::thread monitor([&] {
    for (std::uint64_t n = 1; n <= 20'000; ++n) {
      CompiledCapture capture;
      capture.request_body_bytes_max = capture.response_body_bytes_max = capture.sample_threshold =
          n;
      cell.publish(capture);
    }
    done.store(true);
  });
  std::uint64_t torn = 0, last = 0;
  while (!done.load()) {
    if (!cell.refresh(version, seen)) continue;
    if (seen.request_body_bytes_max != seen.response_body_bytes_max ||
        seen.request_body_bytes_max != seen.sample_threshold || seen.sample_threshold < last)
      ++torn;
    last = seen.sample_threshold;
  }
  monitor.join();
  cell.refresh(version, seen);
  CHECK(torn == 0);
  CHECK(seen.request_body_bytes_max == 20'000);
}

TEST_CASE("a publisher that died in the middle is succeeded by one that publishes") {
  auto file = MemoryFile::create({.lanes = 1, .ring_bytes = 8192});
  REQUIRE(file);
  SettingsCell& cell = file->capture_settings();
  auto* version_word = reinterpret_cast<std::atomic<std::uint64_t>*>(&cell);
  version_word->store(5);
  std::uint64_t version = 0;
  CompiledCapture seen;
  CHECK_FALSE(cell.refresh(version, seen));
  cell.publish({});
  CHECK(cell.refresh(version, seen));
}

}  // namespace
}  // namespace outrider::tap
