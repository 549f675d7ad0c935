// SPDX-License-Identifier: Apache-2.0
#include "agent/suspects/slices.h"

#include "reference/slice_counts.h"
#include "test/agent/suspects/system.h"
#include "test/support/catch.h"

namespace outrider::suspects::testing {
namespace {

using detectors::ErrorChange;
using detectors::ErrorSlices;
using wire::Json;

const std::vector<std::string> districts = {"park", "harbour", "hill"};

incident::Incident fall() {
  incident::Incident made = incident_of(
      {{{"alertname", "ModelAccuracyDropped"}, {"model_name", "house"}, {"job", "shop"}}});
  made.since = alerted - std::chrono::minutes(30);
  return made;
}

// A pod's rows: `rows` a district and side, 4 % wrong, and `park_wrong` of the park's since.
ErrorSlices rows_of(std::uint64_t rows, std::uint64_t park_wrong) {
  const std::uint64_t wrong = rows / 25;
  std::vector<ErrorChange> counts(3, ErrorChange{{rows, wrong}, {rows, wrong}});
  counts[0].since.wrong = park_wrong;
  ErrorChange all;
  for (const ErrorChange& count : counts) all.add(count);
  return {{{"district", districts}, {"", {}}}, {counts, {}}, all};
}

Json answer_of(const std::string& sidecar, const ErrorSlices& counts,
               const std::string& reference = "r1") {
  return {{"sidecar", sidecar},
          {"version", "3"},
          {"reference", reference},
          {"design_effect", 1.0},
          {"provisional", false},
          {"before", {{"complete", true}, {"from", "2026-01-30T12:00:00.000Z"}}},
          {"after", {{"complete", true}}},
          {"counts", reference::counts_json(counts)}};
}

incident::Slices sum(const std::vector<SliceAnswer>& answers, const incident::Incident& incident) {
  SliceSidecars asked;
  for (const auto& [url, body] : answers) asked.urls.push_back(url);
  return sum_slices(answers, asked, incident, 1'000'000, alerted);
}

SliceAnswer told(const std::string& url, const Json& json) {
  return {url, wire::to_text(json)};
}

TEST_CASE("what no pod can tell by its own rows, all of them together tell of the model") {
  std::vector<SliceAnswer> pods;
  const std::uint64_t rows = 60;
  for (int pod = 0; pod < 8; ++pod) {
    const std::string name = std::to_string(pod);
    pods.push_back(told("http://" + name, answer_of(name, rows_of(rows, 6))));
  }
  CHECK(sum({pods.front()}, fall()).answer["verdict"] == "nothing_stands_out");
  const incident::Slices slices = sum(pods, fall());
  CHECK(slices.answer["verdict"] == "slices");
  CHECK(slices.answer["slices"][0]["slice"] == "park");
  CHECK(slices.answer["slices"][0]["since"]["rows"] == 8 * rows);
  CHECK(slices.answer["slices"][0]["since"]["wrong"] == 48);
  CHECK(slices.summary ==
        "accuracy fell only for district = park, 97 % -> 90 % of 480; elsewhere unchanged (all 8 "
        "sidecars of the model)");
}

TEST_CASE("a sum of counts is the answer of one sidecar that has all rows") {
  const incident::Slices one = sum({told("http://a", answer_of("a", rows_of(400, 60)))}, fall());
  const incident::Slices two = sum({told("http://a", answer_of("a", rows_of(200, 30))),
                                    told("http://b", answer_of("b", rows_of(200, 30)))},
                                   fall());
  CHECK(two.answer["slices"] == one.answer["slices"]);
}

TEST_CASE("a pod that answers by two addresses is counted once") {
  const Json pod = answer_of("a", rows_of(200, 30));
  const incident::Slices slices =
      sum({told("http://10.0.0.7", pod), told("http://[::7]", pod)}, fall());
  CHECK(slices.answer["after"]["rows"] == 600);
  CHECK_THAT(slices.summary, Catch::Contains("(the model's only sidecar)"));
}

TEST_CASE("who did not answer, and who has another reference, is said and not in the sum") {
  const incident::Slices slices = sum({told("http://a", answer_of("a", rows_of(300, 60))),
                                       told("http://b", answer_of("b", rows_of(200, 20), "r2")),
                                       {"http://c", fail("unreachable", "no route")},
                                       {"http://d", fail("unknown_model", "status 404")},
                                       told("http://e", {{"verdict", "slices"}})},
                                      fall());
  CHECK(slices.answer["after"]["rows"] == 900);
  CHECK(slices.answered == 2);
  CHECK_THAT(slices.summary,
             Catch::Contains("(1 of 4 sidecars of the model; 1 with another version "
                             "or reference are not in it; http://c: no route; "
                             "http://e: its answer has no counts: it is older"));
}

TEST_CASE("where no sidecar tells of slices it is said why") {
  CHECK_THAT(sum({}, fall()).summary, Catch::Contains("--labels.sidecars"));
  const incident::Slices slices =
      sum({{"http://a", fail("unknown_model", "nobody")},
           {"http://b", fail("features_not_kept", "set log.keep_features")}},
          fall());
  CHECK(slices.summary == "not known: http://b: set log.keep_features");
  CHECK(slices.answer.is_null());
}

TEST_CASE("counts that contradict themselves are refused, not summed") {
  Json more_wrong = answer_of("a", rows_of(200, 30));
  more_wrong["counts"]["since"] = {600, 601};
  Json too_many = answer_of("b", rows_of(200, 30));
  too_many["counts"]["before"] = {std::uint64_t{1} << 60, 1};
  Json short_list = answer_of("c", rows_of(200, 30));
  short_list["counts"]["features"][0]["counts"].erase(0);
  Json negative = answer_of("d", rows_of(200, 30));
  negative["counts"]["features"][0]["counts"][0][0] = -1;
  Json beyond = answer_of("e", rows_of(200, 30));
  beyond["counts"]["before"] = {100, 1};
  for (const Json& bad : {more_wrong, too_many, short_list, negative, beyond}) {
    const incident::Slices slices = sum({told("http://a", bad)}, fall());
    CHECK_THAT(slices.summary, Catch::Contains("not counts in slices"));
  }
}

TEST_CASE("an answer stands until the rows have doubled, over a restart too") {
  incident::Incident incident = fall();
  incident.slices = sum({told("http://a", answer_of("a", rows_of(100, 5)))}, incident);
  CHECK(incident.slices->answer["verdict"] == "nothing_stands_out");
  CHECK(incident.slices->answer["next_look_rows"] == 400);
  incident.slices = incident::read_slices(incident::to_json(*incident.slices));
  CHECK(sum({told("http://a", answer_of("a", rows_of(130, 60)))}, incident).summary ==
        incident.slices->summary);
  const incident::Slices later =
      sum({told("http://a", answer_of("a", rows_of(140, 60)))}, incident);
  CHECK(later.answer["verdict"] == "slices");
  CHECK(later.answer["alpha"].get<double>() < 0.0125);
  // Another change has looks of its own.
  incident.episode_at = alerted + std::chrono::hours(5);
  CHECK(sum({told("http://a", answer_of("a", rows_of(130, 60)))}, incident).answer["verdict"] ==
        "slices");
}

TEST_CASE("the change began when the alarm says, else when the alert did, and stays where it was") {
  incident::Incident incident = fall();
  CHECK(slice_since(incident).from == "alarm");
  incident.slices = sum({told("http://a", answer_of("a", rows_of(100, 5)))}, incident);
  const Time first = *incident.since;
  incident.since = alerted;
  CHECK(slice_since(incident).at == first);
  incident.slices.reset();
  incident.since.reset();
  CHECK(slice_since(incident).at == incident.episode_at);
  CHECK(slice_since(incident).from == "alert");
}

TEST_CASE("of the configured sidecars those are asked that serve the incident's workload") {
  const std::vector<std::string> configured = {"http://10.0.0.1:9501", "http://10.0.0.2:9501",
                                               "https://pods:9501@10.0.0.3"};
  using Urls = std::vector<std::string>;
  SliceSidecars chosen = choose_sidecars(configured, {"10.0.0.2:9501", "10.0.0.3:9501"});
  CHECK(chosen.urls == Urls{"http://10.0.0.2:9501", "https://pods:9501@10.0.0.3"});
  CHECK(chosen.note.empty());
  // Labels have a port of their own, and a pod is missing from the list.
  chosen = choose_sidecars(configured, {"10.0.0.1:9502", "10.0.0.9:9502"});
  CHECK(chosen.urls == Urls{"http://10.0.0.1:9501"});
  CHECK_THAT(chosen.note, Catch::Contains("1 that Prometheus knows"));
  chosen = choose_sidecars(configured, {});
  CHECK(chosen.urls == configured);
  CHECK_THAT(chosen.note, Catch::Contains("all were asked"));
  // Without a list, whom Prometheus scrapes; they are given no credentials.
  chosen = choose_sidecars({}, {"10.0.0.1:9501"});
  CHECK(chosen.urls == Urls{"http://10.0.0.1:9501"});
  CHECK_FALSE(chosen.configured);
}

TEST_CASE("segments are added by their names") {
  const auto pod = [](const std::string& segment, std::uint64_t rows) {
    return ErrorSlices({{"", {segment}}}, {{ErrorChange{{rows, 1}, {rows, 2}}}},
                       ErrorChange{{rows, 1}, {rows, 2}});
  };
  ErrorSlices total = pod("country=DE", 10);
  REQUIRE(total.merge(pod("country=FR", 5)));
  REQUIRE(total.merge(pod("country=DE", 7)));
  CHECK(total.features()[0].slices == std::vector<std::string>{"country=DE", "country=FR"});
  CHECK(total.counts()[0][0].since.rows == 17);
  CHECK(total.all().before.rows == 22);
  CHECK_FALSE(
      total.merge(ErrorSlices(std::vector<detectors::SliceFeature>{{"district", {"park"}}})));
  CHECK(total.all().before.rows == 22);
}

}  // namespace
}  // namespace outrider::suspects::testing
