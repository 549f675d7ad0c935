// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/monitor.h"

#include <algorithm>
#include <cmath>

#include "base/core/text.h"
#include "sidecar/tap/model_path.h"

namespace outrider::monitor {
namespace {

constexpr std::string_view other = "other";
constexpr std::string_view unknown = "unknown";
constexpr std::string_view state_prefix = "accuracy/";

std::string clean_name(std::string_view name) {
  return std::string(tap::is_model_name(name) ? name : other);
}

std::string state_key(const VersionName& name) {
  return std::string(state_prefix) + percent_encode(name.model) + "/" +
         percent_encode(name.version);
}

std::optional<VersionName> parse_state_key(std::string_view key) {
  if (!key.starts_with(state_prefix)) return std::nullopt;
  key.remove_prefix(state_prefix.size());
  const std::size_t slash = key.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  auto model = percent_decode(key.substr(0, slash), false);
  auto version = percent_decode(key.substr(slash + 1), false);
  if (!model || !version) return std::nullopt;
  return VersionName{std::move(*model), std::move(*version)};
}

}  // namespace

Monitor::Monitor(Settings settings, Time now) : settings_(std::move(settings)), judged_(now) {}

void Monitor::observe(const decode::Observation& observation, Time now) {
  find_version(observation.model_name, observation.model_version, now).observe(observation);
}

VersionMonitor& Monitor::find_version(std::string_view model, std::string_view version, Time now) {
  if (last_ && last_->name().model == model && last_->name().version == version) return *last_;
  for (const auto& known : versions_) {
    if (known->name().model == model && known->name().version == version)
      return *(last_ = known.get());
  }
  VersionMonitor& found = find_version_slowly({clean_name(model), clean_name(version)}, now);
  return found;
}

VersionMonitor& Monitor::find_version_slowly(VersionName name, Time now) {
  const auto known = [this](const VersionName& wanted) -> VersionMonitor* {
    for (const auto& version : versions_) {
      if (version->name() == wanted) return version.get();
    }
    return nullptr;
  };
  name = admitted(std::move(name));
  if (VersionMonitor* found = known(name)) return *found;
  if (!make_room(name.model, now)) {
    ++versions_turned_away_;
    name.version = other;
    if (VersionMonitor* found = known(name)) return *found;
  }
  return add_version(std::move(name), now);
}

// The name itself where the allow-list and the cap on models let it pass.
VersionName Monitor::admitted(VersionName name) {
  const auto& allowed = settings_.allowed_models;
  const bool listed =
      allowed.empty() || std::find(allowed.begin(), allowed.end(), name.model) != allowed.end();
  std::vector<std::string_view> models;
  for (const auto& version : versions_) {
    if (std::find(models.begin(), models.end(), version->name().model) == models.end()) {
      models.push_back(version->name().model);
    }
  }
  const bool is_known = std::find(models.begin(), models.end(), name.model) != models.end();
  if (listed && (is_known || models.size() < settings_.limits.models)) return name;
  ++models_turned_away_;
  return {std::string(other), std::string(other)};
}

// Room for one more version of a model: there is, or the longest idle one goes.
bool Monitor::make_room(const std::string& model, Time now) {
  std::size_t count = 0;
  VersionMonitor* oldest = nullptr;
  for (const auto& version : versions_) {
    if (version->name().model != model || version->name().version == other) continue;
    ++count;
    if (version->idle(now) && (!oldest || version->last_active() < oldest->last_active())) {
      oldest = version.get();
    }
  }
  if (count < settings_.limits.versions) return true;
  const bool in_use = std::any_of(uncommitted_.begin(), uncommitted_.end(),
                                  [&](const auto& label) { return label.first == oldest; });
  if (!oldest || in_use) return false;
  if (last_ == oldest) last_ = nullptr;
  std::erase(changed_, oldest);
  std::erase_if(versions_, [&](const auto& version) { return version.get() == oldest; });
  return true;
}

VersionMonitor& Monitor::add_version(VersionName name, Time now) {
  versions_.push_back(
      std::make_unique<VersionMonitor>(next_serial_++, std::move(name), settings_, now));
  VersionMonitor& added = *versions_.back();
  added.set_reference(reference_of(added.name()));
  resume_inputs(added);
  wants_references_ = true;
  return added;
}

VersionName Monitor::subject_of(const reference::ModelReference& reference) const {
  return {
      reference.model_name.empty() ? std::string(settings_.default_model()) : reference.model_name,
      reference.model_version.empty() ? std::string(settings_.default_version())
                                      : reference.model_version};
}

SharedReference Monitor::reference_of(const VersionName& name) const {
  for (const SharedReference& one : references_) {
    const VersionName subject = subject_of(*one);
    if (subject.model == name.model && subject.version == name.version) return one;
  }
  // Traffic that does not say its model's or version's name: what can only be meant.
  SharedReference only;
  if (name.model == unknown && name.version != unknown) {
    for (const SharedReference& one : references_) {
      if (one->model_version != name.version) continue;
      if (only) return nullptr;
      only = one;
    }
    return only;
  }
  if (name.version == unknown && references_.size() == 1) {
    const std::string model = subject_of(*references_.front()).model;
    if (name.model == unknown || model == unknown || name.model == model) {
      return references_.front();
    }
  }
  return nullptr;
}

void Monitor::set_references(std::vector<SharedReference> references, Time) {
  references_ = std::move(references);
  for (const auto& version : versions_) {
    version->set_reference(reference_of(version->name()));
    resume_inputs(*version);
  }
}

std::vector<Monitor::Learned> Monitor::take_learned() {
  std::vector<Learned> ready;
  for (const auto& version : versions_) {
    if (auto rows = version->take_learned()) ready.push_back({version->name(), std::move(rows)});
  }
  return ready;
}

void Monitor::set_provisional(SharedReference reference, Time) {
  for (const auto& version : versions_) {
    if (version->name().model == reference->model_name &&
        version->name().version == reference->model_version) {
      version->set_reference(reference);
      resume_inputs(*version);
    }
  }
}

void Monitor::advance(Time now) {
  for (const auto& version : versions_) version->advance(now);
  constexpr Duration judge_every = std::chrono::seconds(5);
  if (now - judged_ < judge_every && now >= judged_) return;
  judged_ = now;
  judge_service(now);
  compare_versions(now);
}

// A version is out of service when it is idle while another one of its model is not.
void Monitor::judge_service(Time now) {
  for (const auto& version : versions_) {
    const bool replaced =
        version->idle(now) && std::any_of(versions_.begin(), versions_.end(), [&](const auto& one) {
          return one != version && one->name().model == version->name().model && !one->idle(now);
        });
    if (replaced == version->retired()) continue;
    version->set_retired(replaced);
    changed_.push_back(version.get());
  }
}

// Every version in service against the one that has the most traffic: a canary against production.
void Monitor::compare_versions(Time now) {
  for (const auto& version : versions_) {
    const VersionMonitor* baseline = nullptr;
    for (const auto& one : versions_) {
      if (one->name().model != version->name().model || one->idle(now) || !one->watch()) continue;
      if (!baseline || one->watch()->rows(Window::hour) > baseline->watch()->rows(Window::hour)) {
        baseline = one.get();
      }
    }
    const bool compared = baseline && baseline != version.get() && !version->idle(now) &&
                          version->name().version != other;
    version->compare_with(compared ? baseline : nullptr);
  }
}

void Monitor::set_settings(Settings settings) {
  settings_ = std::move(settings);
}

void Monitor::restore(std::span<const labels::StateBlob> blobs) {
  uncommitted_.clear();
  changed_.clear();
  for (const auto& version : versions_) version->reset_accuracy();
  for (const labels::StateBlob& blob : blobs) {
    const auto name = parse_state_key(blob.key);
    if (!name) continue;
    VersionMonitor* version = nullptr;
    for (const auto& known : versions_) {
      if (known->name() == *name) version = known.get();
    }
    if (!version) {
      if (versions_.size() >= settings_.limits.models * settings_.limits.versions) continue;
      version = &add_version(*name, judged_);
    }
    restore_accuracy(*version, blob.bytes);
  }
}

void Monitor::restore_accuracy(VersionMonitor& version, std::string_view bytes) {
  const auto restored = version.accuracy().restore(bytes);
  if (!restored) {
    ++blobs_refused_;
    last_refusal_ = version.name().model + "/" + version.name().version + ": " +
                    restored.error().message + "; its accuracy starts afresh";
  }
  version.reapply_reference();
}

void Monitor::on_joined(const labels::JoinedRow& row) {
  VersionMonitor& version = find_version(row.model_name, row.model_version, row.labelled);
  uncommitted_.emplace_back(&version, version.judge(row));
  if (std::find(changed_.begin(), changed_.end(), &version) == changed_.end()) {
    changed_.push_back(&version);
  }
}

void Monitor::changed_state(labels::StateWriter& out) {
  for (const VersionMonitor* version : changed_) {
    if (version->name().version == other) continue;  // Nothing of a mixture is worth keeping.
    out.put(state_key(version->name()), version->accuracy().serialise());
  }
}

void Monitor::committed() {
  for (const auto& [version, label] : uncommitted_) version->publish(label);
  uncommitted_.clear();
  changed_.clear();
}

std::vector<Monitor::InputState> Monitor::input_states() const {
  std::vector<InputState> states;
  for (const auto& version : versions_) {
    if (!version->watch()) continue;
    states.push_back({version->name(), version->reference()->hash, version->watch()->serialise()});
  }
  return states;
}

void Monitor::restore_input_state(InputState state) {
  waiting_inputs_.push_back(std::move(state));
}

void Monitor::resume_inputs(VersionMonitor& version) {
  if (!version.watch()) return;
  std::erase_if(waiting_inputs_, [&](const InputState& state) {
    if (state.name != version.name() || state.reference != version.reference()->hash) return false;
    if (const auto restored = version.watch()->restore(state.bytes); !restored) {
      ++blobs_refused_;
      last_refusal_ = version.name().model + "/" + version.name().version + ": " +
                      restored.error().message + "; its windows start afresh";
    }
    return true;
  });
}

namespace {

wire::Json accuracy_status(const VersionMonitor& version, Time now) {
  const Accuracy& accuracy = version.accuracy();
  wire::Json json;
  json["state"] = to_string(accuracy.state());
  json["provisional"] = accuracy.provisional();
  json["labels"] = accuracy.labels();
  if (const auto reference = accuracy.reference_accuracy()) json["reference_accuracy"] = *reference;
  for (const Window window : all_windows) {
    const OutcomeCounts counts = accuracy.windows().sum(window, now);
    wire::Json one = {{"labels", counts.labels()}};
    if (counts.labels() > 0) one["accuracy"] = counts.accuracy();
    json["windows"][std::string(to_string(window))] = one;
  }
  if (const auto evidence = accuracy.evidence_log10()) json["evidence_log10"] = *evidence;
  if (const auto* detector = accuracy.detector()) {
    json["alarm_at_log10"] = std::log10(detector->settings().alarm_run_length);
  }
  json["alarm"] = accuracy.alarm();
  if (const auto change = accuracy.change()) {
    json["change"] = {{"since", format_rfc3339(from_unix_ms(change->first))},
                      {"labels", change->labels},
                      {"correct", change->correct()},
                      {"accuracy", change->accuracy()}};
  }
  return json;
}

wire::Json verdict_status(const detectors::Verdict& verdict) {
  return {{"subject", verdict.subject},
          {"state", to_string(verdict.state)},
          {"n", verdict.n},
          {"m", verdict.m},
          {"design_effect", verdict.design.rank},
          {"scores",
           {{"psi", verdict.scores.psi},
            {"ks", verdict.scores.ks},
            {"js", verdict.scores.js},
            {"wasserstein", verdict.scores.wasserstein},
            {"chi2", verdict.scores.chi2}}},
          {"thresholds",
           {{"psi", verdict.thresholds.psi},
            {"ks", verdict.thresholds.ks},
            {"chi2", verdict.thresholds.chi2}}},
          {"p", verdict.scores.p},
          {"q", verdict.q}};
}

// Null for a version that is compared with none.
wire::Json comparison_status(const VersionMonitor& version) {
  if (version.compared_with().empty()) return nullptr;
  wire::Json json = {{"against", version.compared_with()}, {"verdicts", wire::Json::array()}};
  for (const detectors::Verdict& verdict : version.comparison_verdicts()) {
    json["verdicts"].push_back(verdict_status(verdict));
  }
  return json;
}

wire::Json inputs_status(const VersionMonitor& version) {
  wire::Json json;
  json["reference"] = !version.reference()                           ? "none"
                      : version.reference()->statistics->provisional ? "provisional"
                                                                     : "trained";
  json["learning"] = version.learning();
  json["verdicts"] = wire::Json::array();
  const detectors::VersionWatch* watch = version.watch();
  if (!watch) return json;
  json["reference_hash"] = version.reference()->hash;
  json["reference_rows"] = version.reference()->statistics->rows;
  for (const detectors::Verdict& verdict : watch->verdicts()) {
    json["verdicts"].push_back(verdict_status(verdict));
  }
  for (std::size_t i = 0; i < watch->reference().features.size(); ++i) {
    const detectors::Quality& quality = watch->quality(i);
    json["quality"][watch->reference().features[i].name] = {{"missing", quality.missing},
                                                            {"type", quality.type},
                                                            {"range", quality.range},
                                                            {"unseen", quality.unseen}};
  }
  if (const auto estimated = watch->estimated_accuracy(Window::hour)) {
    json["estimated_accuracy"] = *estimated;
  }
  return json;
}

}  // namespace

wire::Json Monitor::status(Time now) const {
  wire::Json models = wire::Json::array();
  for (const auto& version : versions_) {
    models.push_back(
        {{"model_name", version->name().model},
         {"model_version", version->name().version},
         {"in_service", !version->retired() && !version->idle(now)},
         {"predictions", {{"success", version->successes()}, {"failure", version->failures()}}},
         {"accuracy", accuracy_status(*version, now)},
         {"inputs", inputs_status(*version)},
         {"comparison", comparison_status(*version)}});
  }
  return {{"versions", models}};
}

}  // namespace outrider::monitor
