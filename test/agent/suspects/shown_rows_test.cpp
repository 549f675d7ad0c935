// SPDX-License-Identifier: Apache-2.0
#include "agent/suspects/shown_rows.h"

#include "test/agent/suspects/system.h"
#include "test/support/catch.h"

namespace outrider::suspects::testing {
namespace {

const Labels checkout_alert = {
    {"alertname", "ErrorsHigh"}, {"namespace", "shop"}, {"job", "checkout"}};

TEST_CASE("a cause's metrics that moved are kept with the diagnosis, those that did not are not") {
  const incident::Incident incident = incident_of({checkout_alert});
  System system(incident);
  system.service("shop", "checkout", times(200), times(8));
  system.service("shop", "cart");
  const incident::Diagnosis found = system.diagnose(incident);
  REQUIRE(found.shown.size() == 2);
  for (const incident::Diagnosis::Shown& shown : found.shown) {
    CAPTURE(shown.metric);
    CHECK(shown.component == "shop/checkout");
    CHECK((shown.metric == "errors" || shown.metric == "cpu"));
    CHECK(shown.values.size() <= shown_values);
    CHECK(shown.from >= found.at - std::chrono::minutes(61));
    CHECK(shown.from + static_cast<std::int64_t>(shown.values.size() - 1) * shown.step <= found.to);
    CHECK(shown.values.back() > 5 * shown.values.front());
  }
}

TEST_CASE("what is kept is read back as it was, gaps included") {
  incident::Diagnosis made;
  made.shown = {{"shop/cart", "errors", alerted, std::chrono::seconds(30), {1.5, std::nan(""), 3}}};
  const incident::Diagnosis read = incident::read_diagnosis(incident::to_json(made));
  REQUIRE(read.shown.size() == 1);
  CHECK(read.shown[0].metric == "errors");
  CHECK(read.shown[0].from == alerted);
  CHECK(read.shown[0].step == std::chrono::seconds(30));
  CHECK(read.shown[0].values[0] == 1.5);
  CHECK(std::isnan(read.shown[0].values[1]));
  // A journal of an agent that kept none.
  wire::Json older = incident::to_json(made);
  older.erase("shown");
  CHECK(incident::read_diagnosis(older).shown.empty());
}

}  // namespace
}  // namespace outrider::suspects::testing
