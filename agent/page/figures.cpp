// SPDX-License-Identifier: Apache-2.0
#include "agent/page/figures.h"

#include <cmath>
#include <cstdio>

namespace outrider::page {
namespace {

std::string with_decimals(double value, int decimals) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

// "22 169": in groups of three, from five digits on, by a narrow blank that does not break.
std::string grouped(const std::string& digits) {
  if (digits.size() < 5 || digits.find_first_not_of("0123456789") != std::string::npos)
    return digits;
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += "\u202F";
    out += digits[i];
  }
  return out;
}

// Three significant digits, no exponent where it can be read without.
std::string three_digits(double value) {
  const double size = std::abs(value);
  if (size >= 1e7) {
    char text[48];
    std::snprintf(text, sizeof text, "%.3g", value);
    return text;
  }
  if (size >= 100 || value == std::floor(value)) return grouped(with_decimals(value, 0));
  if (size >= 10) return with_decimals(value, 1);
  if (size >= 0.1) return with_decimals(value, 2);
  char text[48];
  std::snprintf(text, sizeof text, "%.2g", value);
  return text;
}

std::string share(double value) {
  // A tenth of a millionth: 100 * 0.07 is 7, not 7.000000000000001.
  const double percent = std::round(1e9 * value) / 1e7;
  if (percent > 99.9 && percent < 100) return "> 99.9 %";
  if (percent > 0 && percent < 0.01) return "< 0.01 %";
  if (percent == std::floor(percent)) return with_decimals(percent, 0) + " %";
  return with_decimals(percent, percent < 1 ? 2 : 1) + " %";
}

std::string rate(double a_second) {
  if (a_second == 0) return "0/s";
  if (a_second < 1.0 / 60) return three_digits(a_second * 3600) + "/h";
  if (a_second < 0.1) return three_digits(a_second * 60) + "/min";
  return three_digits(a_second) + "/s";
}

std::string milliseconds(double value) {
  return value < 1000 ? three_digits(value) + " ms" : three_digits(value / 1000) + " s";
}

}  // namespace

std::string figure(Unit unit, double value) {
  if (!std::isfinite(value)) return "not known";
  switch (unit) {
    case Unit::share:
      return share(value);
    case Unit::rate:
      return rate(value);
    case Unit::ratio:
      return with_decimals(value, 2) + " ×";
    case Unit::milliseconds:
      return milliseconds(value);
    case Unit::number:
      break;
  }
  return three_digits(value);
}

std::string span_text(Duration span) {
  const auto seconds = std::chrono::round<std::chrono::seconds>(span).count();
  if (seconds < 120) return std::to_string(seconds) + " s";
  if (seconds < 2 * 3600) return std::to_string(seconds / 60) + " min";
  if (seconds < 48 * 3600) return std::to_string(seconds / 3600) + " h";
  return std::to_string(seconds / 86400) + " days";
}

}  // namespace outrider::page
