// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/export/scraper.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <stdexcept>
#include <thread>

#include "base/core/text.h"
#include "base/core/version.h"
#include "base/remote_write/codec/exposed_series.h"
#include "base/wire/exposition_parser.h"

namespace outrider::exporting {
namespace {

using wire::MetricType;

// As Prometheus asks, with OpenMetrics first.
constexpr const char* accept =
    "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

constexpr std::string_view failure_codes[] = {
    "unreachable", "timeout", "status", "body_too_large", "bad_exposition", "too_many_samples"};

std::string_view failure_code(std::string_view code) {
  const auto* found = std::find(std::begin(failure_codes), std::end(failure_codes), code);
  return found == std::end(failure_codes) ? "unreachable" : *found;
}

std::string_view after_scheme(std::string_view url) {
  const std::size_t scheme = url.find("://");
  return scheme == std::string_view::npos ? std::string_view() : url.substr(scheme + 3);
}

void add_gauge(wire::ExposedFamilies& families, const char* name, const char* help, double value) {
  families.push_back({.name = name,
                      .type = MetricType::gauge,
                      .help = help,
                      .samples = {{.name = name, .labels = {}, .value = value}}});
}

}  // namespace

Result<std::string> scrape_url(std::string_view target) {
  const std::string_view rest = after_scheme(target);
  const std::string_view host = rest.substr(0, rest.find_first_of("/?#"));
  const bool is_http = target.starts_with("http://") || target.starts_with("https://");
  if (!is_http || host.empty() || host.find('@') != std::string_view::npos) {
    return fail("bad_url", "scrape.target=" + std::string(target) +
                               ": expected http://HOST[:PORT][/PATH] or https://…");
  }
  std::string url(target);
  const std::string_view path = rest.substr(host.size());
  if (path.empty() || path == "/") url = url.substr(0, url.size() - path.size()) + "/metrics";
  return url;
}

std::string instance_of(std::string_view url) {
  const std::string_view rest = after_scheme(url);
  std::string host(rest.substr(0, rest.find_first_of("/?#")));
  const std::size_t bracket = host.rfind(']');
  const bool has_port =
      host.find(':', bracket == std::string::npos ? 0 : bracket) != std::string::npos;
  if (!has_port) host += url.starts_with("https://") ? ":443" : ":80";
  return host;
}

Scraper::Scraper(ScrapeOptions options, const Clock& clock)
    : options_(std::move(options)), clock_(clock) {
  for (const std::string& text : options_.targets) {
    auto url = scrape_url(text);
    if (!url) throw std::runtime_error(url.error().message);
    Labels labels{{"job", options_.job}, {"instance", instance_of(*url)}};
    targets_.push_back({.url = std::move(*url),
                        .labels = std::move(labels),
                        .client = {},
                        .staleness = {},
                        .began = {},
                        .families = wire::ExposedFamilies(),
                        .labelled = {}});
  }
  for (const std::string_view code : failure_codes) failures_[code] = 0;
}

Result<wire::ExposedFamilies> Scraper::fetch(Target& target) {
  net::ClientRequest request{.url = target.url};
  const Duration timeout = std::min(options_.timeout, options_.interval);
  request.headers = {{"Accept", accept},
                     {"User-Agent", "Outrider/" + std::string(version())},
                     {"X-Prometheus-Scrape-Timeout-Seconds", format_double(to_seconds(timeout))}};
  request.timeout = timeout;
  request.connect_timeout = timeout;
  request.body_bytes_max = static_cast<std::size_t>(options_.body_bytes_max);
  request.cancelled = &cancelled_;
  if (auto ready = options_.client.apply(request); !ready) return fail(ready);
  const auto response = target.client.send(request);
  if (!response) return fail(response);
  if (response->status != 200) {
    return fail("status", "status " + std::to_string(response->status));
  }
  return wire::parse_exposition(response->body, wire::format_of(response->header("Content-Type")),
                                {.samples_max = static_cast<std::size_t>(options_.samples_max)});
}

void Scraper::scrape_target(Target& target) {
  target.began = clock_.now();
  const auto began = std::chrono::steady_clock::now();
  target.families = fetch(target);
  target.took = std::chrono::steady_clock::now() - began;
  target.samples = 0;
  if (!target.families) return;
  for (const auto& family : *target.families) target.samples += family.samples.size();
}

bool Scraper::scrape() {
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < targets_.size(); ++i) {
    others.emplace_back([this, i] { scrape_target(targets_[i]); });
  }
  if (!targets_.empty()) scrape_target(targets_[0]);
  others.clear();  // Joins.
  if (cancelled_) return false;

  const std::lock_guard hold(mutex_);
  families_.clear();
  for (Target& target : targets_) {
    ++scrapes_;
    if (!target.families) {
      ++failures_[failure_code(target.families.error().code)];
      if (target.was_up) {
        spdlog::warn("scrape of {}: {}", target.url, target.families.error().message);
      }
    }
    target.was_up = target.families.has_value();
    target.labelled = with_report(target);
    duplicates_ += wire::drop_duplicates(target.labelled);
    wire::merge(families_, target.labelled);
  }
  if (targets_.size() > 1) duplicates_ += wire::drop_duplicates(families_);
  return true;
}

wire::ExposedFamilies Scraper::with_report(const Target& target) {
  const bool up = target.families.has_value();
  auto families = up ? *target.families : wire::ExposedFamilies();
  add_gauge(families, "up", "Whether the last scrape succeeded.", up ? 1 : 0);
  add_gauge(families, "scrape_duration_seconds", "How long the last scrape took.",
            to_seconds(target.took));
  const auto samples = static_cast<double>(target.samples);
  add_gauge(families, "scrape_samples_scraped", "Samples of the last scrape.", samples);
  add_gauge(families, "scrape_samples_post_metric_relabeling",
            "Samples of the last scrape that were passed on.", samples);
  remote_write::add_target_labels(families, target.labels);
  return families;
}

std::vector<remote_write::WriteSeries> Scraper::take_series() {
  std::vector<remote_write::WriteSeries> all;
  std::uint64_t duplicates = 0;
  for (Target& target : targets_) {
    const std::int64_t began_ms = to_unix_ms(target.began);
    auto exposed = remote_write::to_series(target.labelled, began_ms);
    duplicates += exposed.duplicates;
    auto markers = target.staleness.round(exposed.at_round, began_ms);
    std::move(exposed.series.begin(), exposed.series.end(), std::back_inserter(all));
    std::move(markers.begin(), markers.end(), std::back_inserter(all));
  }
  const std::lock_guard hold(mutex_);
  duplicates_ += duplicates;
  return all;
}

std::vector<remote_write::WriteSeries> Scraper::end(Time now) {
  std::vector<remote_write::WriteSeries> all;
  for (Target& target : targets_) {
    auto markers = target.staleness.end(to_unix_ms(now));
    std::move(markers.begin(), markers.end(), std::back_inserter(all));
  }
  return all;
}

wire::ExposedFamilies Scraper::families() const {
  const std::lock_guard hold(mutex_);
  return families_;
}

void Scraper::collect(wire::MetricSink& sink) {
  const std::lock_guard hold(mutex_);
  sink.family({"outrider_scrapes_total", MetricType::counter, "Scrapes of scrape.target."});
  sink.value(wire::SeriesKey(), static_cast<double>(scrapes_));
  sink.family({"outrider_scrape_failures_total", MetricType::counter,
               "Scrapes that gave nothing, by what was wrong."});
  for (const auto& [code, count] : failures_) {
    sink.value(wire::SeriesKey({{"reason", std::string(code)}}), static_cast<double>(count));
  }
  sink.family(
      {"outrider_scrape_duplicate_samples_total", MetricType::counter,
       "Samples left out because their page, or another target's, had the same series before."});
  sink.value(wire::SeriesKey(), static_cast<double>(duplicates_));
}

}  // namespace outrider::exporting
