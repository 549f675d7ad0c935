// SPDX-License-Identifier: Apache-2.0
#pragma once

// The remote write bodies of a fleet, as Prometheus sends them: series of ten labels (200 bytes) of
// pods behind services, sorted, 2 000 samples a request. A round is every series once, with so many
// samples each.

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "test/support/write_messages.h"

namespace outrider::bench {

inline constexpr std::size_t samples_a_request = 2'000;

inline test::WrittenSeries fleet_series(std::size_t index) {
  const std::size_t metric = index % 250, pod = index / 250;
  const std::string service = "service-" + std::to_string(pod / 20);
  const std::string host =
      "10." + std::to_string(pod / 250 % 250) + "." + std::to_string(pod % 250);
  return {{{"__name__", "outrider_fleet_" + std::to_string(metric) + "_seconds_total"},
           {"code", metric % 3 ? "200" : "500"},
           {"container", "model-server"},
           {"endpoint", "metrics"},
           {"instance", host + ".7:9501"},
           {"job", service},
           {"method", metric % 2 ? "GET" : "POST"},
           {"namespace", "production-" + std::to_string(pod / 400)},
           {"pod", service + "-7d9f8b6c5-" + std::to_string(pod * 7919 % 1'000'003)},
           {"service", service}},
          {}};
}

// Compressed bodies of the series' next samples, a second apart, from `begin_ms` on.
inline std::vector<std::string> round_of(std::size_t series, std::size_t samples_each,
                                         std::int64_t begin_ms, int version) {
  std::vector<std::string> bodies;
  std::vector<test::WrittenSeries> request;
  for (std::size_t i = 0; i < series; ++i) {
    request.push_back(fleet_series(i));
    for (std::size_t k = 0; k < samples_each; ++k) {
      const std::int64_t at = begin_ms + static_cast<std::int64_t>(k) * 1000;
      const double phase = static_cast<double>(at % 86'400'000) / 1e7 + static_cast<double>(i % 97);
      request.back().samples.push_back({at, 100 + std::sin(phase) * 10});
    }
    if (request.size() * samples_each >= samples_a_request || i + 1 == series) {
      bodies.push_back(
          test::compress(version == 1 ? test::write_v1(request) : test::write_v2(request)));
      request.clear();
    }
  }
  return bodies;
}

}  // namespace outrider::bench
