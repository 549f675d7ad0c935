// SPDX-License-Identifier: Apache-2.0
#include "agent/incident/identity.h"

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::incident;

namespace {

const Identity house = {.cluster = "eu-1",
                        .name_space = "shop",
                        .workload = "house-price",
                        .model = "m",
                        .version = "v1"};

}  // namespace

TEST_CASE(
    "an identity is read from an alert's labels, a workload is a job unless it has a name of its "
    "own") {
  CHECK(identity_of({{"cluster", "eu-1"},
                     {"namespace", "shop"},
                     {"job", "house-price"},
                     {"model_name", "m"},
                     {"model_version", "v1"},
                     {"owner", "homes"}}) == house);
  CHECK(identity_of({{"job", "shop/sidecars"}, {"workload", "house-price"}}).workload ==
        "house-price");
  CHECK(identity_of({{"model", "m"}, {"version", "2"}}) ==
        Identity{.cluster = "", .name_space = "", .workload = "", .model = "m", .version = "2"});
}

TEST_CASE(
    "two may be the same model unless a part that both know differs, versions do not matter") {
  CHECK(may_be_same(house, house));
  for (const auto part : {&Identity::cluster, &Identity::name_space, &Identity::workload}) {
    Identity other = house;
    other.*part = "";
    CHECK(may_be_same(house, other));
    CHECK(may_be_same(other, house));
    other.*part = "another";
    CHECK_FALSE(may_be_same(house, other));
  }
  Identity other = house;
  other.version = "v2";
  CHECK(may_be_same(house, other));
  other.model = "";
  CHECK_FALSE(may_be_same(house, other));
}

TEST_CASE("a place is told in words where it has a name") {
  CHECK(place_text(house) == "shop/house-price in eu-1");
  CHECK(place_text(
            {.cluster = "eu-1", .name_space = "", .workload = "w", .model = "", .version = ""}) ==
        "w in eu-1");
  CHECK(place_text(
            {.cluster = "", .name_space = "shop", .workload = "", .model = "", .version = ""}) ==
        "shop");
  CHECK(place_text({.cluster = "", .name_space = "", .workload = "w", .model = "m", .version = ""})
            .empty());
}
