// SPDX-License-Identifier: Apache-2.0
#include "reference/rhythm_json.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <string>

namespace outrider::reference {
namespace {

using detectors::FrozenSubject;
using detectors::TimedCounts;
using detectors::week_hours;
using wire::Json;

Failure refuse(const std::string& path, const std::string& what) {
  return fail("bad_reference",
              "reference: rhythm" + (path.empty() ? "" : "." + path) + ": " + what);
}

// A list of exactly so many whole numbers up to `most`; nothing otherwise.
std::optional<std::vector<std::uint64_t>> counts_of(const Json* json, std::size_t count,
                                                    std::uint64_t most) {
  if (!json || !json->is_array() || json->size() != count) return std::nullopt;
  std::vector<std::uint64_t> values;
  for (const Json& item : *json) {
    if (!item.is_number_unsigned() || item.get<std::uint64_t>() > most) return std::nullopt;
    values.push_back(item.get<std::uint64_t>());
  }
  return values;
}

const Json* find(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() ? nullptr : &*found;
}

std::vector<const FrozenSubject*> subjects_of(const detectors::Reference& statistics) {
  std::vector<const FrozenSubject*> subjects;
  for (const FrozenSubject& feature : statistics.features) subjects.push_back(&feature);
  if (statistics.prediction) subjects.push_back(&*statistics.prediction);
  if (statistics.multivariate) {
    for (const FrozenSubject& score : statistics.multivariate->scores) subjects.push_back(&score);
  }
  return subjects;
}

Result<void> read_hours(const Json& json, TimedCounts& timed) {
  const std::string expected = "expected " + std::to_string(week_hours) + " whole numbers";
  const auto rows = counts_of(find(json, "hours"), week_hours, std::uint64_t{1} << 53);
  if (!rows) return refuse("hours", expected);
  const auto weeks = counts_of(find(json, "weeks"), week_hours, std::uint64_t{1} << 53);
  if (!weeks) return refuse("weeks", expected);
  for (std::size_t hour = 0; hour < week_hours; ++hour) {
    // Weeks past the builder's limit are not counted, so there may be fewer than there were.
    if ((*weeks)[hour] > (*rows)[hour]) {
      return refuse("weeks", "expected at most one a row in each hour");
    }
    timed.rows[hour] = (*rows)[hour];
    timed.weeks[hour] = (*weeks)[hour];
  }
  return {};
}

}  // namespace

Json write_rhythm(const detectors::Reference& statistics) {
  const TimedCounts& timed = *statistics.timed;
  Json json;
  json["version"] = rhythm_version;
  json["hours"] = std::vector<std::uint64_t>(timed.rows.begin(), timed.rows.end());
  json["weeks"] = std::vector<std::uint64_t>(timed.weeks.begin(), timed.weeks.end());
  json["counts"] = Json::array();
  for (const auto& counts : timed.counts) json["counts"].push_back(counts);
  return json;
}

Result<TimedCounts> read_rhythm(const Json& json, const detectors::Reference& statistics) {
  if (!json.is_object()) return refuse("", "expected an object");
  const Json* version = find(json, "version");
  if (!version || *version != rhythm_version) {
    return fail("reference_version",
                "reference: rhythm.version: expected " + std::to_string(rhythm_version) +
                    "; another release wrote the file. Profile again, or remove the keys "
                    "\"rhythm\" and \"hash\"");
  }
  TimedCounts timed;
  if (auto hours = read_hours(json, timed); !hours) return fail(hours);
  const auto subjects = subjects_of(statistics);
  const Json* lists = find(json, "counts");
  if (!lists || !lists->is_array() || lists->size() != subjects.size()) {
    return refuse("counts", "expected " + std::to_string(subjects.size()) +
                                " lists, one a feature, prediction and score");
  }
  for (std::size_t s = 0; s < subjects.size(); ++s) {
    const std::size_t groups = detectors::rhythm_groups(subjects[s]->bins);
    const auto counts =
        counts_of(&(*lists)[s], week_hours * groups, std::numeric_limits<std::uint32_t>::max());
    const std::string path = "counts[" + std::to_string(s) + "]";
    if (!counts) {
      return refuse(path, "expected " + std::to_string(week_hours * groups) + " whole numbers, " +
                              std::to_string(groups) + " an hour");
    }
    for (std::size_t hour = 0; hour < week_hours; ++hour) {
      const auto begin = counts->begin() + static_cast<std::ptrdiff_t>(hour * groups);
      const auto values =
          std::accumulate(begin, begin + static_cast<std::ptrdiff_t>(groups), std::uint64_t{0});
      if (values > timed.rows[hour]) {
        return refuse(path, "more values in hour " + std::to_string(hour) + " than rows");
      }
    }
    timed.counts.emplace_back(counts->begin(), counts->end());
  }
  return timed;
}

}  // namespace outrider::reference
