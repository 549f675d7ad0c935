// SPDX-License-Identifier: Apache-2.0
#include "truth/truth_join.h"

#include <algorithm>

#include "base/core/text.h"
#include "truth/rows.h"
#include "truth/truth_join_group.h"

namespace outrider::truth {
namespace {

constexpr std::size_t chunk_items = 1024;  // Looked up together: bounds the blocks that are pinned.
constexpr std::size_t mark_bytes = 32;
// Warehouses keep days, in whatever zone: a label's time is right to about a day.
constexpr Duration label_time_slack = std::chrono::hours(24);
constexpr std::string_view unknown_version = "unknown";

std::string mark_key(std::string_view id, std::uint32_t row) {
  const Uuid hash = alias_hash(id);
  std::string key(reinterpret_cast<const char*>(hash.bytes.data()), hash.bytes.size());
  append_u32_key(key, row);
  return key;
}

std::string rows_message(std::string_view id, std::uint32_t rows) {
  return "the request " + std::string(id) + " had " + std::to_string(rows) +
         " rows; label each as {id}_{row}, rows 0 to " + std::to_string(rows - 1);
}

// Of a key, which is never taken apart: order_7 is not row 7 of order.
std::string key_rows_message(std::string_view key, std::uint32_t rows) {
  return "the request of key " + std::string(key) + " had " + std::to_string(rows) +
         " rows; label each with its \"row\", 0 to " + std::to_string(rows - 1) +
         ", or let request.id lead to one key a row (row:/…)";
}

// What the label says is what counts; what it does not say comes from the log, where it is known.
void lay_over(JoinedRow& row, const BroughtPrediction& brought, const std::string& default_model) {
  row.prediction = brought.prediction;
  row.model_version = brought.model_version;
  if (!brought.model_name.empty()) row.model_name = brought.model_name;
  if (row.model_name.empty()) row.model_name = default_model;
  if (!brought.segment.empty()) row.segment = brought.segment;
  if (brought.score) row.score = brought.score;
}

// A foreign id's mark. Where names are scoped, of one workload.
std::string mark_text(std::string_view model_name, const std::string& id) {
  const std::size_t scope = model_name.size() - split_scope(model_name).model.size();
  return std::string(model_name.substr(0, scope)) + id;
}

}  // namespace

// What has been found out about one item.
struct TruthJoin::Work {
  IdReading reading;
  std::optional<PredictionKey> key;  // What the id stands for.
  std::optional<LabelMark> mark;     // Of a self-contained label that came before its prediction.
  bool row_named = false;
  bool by_key = false;
  bool ambiguous = false;
  bool too_new = false;  // Its key has predictions, all of them made after the label's time.
  Standing standing = Standing::live;
  LookedUp found;

  bool in_log() const { return found.rows > 0 || found.joined; }
};

TruthJoin::TruthJoin(const JoinSettings& settings, LogStore& store, KeptLog kept,
                     TruthConsumer& consumer, LabelMetrics& metrics, Time now)
    : settings_(settings),
      store_(store),
      reads_(store, kept.watermark),
      retention_(settings, store, reads_, kept),
      consumer_(consumer),
      metrics_(metrics),
      features_(std::move(kept.feature_names)) {
  for (const auto& [number, held] : kept.held) held_.load(number, held);
  for (ErasedNames::Entry& entry : kept.erased) erased_names_.add(std::move(entry));
  for (auto& [id, stream] : kept.streams) streams_.load(id, std::move(stream), now);
  consumer_.restore(kept.state);
}

Result<std::vector<LabelAnswer>> TruthJoin::join(std::span<const JoinItem> items, Time now) {
  Group group;
  if (settings_.shipped) complete_until_ = streams_.complete_until(now, settings_.early_hold);
  group.answers.reserve(items.size());
  for (std::size_t begin = 0; begin < items.size(); begin += chunk_items) {
    const auto chunk = items.subspan(begin, std::min(chunk_items, items.size() - begin));
    if (auto ok = join_chunk(chunk, now, group); !ok) return fail(ok);
  }
  std::vector<LabelAnswer> answers = std::move(group.answers);

  std::vector<HeldLabel> labels;  // Copies: joining takes them out of held_.
  std::vector<JoinItem> ready;
  const std::set<std::uint64_t> numbers = held_.take_ready();
  labels.reserve(numbers.size());
  for (const std::uint64_t number : numbers) {
    const auto held = held_.all().find(number);
    if (held == held_.all().end()) continue;
    labels.push_back(held->second);
    ready.push_back({.label = &labels.back().label,
                     .arrived = labels.back().arrived,
                     .held = number,
                     .passed = labels.back().passed,
                     .scope = labels.back().scope.any() ? nullptr : &labels.back().scope});
  }
  if (auto ok = join_chunk(ready, now, group); !ok) return fail(ok);
  if (auto ok = commit(group); !ok) return fail(ok);
  return answers;
}

TruthJoin::Standing TruthJoin::standing_of(const Uuid& id, Time now) const {
  if (now - id.time() > settings_.max_delay) return Standing::late;
  return slot_of(id) < reads_.watermark() ? Standing::evicted : Standing::live;
}

Result<void> TruthJoin::join_chunk(std::span<const JoinItem> items, Time now, Group& group) {
  std::vector<Work> work(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) work[i].reading = read_id(*items[i].label, now);
  if (auto ok = look_up_own(items, work, now); !ok) return ok;
  if (auto ok = look_up_names(items, work, now); !ok) return ok;
  for (std::size_t i = 0; i < items.size(); ++i) {
    keep_to_scope(items[i], work[i]);
    const bool owned = work[i].in_log() || work[i].ambiguous;
    LabelAnswer answer = decide(items[i], work[i], now, group);
    count(items[i], answer, work[i], owned);
    const bool waits = answer.result == LabelResult::early;
    if (items[i].held && !waits) held_.forget(*items[i].held, group.batch);
    group.answers.push_back(std::move(answer));
  }
  return {};
}

// Another workload's prediction of that id is none for this label.
void TruthJoin::keep_to_scope(const JoinItem& item, Work& work) {
  if (!item.scope || !work.in_log()) return;
  const std::string& name =
      work.found.prediction ? work.found.prediction->model_name : work.found.joined_name;
  if (!name.empty() && !item.scope->holds(name)) work.found = {};
}

Result<void> TruthJoin::look_up_own(std::span<const JoinItem> items, std::vector<Work>& work,
                                    Time now) {
  std::vector<PredictionKey> keys;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto& key = work[i].reading.key;
    if (!key) continue;
    work[i].key = key;
    work[i].row_named = work[i].reading.row_named;
    work[i].standing = standing_of(key->id, now);
    if (work[i].standing != Standing::live) continue;
    keys.push_back(*key);
    places.push_back(i);
  }
  auto found = reads_.look_up(keys);
  if (!found) return fail(found);
  for (std::size_t j = 0; j < places.size(); ++j) work[places[j]].found = std::move((*found)[j]);
  return {};
}

// The prediction that an alias or a key stands for, where it is one.
void TruthJoin::choose_named(const GroundTruth& label, std::span<const NamedPrediction> by_alias,
                             std::span<const NamedPrediction> by_key, Work& work) {
  std::optional<NamedPrediction> chosen;
  for (const NamedPrediction& one : by_key) {
    // They are in the order of their time: what comes after is newer still.
    if (label.timestamp && one.id.time() > *label.timestamp + label_time_slack) {
      work.too_new = !chosen && by_alias.empty();
      break;
    }
    if (label.row && one.row != whole_request && one.row != *label.row) continue;
    work.ambiguous = work.ambiguous || chosen.has_value();
    chosen = one;
  }
  for (const NamedPrediction& one : by_alias) {
    work.ambiguous = work.ambiguous || (chosen && chosen->id != one.id);
    if (!chosen) chosen = one;
  }
  if (!chosen) return;
  work.by_key = chosen->is_key;
  work.key = PredictionKey{chosen->id, label.row.value_or(0)};
  work.row_named = label.row.has_value();
  if (chosen->row == whole_request) return;
  work.key->row = chosen->row;
  work.row_named = true;
}

Result<void> TruthJoin::look_up_names(std::span<const JoinItem> items, std::vector<Work>& work,
                                      Time now) {
  std::vector<std::size_t> places;
  std::vector<Uuid>
      hashes;  // Three a place: the id as an alias, as a key, and what precedes "_{row}".
  std::vector<const Scope*> scopes;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (work[i].in_log()) continue;
    const auto& suffixed = work[i].reading.suffixed;
    places.push_back(i);
    hashes.push_back(alias_hash(items[i].label->id));
    hashes.push_back(key_hash(items[i].label->id));
    hashes.push_back(suffixed ? alias_hash(suffixed->first) : Uuid{});
    scopes.insert(scopes.end(), 3, items[i].scope);
  }
  const auto named = reads_.find_named(hashes, scopes);
  if (!named) return fail(named);

  std::vector<PredictionKey> keys;
  std::vector<std::size_t> resolved;
  for (std::size_t j = 0; j < places.size(); ++j) {
    Work& one = work[places[j]];
    const auto& by_alias = (*named)[3 * j];
    const auto& by_key = (*named)[3 * j + 1];
    const auto& by_prefix = (*named)[3 * j + 2];
    if (!by_alias.empty() || !by_key.empty()) {
      choose_named(*items[places[j]].label, by_alias, by_key, one);
    } else if (!by_prefix.empty() && one.reading.suffixed) {
      one.ambiguous = by_prefix.size() > 1;
      one.key = PredictionKey{by_prefix[0].id, one.reading.suffixed->second};
      one.row_named = true;
    } else {
      continue;
    }
    if (!one.key || one.ambiguous || one.too_new) continue;
    one.standing = standing_of(one.key->id, now);
    if (one.standing != Standing::live) continue;
    keys.push_back(*one.key);
    resolved.push_back(places[j]);
  }
  auto found = reads_.look_up(keys);
  if (!found) return fail(found);
  for (std::size_t j = 0; j < resolved.size(); ++j)
    work[resolved[j]].found = std::move((*found)[j]);

  // An alias may have been labelled by a self-contained label before its prediction came.
  for (const std::size_t i : resolved) {
    if (items[i].label->brought) continue;
    if (!work[i].found.prediction) continue;
    const std::string text = mark_text(work[i].found.prediction->model_name, items[i].label->id);
    const auto mark = reads_.find_mark(mark_key(text, items[i].label->row.value_or(0)));
    if (!mark) return fail(mark);
    work[i].mark = *mark;
    if (*mark) work[i].found.joined = true;
  }
  return {};
}

LabelAnswer TruthJoin::decide(const JoinItem& item, Work& work, Time now, Group& group) {
  const std::string& id = item.label->id;
  if (work.standing == Standing::late) {
    return {LabelResult::late, "the prediction " + id + " was made more than truth.max_delay (" +
                                   format_duration(settings_.max_delay) + ") ago"};
  }
  if (work.standing == Standing::evicted) {
    return {LabelResult::evicted,
            "the prediction " + id +
                " is no longer in the log, which is limited to log.max_bytes (" +
                format_bytes(settings_.bytes_max) + ")"};
  }
  if (item.label->brought) return decide_brought(item, work, now, group);
  if (work.ambiguous) {
    return {
        LabelResult::ambiguous,
        "two predictions or more go by " + id +
            (work.by_key ? ", made before the label's time; make the key longer (request.id), or "
                           "label by X-Prediction-Id"
                         : " (a retry or a fan-out); label by X-Prediction-Id")};
  }
  if (work.too_new) {
    return {LabelResult::unknown,
            "the predictions that go by " + id +
                " were all made more than a day after the label's timestamp; "
                "leave it out where the truth was known before the prediction"};
  }
  if (!work.in_log()) return decide_missing(item, work, now, group);
  if (!work.row_named && work.found.rows > 1) {
    return {LabelResult::ambiguous, work.by_key ? key_rows_message(id, work.found.rows)
                                                : rows_message(id, work.found.rows)};
  }
  if (work.found.joined || group.joined.contains(*work.key))
    return decide_joined(item, work, group);
  if (!work.found.prediction) {
    const bool failed = work.key->row < work.found.rows;
    return {LabelResult::unknown,
            failed ? "no prediction is kept for " + id +
                         ": the model gave none, or truth.sample left its key out"
                   : rows_message(id, work.found.rows)};
  }
  return accept(item, *work.key, work.found.rows, row_of(std::move(*work.found.prediction)), true,
                group);
}

LabelAnswer TruthJoin::decide_brought(const JoinItem& item, Work& work, Time now, Group& group) {
  const GroundTruth& label = *item.label;
  JoinedRow row;
  if (work.key && !work.ambiguous && !work.too_new) {
    if (!work.row_named && work.found.rows > 1) {
      return {LabelResult::ambiguous, rows_message(label.id, work.found.rows)};
    }
    if (work.found.joined || group.joined.contains(*work.key))
      return decide_joined(item, work, group);
    const bool local = work.found.prediction.has_value();
    std::uint32_t rows = work.row_named ? std::max(work.key->row + 1, 2u) : 1;
    if (local) {
      rows = work.found.rows;
      row = row_of(std::move(*work.found.prediction));
    } else {
      row.id = label.id;
      row.predicted = work.key->id.time();
    }
    lay_over(row, *label.brought, settings_.model_name);
    return accept(item, *work.key, rows, std::move(row), local, group);
  }
  lay_over(row, *label.brought, settings_.model_name);
  std::string key = mark_key(mark_text(row.model_name, label.id), label.row.value_or(0));
  const auto mark = reads_.find_mark(key);
  const auto in_group = group.marks.find(key);
  const bool is_known = in_group != group.marks.end() || (mark && *mark);
  if (is_known) {
    const bool counted_here =
        in_group != group.marks.end() ? in_group->second : (*mark)->counted_here;
    if (counted_here || !item.claimed) {
      return {LabelResult::duplicate, label.id + " has its label already; the first stands",
              !counted_here};
    }
  } else {
    retention_.segments().add_joined(slot_of(now), false, mark_bytes);
  }
  row.id = label.id;
  row.predicted = item.arrived;
  group.batch.put(Family::marks, key, encode_mark({slot_of(now), !item.passed}));
  group.marks.insert_or_assign(std::move(key), !item.passed);
  row.labelled = item.arrived;
  row.truth_time = label.timestamp;
  row.truth = label.truth;
  ++group.rows;
  if (!item.passed) count_outcome(row, false);
  return {LabelResult::joined, "", item.passed};
}

// It has its label: the first one stands. Where that was left to the other agent, which turned out
// not to have it, it is counted now.
LabelAnswer TruthJoin::decide_joined(const JoinItem& item, const Work& work, Group& group) {
  const auto in_group = group.joined.find(*work.key);
  const std::optional<JoinedRow>& row = work.found.uncounted;
  if (item.claimed && row && in_group == group.joined.end()) {
    group.batch.put(Family::joined, prediction_key(*work.key),
                    encode_joined(*row, work.found.rows));
    group.joined.emplace(*work.key, true);
    ++group.rows;
    count_outcome(*row, true);
    return {LabelResult::joined, ""};
  }
  const bool uncounted = in_group != group.joined.end() ? !in_group->second
                         : work.mark                    ? !work.mark->counted_here
                                                        : row.has_value();
  return {LabelResult::duplicate,
          "the prediction " + item.label->id + " has its label already; the first stands",
          uncounted};
}

void TruthJoin::count_outcome(const JoinedRow& row, bool is_timed) {
  metrics_.count(row.model_name, row.model_version, LabelResult::joined);
  if (is_timed)
    metrics_.observe_delay(row.model_name, row.model_version, row.labelled - row.predicted);
  consumer_.on_joined(row);
}

bool TruthJoin::Group::leaves_out(const JoinItem& item, const IdReading& reading,
                                  const TruthConsumer& consumer, const JoinSettings& settings) {
  if (!sample || sampled != item.scope) {
    sampled = item.scope;
    sample = consumer.sample_of(item.scope);
    if (!settings.shipped) sample->widen(settings.sample);
  }
  return reading.key ? !in_sample(format_uuid(reading.key->id), sample->by_id())
                     : !in_sample(item.label->id, sample->by_key());
}

LabelAnswer TruthJoin::decide_missing(const JoinItem& item, const Work& work, Time now,
                                      Group& group) {
  const std::string& id = item.label->id;
  const LabelAnswer unknown = {LabelResult::unknown,
                               "no prediction goes by " + id + " in this log"};
  if ((!item.held || item.last_chance) &&
      group.leaves_out(item, work.reading, consumer_, settings_)) {
    return {LabelResult::sampled_out,
            "the prediction " + id + " is not kept: truth.sample leaves its name out"};
  }
  if (item.held) {
    if (item.last_chance) return unknown;
    return {LabelResult::early, ""};
  }
  const auto& key = work.reading.key;
  bool may_come = !key || now - key->id.time() < settings_.early_hold;
  // Of an old one, too, while a sidecar may still have it in its queue.
  if (settings_.shipped && key)
    may_come = !complete_until_ || *complete_until_ < key->id.time() + settings_.early_hold;
  if (item.fan_out) return unknown;
  const auto held = held_.find(*item.label, item.scope ? *item.scope : Scope{});
  if (held && (item.passed || held_.all().at(*held).passed)) return decide_held(item, *held, group);
  if (!may_come) return unknown;
  if (settings_.early_hold <= Duration::zero()) return unknown;
  if (held_.size() >= settings_.early_max || held_.bytes() >= settings_.early_bytes_max) {
    ++not_held_;
    return {LabelResult::unknown, unknown.message + ", and " + std::to_string(held_.size()) +
                                      " labels are held for theirs already; send it again later"};
  }
  held_.add({*item.label, item.arrived, item.passed, item.scope ? *item.scope : Scope{}},
            group.batch);
  return {LabelResult::early,
          "no prediction goes by " + id + " yet; held for " + format_duration(settings_.early_hold),
          item.passed};
}

// One agent of a pair counts what is held, however often it is sent.
LabelAnswer TruthJoin::decide_held(const JoinItem& item, std::uint64_t number, Group& group) {
  const bool uncounted = held_.all().at(number).passed;
  const std::string& id = item.label->id;
  if (uncounted && item.claimed) {
    held_.count_here(number, group.batch);
    return {LabelResult::early, "no prediction goes by " + id + " yet; it is held"};
  }
  return {LabelResult::duplicate,
          "no prediction goes by " + id + " yet, and a label of it is held; the first stands",
          uncounted};
}

LabelAnswer TruthJoin::accept(const JoinItem& item, const PredictionKey& key, std::uint32_t rows,
                              JoinedRow row, bool local, Group& group) {
  row.labelled = item.arrived;
  row.truth_time = item.label->timestamp;
  row.truth = item.label->truth;
  const std::string value = encode_joined(row, rows, !item.passed);
  group.batch.put(Family::joined, prediction_key(key), value);
  group.joined.emplace(key, !item.passed);
  ++group.rows;
  retention_.segments().add_joined(slot_of(key.id), local, value.size() + 20);
  features_.add(row.features, group.batch);
  if (!item.passed) count_outcome(row, true);
  return {LabelResult::joined, "", item.passed};
}

// Joined labels were counted with their row's model. Of a fan-out question only what this log's own
// predictions decide is counted: the asking agent counts the rest, once.
void TruthJoin::count(const JoinItem& item, const LabelAnswer& answer, const Work& work,
                      bool owned) {
  if (answer.result == LabelResult::joined || item.passed || item.asked) return;
  if (item.fan_out && !owned && !item.label->brought) return;
  if (item.held && answer.result == LabelResult::early) return;  // Counted when it came.
  std::string_view name = settings_.model_name, version = unknown_version;
  std::string scoped;  // Whose it would have been.
  if (item.scope && item.scope->workload) {
    scoped = scoped_name({item.scope->cluster.value_or(""), item.scope->name_space.value_or(""),
                          *item.scope->workload},
                         settings_.model_name);
    name = scoped;
  }
  if (work.found.joined && !work.found.joined_name.empty()) {
    name = work.found.joined_name;
    version = work.found.joined_version;
  } else if (work.found.prediction && !work.found.prediction->model_name.empty()) {
    name = work.found.prediction->model_name;
    version = work.found.prediction->model_version;
  } else if (item.label->brought) {
    if (!item.label->brought->model_name.empty()) name = item.label->brought->model_name;
    version = item.label->brought->model_version;
  }
  metrics_.count(name, version, answer.result);
}

Result<void> TruthJoin::commit(Group& group) {
  if (group.rows > 0) {
    BatchState state(group.batch);
    consumer_.changed_state(state);
    retention_.add_meta(group.batch);
  }
  if (!group.batch.empty()) {
    const auto taken = store_.write(group.batch, true);
    if (!taken) return fail(taken);
    metrics_.observe_sync(*taken);
  }
  metrics_.commit();
  if (group.rows > 0) consumer_.committed();
  return {};
}

// Its time is over, or no prediction of before it can come any more.
bool TruthJoin::is_over(const HeldLabel& held, Time now) const {
  if (now - held.arrived >= settings_.early_hold) return true;
  return settings_.shipped && complete_until_ && *complete_until_ >= held.arrived;
}

Result<void> TruthJoin::maintain(Time now) {
  if (auto ok = forget_streams(now); !ok) return ok;
  if (auto ok = retention_.drop_expired(now); !ok) return ok;
  if (auto ok = forget_erased(now); !ok) return ok;
  if (settings_.shipped) complete_until_ = streams_.complete_until(now, settings_.early_hold);
  std::vector<HeldLabel> labels;
  std::vector<JoinItem> over;
  labels.reserve(held_.size());
  for (const auto& [number, held] : held_.all()) {
    if (!is_over(held, now)) break;
    labels.push_back(held);
    over.push_back({.label = &labels.back().label,
                    .arrived = held.arrived,
                    .held = number,
                    .last_chance = true,
                    .passed = held.passed,
                    .scope = held.scope.any() ? nullptr : &labels.back().scope});
  }
  if (!over.empty()) {
    if (auto joined = join(over, now); !joined) return fail(joined);
  }
  return retention_.keep_below_cap();
}

Result<void> TruthJoin::forget_streams(Time now) {
  const auto gone = streams_.forget_before(now - settings_.max_delay);
  if (gone.empty()) return {};
  WriteBatch batch;
  for (const Uuid& id : gone) batch.erase(Family::meta, stream_key(id));
  if (auto ok = store_.write(batch, false); !ok) return fail(ok);
  return {};
}

}  // namespace outrider::truth
