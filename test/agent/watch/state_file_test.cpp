// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/state_file.h"

#include <fstream>
#include <vector>

#include "detectors/snapshot.h"
#include "test/agent/watch/watched_fleet.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::watch;

namespace {

std::string chunk(std::uint64_t number) {
  detectors::SnapshotWriter out("TEST", 1);
  out.u64(number);
  return out.finish();
}

Result<std::vector<std::string>> read_all(const std::string& file) {
  std::vector<std::string> chunks;
  auto read = read_state(file, [&](std::string_view one) -> Result<void> {
    chunks.emplace_back(one);
    return {};
  });
  if (!read) return fail(read);
  return chunks;
}

std::string bytes_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_file(const std::string& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary) << bytes;
}

std::string two_chunks(const std::string& file) {
  StateWriter writer(file);
  writer.put(chunk(1));
  writer.put(chunk(2));
  writer.commit();
  return bytes_of(file);
}

}  // namespace

TEST_CASE("what was put is read in its order, a file that is not there is no mistake") {
  const TemporaryFolder folder;
  CHECK(read_all(folder.file("none")).value().empty());
  two_chunks(folder.file("state"));
  CHECK(read_all(folder.file("state")).value() == std::vector<std::string>{chunk(1), chunk(2)});
}

TEST_CASE("a file cut at any byte is refused") {
  const TemporaryFolder folder;
  const std::string file = folder.file("state");
  const std::string whole = two_chunks(file);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_file(file, whole.substr(0, size));
    const auto read = read_all(file);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == "state_cut");
    CHECK(read.error().message.find(file) == 0);
  }
}

TEST_CASE("bytes after the end, a chunk too many or too few and an impossible size are corrupt") {
  const TemporaryFolder folder;
  const std::string file = folder.file("state");
  const std::string whole = two_chunks(file);
  const std::size_t first = 4 + chunk(1).size();
  for (const std::string& bytes : {whole + "x", whole.substr(first), whole.substr(0, first) + whole,
                                   std::string("\xff\xff\xff\x7f", 4) + whole}) {
    write_file(file, bytes);
    const auto read = read_all(file);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == "state_corrupt");
  }
}

TEST_CASE("what the reader of chunks says is said with the file and the chunk's number") {
  const TemporaryFolder folder;
  two_chunks(folder.file("state"));
  int calls = 0;
  const auto read = read_state(folder.file("state"), [&](std::string_view) -> Result<void> {
    if (++calls < 2) return {};
    return fail("bad_thing", "it is odd");
  });
  REQUIRE_FALSE(read);
  CHECK(read.error().code == "bad_thing");
  CHECK(read.error().message == folder.file("state") + ": chunk 1: it is odd");
}

TEST_CASE("until it is committed the file before stays whole, and a draft is not left behind") {
  const TemporaryFolder folder;
  const std::string file = folder.file("state");
  const std::string before = two_chunks(file);
  {
    StateWriter writer(file);
    writer.put(chunk(3));
    CHECK(std::filesystem::exists(file + ".part"));
  }
  CHECK(bytes_of(file) == before);
  CHECK_FALSE(std::filesystem::exists(file + ".part"));
}

TEST_CASE("a folder that is not there is said with its path") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(StateWriter(folder.file("none/state")), Catch::Contains("none/state.part"));
}
