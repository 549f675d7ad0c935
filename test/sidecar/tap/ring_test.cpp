// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/ring.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <thread>

#include "test/sidecar/tap/tap_support.h"
#include "test/support/catch.h"

namespace outrider::tap {
namespace {

std::uint64_t poisoned(const ReaderState& state) {
  return state.failed[static_cast<std::size_t>(FailReason::poisoned)];
}

TEST_CASE("an exchange comes out of the ring as it went in") {
  TestRing ring(4096);
  const NumberedExchange sent(7);
  REQUIRE(ring.writer().write(sent.view));
  RingReader reader = ring.reader();
  const Exchange* got = reader.next();
  REQUIRE(got != nullptr);
  CHECK(*got == sent.view);
  reader.dispose(Disposal::analysed());
  CHECK(reader.next() == nullptr);
}

TEST_CASE("exchanges of all sizes come out in order while the ring wraps thousands of times") {
  TestRing ring(2048);
  RingWriter writer = ring.writer();
  RingReader reader = ring.reader();
  std::mt19937 random(1);
  std::uint64_t written = 0, read = 0;
  std::vector<std::size_t> sizes;
  while (read < 20'000) {
    const std::size_t size = random() % 400;
    if (writer.write(NumberedExchange(written, size).view)) {
      sizes.push_back(size);
      ++written;
      if (random() % 2 == 0) continue;
    }
    const Exchange* got = reader.next();
    if (got == nullptr) continue;
    const NumberedExchange expected(read, sizes[read]);
    REQUIRE(*got == expected.view);
    reader.dispose(Disposal::analysed());
    ++read;
  }
  CHECK(read_state(*ring.control).analysed == read);
}

TEST_CASE("a full ring refuses, keeps what it holds, and takes more once there is room") {
  TestRing ring(1024);
  RingWriter writer = ring.writer();
  std::uint64_t fitted = 0;
  while (writer.write(NumberedExchange(fitted).view)) ++fitted;
  CHECK(fitted >= 3);
  CHECK_FALSE(writer.write(NumberedExchange(fitted).view));
  RingReader reader = ring.reader();
  for (std::uint64_t i = 0; i < fitted; ++i) {
    REQUIRE(reader.next() != nullptr);
    reader.dispose(Disposal::analysed());
  }
  CHECK(writer.write(NumberedExchange(fitted).view));
}

TEST_CASE("a record longer than half the ring is refused for good") {
  TestRing ring(1024);
  CHECK_FALSE(ring.writer().write(NumberedExchange(0, 600).view));
  CHECK(ring.writer().record_bytes_max() == 512);
}

TEST_CASE("a record is never longer than its header can say, however large the ring") {
  const std::size_t size = std::size_t{16} << 30;
  void* reserved =
      ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  REQUIRE(reserved != MAP_FAILED);
  RingControl control;
  const RingWriter writer(control, {static_cast<std::byte*>(reserved), size});
  CHECK(writer.record_bytes_max() < std::size_t{4} << 30);
  ::munmap(reserved, size);
}

TEST_CASE("each disposal is counted once and under its reason") {
  TestRing ring(8192);
  RingWriter writer = ring.writer();
  for (int i = 0; i < 4; ++i) writer.write(NumberedExchange(1).view);
  RingReader reader = ring.reader();
  for (const Disposal disposal :
       {Disposal::analysed(), Disposal::skipped(SkipReason::sampled_out),
        Disposal::failed(FailReason::invalid_json), Disposal::failed(FailReason::poisoned)}) {
    REQUIRE(reader.next() != nullptr);
    reader.dispose(disposal);
  }
  const ReaderState state = read_state(*ring.control);
  CHECK(state.seen == 4);
  CHECK(sum(state) == 4);
  CHECK(state.skipped[static_cast<std::size_t>(SkipReason::sampled_out)] == 1);
  CHECK(state.failed[static_cast<std::size_t>(FailReason::invalid_json)] == 1);
}

TEST_CASE("a successor passes over the exchange that its predecessor died on, and counts it") {
  TestRing ring(4096);
  RingWriter writer = ring.writer();
  for (std::uint64_t n = 0; n < 3; ++n) writer.write(NumberedExchange(n).view);
  {
    RingReader reader = ring.reader();
    reader.next();
    reader.dispose(Disposal::analysed());
    reader.next();  // Dies here.
  }
  RingReader successor = ring.reader();
  CHECK(successor.had_poisoned());
  const Exchange* got = successor.next();
  REQUIRE(got != nullptr);
  CHECK(*got == NumberedExchange(2).view);
  successor.dispose(Disposal::analysed());
  const ReaderState state = read_state(*ring.control);
  CHECK(state.seen == 3);
  CHECK(state.analysed == 2);
  CHECK(poisoned(state) == 1);
}

TEST_CASE("a successor of a reader that was idle skips nothing") {
  TestRing ring(4096);
  RingWriter writer = ring.writer();
  (void)ring.reader();  // Came and went.
  writer.write(NumberedExchange(0).view);
  RingReader successor = ring.reader();
  CHECK_FALSE(successor.had_poisoned());
  CHECK(successor.next() != nullptr);
}

TEST_CASE("the balance holds after readers that die at random moments") {
  TestRing ring(16384);
  RingWriter writer = ring.writer();
  std::mt19937 random(2);
  std::uint64_t written = 0;
  for (int life = 0; life < 500; ++life) {
    RingReader reader = ring.reader();
    for (std::uint64_t steps = random() % 20; steps > 0; --steps) {
      if (writer.write(NumberedExchange(written, random() % 100).view)) ++written;
      if (random() % 3 == 0) continue;
      if (reader.next() == nullptr) continue;
      if (steps == 1 && random() % 2 == 0) break;  // Dies with an exchange at hand.
      reader.dispose(random() % 2 == 0 ? Disposal::analysed()
                                       : Disposal::failed(FailReason::wrong_shape));
    }
    const ReaderState state = read_state(*ring.control);
    REQUIRE(state.seen == sum(state));
    REQUIRE(state.seen <= written);
  }
  RingReader last = ring.reader();
  while (last.next() != nullptr) last.dispose(Disposal::analysed());
  const ReaderState state = read_state(*ring.control);
  CHECK(state.seen == written);
  CHECK(sum(state) == written);
  CHECK(poisoned(state) > 10);
}

// Whatever instruction a reader dies at, either copy of the state is whole: the one that does not
// hold may be half-written.
TEST_CASE("a state that was half-written when its reader died is not the one that holds") {
  TestRing ring(4096);
  RingWriter writer = ring.writer();
  writer.write(NumberedExchange(0).view);
  writer.write(NumberedExchange(1).view);
  RingReader reader = ring.reader();
  reader.next();
  reader.dispose(Disposal::analysed());
  reader.next();
  auto& other = ring.control->states[(ring.control->version.load() + 1) % 2];
  for (std::size_t i = 0; i < other.size() / 2; ++i) other[i].store(~0ull);
  RingReader successor = ring.reader();
  CHECK(read_state(*ring.control).seen == 2);
  CHECK(poisoned(read_state(*ring.control)) == 1);
  CHECK(successor.next() == nullptr);
}

TEST_CASE(
    "a ring with a broken record is passed over whole and its exchanges counted as poisoned") {
  TestRing ring(4096);
  RingWriter writer = ring.writer();
  for (std::uint64_t n = 0; n < 5; ++n) writer.write(NumberedExchange(n).view);
  RingReader reader = ring.reader();
  reader.next();
  reader.dispose(Disposal::analysed());
  const std::uint64_t position = read_state(*ring.control).position;
  std::memset(ring.bytes.data() + position, 0xff, 16);
  CHECK(reader.next() == nullptr);
  const ReaderState state = read_state(*ring.control);
  CHECK(state.seen == 5);
  CHECK(poisoned(state) == 4);
  CHECK(sum(state) == 5);
  // And it goes on from there.
  writer.write(NumberedExchange(5).view);
  const Exchange* got = reader.next();
  REQUIRE(got != nullptr);
  CHECK(*got == NumberedExchange(5).view);
}

TEST_CASE(
    "a consumer gone mad that writes anything over the control drives no writer off its ring") {
  constexpr std::size_t size = 4096;
  const std::byte untouched{0xA5};
  std::vector<std::byte> memory(3 * size, untouched);
  RingControl control;
  RingWriter writer(control, std::span(memory).subspan(size, size));
  std::mt19937_64 random(11);
  std::uint64_t committed = 0;
  for (std::uint64_t n = 0; n < 20'000; ++n) {
    const std::uint64_t position = control.write_position.load();
    const std::uint64_t values[] = {0,
                                    UINT64_MAX,
                                    random(),
                                    position,
                                    position + 1,
                                    position + random() % size,
                                    position - random() % (2 * size)};
    for (auto* word : {&control.read_position, &control.version, &control.mark, &control.commits,
                       &control.write_position})
      if (random() % 2 == 0) word->store(values[random() % std::size(values)]);
    committed += writer.write(NumberedExchange(n, random() % 1500).view) ? 1 : 0;
  }
  CHECK(committed > 0);
  CHECK(std::count(memory.begin(), memory.begin() + size, untouched) == size);
  CHECK(std::count(memory.end() - size, memory.end(), untouched) == size);
}

TEST_CASE("words of the writer that somebody wrote over are right again after its next commit") {
  TestRing ring(4096);
  RingWriter writer = ring.writer();
  for (std::uint64_t n = 0; n < 3; ++n) writer.write(NumberedExchange(n).view);
  ring.control->commits.store(1);
  ring.control->write_position.store(77);
  REQUIRE(writer.write(NumberedExchange(3).view));
  CHECK(ring.committed() == 4);
  RingReader reader = ring.reader();
  for (std::uint64_t n = 0; n < 4; ++n) {
    const Exchange* got = reader.next();
    REQUIRE(got != nullptr);
    CHECK(*got == NumberedExchange(n).view);
    reader.dispose(Disposal::analysed());
  }
}

TEST_CASE("a reader and a writer in two threads agree on every exchange") {
  TestRing ring(8192);
  constexpr std::uint64_t count = 50'000;
  std::thread producer([&ring] {
    RingWriter writer = ring.writer();
    for (std::uint64_t n = 0; n < count;) {
      if (writer.write(NumberedExchange(n, n % 200).view)) {
        ++n;
      } else {
        std::this_thread::yield();
      }
    }
  });
  std::atomic<bool> done{false};
  std::thread observer([&] {
    while (!done.load()) {
      const ReaderState state = read_state(*ring.control);
      if (state.seen != sum(state)) std::abort();
    }
  });
  RingReader reader = ring.reader();
  std::uint64_t right = 0;
  for (std::uint64_t n = 0; n < count;) {
    const Exchange* got = reader.next();
    if (got == nullptr) {
      std::this_thread::yield();
      continue;
    }
    right += *got == NumberedExchange(n, n % 200).view ? 1 : 0;
    reader.dispose(n % 7 == 0 ? Disposal::skipped(SkipReason::not_matched) : Disposal::analysed());
    ++n;
  }
  producer.join();
  done.store(true);
  observer.join();
  CHECK(right == count);
  CHECK(read_state(*ring.control).seen == count);
}

}  // namespace
}  // namespace outrider::tap
