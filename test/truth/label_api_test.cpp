// SPDX-License-Identifier: Apache-2.0
#include "truth/api/label_api.h"

#include "base/core/text.h"
#include "base/wire/csv.h"
#include "base/wire/json.h"
#include "test/support/catch.h"
#include "test/truth/log_fixture.h"

namespace outrider::truth::test {
namespace {

using namespace std::chrono_literals;

struct ApiFixture : LogFixture {
  void open_api() {
    open();
    router = net::Router();
    add_label_routes(router, *log);
  }
  net::HttpResponse send(std::string method, std::string path, std::string body,
                         std::string query = "", std::vector<net::Header> headers = {}) {
    net::HttpRequest request;
    request.method = std::move(method);
    request.path = std::move(path);
    request.query = std::move(query);
    request.headers = std::move(headers);
    request.body = std::move(body);
    return router.handle(std::move(request));
  }
  net::HttpResponse post(std::string body, std::string query = "") {
    return send("POST", "/api/v1/labels", std::move(body), std::move(query));
  }
  static wire::Json json(const net::HttpResponse& response) {
    const auto parsed = wire::parse_json(response.body);
    INFO(response.body);
    REQUIRE(parsed);
    return *parsed;
  }
  std::string download(std::string query) {
    const auto response = send("GET", "/api/v1/training-data", "", std::move(query));
    REQUIRE(response.status == 200);
    std::string body;
    response.stream([&](std::string_view piece) {
      body += piece;
      return true;
    });
    return body;
  }

  net::Router router;
};

TEST_CASE("each label of a body gets its result, in order") {
  ApiFixture f;
  f.open_api();
  const std::string id = f.predict(1);
  const auto response =
      f.post("[{\"id\":\"" + id + "\",\"label\":2},{\"id\":\"" + id +
             "\",\"label\":2},{\"id\":\"x\\u00e9\\\"\",\"label\":1},{\"label\":1}]");
  CHECK(response.status == 200);
  const wire::Json body = f.json(response);
  REQUIRE(body["results"].size() == 4);
  CHECK(body["results"][0] == wire::Json({{"id", id}, {"result", "joined"}}));
  CHECK(body["results"][1]["result"] == "duplicate");
  CHECK(body["results"][1]["message"].get<std::string>().find("already") != std::string::npos);
  CHECK(body["results"][2]["id"] == "x\u00e9\"");
  CHECK(body["results"][2]["result"] == "early");
  CHECK(body["results"][3]["result"] == "invalid");
  CHECK(body["counts"] ==
        wire::Json({{"joined", 1}, {"early", 1}, {"duplicate", 1}, {"invalid", 1}}));
  CHECK(f.counted(LabelResult::invalid) == 1);
}

TEST_CASE("nothing but invalid labels is a bad request that says why") {
  ApiFixture f;
  f.open_api();
  const auto response = f.post(R"({"id":"a"})");
  CHECK(response.status == 400);
  CHECK(f.json(response)["error"] == "invalid_label");
  CHECK(f.json(response)["message"].get<std::string>().find("\"label\"") != std::string::npos);
  const auto broken = f.post("{");
  CHECK(broken.status == 400);
  CHECK(f.json(broken)["error"] == "invalid_json");
  CHECK(f.counted(LabelResult::invalid) == 2);
}

TEST_CASE("an empty array is no mistake") {
  ApiFixture f;
  f.open_api();
  const auto response = f.post("[]");
  CHECK(response.status == 200);
  CHECK(f.json(response)["results"].empty());
}

TEST_CASE("the fan-out asks without holding") {
  ApiFixture f;
  f.open_api();
  CHECK(f.json(f.post(R"({"id":"a","label":1})", "fan-out=true"))["results"][0]["result"] ==
        "unknown");
  CHECK(f.log->figures().early_held == 0);
}

TEST_CASE("Seldon's feedback joins by the puid") {
  ApiFixture f;
  f.open_api();
  f.predict(1, {"puid-1"});
  const auto response =
      f.send("POST", "/api/v1.0/feedback", R"({"truth":{"data":{"ndarray":[[2.5]]}}})", "",
             {{"Seldon-Puid", "puid-1"}});
  CHECK(response.status == 200);
  CHECK(f.json(response)["counts"] == wire::Json({{"joined", 1}}));
  CHECK(f.consumer.sum() == 2.5);
}

TEST_CASE("a log that is closed answers 503 with Retry-After") {
  ApiFixture f;
  f.open_api();
  f.log->close();
  for (const auto& response : {f.post(R"({"id":"a","label":1})"), [&] {
                                 net::Router router;
                                 add_unavailable_label_routes(router, "the disk is gone");
                                 f.router = router;
                                 return f.post("{}");
                               }()}) {
    CHECK(response.status == 503);
    CHECK(f.json(response)["error"] == "log_unavailable");
    REQUIRE(response.headers.size() == 1);
    CHECK(response.headers[0].name == "Retry-After");
  }
}

TEST_CASE("training data are refused unless the features are kept") {
  ApiFixture f;
  f.open_api();
  const auto response = f.send("GET", "/api/v1/training-data", "");
  CHECK(response.status == 403);
  CHECK(f.json(response)["message"].get<std::string>().find("log.keep_features") !=
        std::string::npos);
}

TEST_CASE("training data are the joined rows with their features, as CSV and as NDJSON") {
  ApiFixture f;
  f.settings.keep_features = true;
  f.open_api();
  const std::vector<std::string_view> names = {"size", "kind", "label"};
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) {
    const std::vector<FeatureValueView> values = {1000.0 + i, std::string_view(i % 2 ? "a,b" : "c"),
                                                  std::monostate{}};
    ids.push_back(f.new_id());
    const std::vector<RowView> rows = {{.prediction = 10.0 * i, .features = values}};
    f.log->append({.id = ids.back(),
                   .time = f.clock.now(),
                   .model_name = "m",
                   .model_version = "v1",
                   .feature_names = names,
                   .rows = rows});
    f.clock.advance(1h);
  }
  for (int i : {2, 0, 3}) f.label(ids[static_cast<std::size_t>(i)], 5.0 * i);

  const std::string text = f.download("");
  const auto table = wire::parse_csv(text);
  REQUIRE(table);
  CHECK(table->header == std::vector<std::string>{"id", "timestamp", "size", "kind",
                                                  "feature_label", "prediction", "label",
                                                  "model_version"});
  REQUIRE(table->rows.size() == 3);  // In the order of the predictions; the second has no label.
  CHECK(table->rows[1].fields ==
        std::vector<std::string>{ids[2], format_rfc3339(from_unix_ms(1'700'000'000'000) + 2h),
                                 "1002", "c", "", "20", "10", "v1"});
  CHECK(table->rows[2].fields[3] == "a,b");

  const std::string since = "since=" + format_rfc3339(from_unix_ms(1'700'000'000'000) + 90min);
  CHECK(wire::parse_csv(f.download(since))->rows.size() == 2);
  const std::string lines = f.download(since + "&format=ndjson");
  const auto first = wire::parse_json(lines.substr(0, lines.find('\n')));
  REQUIRE(first);
  CHECK(*first == wire::Json({{"id", ids[2]},
                              {"timestamp", format_rfc3339(from_unix_ms(1'700'000'000'000) + 2h)},
                              {"features", {{"size", 1002.0}, {"kind", "c"}, {"label", nullptr}}},
                              {"prediction", 20.0},
                              {"label", 10.0},
                              {"model_version", "v1"}}));
  CHECK(f.send("GET", "/api/v1/training-data", "", "since=monday").status == 400);
  CHECK(f.send("GET", "/api/v1/training-data", "", "format=xml").status == 400);
  f.open_api();  // The columns are known after a restart as well.
  CHECK(f.download("") == text);
}

TEST_CASE("two downloads at a time, no more, and a client that leaves ends its own") {
  ApiFixture f;
  f.settings.keep_features = true;
  f.open_api();
  {
    const auto first = f.send("GET", "/api/v1/training-data", "");
    const auto second = f.send("GET", "/api/v1/training-data", "");
    CHECK(f.send("GET", "/api/v1/training-data", "").status == 503);
    int pieces = 0;
    first.stream([&](std::string_view) {
      ++pieces;
      return false;
    });
    CHECK(pieces == 1);
  }
  CHECK(f.send("GET", "/api/v1/training-data", "").status == 200);
}

}  // namespace
}  // namespace outrider::truth::test
