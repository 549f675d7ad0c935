// SPDX-License-Identifier: Apache-2.0
#include "reference/slice_counts.h"

namespace outrider::reference {
namespace {

using detectors::ErrorChange;
using detectors::ErrorCount;
using detectors::ErrorSlices;
using detectors::SliceFeature;
using wire::Json;

Failure bad(const std::string& what) {
  return fail("bad_counts", "not counts in slices: " + what);
}

bool is_count(const ErrorCount& count, std::uint64_t rows_max) {
  return count.wrong <= count.rows && count.rows <= rows_max;
}

// Throws Json::exception.
ErrorCount pair_of(const Json& json, std::size_t at) {
  return {json.at(at).get<std::uint64_t>(), json.at(at + 1).get<std::uint64_t>()};
}

bool exceeds(const ErrorCount& part, const ErrorCount& whole) {
  return part.rows > whole.rows || part.wrong > whole.wrong;
}

Result<ErrorSlices> read(const Json& json, std::uint64_t rows_max) {
  const ErrorChange all{pair_of(json.at("before"), 0), pair_of(json.at("since"), 0)};
  if (!is_count(all.before, rows_max) || !is_count(all.since, rows_max))
    return bad("more wrong rows than rows, or more than " + std::to_string(rows_max) + " rows");
  std::vector<SliceFeature> features;
  std::vector<std::vector<ErrorChange>> counts;
  std::size_t slices = 0;
  for (const Json& one : json.at("features")) {
    SliceFeature feature{one.at("name"), one.at("slices").get<std::vector<std::string>>()};
    slices += feature.slices.size() + 1;
    if (slices > counted_slices_max)
      return bad("more than " + std::to_string(counted_slices_max) + " slices");
    std::vector<ErrorChange> of;
    ErrorChange sum;
    for (const Json& count : one.at("counts")) {
      of.push_back({pair_of(count, 0), pair_of(count, 2)});
      if (!is_count(of.back().before, rows_max) || !is_count(of.back().since, rows_max) ||
          of.size() > feature.slices.size()) {
        return bad("feature '" + feature.name + "'");
      }
      sum.before.add(of.back().before);
      sum.since.add(of.back().since);
    }
    if (of.size() != feature.slices.size() || exceeds(sum.before, all.before) ||
        exceeds(sum.since, all.since)) {
      return bad("the slices of feature '" + feature.name + "' do not add up");
    }
    features.push_back(std::move(feature));
    counts.push_back(std::move(of));
  }
  return ErrorSlices(std::move(features), std::move(counts), all);
}

}  // namespace

Json counts_json(const ErrorSlices& slices) {
  const auto pair = [](const ErrorCount& count) { return Json{count.rows, count.wrong}; };
  Json features = Json::array();
  for (std::size_t f = 0; f < slices.features().size(); ++f) {
    const SliceFeature& feature = slices.features()[f];
    Json names = Json::array(), counts = Json::array();
    for (std::size_t s = 0; s < feature.slices.size(); ++s) {
      const ErrorChange& change = slices.counts()[f][s];
      if (feature.name.empty() && change.before.rows + change.since.rows == 0) continue;
      names.push_back(feature.slices[s]);
      counts.push_back(
          {change.before.rows, change.before.wrong, change.since.rows, change.since.wrong});
    }
    features.push_back({{"name", feature.name}, {"slices", names}, {"counts", counts}});
  }
  return {{"before", pair(slices.all().before)},
          {"since", pair(slices.all().since)},
          {"features", features}};
}

Result<ErrorSlices> read_counts(const Json& json, std::uint64_t rows_max) {
  try {
    return read(json, rows_max);
  } catch (const Json::exception& error) {
    return bad(error.what());
  }
}

Json count_json(const ErrorCount& count) {
  return {{"rows", count.rows}, {"wrong", count.wrong}, {"error", count.rate()}};
}

Json slices_json(const detectors::SliceReport& report) {
  Json slices = Json::array();
  for (std::size_t i = 0; i < report.ranked.size(); ++i) {
    const detectors::ErrorSlice& slice = report.ranked[i];
    slices.push_back({{"feature", slice.feature},
                      {"slice", slice.slice},
                      {"named", i < report.named},
                      {"before", count_json(slice.change.before)},
                      {"since", count_json(slice.change.since)},
                      {"lift", slice.lift},
                      {"interval", {slice.low, slice.high}},
                      {"p", slice.p}});
  }
  return slices;
}

}  // namespace outrider::reference
