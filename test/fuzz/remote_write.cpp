// SPDX-License-Identifier: Apache-2.0
// Remote write, as bytes off the wire: the first byte chooses 1.0, 2.0 or a snappy block of either;
// the rest is the message. What is stored must be what the answer says, in order, and the same when
// sent again.
#include "agent/ingest/remote_write.h"

#include <snappy.h>
#include <spdlog/spdlog.h>

#include <map>

#include "test/fuzz/require.h"
#include "test/support/fake_clock.h"

using namespace outrider;
using fuzz::require;

namespace {

class CheckingSink final : public series::SeriesSink {
 public:
  void take(std::size_t partition, std::span<const series::IncomingSeries> all) override {
    for (const auto& one : all) {
      const auto [known, is_new] =
          newest_.try_emplace({partition, one.slot}, std::numeric_limits<std::int64_t>::min());
      require(one.is_new == is_new, "a slot is new once");
      require(one.is_new != one.labels.empty(), "a new slot comes with its labels");
      for (std::size_t i = 1; i < one.labels.size(); ++i) {
        require(one.labels[i - 1].name < one.labels[i].name, "labels are sorted and unique");
      }
      for (const Sample& sample : one.samples) advance(known->second, sample.timestamp_ms);
      for (const NativeHistogram& one_histogram : one.histograms) {
        advance(known->second, one_histogram.timestamp_ms);
        read(one_histogram);
      }
      samples += one.samples.size();
      histograms += one.histograms.size();
    }
  }
  void forget(std::size_t partition, std::uint32_t slot) override {
    require(newest_.erase({partition, slot}) == 1, "only what is known is forgotten");
  }
  void take_metadata(std::string_view family, series::MetricKind) override {
    require(!family.empty(), "a family has a name");
  }

  std::uint64_t samples = 0, histograms = 0;

 private:
  static void advance(std::int64_t& newest, std::int64_t timestamp_ms) {
    require(timestamp_ms > newest, "samples are handed on in order");
    newest = timestamp_ms;
  }
  // Touches every byte of the arrays, for the sanitizers.
  static void read(const NativeHistogram& histogram) {
    std::uint64_t total = 0;
    for (const BucketSpan& span : histogram.positive_spans) total += span.length;
    for (const BucketSpan& span : histogram.negative_spans) total += span.length;
    const std::size_t buckets = histogram.positive_deltas.size() +
                                histogram.negative_deltas.size() +
                                histogram.positive_counts.size() + histogram.negative_counts.size();
    require(total == buckets, "spans cover the buckets");
  }

  std::map<std::pair<std::size_t, std::uint32_t>, std::int64_t> newest_;
};

std::uint64_t number_in(const net::HttpResponse& response, std::string_view header) {
  for (const net::Header& one : response.headers) {
    if (one.name == header) return std::stoull(one.value);
  }
  return 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  spdlog::set_level(spdlog::level::off);  // Each input would be a line of its log.
  if (size == 0) return 0;
  const std::string_view message(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool second = data[0] & 1;
  net::HttpRequest request;
  request.headers = {
      {"Content-Type", second ? "application/x-protobuf;proto=io.prometheus.write.v2.Request"
                              : "application/x-protobuf"}};
  if (data[0] & 2) {
    request.body = message;
  } else {
    snappy::Compress(message.data(), message.size(), &request.body);
  }

  ingest::RemoteWriteReceiver::Settings settings;
  settings.partitions = 2;
  settings.decompressed_bytes_max = 1 << 20;
  settings.request.samples_max = 10'000;
  settings.request.series_max = 1'000;
  settings.table = {.series_max = 16, .label_bytes_max = 4096, .kept_samples = 2};
  settings.families = {.families_max = 4};
  const test::FakeClock clock;
  CheckingSink sink;
  ingest::RemoteWriteReceiver receiver(settings, clock, &sink);

  const net::HttpResponse first = receiver.take(request);
  require(first.status == 204 || first.status == 400 || first.status == 413, "an answer is known");
  require((first.status == 204) == first.body.empty(), "a refusal says why");
  const std::uint64_t handed_on = sink.samples + sink.histograms;
  if (second) {
    require(number_in(first, "X-Prometheus-Remote-Write-Samples-Written") >= sink.samples &&
                number_in(first, "X-Prometheus-Remote-Write-Histograms-Written") >= sink.histograms,
            "the Written headers count what was handed on");
  }
  // What is stored already is a repetition, or refused again; but for series that found no room the
  // first time.
  const net::HttpResponse again = receiver.take(request);
  wire::TextSink metrics(wire::Format::text);
  receiver.collect(metrics);
  const std::string page = metrics.finish();
  const bool had_room = page.find("reason=\"series_limit\"} 0\n") != std::string::npos &&
                        page.find("reason=\"label_bytes_limit\"} 0\n") != std::string::npos;
  require(!had_room || sink.samples + sink.histograms == handed_on, "nothing is handed on twice");
  require(!had_room || first.status != 204 || again.status == 204,
          "what was stored whole is stored when it comes again");
  net::HttpRequest list;
  require(receiver.list(list).status == 200, "the list can be made");
  return 0;
}
