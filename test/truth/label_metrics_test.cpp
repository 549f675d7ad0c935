// SPDX-License-Identifier: Apache-2.0
#include "truth/label_metrics.h"

#include <chrono>
#include <string>

#include "test/support/catch.h"

namespace outrider::truth {
namespace {

// The line of one series; "" when the page has none.
std::string joined_of(const LabelMetrics& metrics, const std::string& model,
                      const std::string& version) {
  wire::TextSink sink(wire::Format::text);
  metrics.collect(sink);
  const std::string page = sink.finish();
  const std::string series = "outrider_labels_total{model_name=\"" + model + "\",model_version=\"" +
                             version + "\",result=\"joined\"} ";
  const std::size_t at = page.find(series);
  if (at == std::string::npos) return "";
  return page.substr(at + series.size(), page.find('\n', at) - at - series.size());
}

}  // namespace

TEST_CASE("labels of models past the limit are other's, and no other model's") {
  LabelMetrics metrics(2);
  SECTION("in one group") {
    for (const char* model : {"a", "b", "c", "d"}) metrics.count(model, "1", LabelResult::joined);
    metrics.observe_delay("d", "1", std::chrono::seconds(2));
    metrics.commit();
  }
  SECTION("one after another") {
    for (const char* model : {"a", "b", "c", "d"}) {
      metrics.count(model, "1", LabelResult::joined);
      metrics.commit();
    }
  }
  CHECK(joined_of(metrics, "a", "1") == "1");
  CHECK(joined_of(metrics, "b", "1") == "1");
  CHECK(joined_of(metrics, "a", "other") == "");
  CHECK(joined_of(metrics, "other", "other") == "2");
  CHECK(metrics.totals()[static_cast<std::size_t>(LabelResult::joined)] == 4);
}

}  // namespace outrider::truth
