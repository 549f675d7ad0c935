// SPDX-License-Identifier: Apache-2.0
// The input of `outrider forecast`: whatever the file, there is a reason in words, or a forecast of
// as many rows as were asked for, whose intervals hold it.
#include <cmath>

#include "cli/forecast/forecast_plot.h"
#include "cli/forecast/forecast_table.h"
#include "test/fuzz/require.h"

using namespace outrider;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto table = cli::parse_forecast_table("f", text);
  if (!table) {
    require(!table.error().message.empty(), "an error has words");
    return 0;
  }
  detectors::forecast::Settings settings;
  settings.horizon = 7;
  const auto forecast = detectors::forecast::forecast(table->history, settings);
  require(forecast.values.size() == 7 && forecast.bands.size() == 3, "as much as was asked for");
  for (const auto& band : forecast.bands) {
    for (std::size_t h = 0; h < 7; ++h) {
      const bool number = std::isfinite(forecast.values[h]);
      require(!number || !(band.lower[h] > forecast.values[h]), "not above the forecast");
      require(!number || !(band.upper[h] < forecast.values[h]), "not below the forecast");
    }
  }
  require(!cli::forecast_csv(*table, forecast).empty(), "it can be written");
  require(!cli::forecast_svg("f", *table, forecast).empty(), "and drawn");
  return 0;
}
