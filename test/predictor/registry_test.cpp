// SPDX-License-Identifier: Apache-2.0
#include "predictor/registry/registry.h"

#include <filesystem>
#include <fstream>
#include <thread>

#include "test/support/catch.h"
#include "test/support/fake_clock.h"
#include "test/support/temporary_folder.h"

using namespace outrider;
using namespace outrider::registry;
namespace fs = std::filesystem;

namespace {

struct Shelf {
  Registry open(Registry::Limits limits = {}) { return {folder.string(), "m", clock, limits}; }

  TemporaryFolder own;
  const fs::path folder = own.path() / "registry";
  test::FakeClock clock;
};

std::string add(Registry& registry) {
  return registry.add([](const std::string& version) {
    return std::vector<File>{{"model.json", "model of " + version}};
  });
}

}  // namespace

TEST_CASE("versions count up, and a reader needs no folder") {
  Shelf shelf;
  Registry registry = shelf.open();
  CHECK(registry.versions().empty());
  CHECK(registry.stages()->production.empty());
  CHECK_THAT(registry.find("v1").error().message, Catch::Contains("there is none"));
  CHECK(add(registry) == "v1");
  CHECK(add(registry) == "v2");
  CHECK(registry.versions() == std::vector<std::string>{"v1", "v2"});
  CHECK(registry.read("2", "model.json").value() == "model of v2");
  CHECK(registry.read("v2", "card.json").error().code == "unreadable");
  CHECK_THAT(registry.find("v7").error().message, Catch::Contains("there are v1, v2"));
  for (const char* odd : {"", "v", "v0", "v01", "../v1", "v-1", "v1 ", "v99999999999999999999"}) {
    CHECK(registry.find(odd).error().code == "unknown_version");
  }
}

TEST_CASE("promotion and rollback walk the history, each step with its reason") {
  Shelf shelf;
  Registry registry = shelf.open();
  for (int i = 0; i < 3; ++i) add(registry);
  CHECK(registry.rollback("early").error().code == "no_previous");
  for (const char* version : {"v1", "v2", "v3"}) REQUIRE(registry.promote(version, "better"));
  CHECK(registry.rollback("errors rose")->production == "v2");
  CHECK(registry.rollback("still")->production == "v1");
  CHECK(registry.rollback("again").error().code == "no_previous");
  REQUIRE(registry.promote("v3", "forced", true));
  CHECK(registry.rollback("no")->production == "v1");
  const auto history = registry.stages()->history;
  CHECK(history.size() == 7);
  CHECK(history[5].action == "force");
  CHECK(history[3].reason == "errors rose");
}

TEST_CASE("a rollback that leaves a version happens once") {
  Shelf shelf;
  Registry registry = shelf.open();
  for (int i = 0; i < 3; ++i) REQUIRE(registry.promote(add(registry), ""));
  CHECK(registry.rollback("bad", "v3")->production == "v2");
  CHECK(registry.rollback("bad", "3")->production == "v2");
  CHECK(registry.stages()->history.size() == 4);
}

TEST_CASE("a promoted candidate is no candidate any more, promoting production changes nothing") {
  Shelf shelf;
  Registry registry = shelf.open();
  add(registry);
  REQUIRE(registry.set_candidate("v1"));
  CHECK(registry.stages()->candidate == "v1");
  REQUIRE(registry.promote("v1", ""));
  CHECK(registry.stages()->candidate.empty());
  const std::string mark = registry.stages_mark();
  REQUIRE(registry.promote("v1", ""));
  CHECK(registry.stages_mark() == mark);
  add(registry);
  REQUIRE(registry.promote("v2", ""));
  CHECK(registry.stages_mark() != mark);
}

TEST_CASE("past the limit the oldest version that nobody needs is removed") {
  Shelf shelf;
  Registry registry = shelf.open({.versions_max = 3});
  for (int i = 0; i < 2; ++i) REQUIRE(registry.promote(add(registry), ""));
  add(registry);
  REQUIRE(registry.set_candidate("v3"));
  for (int i = 0; i < 3; ++i) add(registry);
  // v1 is what a rollback needs, v2 production, v3 the candidate, v6 the newest.
  CHECK(registry.versions() == std::vector<std::string>{"v1", "v2", "v3", "v6"});
}

TEST_CASE("what a crash left half written is removed by the next writer and never seen") {
  Shelf shelf;
  Registry registry = shelf.open();
  add(registry);
  fs::create_directories(shelf.folder / "m" / ".new-v2-77");
  std::ofstream(shelf.folder / "m" / "stages.json.new") << "{\"prod";
  CHECK(registry.versions() == std::vector<std::string>{"v1"});
  CHECK(add(registry) == "v2");
  CHECK_FALSE(fs::exists(shelf.folder / "m" / ".new-v2-77"));
  REQUIRE(registry.promote("v2", ""));
}

TEST_CASE("damaged stages are told so and never guessed") {
  Shelf shelf;
  Registry registry = shelf.open();
  add(registry);
  std::ofstream(shelf.folder / "m" / "stages.json") << "{\"production\": \"v";
  CHECK(registry.stages().error().code == "stages_damaged");
  CHECK(registry.promote("v1", "").error().code == "stages_damaged");
}

TEST_CASE("several writers at once make as many versions and as many promotions") {
  Shelf shelf;
  constexpr int writers = 4, each = 5;
  std::vector<std::thread> threads;
  for (int i = 0; i < writers; ++i) {
    threads.emplace_back([&] {
      Registry registry = shelf.open();
      for (int j = 0; j < each; ++j) (void)registry.promote(add(registry), "");
    });
  }
  for (std::thread& thread : threads) thread.join();
  Registry registry = shelf.open();
  CHECK(registry.versions().size() == writers * each);
  CHECK(registry.stages()->history.size() == writers * each);
}

TEST_CASE("a model's name is no way out of the folder") {
  test::FakeClock clock;
  for (const char* name : {"", "..", "../x", "a/b", ".hidden", "a b"}) {
    CHECK_THROWS_WITH(Registry("/tmp", name, clock), Catch::Contains("expected letters"));
  }
}
