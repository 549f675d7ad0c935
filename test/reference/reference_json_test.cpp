// SPDX-License-Identifier: Apache-2.0
#include "reference/reference_json.h"

#include "base/core/digest.h"
#include "detectors/version_watch.h"
#include "reference/histogram_text.h"
#include "test/reference/table_rows.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::reference;

namespace {

ModelReference built_houses() {
  BuildSettings settings;
  settings.model_name = "house-price";
  settings.model_version = "v1";
  settings.target = "price";
  settings.prediction = "predicted";
  settings.source = "houses.csv";
  settings.created = Time{std::chrono::hours(24 * 20'000)};
  const auto table = test::houses(3000);
  return build_reference(table.columns, table.visitor(), settings)->reference;
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  const auto at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), with);
}

// Without its hashes a document is accepted as edited, if it is sound.
std::string unhashed(std::string text) {
  for (std::size_t at; (at = text.find("\"hash\": \"")) != std::string::npos;) {
    std::size_t begin = text.rfind('\n', at), end = text.find('\n', at);
    if (text[end - 1] != ',')
      begin = text.rfind(',', at);  // The last key: its comma stands before.
    text.erase(begin, end - begin);
  }
  return text;
}

std::string mistake(const std::string& text) {
  const auto parsed = parse(text);
  return parsed ? "none" : std::string(parsed.error().code) + ": " + parsed.error().message;
}

}  // namespace

TEST_CASE("a reference survives the way through its file, to the byte") {
  const ModelReference reference = built_houses();
  const std::string text = to_json(reference);
  const auto again = parse(text);
  if (!again) FAIL(again.error().message);
  CHECK(to_json(*again) == text);
  CHECK(again->model_name == "house-price");
  CHECK(again->kind == ModelKind::regression);
  CHECK(again->accuracy->error_rate == reference.accuracy->error_rate);
  CHECK(again->hash.size() == 12);
  const auto& a = *reference.statistics;
  const auto& b = *again->statistics;
  REQUIRE(a.features.size() == b.features.size());
  for (std::size_t i = 0; i < a.features.size(); ++i) {
    CHECK(a.features[i].bins == b.features[i].bins);
    CHECK(a.features[i].counts == b.features[i].counts);
    CHECK(a.features[i].hash == b.features[i].hash);
  }
  CHECK(a.multivariate->pca.vectors() == b.multivariate->pca.vectors());
}

TEST_CASE("what is read judges exactly as what was built") {
  const ModelReference reference = built_houses();
  const auto again = parse(to_json(reference));
  detectors::VersionWatch built(reference.statistics), read(again->statistics);
  using detectors::Value;
  for (int i = 0; i < 1000; ++i) {
    const Value row[] = {Value::of(1500.0 + i), Value::of(1.0 + i % 5), Value::of("red")};
    const auto a = built.observe(row, Value::of(100.0 + i), 0.5, Time{});
    const auto b = read.observe(row, Value::of(100.0 + i), 0.5, Time{});
    CHECK(a.score == b.score);
    CHECK(a.p == b.p);
  }
  const auto a = built.judge_all(), b = read.judge_all();
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(a[i].scores.psi == b[i].scores.psi);
    CHECK(a[i].scores.wasserstein == b[i].scores.wasserstein);
    CHECK(a[i].state == b[i].state);
  }
}

TEST_CASE("a subject's hash is what its description says") {
  const auto bins = detectors::Binning::numeric({0, 1.5});
  const detectors::BinCounts counts{{3, 4, 5, 0, 0, 0, 1}, {}};
  CHECK(subject_hash(*bins, counts) ==
        sha256_hex("numeric\n0x0.0p+0,0x1.8000000000000p+0\n\n3,4,5,0,0,0,1").substr(0, 12));
  const auto categorical = detectors::Binning::categorical({"a", "b\"c"});
  CHECK(subject_hash(*categorical, {{1, 2, 3, 4}, {}}) ==
        sha256_hex("categorical\n\n\"a\",\"b\\\"c\"\n1,2,3,4").substr(0, 12));
}

TEST_CASE("a cut, damaged or edited file is refused and says so") {
  const std::string text = to_json(built_houses());
  CHECK(mistake(text.substr(0, text.size() / 2)).starts_with("invalid_json"));
  CHECK(mistake("").starts_with("invalid_json"));
  CHECK(mistake("{}").starts_with("bad_reference: reference: format"));
  CHECK(mistake("[]").starts_with("bad_reference"));
  CHECK(
      mistake(replaced(text, "\"version\": 1", "\"version\": 9")).starts_with("reference_version"));
  CHECK(mistake(replaced(text, "\"rows\": 3000", "\"rows\": 3001")).starts_with("reference_hash"));
  CHECK(mistake(unhashed(text)) == "none");
  CHECK(mistake(unhashed(replaced(text, "\"rows\": 3000", "\"rows\": 3001"))) == "none");
}

TEST_CASE("a mistake in an edited file is named by its path") {
  const std::string text = unhashed(to_json(built_houses()));
  const auto with = [&](const std::string& what, const std::string& instead) {
    return mistake(replaced(text, what, instead));
  };
  CHECK(with("\"rows\": 3000", "\"rows\": -1").find("rows: expected a whole number") !=
        std::string::npos);
  CHECK(with("\"kind\": \"numeric\"", "\"kind\": \"odd\"").find("features[0].kind") !=
        std::string::npos);
  CHECK(with("\"name\": \"size\"", "\"name\": \"colour\"").find("appears twice") !=
        std::string::npos);
  CHECK(with("\"edges\": [", "\"edges\": [9e9, ").find("features[0]") != std::string::npos);
  CHECK(with("\"counts\": [", "\"counts\": [1.5, ").find("features[0].counts[0]") !=
        std::string::npos);
  CHECK(with("\"categories\": [", "\"categories\": [\"red\", ").find("features[2]") !=
        std::string::npos);
  CHECK(with("\"error_rate\": 0.1", "\"error_rate\": 1.1").find("accuracy.error_rate") !=
        std::string::npos);
  CHECK(with("\"created\": \"20", "\"created\": \"xx").find("created") != std::string::npos);
  CHECK(with("\"variances\": [", "\"variances\": [1, ").find("multivariate.vectors") !=
        std::string::npos);
}

TEST_CASE("inspect's text shows every subject with its bars") {
  const auto reference = parse(to_json(built_houses()));
  const std::string text = describe(*reference);
  for (const char* part :
       {"house-price v1", "regression", "rows       3000", "error rate 0.1", "size  numeric",
        "colour  categorical", "prediction  numeric", "##", "missing", "id: it looks like"}) {
    INFO(part);
    CHECK(text.find(part) != std::string::npos);
  }
}

namespace {

ModelReference timed_reference() {
  auto table = test::houses(2000);
  table.columns.push_back("at");
  for (std::size_t i = 0; i < table.rows.size(); ++i)
    table.rows[i].push_back(std::to_string(1'735'516'800 + i * 600));
  BuildSettings settings;
  settings.target = "price";
  settings.time = "at";
  return build_reference(table.columns, table.visitor(), settings)->reference;
}

}  // namespace

TEST_CASE("the rhythm of training rows survives its file, and a file without one has none") {
  const ModelReference reference = timed_reference();
  const std::string text = to_json(reference);
  const auto again = parse(text);
  if (!again) FAIL(again.error().message);
  CHECK(to_json(*again) == text);
  REQUIRE(again->statistics->timed);
  CHECK(again->statistics->timed->rows == reference.statistics->timed->rows);
  CHECK(again->statistics->timed->weeks == reference.statistics->timed->weeks);
  CHECK(again->statistics->timed->counts == reference.statistics->timed->counts);
  CHECK(detectors::VersionWatch(again->statistics).rhythm()->from_training());
  CHECK_THAT(describe(*again), Catch::Contains("rhythm     168 of 168 hours of the week"));
  CHECK_FALSE(parse(to_json(built_houses()))->statistics->timed);
}

TEST_CASE("a rhythm that cannot be is refused with its place and what was expected") {
  const std::string text = unhashed(to_json(timed_reference()));
  REQUIRE(mistake(text) == "none");
  CHECK_THAT(mistake(replaced(text, "\"rhythm\": {\n    \"version\": 1",
                              "\"rhythm\": {\n    \"version\": 2")),
             Catch::Contains("reference_version: reference: rhythm.version: expected 1"));
  CHECK_THAT(mistake(replaced(text, "\"hours\": [", "\"hours\": [1, ")),
             Catch::Contains("rhythm.hours: expected 168 whole numbers"));
  CHECK_THAT(mistake(replaced(text, "\"weeks\": [2", "\"weeks\": [2000")),
             Catch::Contains("rhythm.weeks: expected at most one a row"));
  const std::size_t counts = text.find("\"counts\": [\n      [");
  REQUIRE(counts != std::string::npos);
  std::string more = text;
  more.insert(counts + 19, "1,");
  CHECK_THAT(mistake(more),
             Catch::Contains("rhythm.counts[0]: expected 1680 whole numbers, 10 an hour"));
  std::string many = text;
  many.insert(counts + 19, "9");
  CHECK_THAT(mistake(many), Catch::Contains("rhythm.counts[0]: more values in hour 0 than rows"));
}
