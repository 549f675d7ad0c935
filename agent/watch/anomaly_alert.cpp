// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/anomaly_alert.h"

#include <array>
#include <cstdio>

#include "agent/series/anomaly.h"

namespace outrider::watch {
namespace {

std::string short_number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g", value);
  return text.data();
}

std::string_view in_words(detectors::Question question) {
  using detectors::Question;
  switch (question) {
    case Question::range:
      return "far from its level";
    case Question::spike:
      return "a sudden step";
    case Question::hour:
      return "unusual at this hour of the day";
    case Question::shift:
      return "its level has shifted";
    case Question::spread:
      return "livelier or quieter than usual";
  }
  return "unusual";
}

}  // namespace

wire::WebhookAlert make_alert(const series::Finding& finding) {
  wire::WebhookAlert alert;
  alert.firing = finding.observed.news != series::News::ended;
  alert.labels = series::owner_labels(finding.labels);
  alert.labels.set("alertname", anomaly_alert);
  alert.labels.set("severity", "warning");
  const std::string text = series::series_text(finding.labels, finding.quantity);
  alert.labels.set("anomaly_series", text);
  const std::int64_t start = finding.episode_ms != 0 ? finding.episode_ms : finding.timestamp_ms;
  alert.starts_at = from_unix_ms(start);
  if (!alert.firing) {
    alert.ends_at = from_unix_ms(finding.timestamp_ms);
    return alert;
  }
  const auto& score = finding.observed.score;
  const std::string value = short_number(finding.observed.value);
  const std::string expected = short_number(score.expected);
  const std::string direction = score.up ? "high" : "low";
  alert.annotations.set("summary", text + " is unusually " + direction);
  alert.annotations.set("description", text + " is " + value + ", usually about " + expected +
                                           ": " + std::string(in_words(score.question)) +
                                           " (score " + short_number(score.score) + ").");
  char since[32];
  std::snprintf(since, sizeof since, "%.3f", static_cast<double>(start) / 1000);
  alert.annotations.set("since", since);
  return alert;
}

}  // namespace outrider::watch
