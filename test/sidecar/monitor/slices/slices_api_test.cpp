// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/slices/slices_api.h"

#include "base/core/text.h"
#include "reference/slice_counts.h"
#include "test/support/catch.h"
#include "test/truth/log_fixture.h"

using namespace outrider;
using namespace outrider::monitor;

namespace {

SharedReference reference() {
  auto statistics = std::make_shared<detectors::Reference>();
  statistics->features.emplace_back("district",
                                    *detectors::Binning::categorical({"park", "harbour", "hill"}));
  auto model = std::make_shared<reference::ModelReference>();
  model->statistics = std::move(statistics);
  return model;
}

// A log with rows an hour before and since a change, and the API over it.
struct SlicesFixture : truth::test::LogFixture {
  SlicesFixture() {
    settings.keep_features = true;
    open();
    subject = {.name = {"house-price", "v1"},
               .reference = reference(),
               .tolerance = {},
               .classification = false,
               .changed = {}};
  }

  // One request of `rows` rows, every third of a district, every `wrong_each`-th of the park's
  // wrong.
  void feed(std::uint32_t rows, std::uint32_t wrong_each, std::string_view version = "v1") {
    const std::string_view districts[] = {"park", "harbour", "hill"}, names[] = {"district"};
    std::vector<truth::FeatureValueView> values(districts, districts + 3);
    std::vector<truth::RowView> views;
    for (std::uint32_t row = 0; row < rows; ++row)
      views.push_back({.prediction = 1.0, .features = std::span(values).subspan(row % 3, 1)});
    const std::string id = new_id();
    REQUIRE(log->append({.id = id,
                         .time = clock.now(),
                         .model_name = "house-price",
                         .model_version = version,
                         .feature_names = names,
                         .rows = views}));
    std::vector<truth::GroundTruth> labels;
    for (std::uint32_t row = 0; row < rows; ++row) {
      const bool wrong = row % 3 == 0 && (row / 3) % wrong_each == 0;
      labels.push_back(truth(id, wrong ? 2.0 : 1.0));
      labels.back().row = row;
    }
    REQUIRE(log->flush(truth::test::patience));
    const auto answers = log->join(std::move(labels));
    REQUIRE(answers);
    for (const auto& answer : *answers) REQUIRE(answer.result == truth::LabelResult::joined);
  }

  SlicesApi api(SliceLimits limits = {}) {
    return SlicesApi(
        settings.keep_features, [this] { return log.get(); },
        [this](const std::string&, const std::string&) -> Result<SliceSubject> { return subject; },
        clock, limits);
  }
  static wire::Json ask(SlicesApi& api, const std::string& query, int status = 200) {
    net::HttpRequest request;
    request.query = query;
    const auto response = api.handle(request);
    INFO(response.body);
    REQUIRE(response.status == status);
    return *wire::parse_json(response.body);
  }

  SliceSubject subject;
};

}  // namespace

TEST_CASE_METHOD(SlicesFixture,
                 "the alarm's change divides the rows, and other versions' do not count") {
  feed(600, 20);
  clock.advance(std::chrono::hours(1));
  subject.changed = clock.now();
  clock.advance(std::chrono::minutes(1));
  feed(600, 2);
  feed(600, 1, "v2");
  SlicesApi slices = api();
  const auto answer = ask(slices, "model=house-price");
  CHECK(answer["since_from"] == "alarm");
  CHECK(answer["since"] == format_rfc3339(*subject.changed));
  CHECK(answer["before"]["rows"] == 600);
  CHECK(answer["after"]["rows"] == 600);
  CHECK(answer["summary"] ==
        "accuracy fell only for district = park, 95 % -> 50 % of 200; elsewhere unchanged");
  CHECK(answer["next_look_rows"] == 800);
}

TEST_CASE_METHOD(SlicesFixture, "an answer stands until the rows since the change have doubled") {
  feed(600, 20);
  clock.advance(std::chrono::hours(1));
  subject.changed = clock.now();
  feed(150, 20);
  SlicesApi slices = api();
  const auto first = ask(slices, "model=house-price");
  CHECK(first["verdict"] == "nothing_stands_out");
  CHECK(first["alpha"].get<double>() == Approx(.0125));
  clock.advance(std::chrono::minutes(1));
  feed(45, 1);
  CHECK(ask(slices, "model=house-price") == first);
  clock.advance(std::chrono::minutes(1));
  feed(300, 2);
  const auto second = ask(slices, "model=house-price");
  CHECK(second["after"]["rows"] == 495);
  CHECK(second["alpha"].get<double>() == Approx(.025 * 3 / 8));  // Of the looks at 200 and 400.
  CHECK(second["verdict"] == "slices");
}

TEST_CASE_METHOD(SlicesFixture, "counts are asked for without a look being spent, by a name") {
  feed(600, 20);
  clock.advance(std::chrono::hours(1));
  subject.changed = clock.now();
  clock.advance(std::chrono::minutes(1));
  feed(600, 2);
  SlicesApi slices = api();
  const auto counted = ask(slices, "model=house-price&counts=true");
  const auto counts = reference::read_counts(counted["counts"], 600);
  REQUIRE(counts);
  CHECK(counts->all().since == detectors::ErrorCount{600, 100});
  CHECK(counts->features()[0].slices[0] == "park");
  CHECK(counts->counts()[0][0].since == detectors::ErrorCount{200, 100});
  CHECK(counted["sidecar"] == ask(slices, "model=house-price&counts=true")["sidecar"]);
  SlicesApi other = api();
  CHECK(counted["sidecar"] != ask(other, "model=house-price&counts=true")["sidecar"]);
  // The look is still whole.
  CHECK(ask(slices, "model=house-price")["alpha"] == ask(other, "model=house-price")["alpha"]);
  const auto few = ask(slices, "model=house-price&counts=true&rows=50");
  CHECK(few["after"]["rows"] == 50);
  CHECK(few["after"]["complete"] == false);
  CHECK(ask(slices, "model=house-price&counts=true&rows=0", 400)["error"] == "bad_request");
}

TEST_CASE_METHOD(SlicesFixture, "where reading stopped at its bound the answer says so") {
  feed(600, 20);
  clock.advance(std::chrono::hours(1));
  subject.changed = clock.now();
  feed(600, 2);
  SlicesApi slices = api({.rows_max = 400, .seconds_max = std::chrono::seconds(60)});
  const auto answer = ask(slices, "model=house-price");
  for (const char* side : {"before", "after"}) {
    CHECK(answer[side]["rows"] == 400);
    CHECK(answer[side]["complete"] == false);
    CHECK(answer[side].contains("read_until"));
  }
}

TEST_CASE_METHOD(SlicesFixture, "what is lacking is called by name, with what to do") {
  SlicesApi slices = api();
  CHECK(ask(slices, "", 400)["error"] == "bad_request");
  CHECK(ask(slices, "model=house-price&since=now", 400)["error"] == "bad_since");
  CHECK(ask(slices, "model=house-price", 409)["error"] == "no_change");
  const auto few = ask(slices, "model=house-price&since=2023-11-14T00:00:00Z");
  CHECK(few["verdict"] == "too_few_rows");
  log.reset();
  CHECK(ask(slices, "model=house-price", 503)["error"] == "log_unavailable");
  settings.keep_features = false;
  SlicesApi without = api();
  CHECK(ask(without, "model=house-price", 403)["error"] == "features_not_kept");
}
