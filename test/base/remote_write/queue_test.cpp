// SPDX-License-Identifier: Apache-2.0
#include "base/remote_write/queue.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <thread>

#include "test/support/catch.h"
#include "test/support/fake_clock.h"
#include "test/support/temporary_folder.h"

using namespace outrider;
using namespace outrider::remote_write;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

Counts samples(std::uint64_t count) {
  return {.series = 1, .samples = count, .exemplars = 0};
}

// Releases all that is there; the payloads in order.
std::vector<std::string> drain(Queue& queue) {
  std::vector<std::string> payloads;
  while (const auto record = queue.front()) {
    payloads.push_back(record->payload);
    queue.release(*record);
  }
  return payloads;
}

std::vector<std::string> numbered(int from, int to) {
  std::vector<std::string> payloads;
  for (int i = from; i < to; ++i) payloads.push_back("batch " + std::to_string(i));
  return payloads;
}

void fill(Queue& queue, int from, int to) {
  for (const std::string& payload : numbered(from, to))
    REQUIRE(queue.append(payload, samples(1), 5));
}

fs::path only_segment(const fs::path& folder) {
  fs::path found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".wal") continue;
    REQUIRE(found.empty());
    found = entry.path();
  }
  return found;
}

std::string read_all(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_all(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// A disk that can be told to fail.
struct Disk {
  bool is_full = false;
  std::size_t takes_at_most = SIZE_MAX;  // Of one write, before it is full.
  Queue::Write write() {
    return [this](int file, const void* bytes, std::size_t count, off_t offset) -> ssize_t {
      if (is_full && takes_at_most == SIZE_MAX) {
        errno = ENOSPC;
        return -1;
      }
      if (is_full && takes_at_most == 0) {
        errno = ENOSPC;
        return -1;
      }
      const std::size_t taken = is_full ? std::min(count, takes_at_most) : count;
      if (is_full) takes_at_most = 0;
      return ::pwrite(file, bytes, taken, offset);
    };
  }
};

}  // namespace

TEST_CASE("batches come out in the order they went in, each until it is released") {
  TemporaryFolder folder;
  test::FakeClock clock;
  Queue queue({.folder = folder.path()}, clock);
  CHECK_FALSE(queue.front());
  fill(queue, 0, 3);
  CHECK(queue.figures().records_pending == 3);
  const auto first = queue.front();
  REQUIRE(first);
  CHECK(first->payload == "batch 0");
  CHECK(first->header.time_ms == to_unix_ms(clock.now()));
  queue.keep(*first);
  CHECK(queue.front()->payload == "batch 0");
  queue.release(*first);
  CHECK(drain(queue) == numbered(1, 3));
  CHECK(queue.figures().records_pending == 0);
  CHECK(queue.figures().pending == Counts{});
}

TEST_CASE("a restart goes on after what was delivered") {
  TemporaryFolder folder;
  test::FakeClock clock;
  {
    Queue queue({.folder = folder.path()}, clock);
    fill(queue, 0, 5);
    for (int i = 0; i < 2; ++i) queue.release(*queue.front());
    (void)queue.front();  // Under way when the process ends: not delivered.
  }
  {
    Queue queue({.folder = folder.path()}, clock);
    CHECK(queue.figures().records_pending == 3);
    CHECK(queue.figures().pending.samples == 3);
    fill(queue, 5, 7);
    CHECK(drain(queue) == numbered(2, 7));
  }
  Queue queue({.folder = folder.path()}, clock);
  CHECK(drain(queue).empty());
  fill(queue, 7, 8);
  CHECK(drain(queue) == numbered(7, 8));
}

TEST_CASE("segments whose batches are delivered are removed") {
  TemporaryFolder folder;
  test::FakeClock clock;
  Queue queue({.folder = folder.path(), .segment_bytes = 200}, clock);
  fill(queue, 0, 100);
  const auto count = [&] {
    return std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator());
  };
  CHECK(count() > 10);
  CHECK(drain(queue) == numbered(0, 100));
  CHECK(count() <= 3);  // lock, position, the segment being written.
}

TEST_CASE("a segment cut at any byte gives every whole batch before the cut") {
  TemporaryFolder folder;
  test::FakeClock clock;
  {
    Queue queue({.folder = folder.path()}, clock);
    fill(queue, 0, 4);
  }
  const fs::path segment = only_segment(folder.path());
  const std::string whole = read_all(segment);
  const std::size_t record = whole.size() / 4;
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    for (const auto& entry : fs::directory_iterator(folder.path())) fs::remove(entry.path());
    write_all(segment, whole.substr(0, cut));
    Queue queue({.folder = folder.path()}, clock);
    INFO("cut at " << cut);
    REQUIRE(queue.figures().damaged_places == (cut % record == 0 ? 0u : 1u));
    REQUIRE(queue.append("after", samples(1), 5));
    auto expected = numbered(0, static_cast<int>(cut / record));
    expected.push_back("after");
    REQUIRE(drain(queue) == expected);
    REQUIRE(queue.figures().records_pending == 0);
  }
}

TEST_CASE("a flipped bit loses the batch it hits, and no other") {
  TemporaryFolder folder;
  test::FakeClock clock;
  {
    Queue queue({.folder = folder.path()}, clock);
    fill(queue, 0, 3);
  }
  const fs::path segment = only_segment(folder.path());
  const std::string whole = read_all(segment);
  const std::size_t record = whole.size() / 3;
  for (std::size_t byte = 0; byte < whole.size(); ++byte) {
    for (const auto& entry : fs::directory_iterator(folder.path())) fs::remove(entry.path());
    std::string damaged = whole;
    damaged[byte] = static_cast<char>(damaged[byte] ^ (1 << byte % 8));
    write_all(segment, damaged);
    Queue queue({.folder = folder.path()}, clock);
    auto expected = numbered(0, 3);
    expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(byte / record));
    INFO("byte " << byte);
    REQUIRE(queue.figures().damaged_places == 1);
    REQUIRE(drain(queue) == expected);
  }
}

TEST_CASE("damage that comes while the queue is open is skipped and counted") {
  TemporaryFolder folder;
  test::FakeClock clock;
  Queue queue({.folder = folder.path(), .segment_bytes = 100}, clock);
  fill(queue, 0, 9);  // Two a segment.
  fs::path first;
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    if (entry.path().extension() == ".wal" && (first.empty() || entry.path() < first)) {
      first = entry.path();
    }
  }
  std::string bytes = read_all(first);
  bytes[60] = static_cast<char>(~bytes[60]);
  write_all(first, bytes);
  auto expected = numbered(0, 9);
  expected.erase(expected.begin() + 1);
  CHECK(drain(queue) == expected);
  CHECK(queue.figures().damaged_places == 1);
  CHECK(queue.figures().dropped.damaged == 1);
  CHECK(queue.figures().records_pending == 0);
}

TEST_CASE("a lost or damaged position sends again, and never loses") {
  TemporaryFolder folder;
  test::FakeClock clock;
  {
    Queue queue({.folder = folder.path()}, clock);
    fill(queue, 0, 4);
    queue.release(*queue.front());
    queue.release(*queue.front());
  }
  const std::string position = read_all(folder.path() / "position");
  SECTION("the newer slot is cut") {
    std::string damaged = position;
    damaged[0] = static_cast<char>(~damaged[0]);  // The second write stands in the first slot.
    write_all(folder.path() / "position", damaged);
    Queue queue({.folder = folder.path()}, clock);
    CHECK(drain(queue) == numbered(1, 4));
  }
  SECTION("the file is gone") {
    fs::remove(folder.path() / "position");
    Queue queue({.folder = folder.path()}, clock);
    CHECK(drain(queue) == numbered(0, 4));
  }
}

TEST_CASE("past bytes_max the oldest batches go, and are counted") {
  TemporaryFolder folder;
  test::FakeClock clock;
  Queue queue({.folder = folder.path(), .bytes_max = 64 << 10}, clock);
  const std::string payload(1000, 'x');
  for (int i = 0; i < 200; ++i) REQUIRE(queue.append(payload + std::to_string(i), samples(2), 5));
  const auto figures = queue.figures();
  CHECK(figures.disk_bytes <= 64 << 10);
  CHECK(figures.disk_bytes > 48 << 10);
  CHECK(figures.dropped.queue_full + figures.pending.samples == 400);
  const auto left = drain(queue);
  REQUIRE(left.size() * 2 == figures.pending.samples);
  CHECK(left.back() == payload + "199");  // The newest stay.
}

TEST_CASE("a batch that the sender holds is not counted as lost when its segment must go") {
  TemporaryFolder folder;
  test::FakeClock clock;
  Queue queue({.folder = folder.path(), .bytes_max = 32 << 10}, clock);
  const std::string payload(1000, 'x');
  REQUIRE(queue.append(payload, samples(1), 5));
  const auto held = queue.front();
  for (int i = 0; i < 99; ++i) REQUIRE(queue.append(payload, samples(1), 5));
  queue.release(*held);
  const auto figures = queue.figures();
  CHECK(figures.dropped.queue_full + figures.pending.samples == 99);
  CHECK(drain(queue).size() == figures.records_pending);
}

TEST_CASE("a batch older than age_max is dropped and counted, on disk and in memory") {
  TemporaryFolder folder;
  test::FakeClock clock;
  Disk disk;
  Queue queue({.folder = folder.path(), .age_max = 10min, .write = disk.write()}, clock);
  fill(queue, 0, 2);
  CHECK(queue.front()->payload == "batch 0");
  clock.advance(6min);
  disk.is_full = true;
  fill(queue, 2, 4);
  clock.advance(5min);
  queue.keep(*queue.front());
  CHECK(queue.front()->payload == "batch 2");
  CHECK(queue.figures().dropped.too_old == 2);
  queue.keep(*queue.front());
  clock.advance(6min);
  CHECK_FALSE(queue.front());
  CHECK(queue.figures().dropped.too_old == 4);
  CHECK(queue.figures().records_pending == 0);
}

TEST_CASE("ten minutes without a receiver lose nothing") {
  TemporaryFolder folder;
  test::FakeClock clock;
  int sent = 0;
  {
    Queue queue({.folder = folder.path()}, clock);
    for (; sent < 300; ++sent) {  // A batch a second; a kill in between.
      fill(queue, sent, sent + 1);
      queue.keep(*queue.front());
      clock.advance(1s);
    }
  }
  Queue queue({.folder = folder.path()}, clock);
  for (; sent < 600; ++sent) {
    fill(queue, sent, sent + 1);
    queue.keep(*queue.front());
    clock.advance(1s);
  }
  CHECK(drain(queue) == numbered(0, 600));
}

TEST_CASE("a full disk turns to bounded memory, keeps the order, and comes back") {
  TemporaryFolder folder;
  test::FakeClock clock;
  Disk disk;
  Queue queue({.folder = folder.path(), .write = disk.write()}, clock);
  fill(queue, 0, 3);
  disk.is_full = true;
  disk.takes_at_most = 17;  // A part of the next record reaches the disk.
  fill(queue, 3, 6);
  CHECK_FALSE(queue.figures().disk_usable);
  CHECK(queue.figures().write_errors == 1);  // One try, then once a second.
  CHECK(queue.figures().memory_bytes > 0);
  CHECK(queue.front()->payload == "batch 0");
  queue.release(*queue.front());
  disk.is_full = false;
  fill(queue, 6, 7);
  CHECK_FALSE(queue.figures().disk_usable);
  clock.advance(1s);
  fill(queue, 7, 8);
  CHECK(queue.figures().disk_usable);
  CHECK(queue.figures().memory_bytes == 0);
  SECTION("in this process") {
    CHECK(drain(queue) == numbered(1, 8));
  }
  SECTION("a batch that was taken from memory and then moved to disk is sent once") {
    CHECK(drain(queue) == numbered(1, 8));
    disk.is_full = true;
    disk.takes_at_most = SIZE_MAX;
    fill(queue, 8, 10);
    const auto held = queue.front();
    CHECK(held->payload == "batch 8");
    disk.is_full = false;
    clock.advance(1s);
    fill(queue, 10, 11);
    CHECK(queue.figures().memory_bytes == 0);
    queue.release(*held);
    CHECK(drain(queue) == numbered(9, 11));
    CHECK(queue.figures().records_pending == 0);
  }
}

TEST_CASE("memory is bounded while the disk fails, the oldest batches go and are counted") {
  TemporaryFolder folder;
  test::FakeClock clock;
  Disk disk;
  disk.is_full = true;
  Queue queue({.folder = folder.path(), .memory_bytes_max = 50'000, .write = disk.write()}, clock);
  for (int i = 0; i < 200; ++i) {
    REQUIRE(queue.append(std::string(1000, 'x') + std::to_string(i), samples(1), 5));
  }
  const auto figures = queue.figures();
  CHECK(figures.memory_bytes <= 50'000);
  CHECK(figures.dropped.memory_full + figures.pending.samples == 200);
  CHECK(figures.pending.samples > 40);
  CHECK(drain(queue).back().ends_with("199"));
}

TEST_CASE("a folder that another queue holds is waited for, what came meanwhile goes after it") {
  TemporaryFolder folder;
  test::FakeClock clock;
  auto before = std::make_unique<Queue>(Queue::Settings{.folder = folder.path()}, clock);
  fill(*before, 0, 2);
  Queue queue({.folder = folder.path()}, clock);
  CHECK_FALSE(queue.figures().disk_usable);
  fill(queue, 2, 4);
  before.reset();
  clock.advance(1s);
  fill(queue, 4, 5);
  CHECK(queue.figures().disk_usable);
  CHECK(drain(queue) == numbered(0, 5));
}

TEST_CASE("a folder that cannot be made is a disk that fails") {
  test::FakeClock clock;
  Queue queue({.folder = "/proc/no/such/folder"}, clock);
  fill(queue, 0, 2);
  CHECK_FALSE(queue.figures().disk_usable);
  CHECK(drain(queue) == numbered(0, 2));
}

TEST_CASE("a payload over the limit is refused and counted") {
  TemporaryFolder folder;
  test::FakeClock clock;
  Queue queue({.folder = folder.path()}, clock);
  CHECK_FALSE(queue.append(std::string(record_payload_bytes_max + 1, 'x'), samples(7), 5));
  CHECK(queue.figures().dropped.too_large == 7);
  CHECK(queue.append(std::string(record_payload_bytes_max, 'x'), samples(1), 5));
  CHECK(drain(queue).at(0).size() == record_payload_bytes_max);
}

TEST_CASE("kill -9 at any moment loses no batch that append() took") {
  TemporaryFolder folder;
  test::FakeClock clock;
  int next = 0;
  std::vector<std::string> seen;
  for (int round = 0; round < 8; ++round) {
    int pipe_ends[2];
    REQUIRE(::pipe(pipe_ends) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      Queue queue({.folder = folder.path(), .segment_bytes = 4096}, clock);
      for (int i = next;; ++i) {
        if (!queue.append("batch " + std::to_string(i), samples(1), 5)) ::_exit(1);
        if (::write(pipe_ends[1], &i, sizeof i) != sizeof i) ::_exit(1);
        if (i % 3 == 0) {
          if (const auto record = queue.front()) queue.keep(*record);
        }
      }
    }
    ::close(pipe_ends[1]);
    int last = -1;
    // The moment of the kill: after so many batches, wherever the child then is.
    for (int i = 0; i < 50 + round * 37; ++i) {
      REQUIRE(::read(pipe_ends[0], &last, sizeof last) == sizeof last);
    }
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    while (::read(pipe_ends[0], &last, sizeof last) == sizeof last) {
    }
    ::close(pipe_ends[0]);
    Queue queue({.folder = folder.path()}, clock);
    const auto batches = drain(queue);
    const auto expected = numbered(next, last + 1);
    // One more may be there: written, but killed before it could say so.
    REQUIRE(batches.size() >= expected.size());
    REQUIRE(batches.size() <= expected.size() + 1);
    REQUIRE(std::equal(expected.begin(), expected.end(), batches.begin()));
    next = last + 2;
  }
}

TEST_CASE("several threads append while one takes and one syncs") {
  TemporaryFolder folder;
  const SystemClock clock;
  Queue queue({.folder = folder.path(), .segment_bytes = 4096}, clock);
  std::atomic<bool> done{false};
  std::size_t taken = 0;
  std::thread taker([&] {
    for (bool last = false; !last;) {
      last = done;
      while (const auto record = queue.front()) {
        queue.release(*record);
        ++taken;
      }
    }
  });
  std::thread syncer([&] {
    while (!done) queue.sync();
  });
  std::vector<std::thread> appenders;
  for (int i = 0; i < 3; ++i) {
    appenders.emplace_back([&] {
      for (int n = 0; n < 500; ++n) (void)queue.append("some bytes", samples(1), 5);
    });
  }
  for (auto& thread : appenders) thread.join();
  done = true;
  taker.join();
  syncer.join();
  CHECK(taken == 1500);
}

TEST_CASE("bytes full of magics are searched in one pass") {
  std::string bytes;
  for (int i = 0; i < 20'000; ++i) bytes += "ORQ1";
  const Found found = next_record(bytes, 0);
  CHECK_FALSE(found.record);
  CHECK(found.skipped == bytes.size());
}
