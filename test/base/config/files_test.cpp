// SPDX-License-Identifier: Apache-2.0
#include "base/config/files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "test/support/catch.h"
#include "test/support/temporary_folder.h"

using namespace outrider;

namespace {

std::string content(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("a file is replaced whole, and no neighbour is left") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "state";
  REQUIRE(config::replace_file(file, "one"));
  REQUIRE(config::replace_file(file, "two, and longer"));
  CHECK(content(file) == "two, and longer");
  CHECK_FALSE(std::filesystem::exists(file.string() + ".new"));
  struct stat status {};
  REQUIRE(::stat(file.c_str(), &status) == 0);
  CHECK((status.st_mode & 0007) == 0);
}

TEST_CASE("a file that cannot be written keeps its old bytes and says why") {
  const TemporaryFolder folder;
  const auto missing = folder.path() / "no-such-folder" / "state";
  const auto refused = config::replace_file(missing, "text");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "cannot_write");
  CHECK_THAT(refused.error().message,
             Catch::Contains("no-such-folder") && Catch::Contains("No such file"));
  // A folder stands where the neighbour would.
  const auto file = folder.path() / "kept";
  REQUIRE(config::replace_file(file, "old"));
  std::filesystem::create_directory(file.string() + ".new");
  CHECK_FALSE(config::replace_file(file, "new"));
  CHECK(content(file) == "old");
}

TEST_CASE("what a command makes is put in place whole, in folders that need not be there") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "new" / "deep" / "out.csv";
  REQUIRE(config::put_file(file, "one"));
  REQUIRE(config::put_file(file, "two"));
  CHECK(content(file) == "two");
  CHECK_FALSE(std::filesystem::exists(file.string() + ".new"));
  // A file stands where a folder would.
  const auto refused = config::put_file(file / "below", "text");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "cannot_write");
  CHECK(content(file) == "two");
}
