// SPDX-License-Identifier: Apache-2.0
#pragma once

// Remote write messages for tests and benchmarks, by protozero's writer.

#include <snappy.h>

#include <cstdint>
#include <map>
#include <protozero/pbf_writer.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/core/series.h"

namespace outrider::test {

struct WrittenSeries {
  std::vector<std::pair<std::string, std::string>> labels;  // In this order.
  std::vector<Sample> samples;
  std::vector<std::string> histograms = {};  // Encoded.
};

inline void write_samples(protozero::pbf_writer& series, const WrittenSeries& one) {
  for (const Sample& sample : one.samples) {
    protozero::pbf_writer writer(series, 2);
    writer.add_double(1, sample.value);
    writer.add_int64(2, sample.timestamp_ms);
  }
}

inline std::string write_v1(const std::vector<WrittenSeries>& all) {
  std::string message;
  protozero::pbf_writer request(message);
  for (const WrittenSeries& one : all) {
    protozero::pbf_writer series(request, 1);
    for (const auto& [name, value] : one.labels) {
      protozero::pbf_writer label(series, 1);
      label.add_string(1, name);
      label.add_string(2, value);
    }
    write_samples(series, one);
    for (const std::string& histogram : one.histograms) series.add_message(4, histogram);
  }
  return message;
}

inline std::string write_v2(const std::vector<WrittenSeries>& all) {
  std::map<std::string, std::uint32_t> references{{"", 0}};
  std::vector<std::string> symbols{""};
  const auto refer = [&](const std::string& text) {
    const auto [place, is_new] =
        references.emplace(text, static_cast<std::uint32_t>(symbols.size()));
    if (is_new) symbols.push_back(text);
    return place->second;
  };
  std::string body;
  protozero::pbf_writer request(body);
  for (const WrittenSeries& one : all) {
    protozero::pbf_writer series(request, 5);
    std::vector<std::uint32_t> labels;
    for (const auto& [name, value] : one.labels) {
      labels.push_back(refer(name));
      labels.push_back(refer(value));
    }
    series.add_packed_uint32(1, labels.begin(), labels.end());
    write_samples(series, one);
    for (const std::string& histogram : one.histograms) series.add_message(3, histogram);
  }
  std::string message;
  protozero::pbf_writer whole(message);
  for (const std::string& symbol : symbols) whole.add_string(4, symbol);
  return message + body;
}

inline std::string compress(const std::string& message) {
  std::string block;
  snappy::Compress(message.data(), message.size(), &block);
  return block;
}

}  // namespace outrider::test
