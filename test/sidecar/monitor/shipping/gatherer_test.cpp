// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/shipping/gatherer.h"

#include "test/support/catch.h"
#include "test/support/temporary_folder.h"

namespace outrider::monitor {
namespace {

const SystemClock wall;

struct Gathering {
  bool append(std::string_view class_name, std::vector<std::string> keys = {}) {
    const std::string id = truth::format_uuid(truth::make_uuid7(wall.now(), 1, ++serial));
    const truth::RowView row{.prediction = class_name};
    return gatherer.append({.id = id,
                            .time = wall.now(),
                            .model_name = "house",
                            .model_version = "v1",
                            .rows = std::span(&row, 1)},
                           0, std::move(keys));
  }
  double refused(const std::string& reason) const {
    wire::TextSink page(wire::Format::text);
    gatherer.collect(page, {{"crash", 3}});
    const std::string text = page.finish(),
                      name = "outrider_shipping_refused_total{reason=\"" + reason + "\"} ";
    return std::stod(text.substr(text.find(name) + name.size()));
  }

  TemporaryFolder folder;
  StreamFolder numbers{folder.path(), wall.now()};
  Gatherer gatherer{numbers, 2 << 20};
  std::uint64_t serial = 0;
};

}  // namespace

TEST_CASE("what there is no room for is dropped with its number, until what was there is taken") {
  Gathering some;
  const std::string large(1 << 20, 'x');
  int taken = 0;
  while (some.append(large)) ++taken;
  CHECK(taken == 16);
  CHECK(some.refused("buffer_full") == 1);
  some.gatherer.take([&](Gatherer::Gathered& all) {
    CHECK(all.writer.rows() == 16);
    CHECK(all.next == 17);
    CHECK_FALSE(some.gatherer.empty());
    all.writer.finish({}, [](auto, auto) { return truth::JudgeRule{}; });
  });
  CHECK(some.gatherer.empty());
  CHECK(some.append("a"));
  CHECK_FALSE(some.gatherer.empty());
  CHECK(some.numbers.next() == 18);
}

TEST_CASE("what is too large, has too many keys or no id of ours is refused alone, by its reason") {
  Gathering some;
  CHECK_FALSE(some.append(std::string(3 << 20, 'x')));
  CHECK_FALSE(some.append("a", std::vector<std::string>(65, "key")));
  const truth::RowView row{.prediction = 1.0};
  CHECK_FALSE(some.gatherer.append({.id = "no UUID", .rows = std::span(&row, 1)}, 0));
  CHECK(some.append("a", {"order-1"}));
  CHECK(some.refused("too_large") == 2);
  CHECK(some.refused("invalid_id") == 1);
  CHECK(some.refused("crash") == 3);
  some.gatherer.take([&](Gatherer::Gathered& all) {
    CHECK(all.writer.rows() == 1);
    CHECK(all.keys == std::vector<std::vector<std::string>>{{"order-1"}});
    all.writer.finish({}, [](auto, auto) { return truth::JudgeRule{}; });
  });
  some.gatherer.take([](Gatherer::Gathered&) { FAIL("nothing came"); });
}

}  // namespace outrider::monitor
