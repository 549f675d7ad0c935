// SPDX-License-Identifier: Apache-2.0
#include "base/core/series.h"

#include "test/support/catch.h"

using outrider::Labels;

TEST_CASE("labels are sorted, unique, and an empty value removes one") {
  Labels labels{{"job", "sidecar"}, {"__name__", "up"}, {"job", "agent"}};
  CHECK(labels.size() == 2);
  CHECK(labels.begin()->name == "__name__");
  CHECK(labels.get("job") == "agent");
  labels.set("job", "");
  CHECK(labels == Labels{{"__name__", "up"}});
  CHECK(labels.get("absent") == "");
}
