// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/slices/slices_api.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <unordered_map>
#include <utility>

#include "base/core/text.h"
#include "detectors/subject_slices.h"
#include "reference/slice_counts.h"

namespace outrider::monitor {
namespace {

using detectors::ErrorSlices;
using detectors::SliceFeature;
using detectors::SliceReport;
using namespace std::chrono_literals;

constexpr std::size_t looked_max = 64;
constexpr std::size_t segments_max = 32;  // The last is `other`.
constexpr Duration before_min = 24h, before_max = 30 * 24h;
constexpr int before_times = 4;

detectors::Value value_of(const truth::FeatureValue& value) {
  if (const double* number = std::get_if<double>(&value)) return detectors::Value::of(*number);
  if (const std::string* text = std::get_if<std::string>(&value))
    return detectors::Value::of(std::string_view(*text));
  return detectors::Value::none();
}

std::vector<SliceFeature> declare(const std::vector<detectors::SubjectSlices>& subjects,
                                  const detectors::Reference& reference) {
  std::vector<SliceFeature> features;
  for (std::size_t i = 0; i < subjects.size(); ++i)
    features.push_back({reference.features[i].name, subjects[i].texts()});
  features.push_back({"", std::vector<std::string>(segments_max, "other segments")});
  return features;
}

// The rows of one version, counted in its slices.
class SliceCounter {
 public:
  explicit SliceCounter(const SliceSubject& subject)
      : subject_(subject),
        subjects_(subject.reference->statistics->features.begin(),
                  subject.reference->statistics->features.end()),
        counts_(declare(subjects_, *subject.reference->statistics)),
        row_(subjects_.size() + 1) {
    const auto& features = subject.reference->statistics->features;
    for (std::size_t i = 0; i < features.size(); ++i) place_[features[i].name] = i;
  }

  // False: the row is another version's, or has no features.
  bool add(const truth::JoinedRow& row, bool since) {
    if (row.features.empty() || row.model_name != subject_.name.model ||
        row.model_version != subject_.name.version) {
      return false;
    }
    for (std::size_t i = 0; i < subjects_.size(); ++i)
      row_[i] = subjects_[i].of(detectors::Value::none());
    for (const truth::Feature& feature : row.features) {
      const auto found = place_.find(feature.name);
      if (found != place_.end())
        row_[found->second] = subjects_[found->second].of(value_of(feature.value));
    }
    row_.back() = segment(row.segment);
    const truth::Judgement judgement =
        truth::judge(row.prediction, row.truth, subject_.classification, subject_.tolerance);
    counts_.add(row_, !judgement.correct, since);
    return true;
  }

  const ErrorSlices& counts() const { return counts_; }

 private:
  std::size_t segment(const std::string& text) {
    if (text.empty()) return ErrorSlices::none;
    const auto known = segments_.find(text);
    if (known != segments_.end()) return known->second;
    if (segments_.size() + 1 >= segments_max) return segments_max - 1;
    const std::size_t slice = segments_.size();
    counts_.name_slice(subjects_.size(), slice, text);
    return segments_.emplace(text, slice).first->second;
  }

  const SliceSubject& subject_;
  std::vector<detectors::SubjectSlices> subjects_;
  ErrorSlices counts_;
  std::vector<std::size_t> row_;
  std::unordered_map<std::string, std::size_t> place_, segments_;
};

// Where the rows of one side were read.
struct Reading {
  Time from{};
  std::optional<Time> stopped;  // A bound was reached; later rows were not read.
};

Result<Reading> read_side(const truth::PredictionLog& log, SliceCounter& counter, Time from,
                          std::optional<Time> until, const SliceLimits& limits) {
  Reading reading{.from = from, .stopped = {}};
  std::uint64_t rows = 0;
  const auto deadline = std::chrono::steady_clock::now() + limits.seconds_max;
  const auto ok = log.for_each_joined(from, [&](const truth::JoinedRow& row) {
    if (until && row.predicted >= *until) return false;
    if (rows++ >= limits.rows_max ||
        (rows % 256 == 0 && std::chrono::steady_clock::now() >= deadline)) {
      reading.stopped = row.predicted;
      return false;
    }
    counter.add(row, !until);
    return true;
  });
  if (!ok) return fail(ok);
  return reading;
}

wire::Json side_json(const detectors::ErrorCount& count, const Reading& reading) {
  wire::Json json = reference::count_json(count);
  json["from"] = format_rfc3339(reading.from);
  json["complete"] = !reading.stopped.has_value();
  if (reading.stopped) json["read_until"] = format_rfc3339(*reading.stopped);
  return json;
}

net::HttpResponse later(std::string_view code, std::string_view message) {
  net::HttpResponse response = net::error_response(503, code, message);
  response.headers.push_back({"Retry-After", "5"});
  return response;
}

double design_effect(const SliceSubject& subject) {
  return subject.reference->accuracy ? subject.reference->accuracy->design_effect : 1;
}

Time before_from(Time since, Time now) {
  const Duration span = std::max<Duration>(now - since, Duration::zero());
  const Duration wanted = std::clamp<Duration>(span > before_max ? before_max : before_times * span,
                                               before_min, before_max);
  return since.time_since_epoch() > wanted ? since - wanted : Time{};
}

std::string random_name() {
  std::random_device random;
  std::string name;
  for (int i = 0; i < 4; ++i) name += (i > 0 ? "-" : "") + std::to_string(random());
  return name;
}

}  // namespace

SlicesApi::SlicesApi(bool keep_features, Log log, Find find, const Clock& clock, SliceLimits limits)
    : keep_features_(keep_features),
      log_(std::move(log)),
      find_(std::move(find)),
      clock_(clock),
      limits_(limits),
      name_(random_name()) {}

Result<SliceSubject> slice_subject(const Monitor& monitor, const std::string& model,
                                   const std::string& version) {
  const VersionMonitor* found = nullptr;
  std::string known;
  for (const auto& one : monitor.versions()) {
    known += (known.empty() ? "" : ", ") + one->name().model + " " + one->name().version;
    if (one->name().model != model || (!version.empty() && one->name().version != version))
      continue;
    if (!found || one->last_active() > found->last_active()) found = one.get();
  }
  if (!found) {
    return fail(
        "unknown_model",
        "model=" + model + (version.empty() ? "" : ", version=" + version) +
            ": no prediction of it was seen here; seen: " + (known.empty() ? "none" : known));
  }
  if (!found->reference() || !found->reference()->statistics) {
    return fail("no_reference",
                "version " + found->name().version +
                    " has no reference yet, whose bins are the slices: write `reference:` in the "
                    "model configuration, or wait until its first rows have become one");
  }
  SliceSubject subject{.name = found->name(),
                       .reference = found->reference(),
                       .tolerance = found->tolerance(),
                       .classification = found->is_classification(),
                       .changed = {}};
  if (found->accuracy().alarm()) {
    if (const auto change = found->accuracy().change())
      subject.changed = from_unix_ms(change->first);
  }
  return subject;
}

net::HttpResponse SlicesApi::handle(const net::HttpRequest& request) {
  const std::string model = request.query_value("model");
  if (model.empty())
    return net::error_response(400, "bad_request",
                               "expected ?model=NAME, as /api/v1/status has it");
  std::optional<Time> since;
  if (const std::string text = request.query_value("since"); !text.empty()) {
    since = parse_rfc3339(text);
    if (!since) {
      return net::error_response(
          400, "bad_since", "since=" + text + ": expected RFC 3339, e.g. 2026-01-31T12:00:00Z");
    }
  }
  if (!keep_features_) {
    return net::error_response(
        403, "features_not_kept",
        "slices need the features in the log, and log.keep_features is false; set it "
        "to true (they may be personal data) and start anew");
  }
  const truth::PredictionLog* log = log_();
  if (!log || !log->figures().available)
    return later("log_unavailable", "the prediction log is not open now");
  const auto subject = find_(model, request.query_value("version"));
  if (!subject) {
    return net::error_response(subject.error().code == "unknown_model" ? 404 : 409,
                               subject.error().code, subject.error().message);
  }
  const bool from_alarm = !since;
  if (from_alarm) since = subject->changed;
  if (!since) {
    return net::error_response(409, "no_change",
                               "no accuracy alarm stands for version " + subject->name.version +
                                   ", so no change is known: say since=TIME");
  }
  const std::unique_lock hold(busy_, std::try_to_lock);
  if (!hold) return later("busy", "another request for slices is under way; try again later");
  if (request.query_value("counts") == "true")
    return count(*log, *subject, *since, request.query_value("rows"));
  return judge(*log, *subject, *since, from_alarm);
}

net::HttpResponse SlicesApi::count(const truth::PredictionLog& log, const SliceSubject& subject,
                                   Time since, const std::string& rows_text) {
  SliceLimits limits = limits_;
  if (!rows_text.empty()) {
    const auto rows = parse_int(rows_text);
    if (!rows || *rows < 1)
      return net::error_response(400, "bad_request", "rows=" + rows_text + ": expected 1 or more");
    limits.rows_max = std::min(limits.rows_max, static_cast<std::uint64_t>(*rows));
  }
  SliceCounter counter(subject);
  const auto before = read_side(log, counter, before_from(since, clock_.now()), since, limits);
  if (!before) return later(before.error().code, before.error().message);
  const auto after = read_side(log, counter, since, {}, limits);
  if (!after) return later(after.error().code, after.error().message);
  const detectors::ErrorChange& all = counter.counts().all();
  return net::json_response(200, {{"model", subject.name.model},
                                  {"version", subject.name.version},
                                  {"sidecar", name_},
                                  {"since", format_rfc3339(since)},
                                  {"before", side_json(all.before, *before)},
                                  {"after", side_json(all.since, *after)},
                                  {"design_effect", design_effect(subject)},
                                  {"reference", subject.reference->hash},
                                  {"provisional", subject.reference->statistics->provisional},
                                  {"counts", reference::counts_json(counter.counts())}});
}

SlicesApi::Looked& SlicesApi::looked(const VersionName& name, Time since) {
  for (Looked& one : looked_) {
    if (one.name == name && one.since == since) return one;
  }
  if (looked_.size() >= looked_max) looked_.pop_front();
  return looked_.emplace_back(
      Looked{name, since, detectors::PaneLooks(detectors::SliceRule().rows_min), {}});
}

net::HttpResponse SlicesApi::judge(const truth::PredictionLog& log, const SliceSubject& subject,
                                   Time since, bool from_alarm) {
  SliceCounter counter(subject);
  const auto before = read_side(log, counter, before_from(since, clock_.now()), since, limits_);
  if (!before) return later(before.error().code, before.error().message);
  const auto after = read_side(log, counter, since, {}, limits_);
  if (!after) return later(after.error().code, after.error().message);

  Looked& looked = this->looked(subject.name, since);
  const std::uint64_t rows = counter.counts().all().since.rows;
  const double share = 2 * looked.looks.due(rows);
  if (share == 0 && looked.looks.taken() > 0) return net::json_response(200, looked.answer);

  detectors::SliceRule rule;
  rule.alpha *= share > 0 ? share : 1;  // Else there are too few rows, and nothing is named.
  rule.design_effect = design_effect(subject);
  const SliceReport report = counter.counts().judge(rule);
  if (report.verdict != detectors::SliceVerdict::too_few_rows) looked.looks.take(rows);
  wire::Json answer = {{"model", subject.name.model},
                       {"version", subject.name.version},
                       {"since", format_rfc3339(since)},
                       {"since_from", from_alarm ? "alarm" : "request"},
                       {"verdict", to_string(report.verdict)},
                       {"summary", report.sentence},
                       {"before", side_json(report.all.before, *before)},
                       {"after", side_json(report.all.since, *after)},
                       {"tested", report.tested},
                       {"alpha", rule.alpha},
                       {"slices", reference::slices_json(report)},
                       {"next_look_rows", looked.looks.next_rows()},
                       {"reference", subject.reference->hash},
                       {"provisional", subject.reference->statistics->provisional}};
  if (looked.looks.taken() > 0) looked.answer = answer;
  return net::json_response(200, answer);
}

}  // namespace outrider::monitor
