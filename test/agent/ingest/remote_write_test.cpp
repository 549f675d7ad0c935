// SPDX-License-Identifier: Apache-2.0
#include "agent/ingest/remote_write.h"

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "test/support/catch.h"
#include "test/support/fake_clock.h"
#include "test/support/write_messages.h"

using namespace outrider;
using namespace outrider::ingest;
using namespace std::chrono_literals;
using test::write_v1;
using test::write_v2;
using test::WrittenSeries;

namespace {

// Keeps what it is given, and checks what is promised of it.
class Recorder final : public series::SeriesSink {
 public:
  struct Known {
    series::Fingerprint fingerprint;
    Labels labels;
    std::vector<Sample> samples;
    std::vector<std::int64_t> histograms;  // Their times.
    series::MetricKind kind{};
  };

  void take(std::size_t partition, std::span<const series::IncomingSeries> all) override {
    std::unique_lock lock(mutex_);
    ++entered_;
    gate_.wait(lock, [this] { return open_; });
    for (const auto& one : all) {
      const auto key = std::pair{partition, one.slot};
      expect(one.is_new == (known_.count(key) == 0));
      Known& known = known_[key];
      if (one.is_new) {
        known.fingerprint = one.fingerprint;
        for (const LabelView& label : one.labels) known.labels.set(label.name, label.value);
        expect(!known.labels.empty());
      } else {
        expect(one.labels.empty());
        expect(known.fingerprint == one.fingerprint);
      }
      known.kind = one.kind;
      for (const NativeHistogram& histogram : one.histograms)
        known.histograms.push_back(histogram.timestamp_ms);
      for (const Sample& sample : one.samples) {
        expect((known.samples.empty() || known.samples.back().timestamp_ms < sample.timestamp_ms));
        known.samples.push_back(sample);
      }
    }
  }
  void forget(std::size_t partition, std::uint32_t slot) override {
    std::lock_guard lock(mutex_);
    expect(known_.erase({partition, slot}) == 1);
    ++forgotten_;
  }
  void take_metadata(std::string_view family, series::MetricKind kind) override {
    std::lock_guard lock(mutex_);
    families_[std::string(family)] = kind;
  }
  bool under_pressure() const override { return pressed_; }

  const Known* find(const Labels& labels) const {
    for (const auto& [key, known] : known_) {
      if (known.labels == labels) return &known;
    }
    return nullptr;
  }
  void set_open(bool open) {
    {
      std::lock_guard lock(mutex_);
      open_ = open;
    }
    gate_.notify_all();
  }

  // Catch's own assertions are for one thread.
  void expect(bool holds) { violations_ += holds ? 0 : 1; }

  std::atomic<int> violations_{0};
  std::map<std::pair<std::size_t, std::uint32_t>, Known> known_;
  std::map<std::string, series::MetricKind> families_;
  std::atomic<bool> pressed_{false};
  std::atomic<int> entered_{0};
  std::size_t forgotten_ = 0;

 private:
  std::mutex mutex_;
  std::condition_variable gate_;
  bool open_ = true;
};

net::HttpRequest request_of(const std::string& message, int version = 1) {
  net::HttpRequest request;
  request.method = "POST";
  request.headers = {{"Content-Type",
                      version == 1 ? "application/x-protobuf"
                                   : "application/x-protobuf;proto=io.prometheus.write.v2.Request"},
                     {"Content-Encoding", "snappy"}};
  request.body = test::compress(message);
  return request;
}

std::string header_of(const net::HttpResponse& response, std::string_view name) {
  for (const net::Header& header : response.headers) {
    if (header.name == name) return header.value;
  }
  return "absent";
}

WrittenSeries series_of(const std::string& id, std::vector<Sample> samples) {
  return {{{"__name__", "m"}, {"id", id}}, std::move(samples)};
}

std::string metrics_of(RemoteWriteReceiver& receiver) {
  wire::TextSink sink(wire::Format::text);
  receiver.collect(sink);
  return sink.finish();
}

struct Fixture {
  explicit Fixture(const RemoteWriteReceiver::Settings& settings = {})
      : receiver(settings, clock, &sink) {}
  ~Fixture() { CHECK(sink.violations_ == 0); }
  std::int64_t now() const { return to_unix_ms(clock.now()); }
  net::HttpResponse send(const std::vector<WrittenSeries>& series, int version = 1) {
    return receiver.take(request_of(version == 1 ? write_v1(series) : write_v2(series), version));
  }

  test::FakeClock clock;
  Recorder sink;
  RemoteWriteReceiver receiver;
};

}  // namespace

TEST_CASE("new samples are handed on once, in order, to the slot of their series") {
  Fixture f;
  for (const int version : {1, 2}) {
    const std::int64_t at = f.now() + version * 1000;
    CHECK(f.send({series_of("a", {{at, 1}, {at + 1, 2}}), series_of("b", {{at, 3}})}, version)
              .status == 204);
    CHECK(f.send({series_of("a", {{at + 1, 2}, {at + 2, 3}})}, version).status == 204);
  }
  const std::int64_t at = f.now();
  const auto* a = f.sink.find({{"__name__", "m"}, {"id", "a"}});
  REQUIRE(a);
  CHECK(a->samples == std::vector<Sample>{{at + 1000, 1},
                                          {at + 1001, 2},
                                          {at + 1002, 3},
                                          {at + 2000, 1},
                                          {at + 2001, 2},
                                          {at + 2002, 3}});
  CHECK(f.sink.known_.size() == 2);
}

TEST_CASE("what is refused in the middle of a series is not handed on") {
  Fixture f;
  const std::int64_t at = f.now();
  const auto response = f.send(
      {series_of(
          "a", {{at, 1}, {at - 5, 9}, {at + 1, 2}, {at + 1, 9}, {at + 3'600'000, 9}, {at + 2, 3}})},
      2);
  CHECK(response.status == 400);
  CHECK(header_of(response, "X-Prometheus-Remote-Write-Samples-Written") == "3");
  CHECK(f.sink.find({{"__name__", "m"}, {"id", "a"}})->samples ==
        std::vector<Sample>{{at, 1}, {at + 1, 2}, {at + 2, 3}});
}

TEST_CASE("a request that is sent again is a repetition, whatever it holds") {
  for (const int version : {1, 2}) {
    Fixture f;
    const std::int64_t at = f.now();
    const std::vector<WrittenSeries> batch = {
        series_of("a", {{at, 1}, {at + 1, 2}, {at + 2, stale_marker()}, {at + 3, 4}}),
        series_of("b", {{at, 5}}), series_of("c", {{at, 6}, {at + 5, 7}})};
    CHECK(f.send(batch, version).status == 204);
    for (int i = 0; i < 2; ++i) {
      const auto again = f.send(batch, version);
      CHECK(again.status == 204);
      if (version == 2) CHECK(header_of(again, "X-Prometheus-Remote-Write-Samples-Written") == "7");
    }
    // Also after newer samples, and in other pieces.
    CHECK(f.send({series_of("a", {{at + 10, 8}})}, version).status == 204);
    CHECK(f.send(batch, version).status == 204);
    CHECK(f.send({series_of("a", {{at + 1, 2}})}, version).status == 204);
    CHECK(f.sink.find({{"__name__", "m"}, {"id", "a"}})->samples.size() == 5);
    CHECK_THAT(metrics_of(f.receiver),
               Catch::Contains("outrider_agent_remote_write_repeated_samples_total 22\n"));
  }
}

TEST_CASE(
    "samples of one series that stand as series of their own, as Prometheus sends them, are known "
    "again") {
  for (const int version : {1, 2}) {
    Fixture f;
    const std::int64_t at = f.now();
    std::vector<WrittenSeries> batch;
    for (int i = 0; i < 2'000; ++i)
      batch.push_back(
          series_of(i % 20 == 0 ? "a" : "b" + std::to_string(i % 20), {{at + i, 1.0 * i}}));
    CHECK(f.send(batch, version).status == 204);
    CHECK(f.send(batch, version).status == 204);
    CHECK(f.send({series_of("a", {{at + 5'000, 1}})}, version).status == 204);
    CHECK(f.send(batch, version).status == 204);
    batch[20].samples[0].value = -1;
    const auto changed = f.send(batch, version);
    CHECK(changed.status == 400);
    if (version == 2)
      CHECK(header_of(changed, "X-Prometheus-Remote-Write-Samples-Written") == "1999");
    CHECK(f.sink.find({{"__name__", "m"}, {"id", "a"}})->samples.size() == 101);
  }
}

TEST_CASE("an older sample with another value, or one that is not known, is out of order") {
  Fixture f;
  const std::int64_t at = f.now();
  CHECK(f.send({series_of("a", {{at, 1}, {at + 10, 2}})}).status == 204);
  for (const Sample& sample : {Sample{at, 3}, Sample{at + 5, 1}, Sample{at - 1, 1}}) {
    const auto response = f.send({series_of("a", {sample})});
    CHECK(response.status == 400);
    CHECK_THAT(response.body, Catch::Contains("is older than one that is stored"));
  }
  // Of a request with one sample of a series only the newest is known, as in Prometheus.
  CHECK(f.send({series_of("c", {{at, 1}})}).status == 204);
  CHECK(f.send({series_of("c", {{at + 1, 2}})}).status == 204);
  CHECK(f.send({series_of("c", {{at, 1}})}).status == 400);
  CHECK(f.send({series_of("a", {{at + 10, 3}})}).status ==
        400);  // Another value at the newest's time.
  CHECK(f.send({series_of("b", {{at, 1}, {at + 10, 2}})}).status == 204);
  CHECK(f.send({series_of("b", {{at + 10, 2}, {at, 1}})}).status ==
        204);  // The same, in any order.
  CHECK_THAT(metrics_of(f.receiver),
             Catch::Contains("refused_total{reason=\"out_of_order\"} 4\n") &&
                 Catch::Contains("refused_total{reason=\"duplicate_timestamp\"} 1\n"));
}

TEST_CASE("what is remembered of samples is bounded, and the newest are") {
  RecentSamples recent;
  const remote_write::Hash128 series{1, 2};
  using Kind = RecentSamples::Kind;
  CHECK_FALSE(recent.has(Kind::sample, series, 7, 8));
  const auto many = static_cast<std::int64_t>(4 * RecentSamples::capacity);
  for (std::int64_t i = 0; i < many; ++i)
    recent.remember(Kind::sample, series, i, static_cast<std::uint64_t>(i) * 3);
  std::int64_t known_old = 0, known_new = 0;
  constexpr std::int64_t some =
      20'000;  // Far fewer than the capacity, so that hardly a set is full of newer ones.
  for (std::int64_t i = 0; i < some; ++i) {
    known_old += recent.has(Kind::sample, series, i, static_cast<std::uint64_t>(i) * 3);
    const std::int64_t late = many - 1 - i;
    known_new += recent.has(Kind::sample, series, late, static_cast<std::uint64_t>(late) * 3);
  }
  CHECK(known_new == some);
  CHECK(known_old == 0);
  CHECK_FALSE(
      recent.has(Kind::histogram, series, many - 1, static_cast<std::uint64_t>(many - 1) * 3));
  CHECK_FALSE(recent.has(Kind::sample, {1, 3}, many - 1, static_cast<std::uint64_t>(many - 1) * 3));
}

TEST_CASE("a series whose labels come in any order is one series of one partition") {
  Fixture f;
  const std::int64_t at = f.now();
  std::vector<std::pair<std::string, std::string>> labels = {
      {"__name__", "m"}, {"a", "1"}, {"b", "2"}};
  int step = 0;
  do {
    for (const int version : {1, 2}) {
      CHECK(f.send({{labels, {{at + step, 1.0 * step}}}}, version).status == 204);
      ++step;
    }
  } while (std::next_permutation(labels.begin(), labels.end()));
  CHECK(f.sink.known_.size() == 1);
  CHECK(f.sink.known_.begin()->second.samples.size() == 12);
}

TEST_CASE("many series in one request keep their labels apart") {
  Fixture f;
  std::vector<WrittenSeries> all;
  for (int i = 0; i < 3'000; ++i) {
    all.push_back(series_of(std::to_string(i), {{f.now(), 1.0 * i}}));
    // Half of them unsorted, so that the slow way is mixed in.
    if (i % 2) std::swap(all.back().labels[0], all.back().labels[1]);
  }
  CHECK(f.send(all, 1).status == 204);
  CHECK(f.sink.known_.size() == 3'000);
  for (const auto& [key, known] : f.sink.known_) {
    REQUIRE(known.samples.size() == 1);
    CHECK(known.labels.get("id") == std::to_string(static_cast<int>(known.samples[0].value)));
  }
}

TEST_CASE("a series of which nothing was stored is handed on with its labels when something is") {
  Fixture f;
  std::string bad_histogram;
  protozero::pbf_writer(bad_histogram).add_uint64(1, 7);  // A count without observations.
  WrittenSeries series{{{"__name__", "h"}}, {}, {bad_histogram}};
  CHECK(f.send({series}).status == 400);
  CHECK(f.sink.known_.empty());
  series.histograms.clear();
  series.samples = {{f.now(), 1}};
  CHECK(f.send({series_of("other", {{f.now(), 1}}), series}).status == 204);
  CHECK(f.sink.find({{"__name__", "h"}}));
}

TEST_CASE("native histograms are handed on one by one, however many") {
  Fixture f;
  WrittenSeries series{{{"__name__", "h"}}, {}, {}};
  for (int i = 0; i < 200; ++i) {
    std::string histogram;
    protozero::pbf_writer writer(histogram);
    writer.add_uint64(1, 1);
    writer.add_uint64(6, 1);
    writer.add_int64(15, f.now() + i);
    series.histograms.push_back(histogram);
  }
  CHECK(f.send({series, series}, 2).status == 204);  // The second time they are repetitions.
  std::string& changed = series.histograms[100];
  changed.clear();
  protozero::pbf_writer writer(changed);
  writer.add_uint64(1, 2);
  writer.add_uint64(6, 2);
  writer.add_int64(15, f.now() + 100);
  const auto response = f.send({series}, 2);
  CHECK(response.status == 400);
  CHECK(header_of(response, "X-Prometheus-Remote-Write-Histograms-Written") == "199");
  CHECK(f.sink.find({{"__name__", "h"}})->histograms.size() == 200);
}

TEST_CASE("native histograms behind many samples of one request are handed on with their series") {
  RemoteWriteReceiver::Settings settings;
  settings.partitions = 1;
  Fixture f(settings);
  const auto histogram_at = [](std::int64_t timestamp_ms) {
    std::string histogram;
    protozero::pbf_writer writer(histogram);
    writer.add_uint64(1, 1);
    writer.add_uint64(6, 1);
    writer.add_int64(15, timestamp_ms);
    return histogram;
  };
  const std::int64_t first = f.now();
  for (const std::int64_t now : {first, first + 60'000}) {  // First they are new, then known.
    std::vector<WrittenSeries> request;
    for (int i = 0; i < 256; ++i) request.push_back(series_of(std::to_string(i), {{now, 1}}));
    for (int i = 0; i < 3; ++i)
      request.push_back(
          {{{"__name__", "h"}, {"id", std::to_string(i)}}, {}, {histogram_at(now + i)}});
    CHECK(f.send(request, 2).status == 204);
  }
  for (int i = 0; i < 3; ++i) {
    const auto* known = f.sink.find({{"__name__", "h"}, {"id", std::to_string(i)}});
    REQUIRE(known);
    CHECK(known->histograms == std::vector<std::int64_t>{first + i, first + 60'000 + i});
  }
}

TEST_CASE("a consumer under pressure makes senders wait, and nothing is stored") {
  Fixture f;
  f.sink.pressed_ = true;
  const auto response = f.send({series_of("a", {{f.now(), 1}})}, 2);
  CHECK(response.status == 503);
  CHECK(header_of(response, "Retry-After") == "2");
  CHECK(header_of(response, "X-Prometheus-Remote-Write-Samples-Written") == "0");
  CHECK(f.sink.known_.empty());
  f.sink.pressed_ = false;
  CHECK(f.send({series_of("a", {{f.now(), 1}})}).status == 204);
  CHECK(metrics_of(f.receiver)
            .find("outrider_agent_remote_write_requests_total{outcome=\"pressure\",version=\"2.0\"}"
                  " 1") != std::string::npos);
}

TEST_CASE("requests past the bytes in flight wait, and are turned away when none leaves") {
  RemoteWriteReceiver::Settings settings;
  settings.admission = {.in_flight_bytes_max = 100, .waiting_max = 1, .wait_max = 20ms};
  Fixture f(settings);
  f.sink.set_open(false);  // The consumer holds the first request.
  int first_status = 0;
  std::thread first([&] { first_status = f.send({series_of("a", {{f.now(), 1}})}).status; });
  while (f.sink.entered_ == 0) std::this_thread::yield();
  CHECK(f.send({series_of("b", {{f.now(), 1}})}).status == 503);
  f.sink.set_open(true);
  first.join();
  CHECK(first_status == 204);
  CHECK(f.send({series_of("b", {{f.now(), 1}})}).status == 204);
}

TEST_CASE(
    "admission lets one request of any size in, and one that waits as soon as there is room") {
  Admission admission({.in_flight_bytes_max = 10, .waiting_max = 4, .wait_max = 10s});
  CHECK(admission.enter(1000));
  std::atomic<bool> entered{false};
  std::thread waiting([&] { entered = admission.enter(5); });
  admission.leave(1000);
  waiting.join();
  CHECK(entered);
  CHECK(admission.in_flight_bytes() == 5);
}

TEST_CASE("a slot that is used again is forgotten first, and idle series go") {
  RemoteWriteReceiver::Settings settings;
  settings.partitions = 1;
  settings.table.series_max = 10;
  settings.table.idle_after = 1h;
  Fixture f(settings);
  for (int round = 0; round < 5; ++round) {
    std::vector<WrittenSeries> all;
    for (int i = 0; i < 10; ++i) {
      all.push_back(series_of(std::to_string(round) + "-" + std::to_string(i), {{f.now(), 1}}));
    }
    CHECK(f.send(all).status == 204);
    CHECK(f.sink.known_.size() == 10);
    f.clock.advance(20min);
  }
  CHECK(f.sink.forgotten_ == 40);
  f.clock.advance(2h);
  f.send({series_of("last", {{f.now(), 1}})});
  CHECK(f.sink.known_.size() == 1);
}

TEST_CASE("the kind of a series comes from metadata of either version") {
  Fixture f;
  std::string metadata;
  protozero::pbf_writer writer(metadata);
  {
    protozero::pbf_writer family(writer, 3);
    family.add_enum(1, 3);
    family.add_string(2, "latency_seconds");
  }
  CHECK(f.receiver.take(request_of(metadata)).status == 204);
  CHECK(f.sink.families_ == std::map<std::string, series::MetricKind>{
                                {"latency_seconds", series::MetricKind::histogram}});
  CHECK(f.send({{{{"__name__", "latency_seconds_bucket"}, {"le", "1"}}, {{f.now(), 1}}}}).status ==
        204);
  CHECK(f.sink.known_.begin()->second.kind == series::MetricKind::histogram);
}

TEST_CASE("many senders at once lose and double nothing") {
  Fixture f;
  constexpr int senders = 4, rounds = 30, each = 50;
  std::vector<std::thread> threads;
  std::atomic<int> stored{0};
  for (int sender = 0; sender < senders; ++sender) {
    threads.emplace_back([&, sender] {
      for (int round = 0; round < rounds; ++round) {
        std::vector<WrittenSeries> all;
        for (int i = 0; i < each; ++i) {
          all.push_back(series_of(std::to_string(sender) + "." + std::to_string(i),
                                  {{f.now() + round, 1.0 * round}}));
        }
        stored += f.send(all, 1 + round % 2).status == 204;
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    metrics_of(f.receiver);
    net::HttpRequest request;
    request.query = "name=m&limit=10";
    CHECK(f.receiver.list(request).status == 200);
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(stored == senders * rounds);
  CHECK(f.sink.known_.size() == senders * each);
  for (const auto& [key, known] : f.sink.known_) CHECK(known.samples.size() == rounds);
}

TEST_CASE("the list says which of its parameters is wrong") {
  Fixture f;
  for (const char* query : {"limit=0", "limit=x", "match=up", "label=x", "label==x"}) {
    net::HttpRequest request;
    request.query = query;
    CHECK(f.receiver.list(request).status == 400);
  }
}

TEST_CASE("a limited token writes and sees the series of its own workload alone") {
  for (const int version : {1, 2}) {
    Fixture f;
    const std::int64_t at = f.now();
    const auto series = [at](std::string job, std::string name_space = "shop") {
      WrittenSeries made{{{"__name__", "m"}, {"job", std::move(job)}}, {{at, 1}}};
      if (!name_space.empty()) made.labels.push_back({"namespace", std::move(name_space)});
      return made;
    };
    const auto scope = std::make_shared<const net::Scope>(
        net::Scope{.namespaces = {"shop"}, .workloads = {"price", "rent"}});
    const auto send = [&](const std::vector<WrittenSeries>& all) {
      auto request = request_of(version == 1 ? write_v1(all) : write_v2(all), version);
      request.scope = scope;
      return f.receiver.take(request);
    };
    const auto seen = [&](bool limited) {
      net::HttpRequest request;
      if (limited) request.scope = scope;
      return wire::parse_json(f.receiver.list(request).body)->at("series").size();
    };

    CHECK(send({series("price"), series("rent")}).status == 204);
    const auto other = send({series("price"), series("fraud")});
    CHECK(other.status == 403);
    CHECK(other.body.find("job fraud") != std::string::npos);
    CHECK(other.body.find("nothing of the request was stored") != std::string::npos);
    CHECK(send({series("price", "bank")}).status == 403);
    // What does not say whose it is lies outside.
    CHECK(send({series("price", "")}).status == 403);
    CHECK(seen(false) == 2);
    CHECK(f.send({series("fraud")}, version).status == 204);
    CHECK(seen(false) == 3);
    CHECK(seen(true) == 2);
    const std::string series_name =
        "outrider_agent_remote_write_requests_total{outcome=\"out_of_scope\",version=\"" +
        std::to_string(version) + ".0\"} 3";
    CHECK(metrics_of(f.receiver).find(series_name) != std::string::npos);
  }
}
