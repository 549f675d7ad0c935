// SPDX-License-Identifier: Apache-2.0
// The backtest's input: whatever the file, rows and scores agree in number, scores lie in [0, 1],
// and what comes out reads back in with the same times.
#include "cli/backtest/plot.h"
#include "cli/backtest/series_table.h"
#include "test/fuzz/require.h"

using namespace outrider;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto series = cli::parse_series("f", text);
  if (!series) {
    require(!series.error().message.empty(), "an error has words");
    return 0;
  }
  cli::score(*series);
  require(series->scores.size() == series->rows.size(), "one score a row");
  for (const auto& score : series->scores) {
    require(score.score >= 0 && score.score <= 1, "a score lies in [0, 1]");
  }
  std::string out = cli::header_line(false);
  cli::append_rows(out, *series, 0.5, false);
  const auto again = cli::parse_series("f", out);
  require(again && again->rows.size() == series->rows.size(), "what comes out reads back");
  for (std::size_t i = 0; i < again->rows.size(); ++i) {
    require(again->rows[i].timestamp_ms == series->rows[i].timestamp_ms, "with the same times");
  }
  require(!cli::svg({&*series}, 0.5).empty(), "and can be drawn");
  return 0;
}
