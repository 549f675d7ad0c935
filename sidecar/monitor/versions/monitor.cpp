// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/versions/monitor.h"

#include <algorithm>
#include <cmath>

#include "base/core/text.h"
#include "sidecar/tap/model_path.h"

namespace outrider::monitor {
namespace {

constexpr std::string_view unknown = "unknown";
constexpr std::string_view state_prefix = "accuracy/";

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

// Provisional ones are learned from traffic, and so are their names.
bool is_trained(const reference::ModelReference& reference) {
  return reference.statistics && !reference.statistics->provisional;
}

}  // namespace

Monitor::Monitor(ModelConfig settings, Time now) : settings_(std::move(settings)), judged_(now) {
  gather_vouched();
}

const VersionName& Monitor::observe(const decode::Observation& observation, Time now) {
  VersionMonitor& version = find_version(observation.model_name, observation.model_version,
                                         evidence_of(observation), now);
  const auto learning_bytes = [&version] {
    return version.learning_rows() ? version.learning_rows()->memory_bytes() : 0;
  };
  const std::size_t before = learning_bytes();
  version.observe(observation);
  learning_bytes_ += learning_bytes() - before;
  if (learning_bytes_ > settings_.limits.learning_bytes) keep_learning_bounded();
  return version.name();
}

// Many versions that learn at once take turns: the one that has learned least begins anew, so the
// others come to their end and make room for it.
void Monitor::keep_learning_bounded() {
  while (true) {
    learning_bytes_ = 0;
    std::size_t learners = 0;
    VersionMonitor* least = nullptr;
    for (const auto& version : versions_) {
      const auto* rows = version->learning_rows();
      if (!rows) continue;
      ++learners;
      learning_bytes_ += rows->memory_bytes();
      if (!rows->complete() && (!least || rows->rows() < least->learning_rows()->rows())) {
        least = version.get();
      }
    }
    if (learning_bytes_ <= settings_.limits.learning_bytes || learners < 2 || !least) return;
    least->forget_learned();
    ++learning_given_up_;
  }
}

std::size_t Monitor::NameHash::operator()(const NameView& name) const {
  const std::hash<std::string_view> hash;
  return hash(name.model) * 31 + hash(name.version);
}

VersionMonitor* Monitor::known(std::string_view model, std::string_view version) const {
  const auto found = index_.find({model, version});
  return found == index_.end() ? nullptr : found->second;
}

VersionMonitor& Monitor::find_version(std::string_view model, std::string_view version,
                                      Evidence evidence, Time now) {
  if (last_ && last_->name().model == model && last_->name().version == version) return *last_;
  if (VersionMonitor* found = known(model, version)) return *(last_ = found);
  const auto decision = decide({clean_name(model), clean_name(version)}, evidence, now);
  for (const VersionMonitor* leaving : decision.leaving) remove(*leaving);
  turned_away_.models += decision.turned_away == Admission::Decision::TurnedAway::model;
  turned_away_.versions += decision.turned_away == Admission::Decision::TurnedAway::version;
  VersionMonitor* found = known(decision.name.model, decision.name.version);
  return found ? *found : add_version(decision.name, now);
}

Admission::Decision Monitor::decide(VersionName name, Evidence evidence, Time now) const {
  const auto in_use = [this](const VersionMonitor& version) {
    return std::any_of(uncommitted_.labels.begin(), uncommitted_.labels.end(),
                       [&](const auto& label) { return label.first == &version; });
  };
  return Admission({settings_, vouched_, versions_, in_use, now}).decide(std::move(name), evidence);
}

VersionMonitor& Monitor::add_version(VersionName name, Time now) {
  versions_.push_back(std::make_unique<VersionMonitor>(
      next_serial_++, name, settings_.of(name.model), settings_.limits, now));
  VersionMonitor& added = *versions_.back();
  index_.emplace(NameView{added.name().model, added.name().version}, &added);
  added.set_reference(reference_of(added.name()));
  resume_inputs(added);
  wants_references_ = true;
  return added;
}

void Monitor::remove(const VersionMonitor& version) {
  if (last_ == &version) last_ = nullptr;
  std::erase(uncommitted_.changed, &version);
  if (version.accuracy().labels() > 0) uncommitted_.left.push_back(state_key(version.name()));
  turned_away_.segments += version.outcomes().segments_turned_away();
  turned_away_.classes += version.outcomes().classes_turned_away();
  index_.erase({version.name().model, version.name().version});
  std::erase_if(versions_, [&](const auto& one) { return one.get() == &version; });
}

void Monitor::gather_vouched() {
  vouched_ = NameSet(settings_.allowed_models.begin(), settings_.allowed_models.end());
  vouched_.emplace(settings_.default_model());
  for (const auto& [model, own] : settings_.models) vouched_.insert(model);
  for (const SharedReference& reference : references_) {
    if (is_trained(*reference)) vouched_.insert(subject_of(*reference).model);
  }
}

std::uint64_t Monitor::segments_turned_away() const {
  std::uint64_t count = turned_away_.segments;
  for (const auto& version : versions_) count += version->outcomes().segments_turned_away();
  return count;
}

std::uint64_t Monitor::classes_turned_away() const {
  std::uint64_t count = turned_away_.classes;
  for (const auto& version : versions_) count += version->outcomes().classes_turned_away();
  return count;
}

VersionName Monitor::subject_of(const reference::ModelReference& reference) const {
  VersionName subject{reference.model_name, reference.model_version};
  if (subject.model.empty()) subject.model = settings_.default_model();
  if (subject.version.empty()) subject.version = settings_.of(subject.model).default_version();
  return subject;
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
  if (name.version != unknown) return nullptr;
  if (references_.size() == 1) {
    const std::string model = subject_of(*references_.front()).model;
    if (name.model == unknown || model == unknown || name.model == model) {
      return references_.front();
    }
    return nullptr;
  }
  for (const SharedReference& one : references_) {
    if (!is_trained(*one) || subject_of(*one).model != name.model) continue;
    if (only) return nullptr;
    only = one;
  }
  return only;
}

void Monitor::set_references(std::vector<SharedReference> references, Time) {
  references_ = std::move(references);
  gather_vouched();
  assign_references();
}

void Monitor::assign_references() {
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

std::vector<std::vector<VersionMonitor*>> Monitor::by_model() const {
  std::unordered_map<std::string_view, std::size_t> places;
  std::vector<std::vector<VersionMonitor*>> groups;
  for (const auto& version : versions_) {
    const auto [place, added] = places.emplace(version->name().model, groups.size());
    if (added) groups.emplace_back();
    groups[place->second].push_back(version.get());
  }
  return groups;
}

// A version is out of service when it is idle while another one of its model is not.
void Monitor::judge_service(Time now) {
  for (const auto& group : by_model()) {
    const bool in_service = std::any_of(group.begin(), group.end(),
                                        [&](const auto* version) { return !version->idle(now); });
    for (VersionMonitor* version : group) {
      const bool replaced = in_service && version->idle(now);
      if (replaced == version->retired()) continue;
      version->set_retired(replaced);
      uncommitted_.changed.push_back(version);
    }
  }
}

// Every version in service against the one that has the most traffic: a canary against production.
void Monitor::compare_versions(Time now) {
  for (const auto& group : by_model()) {
    const VersionMonitor* baseline = nullptr;
    for (const VersionMonitor* one : group) {
      if (one->idle(now) || !one->watch()) continue;
      if (!baseline || one->watch()->rows(Window::hour) > baseline->watch()->rows(Window::hour)) {
        baseline = one;
      }
    }
    for (VersionMonitor* version : group) {
      const bool compared = baseline && baseline != version && !version->idle(now) &&
                            version->name().version != other_name;
      version->compare_with(compared ? baseline : nullptr);
    }
  }
}

void Monitor::set_settings(ModelConfig settings) {
  settings_ = std::move(settings);
  for (const auto& version : versions_) {
    version->set_settings(settings_.of(version->name().model));
  }
  gather_vouched();
  assign_references();  // Whom one judges may depend on what the configuration names.
}

truth::JudgeRule Monitor::judge_rule(std::string_view model, std::string_view version) const {
  const VersionMonitor* found = known(model, version);
  if (found) return {found->is_classification(), found->tolerance()};
  const ModelSettings& its = settings_.of(model);
  truth::JudgeRule rule;
  rule.classification = its.rules.prediction_kind == decode::PredictionKind::classification;
  rule.tolerance.relative = its.truth.tolerance.value_or(rule.tolerance.relative);
  rule.tolerance.absolute = its.truth.absolute_tolerance.value_or(rule.tolerance.absolute);
  return rule;
}

void Monitor::restore(std::span<const truth::StateBlob> blobs) {
  uncommitted_.labels.clear();
  uncommitted_.changed.clear();
  for (const auto& version : versions_) version->reset_accuracy();
  for (const truth::StateBlob& blob : blobs) {
    const auto name = parse_state_key(blob.key);
    if (!name || std::find(uncommitted_.left.begin(), uncommitted_.left.end(), blob.key) !=
                     uncommitted_.left.end())
      continue;
    VersionMonitor* version = known(name->model, name->version);
    if (!version) {
      const auto decision = decide(*name, Evidence::answered, judged_);
      if (decision.name != *name || !decision.leaving.empty()) continue;
      version = &add_version(*name, judged_);
    }
    restore_accuracy(*version, blob.bytes);
  }
}

void Monitor::restore_accuracy(VersionMonitor& version, std::string_view bytes) {
  const auto restored = version.accuracy().restore(bytes);
  if (!restored) {
    ++turned_away_.blobs;
    last_refusal_ = version.name().model + "/" + version.name().version + ": " +
                    restored.error().message + "; its accuracy starts afresh";
  }
  version.reapply_reference();
}

void Monitor::on_joined(const truth::JoinedRow& row) {
  VersionMonitor& version =
      find_version(row.model_name, row.model_version, Evidence::answered, row.labelled);
  uncommitted_.labels.emplace_back(&version, version.judge(row));
  if (std::find(uncommitted_.changed.begin(), uncommitted_.changed.end(), &version) ==
      uncommitted_.changed.end()) {
    uncommitted_.changed.push_back(&version);
  }
}

void Monitor::changed_state(truth::StateWriter& out) {
  for (const std::string& key : uncommitted_.left) out.erase(key);
  for (const VersionMonitor* version : uncommitted_.changed) {
    if (version->name().version == other_name) continue;  // Nothing of a mixture is worth keeping.
    out.put(state_key(version->name()), version->accuracy().serialise());
  }
}

void Monitor::committed() {
  for (const auto& [version, label] : uncommitted_.labels) version->publish(label);
  uncommitted_.labels.clear();
  uncommitted_.changed.clear();
  uncommitted_.left.clear();
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
      ++turned_away_.blobs;
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

std::string window_name(std::size_t hours) {
  return hours == 0 ? "pane" : std::to_string(hours) + "h";
}

wire::Json verdict_status(const detectors::Verdict& verdict) {
  return {{"subject", verdict.subject},
          {"state", to_string(verdict.state)},
          {"n", verdict.n},
          {"m", verdict.m},
          {"window", window_name(verdict.window_hours)},
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
            {"chi2", verdict.thresholds.chi2},
            {"q", verdict.thresholds.q}}},
          {"ratio", verdict.ratio},
          {"p", verdict.scores.p},
          {"q", verdict.q}};
}

// How far the rhythm of the week is known, by which five-minute panes are judged.
wire::Json rhythm_status(const detectors::Rhythm& rhythm) {
  return {{"state", rhythm.known() ? "known" : "rhythm not yet known"},
          {"from", rhythm.from_training() ? "training rows and live ones" : "live rows"},
          {"hours_known", rhythm.hours_known()},
          {"hours", detectors::week_hours},
          {"known_ratio", rhythm.share_known()}};
}

// What will be judged next, and by what has come of it so far.
wire::Json filling_pane_status(const detectors::FillingPane& pane) {
  wire::Json json = {{"since", format_rfc3339(pane.since)},
                     {"ends", format_rfc3339(pane.ends)},
                     {"ends_at_most", format_rfc3339(pane.ends_at_most)},
                     {"rows", pane.rows},
                     {"next_look_at_rows", pane.look_at},
                     {"verdicts", wire::Json::array()}};
  for (const detectors::Verdict& verdict : pane.verdicts) {
    json["verdicts"].push_back(verdict_status(verdict));
  }
  return json;
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

wire::Json inputs_status(const VersionMonitor& version, Time now) {
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
  const detectors::FillingPane pane = watch->filling_pane(now);
  for (std::size_t i = 0; i < watch->verdicts().size(); ++i) {
    // What was never judged shows what there is of it.
    const bool judged = watch->verdicts()[i].state != detectors::State::warming_up;
    json["verdicts"].push_back(verdict_status(judged ? watch->verdicts()[i] : pane.verdicts[i]));
    json["verdicts"].back()["state"] = to_string(watch->verdicts()[i].state);
  }
  json["pane"] = filling_pane_status(pane);
  if (watch->rhythm()) json["rhythm"] = rhythm_status(*watch->rhythm());
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
         {"inputs", inputs_status(*version, now)},
         {"comparison", comparison_status(*version)}});
  }
  return {{"versions", models}};
}

}  // namespace outrider::monitor
