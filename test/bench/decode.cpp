// SPDX-License-Identifier: Apache-2.0
// What observing costs: predictions a CPU-second, decoded and watched, at 20 features.
//
//   bench_decode [--seconds S] [--json] [--only CASE]
//
// Each case is run in turns with the others, and the best of its turns counts: other work on the
// machine can only slow a turn down. The last case is the scrape of a page of 10 000 series.

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "base/core/text.h"
#include "reference/builder.h"
#include "reference/reference_json.h"
#include "sidecar/monitor/decode/decoder.h"
#include "sidecar/monitor/export/monitor_metrics.h"
#include "sidecar/monitor/versions/monitor.h"
#include "test/support/exchanges.h"
#include "test/support/fake_clock.h"

namespace {

using namespace outrider;

constexpr int features = 20;
constexpr int exchanges_kept = 512;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

std::string number(double value) {
  return format_double(std::round(value * 1000) / 1000);
}

std::vector<double> sizes(std::mt19937_64& random, int count) {
  std::normal_distribution<double> size(1500, 300);
  std::vector<double> all;
  for (int i = 0; i < count; ++i) all.push_back(size(random));
  return all;
}

using Make = std::function<test::MadeExchange(std::mt19937_64&)>;

test::MadeExchange flat(std::mt19937_64& random) {
  std::string body = "{";
  for (int i = 0; i < features; ++i) {
    body += (i ? ",\"feature_" : "\"feature_") + std::to_string(i) +
            "\":" + number(sizes(random, 1)[0]);
  }
  test::MadeExchange made = test::posted("/predict", body + "}", R"({"price": 89.99994})");
  made.request_head =
      "POST /predict HTTP/1.1\r\nHost: model.example.com\r\nUser-Agent: python-requests/2.32.3\r\n"
      "Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n"
      "Content-Type: application/json\r\nContent-Length: 500\r\nX-Request-Id: "
      "5f0c9a5e-0f5f-4e7c-9f1d-6c1f1b7f6f0e\r\n\r\n";
  made.response_head =
      "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 09:00:00 GMT\r\nServer: uvicorn\r\n"
      "Content-Length: 19\r\nContent-Type: application/json\r\nX-Model-Version: 3\r\n\r\n";
  return made;
}

// Each with an id of its caller's, so that no head is like the one before it.
test::MadeExchange flat_with_ids(std::mt19937_64& random) {
  test::MadeExchange made = flat(random);
  const std::size_t id = made.request_head.find("5f0c9a5e");
  for (std::size_t i = 0; i < 8; ++i) made.request_head[id + i] = "0123456789abcdef"[random() % 16];
  return made;
}

test::MadeExchange query(std::mt19937_64& random) {
  std::string target = "/predict?";
  for (int i = 0; i < features; ++i) {
    target +=
        (i ? "&feature_" : "feature_") + std::to_string(i) + "=" + number(sizes(random, 1)[0]);
  }
  return test::queried(target, R"({"price": 89.99994})");
}

test::MadeExchange v1_rows(std::mt19937_64& random, int rows) {
  std::string body = R"({"instances":[)", answer = R"({"predictions":[)";
  for (int row = 0; row < rows; ++row) {
    body += row ? ",[" : "[";
    for (int i = 0; i < features; ++i) body += (i ? "," : "") + number(sizes(random, 1)[0]);
    body += "]";
    answer += (row ? "," : "") + number(75);
  }
  return test::posted("/v1/models/house:predict", body + "]}", answer + "]}");
}

test::MadeExchange v2_rows(std::mt19937_64& random, int rows) {
  std::string body = R"({"inputs":[{"name":"in","datatype":"FP64","shape":[)" +
                     std::to_string(rows) + ",20],\"data\":[";
  for (int i = 0; i < rows * features; ++i) body += (i ? "," : "") + number(sizes(random, 1)[0]);
  std::string answer = R"({"model_name":"house","model_version":"3","outputs":[{"name":"price",)"
                       R"("datatype":"FP64","shape":[)" +
                       std::to_string(rows) + "],\"data\":[";
  for (int row = 0; row < rows; ++row) answer += (row ? "," : "") + number(75);
  return test::posted("/v2/models/house/infer", body + "]}]}", answer + "]}]}");
}

// A protobuf field of bytes, shorter than 128.
std::string field(int number, const std::string& bytes) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
}
std::string frame(const std::string& message) {
  return std::string("\0\0\0", 3) + static_cast<char>(message.size() >> 8) +
         static_cast<char>(message.size() & 0xff) + message;
}

// 20 FP32 of one tensor, raw, as tritonclient[grpc] sends them, with what gRPC's own fields are.
test::MadeExchange grpc_raw(std::mt19937_64& random) {
  std::string raw;
  for (const double value : sizes(random, features)) {
    const auto single = static_cast<float>(value);
    raw.append(reinterpret_cast<const char*>(&single), sizeof single);
  }
  const float price = 89.99994F;
  test::MadeExchange made;
  made.request_head =
      "POST /inference.GRPCInferenceService/ModelInfer HTTP/1.1\r\nhost: model.example.com:8001\r\n"
      "te: trailers\r\ncontent-type: application/grpc\r\nuser-agent: grpc-python/1.85.0 "
      "grpc-c/53.0.0 (linux; chttp2)\r\naccept: */*\r\ngrpc-accept-encoding: identity, deflate, "
      "gzip\r\nx-request-id: 5f0c9a5e-0f5f-4e7c-9f1d-6c1f1b7f6f0e\r\n\r\n";
  made.response_head =
      "HTTP/1.1 200 \r\ncontent-type: application/grpc\r\ngrpc-accept-encoding: identity, deflate, "
      "gzip\r\n\r\n";
  made.request_body =
      frame(field(1, "house") +
            field(5, field(1, "x") + field(2, "FP32") + field(3, {1, features})) + field(7, raw));
  made.response_body =
      frame(field(1, "house") + field(2, "3") +
            field(5, field(1, "price") + field(2, "FP32") + field(3, "\1")) +
            field(6, std::string(reinterpret_cast<const char*>(&price), sizeof price)));
  made.protocol = tap::Protocol::grpc;
  made.grpc_status = 0;
  return made;
}

monitor::SharedReference reference_of(const std::string& model, const std::string& version) {
  std::mt19937_64 random(1);
  std::vector<std::string> names;
  for (int i = 0; i < features; ++i) names.push_back("feature_" + std::to_string(i));
  std::vector<std::vector<double>> rows;
  for (int i = 0; i < 5'000; ++i) rows.push_back(sizes(random, features));
  reference::BuildSettings build;
  build.model_name = model;
  build.model_version = version;
  const auto built = reference::build_reference(
      names,
      [&](const reference::VisitRow& visit) -> Result<void> {
        std::vector<detectors::Value> values(features);
        for (const auto& row : rows) {
          for (int i = 0; i < features; ++i) {
            values[static_cast<std::size_t>(i)] =
                detectors::Value::of(row[static_cast<std::size_t>(i)]);
          }
          visit(values);
        }
        return {};
      },
      build);
  return std::make_shared<const reference::ModelReference>(
      *reference::parse(reference::to_json(built->reference)));
}

struct Case {
  std::string name;
  std::vector<test::MadeExchange> made;
  int rows = 1;
  bool watched = false;
  double best = 0;  // Predictions a CPU-second.

  void turn(double seconds) {
    decode::Decoder decoder{decode::Rules{}};
    test::FakeClock clock;
    monitor::Monitor monitor(monitor::ModelConfig{}, clock.now());
    if (watched) {
      // One for each model and version that the cases name: without its reference nothing is
      // watched.
      monitor.set_references({reference_of("unknown", "3"), reference_of("unknown", "unknown"),
                              reference_of("house", "unknown"), reference_of("house", "3")},
                             clock.now());
    }
    std::vector<tap::Exchange> exchanges;
    for (const auto& one : made) exchanges.push_back(one.view());
    std::uint64_t predictions = 0;
    const double begun = cpu_seconds();
    double elapsed = 0;
    while (elapsed < seconds) {
      clock.advance(std::chrono::milliseconds(1));
      for (tap::Exchange& exchange : exchanges) {
        exchange.started = clock.now();
        const auto observation = decoder.decode(exchange);
        if (!observation) std::abort();
        if (watched) monitor.observe(*observation, clock.now());
        predictions += observation->rows.size();
      }
      if (watched) monitor.advance(clock.now());
      elapsed = cpu_seconds() - begun;
    }
    best = std::max(best, static_cast<double>(predictions) / elapsed);
  }
};

// Seconds of one page of about 10 000 series.
double scrape_seconds(std::size_t& series) {
  monitor::ModelConfig settings;
  settings.limits.exported_features = features;
  settings.limits.versions = 100;
  settings.limits.series = 100'000;
  test::FakeClock clock;
  monitor::Monitor monitor(settings, clock.now());
  std::mutex lock;
  exporting::MonitorMetrics metrics(monitor, lock, clock);
  decode::Decoder decoder{decode::Rules{}};
  std::mt19937_64 random(2);
  std::vector<monitor::SharedReference> references;
  for (int version = 0; version < 9; ++version) {
    references.push_back(reference_of("unknown", std::to_string(version)));
  }
  monitor.set_references(references, clock.now());
  for (int version = 0; version < 9; ++version) {
    test::MadeExchange made = flat(random);
    made.response_head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Model-Version: " +
                         std::to_string(version) + "\r\n\r\n";
    const tap::Exchange exchange = made.view();
    monitor.observe(*decoder.decode(exchange), clock.now());
  }
  double best = 1e9;
  for (int i = 0; i < 20; ++i) {
    wire::TextSink sink(wire::Format::text);
    const double begun = cpu_seconds();
    metrics.collect(sink);
    const std::string page = sink.finish();
    best = std::min(best, cpu_seconds() - begun);
    series = static_cast<std::size_t>(std::count(page.begin(), page.end(), '\n'));
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = 1;
  bool json = false;
  std::string only;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--json") == 0) json = true;
    if (std::strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) seconds = std::atof(argv[++i]);
    if (std::strcmp(argv[i], "--only") == 0 && i + 1 < argc) only = argv[++i];
  }
  std::mt19937_64 random(42);
  const auto many = [&](const Make& make) {
    std::vector<test::MadeExchange> made;
    for (int i = 0; i < exchanges_kept; ++i) made.push_back(make(random));
    return made;
  };
  std::vector<Case> cases;
  for (const bool watched : {false, true}) {
    const std::string what = watched ? "decode_monitor." : "decode.";
    cases.push_back({what + "flat", many(flat), 1, watched, 0});
    cases.push_back({what + "flat_with_ids", many(flat_with_ids), 1, watched, 0});
    cases.push_back({what + "grpc_raw", many(grpc_raw), 1, watched, 0});
    cases.push_back({what + "query", many(query), 1, watched, 0});
    cases.push_back(
        {what + "v1_rows1", many([](auto& r) { return v1_rows(r, 1); }), 1, watched, 0});
    cases.push_back(
        {what + "v1_rows32", many([](auto& r) { return v1_rows(r, 32); }), 32, watched, 0});
    cases.push_back(
        {what + "v2_rows32", many([](auto& r) { return v2_rows(r, 32); }), 32, watched, 0});
  }
  const auto is_left_out = [&](const Case& one) { return !only.empty() && one.name != only; };
  cases.erase(std::remove_if(cases.begin(), cases.end(), is_left_out), cases.end());
  constexpr int turns = 3;
  for (int turn = 0; turn < turns; ++turn) {
    for (Case& one : cases) one.turn(seconds / turns);
  }
  for (const Case& one : cases) {
    if (json) {
      std::printf(
          R"({"name": "%s", "value": %.0f, "unit": "predictions/cpu-second", "better": "higher"})"
          "\n",
          one.name.c_str(), one.best);
    } else {
      std::printf("%-28s %10.0f predictions a CPU-second\n", one.name.c_str(), one.best);
    }
  }
  std::size_t series = 0;
  const double scrape = scrape_seconds(series);
  const double per_10k = scrape * 10'000 / static_cast<double>(series);
  if (json) {
    std::printf(
        R"({"name": "scrape.10k_series", "value": %.6f, "unit": "seconds", "better": "lower"})"
        "\n",
        per_10k);
  } else {
    std::printf("%-28s %10.3f ms for 10 000 of %zu lines\n", "scrape", per_10k * 1e3, series);
  }
}
