// SPDX-License-Identifier: Apache-2.0
#include "agent/truth/topic_reader.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>
#include <utility>

#include "base/config/files.h"

namespace outrider::fleet {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr Duration ask_timeout = 5s;       // Of a question to the brokers.
constexpr Duration recover_silence = 10s;  // Of a partition that is read outside of the group.
constexpr Duration recover_again = 30s;
constexpr Duration house_every = 1s;
constexpr Duration save_every = 5s;  // Where no claim does it.

std::string new_name() {
  std::random_device random;
  char text[17];
  std::snprintf(text, sizeof text, "%08x%08x", random(), random());
  return text;
}

TopicProgress load(const TopicReader::Settings& settings) {
  const auto file = settings.folder / "kafka.json";
  std::error_code error;
  std::filesystem::create_directories(settings.folder, error);
  TopicProgress made;
  if (!std::filesystem::exists(file, error)) {
    made.agent = new_name();
    made.topic = settings.consumer.options.topic;
    return made;
  }
  std::ifstream in(file);
  auto read = TopicProgress::parse(std::string((std::istreambuf_iterator<char>(in)), {}));
  if (!read) {
    throw std::runtime_error(file.string() + " cannot be read (" + read.error().message +
                             "); remove it, and the topic is read from its beginning");
  }
  if (read->topic != settings.consumer.options.topic) {
    throw std::runtime_error("truth.kafka.topic: the predictions in " + settings.folder.string() +
                             " are of the topic " + read->topic +
                             "; give another topic another --data.dir");
  }
  return std::move(*read);
}

std::int64_t end_of(const TopicBatch& batch) {
  return batch.records.back().offset + 1;
}

}  // namespace

TopicReader::TopicReader(const Settings& settings, truth::PredictionLog& log,
                         truth::PublishRecords forward, std::shared_ptr<kafka::Troubles> troubles,
                         const Clock& clock)
    : settings_(settings),
      troubles_(std::move(troubles)),
      join_(settings.join, log, std::move(forward), clock),
      progress_(load(settings)),
      backoff_({.initial = 200ms, .max = 10s}) {
  thread_ = std::thread([this] { run(); });
}

TopicReader::~TopicReader() {
  stop();
}

void TopicReader::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

bool TopicReader::is_member() const {
  const std::lock_guard hold(mutex_);
  return figures_.member;
}

// ---- The group's decisions; in Consumer::poll(), on the reader's thread. ----

Result<void> TopicReader::check_partition_count() {
  const auto count = consumer_->partitions(ask_timeout);
  if (!count) return fail(count);
  if (progress_.partition_count == 0) progress_.partition_count = *count;
  if (progress_.partition_count == *count) return {};
  return fail("kafka_topic_changed",
              "the topic " + progress_.topic + " has " + std::to_string(*count) +
                  " partitions and had " + std::to_string(progress_.partition_count) +
                  ": predictions and their labels would not meet. Use a new topic, and agents with "
                  "new data folders");
}

// Claims in partitions that are another's now: those that were taken are counted here all the same.
void TopicReader::look_at_orphans(std::span<const kafka::Place> committed) {
  for (const kafka::Place& place : committed) {
    auto& kept = progress_.partitions[place.partition];
    const auto history = CommitHistory::parse(place.metadata);
    if (history.last(progress_.agent) < kept.claimed) {
      kept.claimed = -1;
      continue;
    }
    orphans_[place.partition] = {.from = kept.resume < 0 ? kept.next : kept.resume,
                                 .counts_from = INT64_MAX,
                                 .own_from = kept.next,
                                 .own_to = kept.claimed,
                                 .missed = 0};
  }
}

Result<std::vector<kafka::Place>> TopicReader::assigned(std::span<const std::int32_t> partitions) {
  if (auto ok = check_partition_count(); !ok) return fail(ok);
  std::vector<std::int32_t> asked(partitions.begin(), partitions.end());
  for (const auto& [number, kept] : progress_.partitions) {
    if (kept.has_claim() && std::find(asked.begin(), asked.end(), number) == asked.end())
      asked.push_back(number);
  }
  auto committed = consumer_->committed(asked, ask_timeout);
  if (!committed) return fail(committed);
  orphans_.clear();
  look_at_orphans(std::span(*committed).subspan(partitions.size()));
  std::vector<kafka::Place> from;
  std::uint64_t missed = 0;
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    const auto bounds = consumer_->bounds(partitions[i], ask_timeout);
    if (!bounds) return fail(bounds);
    const kafka::Place& place = (*committed)[i];
    Part part{.start = {}, .history = CommitHistory::parse(place.metadata)};
    auto& kept = progress_.partitions[partitions[i]];
    part.start =
        start_of(kept, progress_.agent, place.offset, part.history, bounds->low, bounds->high);
    if (part.start.own_to == 0) kept.claimed = -1;
    missed += static_cast<std::uint64_t>(part.start.missed);
    from.push_back({.partition = partitions[i], .offset = part.start.from});
    spdlog::info("topic: partition {} is read from offset {}, and counted from {}", partitions[i],
                 part.start.from, part.start.counts_from);
    parts_[partitions[i]] = std::move(part);
  }
  const std::lock_guard hold(mutex_);
  figures_.member = true;
  ++figures_.rebalances;
  figures_.missed += missed;
  return from;
}

void TopicReader::revoked(std::span<const std::int32_t> partitions) {
  revoked_ = true;
  for (const std::int32_t partition : partitions) {
    parts_.erase(partition);
    join_.forget(partition);
    if (carried_ && carried_->partition == partition) carried_.reset();
  }
  const std::lock_guard hold(mutex_);
  figures_.member = false;
}

// ---- The thread. ----

void TopicReader::wait(Duration duration) {
  const auto end = Steady::now() + duration;
  while (!stopping() && Steady::now() < end) std::this_thread::sleep_for(20ms);
}

void TopicReader::run() {
  while (!stopping()) {
    if (!ensure_consumer()) continue;
    turn();
    if (!orphans_.empty() && !stopping() && Steady::now() >= times_.recover_at)
      recover(orphans_.begin()->first);
    if (consumer_ && consumer_->broken()) start_again();
    keep_house();
  }
  consumer_.reset();
  save();
}

bool TopicReader::ensure_consumer() {
  if (consumer_) return true;
  auto made = kafka::Consumer::open(settings_.consumer, this, troubles_);
  if (made) {
    consumer_ = std::move(*made);
    return true;
  }
  troubles_->note(kafka::Troubles::protocol, made.error().message);
  start_again();
  return false;
}

// With a new member, after a while: what it is given is looked at afresh.
void TopicReader::start_again() {
  consumer_.reset();
  parts_.clear();
  carried_.reset();
  publish();
  std::random_device random;
  wait(backoff_.next(std::generate_canonical<double, 24>(random)));
}

void TopicReader::turn() {
  std::vector<TopicBatch> batches = gather();
  if (batches.empty()) return;
  const bool all_claimed = claim(batches);
  if (!batches.empty()) {
    if (!join(batches)) return;  // Stopping: the claims stand on disk.
    note_joined(batches);
  }
  if (all_claimed) {
    backoff_.reset();
    troubles_->all_well();
  } else {
    start_again();
  }
}

// False, and not taken: it goes into another turn. A batch is counted as a whole or not at all, and
// what needs a claim is not mixed with what had one.
bool TopicReader::add(kafka::Record& record, std::vector<TopicBatch>& batches) const {
  const auto part = parts_.find(record.partition);
  if (part == parts_.end()) return true;  // Of before a rebalance.
  const PartitionStart& start = part->second.start;
  auto batch = std::find_if(batches.begin(), batches.end(), [&](const TopicBatch& one) {
    return one.partition == record.partition;
  });
  if (batch != batches.end() &&
      start.kind_of(batch->records.front().offset) != start.kind_of(record.offset)) {
    return false;
  }
  if (batch == batches.end()) {
    batches.push_back(
        {.partition = record.partition, .counts = start.counts(record.offset), .records = {}});
    batch = batches.end() - 1;
  }
  batch->records.push_back(std::move(record));
  return true;
}

std::vector<TopicBatch> TopicReader::gather() {
  revoked_ = false;
  std::vector<TopicBatch> batches;
  std::size_t records = 0, bytes = 0;
  auto end = Steady::now() + 200ms;
  if (carried_) {
    bytes = carried_->value.size();
    records = 1;
    (void)add(*carried_, batches);
    carried_.reset();
    end = Steady::now() + settings_.gather;
  }
  while (!stopping() && records < settings_.batch_records_max &&
         bytes < settings_.batch_bytes_max) {
    const auto left = end - Steady::now();
    auto record = consumer_->poll(std::max<Duration>(left, 0ns));
    // What was gathered before a rebalance is read again, by this agent or another: who counts it
    // may be another one now, though the partition came back.
    if (std::exchange(revoked_, false)) batches.clear();
    if (!record) {
      if (left <= 0ns || consumer_->broken()) break;
      continue;
    }
    if (records == 0) end = std::min(end, Steady::now() + settings_.gather);
    ++records;
    bytes += record->value.size();
    if (!add(*record, batches)) {
      carried_ = std::move(record);
      break;
    }
  }
  return batches;
}

// Takes those out of the batches that are not this agent's to count; false where there were such.
bool TopicReader::claim(std::vector<TopicBatch>& batches) {
  std::vector<kafka::Place> places;
  for (const TopicBatch& batch : batches) {
    Part& part = parts_.at(batch.partition);
    if (part.start.kind_of(batch.records.front().offset) != PartitionStart::first) continue;
    auto& kept = progress_.partitions[batch.partition];
    kept.next = std::max(kept.next, batch.records.front().offset);
    kept.claimed = end_of(batch);
    CommitHistory history = part.history;
    history.set(progress_.agent, end_of(batch));
    places.push_back(
        {.partition = batch.partition, .offset = end_of(batch), .metadata = history.text()});
  }
  if (places.empty()) return true;
  if (!save()) {
    batches.clear();
    return false;
  }
  const auto taken = consumer_->commit(places);
  std::uint64_t refused = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (taken[i]) {
      Part& part = parts_.at(places[i].partition);
      part.history.set(progress_.agent, places[i].offset);
      continue;
    }
    ++refused;
    std::erase_if(batches,
                  [&](const TopicBatch& one) { return one.partition == places[i].partition; });
  }
  const std::lock_guard hold(mutex_);
  figures_.commits += places.size() - refused;
  figures_.commits_refused += refused;
  return refused == 0;
}

// Until it is on disk. False: the program ends first.
bool TopicReader::join(std::span<const TopicBatch> batches) {
  Backoff again({.initial = 100ms, .max = 5s});
  while (!stopping()) {
    const auto ok = join_.take(batches, progress_.partition_count);
    if (ok) return true;
    troubles_->note(kafka::Troubles::protocol, "records wait: " + ok.error().message);
    wait(again.next(0.5));
  }
  return false;
}

void TopicReader::note_joined(std::span<const TopicBatch> batches) {
  for (const TopicBatch& batch : batches) {
    auto& kept = progress_.partitions[batch.partition];
    kept.next = std::max(kept.next, end_of(batch));
    kept.resume = std::min(join_.first_held(batch.partition).value_or(kept.next), kept.next);
  }
}

// Outside of the group: reads what was claimed in a partition that another agent has now.
void TopicReader::recover(std::int32_t partition) {
  const PartitionStart start = orphans_.at(partition);
  times_.recover_at = Steady::now() + recover_again;
  kafka::Consumer::Settings settings = settings_.consumer;
  settings.group.clear();
  settings.instance.clear();
  auto reader = kafka::Consumer::open(settings, this, troubles_);
  if (!reader) return troubles_->note(kafka::Troubles::protocol, reader.error().message);
  const auto bounds = (*reader)->bounds(partition, ask_timeout);
  const kafka::Place from{.partition = partition, .offset = start.from};
  if (!bounds || !(*reader)->read(std::span(&from, 1))) return;
  auto heard = Steady::now();
  std::int64_t next = std::max(start.from, bounds->low);
  while (!stopping() && next < start.own_to && Steady::now() - heard < recover_silence) {
    auto record = (*reader)->poll(100ms);
    if (!record) continue;
    heard = Steady::now();
    next = record->offset + 1;
    if (record->offset >= start.own_to) break;
    TopicBatch batch{.partition = partition, .counts = start.counts(record->offset), .records = {}};
    batch.records.push_back(std::move(*record));
    if (!join(std::span(&batch, 1))) return;
  }
  join_.forget(partition);
  if (next < start.own_to) return;  // Again, later.
  orphans_.erase(partition);
  times_.recover_at = {};
  auto& kept = progress_.partitions[partition];
  kept.next = kept.resume = start.own_to;
  kept.claimed = -1;
  save();
  spdlog::info(
      "topic: partition {} was taken over while records {} to {} were this agent's to "
      "count; it has counted them now",
      partition, start.own_from, start.own_to);
  const std::lock_guard hold(mutex_);
  ++figures_.recovered;
  figures_.missed += static_cast<std::uint64_t>(
      std::clamp<std::int64_t>(bounds->low - start.own_from, 0, start.own_to - start.own_from));
}

void TopicReader::keep_house() {
  const auto now = Steady::now();
  if (now - times_.kept_house < house_every) return;
  times_.kept_house = now;
  if (const auto ok = join_.give_up_old(); !ok)
    troubles_->note(kafka::Troubles::protocol, "held labels wait: " + ok.error().message);
  for (auto& [partition, part] : parts_) {
    auto& kept = progress_.partitions[partition];
    if (kept.next >= 0)
      kept.resume = std::min(join_.first_held(partition).value_or(kept.next), kept.next);
  }
  if (now - times_.saved >= save_every) save();
  publish();
}

bool TopicReader::save() {
  times_.saved = Steady::now();
  const auto ok = config::replace_file(settings_.folder / "kafka.json", progress_.text());
  if (!ok) troubles_->note(kafka::Troubles::protocol, ok.error().message);
  return ok.has_value();
}

void TopicReader::publish() {
  Figures now;
  for (const auto& [partition, part] : parts_) {
    const auto bounds = consumer_ ? consumer_->known_bounds(partition) : std::nullopt;
    const std::int64_t next = std::max(progress_.partitions[partition].next, part.start.from);
    now.lag[partition] = bounds ? std::max<std::int64_t>(bounds->high - next, 0) : 0;
  }
  const std::lock_guard hold(mutex_);
  figures_.lag = std::move(now.lag);
  figures_.join = join_.figures();
  if (!consumer_) figures_.member = false;
}

void TopicReader::collect(wire::MetricSink& sink) {
  using wire::MetricType;
  using wire::SeriesKey;
  Figures now;
  {
    const std::lock_guard hold(mutex_);
    now = figures_;
  }
  const auto one = [&](const char* name, MetricType type, const char* help, auto value) {
    sink.family({name, type, help});
    sink.value(SeriesKey(Labels{}), static_cast<double>(value));
  };
  one("outrider_kafka_member", MetricType::gauge,
      "1 while this agent is a member of the topic's consumer group.", now.member ? 1 : 0);
  one("outrider_kafka_assigned_partitions", MetricType::gauge,
      "Partitions of the topic that this agent has.", now.lag.size());
  sink.family({"outrider_kafka_lag_records", MetricType::gauge,
               "Records of a partition that this agent has not joined yet."});
  for (const auto& [partition, lag] : now.lag) {
    sink.value(SeriesKey({{"partition", std::to_string(partition)}}), static_cast<double>(lag));
  }
  sink.family(
      {"outrider_kafka_records_total", MetricType::counter,
       "Records of the topic that this agent took: those that it was the first to take, and "
       "those that it read again to have what another agent had."});
  const auto records = [&](const char* kind, const char* seen, std::uint64_t count) {
    sink.value(SeriesKey({{"kind", kind}, {"seen", seen}}), static_cast<double>(count));
  };
  records("prediction", "first", now.join.predictions_first);
  records("prediction", "again", now.join.predictions_again);
  records("label", "first", now.join.labels_first);
  records("label", "again", now.join.labels_again);
  sink.family({"outrider_kafka_records_refused_total", MetricType::counter,
               "Records of the topic that were passed over: no records of ours, or of a newer "
               "version than this agent knows."});
  sink.value(SeriesKey({{"reason", "invalid"}}), static_cast<double>(now.join.invalid));
  sink.value(SeriesKey({{"reason", "newer"}}), static_cast<double>(now.join.newer));
  one("outrider_kafka_records_missed_total", MetricType::counter,
      "Records that the topic no longer had when this agent came to them, and that nobody counted.",
      now.missed);
  one("outrider_kafka_labels_forwarded_total", MetricType::counter,
      "Labels that stood in another partition than their name belongs to, and were sent there.",
      now.join.forwarded);
  one("outrider_kafka_held_labels", MetricType::gauge,
      "Labels that came before their prediction and are waited with.", now.join.held);
  one("outrider_kafka_labels_not_held_total", MetricType::counter,
      "Labels that would have been held, were there not too many already: they are unknown.",
      now.join.not_held);
  one("outrider_kafka_rebalances_total", MetricType::counter,
      "Times that this agent was given partitions.", now.rebalances);
  one("outrider_kafka_recovered_claims_total", MetricType::counter,
      "Partitions that another agent took over while this one was about to count records of them: "
      "it counted them afterwards.",
      now.recovered);
  sink.family({"outrider_kafka_commits_total", MetricType::counter,
               "Offsets committed, and those that were not taken."});
  sink.value(SeriesKey({{"result", "taken"}}), static_cast<double>(now.commits));
  sink.value(SeriesKey({{"result", "refused"}}), static_cast<double>(now.commits_refused));
}

}  // namespace outrider::fleet
