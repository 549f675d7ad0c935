// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/export/proxy_metrics.h"

#include <deque>

#include "sidecar/tap/grpc_call.h"
#include "test/support/catch.h"

namespace outrider::exporting {
namespace {

using tap::ModelTable;
using tap::Outcome;

constexpr std::uint64_t second = 1'000'000'000;

struct Fixture {
  tap::MemoryFile file;
  std::deque<ModelTable> tables;
  ProxyMetrics metrics{file};
  tap::RequestModel model;

  explicit Fixture(tap::MemoryFile::Size size = {.lanes = 2, .ring_bytes = 8192})
      : file(std::move(*tap::MemoryFile::create(size))) {
    for (std::size_t lane = 0; lane < file.lane_count(); ++lane)
      tables.emplace_back(file.models(lane), file.latency_bounds(), file.lane(lane).counters);
  }
  void request(std::size_t lane, std::string_view name, Outcome outcome, int code,
               std::uint64_t nanoseconds = second) {
    model.begin();
    model.name(tables[lane], name);
    model.count(tables[lane], outcome, code, nanoseconds);
  }
  std::string page() {
    wire::TextSink sink(wire::Format::text);
    metrics.collect(sink);
    return sink.finish();
  }
};

// The value of a line that begins with this; -1 where there is none.
double value_of(const std::string& page, const std::string& series) {
  const std::size_t at = page.find("\n" + series + " ");
  return at == std::string::npos ? -1 : std::stod(page.substr(at + series.size() + 2));
}

std::string requests(const std::string& model, const std::string& outcome,
                     const std::string& code) {
  return "outrider_requests_total{code=\"" + code + "\",model_name=\"" + model + "\",outcome=\"" +
         outcome + "\"}";
}
std::string bucket(const std::string& model, const std::string& le) {
  return "outrider_request_duration_seconds_bucket{model_name=\"" + model + "\",le=\"" + le + "\"}";
}

TEST_CASE("requests and their durations are told apart by model, over all data threads") {
  Fixture f;
  f.request(0, "quick", Outcome::success, 200, second / 100);
  f.request(1, "quick", Outcome::success, 200, second / 100);
  f.request(1, "slow", Outcome::success, 200, 11 * second);
  f.request(1, "slow", Outcome::server_error, 503, 70 * second);
  const std::string page = f.page();
  CHECK(value_of(page, requests("quick", "success", "200")) == 2);
  CHECK(value_of(page, requests("slow", "success", "200")) == 1);
  CHECK(value_of(page, requests("slow", "server_error", "503")) == 1);
  CHECK(value_of(page, bucket("quick", "0.01")) == 2);
  CHECK(value_of(page, bucket("slow", "10")) == 0);
  CHECK(value_of(page, bucket("slow", "30")) == 1);
  CHECK(value_of(page, bucket("slow", "120")) == 2);
  CHECK(value_of(page, "outrider_request_duration_seconds_sum{model_name=\"slow\"}") == 81);
  CHECK(value_of(page, "outrider_request_duration_seconds_count{model_name=\"unknown\"}") == -1);
}

TEST_CASE("what alerts read is there at 0 before the first request, and from a model's first on") {
  Fixture f;
  const auto has_usual_ends = [&f](const std::string& model) {
    const std::string page = f.page();
    for (const char* code : {"500", "502", "503", "504"})
      CHECK(value_of(page, requests(model, "server_error", code)) == 0);
    for (const char* code : {"200", "504"})
      CHECK(value_of(page, requests(model, "timeout", code)) == 0);
    for (const char* code : {"200", "502", "503"})
      CHECK(value_of(page, requests(model, "unreachable", code)) == 0);
    for (const char* code : {"400", "408", "413", "503"})
      CHECK(value_of(page, requests(model, "rejected", code)) == 0);
  };
  has_usual_ends("unknown");
  CHECK(value_of(f.page(), bucket("unknown", "+Inf")) == 0);
  f.request(0, "house", Outcome::success, 200);
  has_usual_ends("house");
  has_usual_ends("unknown");
  CHECK(value_of(f.page(), bucket("house", "+Inf")) == 1);
}

TEST_CASE("gRPC calls are told apart by method, each with all statuses from its first call on") {
  Fixture f;
  const auto calls = [&f](const std::string& method, const std::string& code) {
    return value_of(f.page(), "outrider_grpc_requests_total{grpc_code=\"" + code +
                                  "\",grpc_method=\"" + method + "\"}");
  };
  CHECK(calls("other", "OK") == -1);
  f.file.processes().http2_on.set(1);
  CHECK(calls("other", "OK") == 0);
  CHECK(calls("other", "UNAVAILABLE") == 0);
  CHECK(calls("ModelInfer", "OK") == -1);
  const std::size_t infer = tap::grpc_method_place("/inference.GRPCInferenceService/ModelInfer");
  f.file.lane(0).counters.grpc_calls[infer][0].add(2);
  f.file.lane(1).counters.grpc_calls[infer][0].add(3);
  CHECK(calls("ModelInfer", "OK") == 5);
  CHECK(calls("ModelInfer", "INTERNAL") == 0);
  CHECK(calls("Predict", "OK") == -1);
}

TEST_CASE("a configured name stands for all requests") {
  Fixture f;
  f.request(0, "quick", Outcome::success, 200);
  f.request(1, "", Outcome::rejected, 431);
  f.metrics.set_model("house", {});
  const std::string page = f.page();
  CHECK(value_of(page, requests("house", "success", "200")) == 1);
  CHECK(value_of(page, requests("house", "rejected", "431")) == 1);
  CHECK(value_of(page, "outrider_request_duration_seconds_count{model_name=\"house\"}") == 2);
  CHECK(value_of(page, "outrider_requests_in_flight{model_name=\"house\"}") == 0);
  CHECK(page.find("quick") == std::string::npos);
  CHECK(page.find("unknown") == std::string::npos);
}

TEST_CASE("past the limit names are counted as other, and how many requests that concerned") {
  Fixture f({.lanes = 1, .ring_bytes = 8192, .models = 2});
  f.request(0, "a", Outcome::success, 200);
  CHECK(value_of(f.page(), requests("other", "success", "200")) == -1);
  f.request(0, "b", Outcome::success, 200);
  CHECK(value_of(f.page(), requests("other", "success", "200")) == 0);  // From here on it may come.
  for (int i = 0; i < 5; ++i) f.request(0, "c" + std::to_string(i), Outcome::success, 200);
  f.request(0, "a", Outcome::success, 200);
  const std::string page = f.page();
  CHECK(value_of(page, requests("other", "success", "200")) == 5);
  CHECK(value_of(page, requests("a", "success", "200")) == 2);
  CHECK(value_of(page, "outrider_requests_of_other_models_total") == 5);
}

TEST_CASE("the buckets are those that the memory file was made with") {
  Fixture f({.lanes = 1, .ring_bytes = 8192, .latency_bounds = {.2, 3}});
  f.request(0, "a", Outcome::success, 200, 2 * second);
  const std::string page = f.page();
  CHECK(value_of(page, bucket("a", "0.2")) == 0);
  CHECK(value_of(page, bucket("a", "3")) == 1);
  CHECK(value_of(page, bucket("a", "+Inf")) == 1);
  CHECK(page.find("le=\"0.5\"") == std::string::npos);
}

}  // namespace
}  // namespace outrider::exporting
