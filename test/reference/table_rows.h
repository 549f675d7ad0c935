// SPDX-License-Identifier: Apache-2.0
#pragma once

// Training tables in memory, for tests of reference/.

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "detectors/value_reader.h"
#include "reference/builder.h"

namespace outrider::test {

struct Table {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;

  reference::Rows visitor() const {
    return [this](const reference::VisitRow& visit) -> Result<void> {
      std::vector<detectors::Value> values;
      for (const auto& row : rows) {
        values.clear();
        for (const std::string& field : row) values.push_back(detectors::read_value(field));
        visit(values);
      }
      return {};
    };
  }
};

// Houses: size, bedrooms, colour, id, sold (a date), price = size / 20, predicted 8 % off in every
// tenth row 20 %.
inline Table houses(std::size_t count, std::uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::uniform_int_distribution<int> small(1, 5);
  Table table{{"id", "size", "bedrooms", "colour", "sold", "price", "predicted"}, {}};
  const char* colours[] = {"red", "green", "blue"};
  for (std::size_t i = 0; i < count; ++i) {
    const double size = 2000 + 400 * normal(random);
    const double price = size / 20;
    const bool far = i % 10 == 0;
    table.rows.push_back({std::to_string(1'000'000 + i), i % 50 == 0 ? "" : std::to_string(size),
                          std::to_string(small(random)), colours[i % 7 == 0 ? 2 : i % 2],
                          "2026-01-" + std::to_string(10 + i % 20), std::to_string(price),
                          std::to_string(price * (far ? 1.2 : 1.08))});
  }
  return table;
}

}  // namespace outrider::test
