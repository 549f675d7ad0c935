// SPDX-License-Identifier: Apache-2.0
#pragma once

// Scrapes the model server's own metrics as Prometheus would: job and instance are added, and up,
// scrape_duration_seconds, scrape_samples_scraped and scrape_samples_post_metric_relabeling tell
// how it went. SHELL.
//
//   Scraper scraper(options, clock);
//   scraper.scrape();                              // all targets at once, each within the timeout
//   sender.append(scraper.take_series());          // for remote write, with staleness markers
//   wire::merge(page, scraper.families());         // for /metrics
//
// scrape(), take_series() and end() belong to one thread; families() and collect() to any. A target
// that does not answer, or answers with what is no page of metrics, is up = 0, and its series end.
// A sample that a page says twice, or that two targets say, is left out the second time and
// counted: it would spoil our own page.

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/net/http_client.h"
#include "base/remote_write/codec/staleness.h"
#include "base/wire/exposed.h"
#include "sidecar/options/scrape_options.h"

namespace outrider::exporting {

class Scraper final : public wire::Collector {
 public:
  // Throws std::runtime_error that names a target whose URL is none.
  Scraper(ScrapeOptions options, const Clock& clock);

  // False when cancel() ended it: then nothing is known of the targets.
  bool scrape();
  void cancel() { cancelled_ = true; }  // From any thread. Within about a second, and for good.

  // Of the last scrape: samples, and markers for the series that ended.
  std::vector<remote_write::WriteSeries> take_series();
  // Markers for all of the last scrape: nothing is scraped any more.
  std::vector<remote_write::WriteSeries> end(Time now);

  // The last scrape's families, for a page.
  wire::ExposedFamilies families() const;

  // outrider_scrape_*: the scraper's own metrics.
  void collect(wire::MetricSink& sink) override;

 private:
  struct Target {
    std::string url;
    Labels labels;  // job and instance.
    net::HttpClient client;
    remote_write::StalenessTracker staleness;
    // Of the last scrape.
    Time began;
    Duration took{};
    std::size_t samples = 0;
    Result<wire::ExposedFamilies> families;
    wire::ExposedFamilies labelled;  // With job and instance, and what tells how the scrape went.
    bool was_up = true;
  };

  Result<wire::ExposedFamilies> fetch(Target& target);
  void scrape_target(Target& target);
  static wire::ExposedFamilies with_report(const Target& target);

  const ScrapeOptions options_;
  const Clock& clock_;
  std::vector<Target> targets_;
  std::atomic<bool> cancelled_{false};

  mutable std::mutex mutex_;  // Guards what follows.
  wire::ExposedFamilies families_;
  std::uint64_t scrapes_ = 0, duplicates_ = 0;
  std::map<std::string_view, std::uint64_t> failures_;
};

// "http://host" becomes "http://host/metrics". Error "bad_url".
Result<std::string> scrape_url(std::string_view target);
// HOST:PORT of a URL, with the scheme's port where it names none.
std::string instance_of(std::string_view url);

}  // namespace outrider::exporting
