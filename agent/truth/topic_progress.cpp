// SPDX-License-Identifier: Apache-2.0
#include "agent/truth/topic_progress.h"

#include <algorithm>
#include <optional>

#include "base/core/text.h"
#include "base/wire/json.h"

namespace outrider::fleet {
namespace {

constexpr std::string_view history_mark = "outrider1";
constexpr std::size_t history_bytes_max = 3'000;

std::optional<std::int64_t> parse_offset(std::string_view text) {
  const auto number = parse_uint(text);
  if (!number || *number > INT64_MAX) return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

}  // namespace

CommitHistory CommitHistory::parse(std::string_view metadata) {
  CommitHistory history;
  if (!metadata.starts_with(history_mark)) return history;
  metadata.remove_prefix(history_mark.size());
  while (!metadata.empty()) {
    metadata.remove_prefix(1);  // The blank.
    const std::size_t end = std::min(metadata.find(' '), metadata.size());
    const std::string_view entry = metadata.substr(0, end);
    metadata.remove_prefix(end);
    const std::size_t sign = entry.rfind('=');
    if (sign == std::string_view::npos) continue;
    if (const auto offset = parse_offset(entry.substr(sign + 1)))
      history.last_[std::string(entry.substr(0, sign))] = *offset;
  }
  return history;
}

std::string CommitHistory::text() const {
  std::vector<std::pair<std::int64_t, std::string>> newest;
  for (const auto& [agent, offset] : last_) newest.emplace_back(offset, agent);
  std::sort(newest.rbegin(), newest.rend());
  std::string out(history_mark);
  for (const auto& [offset, agent] : newest) {
    const std::string entry = " " + agent + "=" + std::to_string(offset);
    if (out.size() + entry.size() > history_bytes_max) break;
    out += entry;
  }
  return out;
}

void CommitHistory::set(const std::string& agent, std::int64_t offset) {
  last_[agent] = offset;
}

std::int64_t CommitHistory::last(const std::string& agent) const {
  const auto found = last_.find(agent);
  return found == last_.end() ? -1 : found->second;
}

std::string TopicProgress::text() const {
  wire::Json json = {{"agent", agent}, {"topic", topic}, {"partition_count", partition_count}};
  wire::Json& list = json["partitions"] = wire::Json::array();
  for (const auto& [number, one] : partitions) {
    list.push_back({{"partition", number},
                    {"next", one.next},
                    {"resume", one.resume},
                    {"claimed", one.claimed}});
  }
  return wire::to_text(json) + "\n";
}

Result<TopicProgress> TopicProgress::parse(std::string_view text) {
  const auto bad = [](const std::string& what) { return fail("bad_progress", what); };
  const auto json = wire::parse_json(text);
  if (!json) return bad(json.error().message);
  TopicProgress made;
  try {
    made.agent = json->at("agent").get<std::string>();
    made.topic = json->at("topic").get<std::string>();
    made.partition_count = json->at("partition_count").get<std::int32_t>();
    for (const wire::Json& one : json->at("partitions")) {
      made.partitions[one.at("partition").get<std::int32_t>()] = {
          one.at("next").get<std::int64_t>(), one.at("resume").get<std::int64_t>(),
          one.at("claimed").get<std::int64_t>()};
    }
  } catch (const wire::Json::exception& error) {
    return bad(error.what());
  }
  if (made.agent.empty()) return bad("\"agent\" is empty");
  return made;
}

PartitionStart start_of(const PartitionProgress& kept, const std::string& agent,
                        std::int64_t committed, const CommitHistory& history, std::int64_t low,
                        std::int64_t high) {
  PartitionStart start;
  // Committed offsets expire where a group was away for long: then what is in the log was counted.
  start.counts_from = committed >= 0 ? committed : std::max<std::int64_t>(kept.next, 0);
  if (kept.has_claim() && history.last(agent) >= kept.claimed) {
    start.own_from = kept.next;
    start.own_to = kept.claimed;
  }
  start.from = kept.next < 0 ? low : std::min(kept.resume < 0 ? kept.next : kept.resume, kept.next);
  if (start.from > high) {  // The topic is not the one that it was: nothing of it is a repetition.
    start.from = low;
    start.own_from = start.own_to = 0;
  }
  start.counts_from = std::min(start.counts_from, high);
  if (start.from < low) start.from = low;
  const std::int64_t uncounted = start.own_to > start.own_from
                                     ? std::min(start.own_from, start.counts_from)
                                     : start.counts_from;
  start.missed = std::max<std::int64_t>(low - uncounted, 0);
  // A topic whose first records went long before anybody was here has lost nothing.
  if (committed < 0 && kept.next < 0) start.missed = 0;
  return start;
}

}  // namespace outrider::fleet
