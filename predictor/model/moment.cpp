// SPDX-License-Identifier: Apache-2.0
#include "predictor/model/moment.h"

#include <algorithm>
#include <array>

#include "base/core/text.h"

namespace outrider::model {
namespace {

std::optional<int> digits(std::string_view text, std::size_t length_min, std::size_t length_max) {
  if (text.size() < length_min || text.size() > length_max) return std::nullopt;
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  return static_cast<int>(*parse_int(text));
}

std::optional<Time> day(std::optional<int> y, std::optional<int> m, std::optional<int> d) {
  if (!y || !m || !d) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*y),
                                         std::chrono::month(static_cast<unsigned>(*m)),
                                         std::chrono::day(static_cast<unsigned>(*d))};
  if (!date.ok()) return std::nullopt;
  return Time{std::chrono::sys_days(date)};
}

// "10:00" or "10:00:00".
std::optional<Duration> time_of_day(std::string_view text) {
  const auto pieces = split(text, ':');
  if (pieces.size() < 2 || pieces.size() > 3) return std::nullopt;
  const auto hour = digits(pieces[0], 1, 2), minute = digits(pieces[1], 2, 2);
  const auto second = pieces.size() == 3 ? digits(pieces[2].substr(0, 2), 2, 2) : 0;
  if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60)
    return std::nullopt;
  return std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(*second);
}

// A day, and optionally a blank (or T) and the time of day.
template <class ReadDay>
std::optional<Time> day_and_time(std::string_view text, const ReadDay& read_day) {
  const std::size_t cut = std::min(text.find_first_of(" T"), text.size());
  const auto date = read_day(text.substr(0, cut));
  if (!date || cut == text.size()) return date;
  const auto rest = time_of_day(text.substr(cut + 1));
  if (!rest) return std::nullopt;
  return *date + *rest;
}

std::optional<Time> slashed(std::string_view text, bool month_first) {
  const char separator = text.find('.') != std::string_view::npos ? '.' : '/';
  if (month_first && separator == '.') return std::nullopt;
  const auto pieces = split(text, separator);
  if (pieces.size() != 3) return std::nullopt;
  const auto first = digits(pieces[0], 1, 2), second = digits(pieces[1], 1, 2);
  const auto year = digits(pieces[2], 4, 4);
  return month_first ? day(year, first, second) : day(year, second, first);
}

std::optional<Time> compact(std::string_view text) {
  if (text.size() != 8 && text.size() != 15) return std::nullopt;
  auto date = day(digits(text.substr(0, 4), 4, 4), digits(text.substr(4, 2), 2, 2),
                  digits(text.substr(6, 2), 2, 2));
  if (!date || text.size() == 8) return date;
  const auto h = digits(text.substr(9, 2), 2, 2), m = digits(text.substr(11, 2), 2, 2),
             s = digits(text.substr(13, 2), 2, 2);
  if (text[8] != 'T' || !h || !m || !s) return std::nullopt;
  return *date + std::chrono::hours(*h) + std::chrono::minutes(*m) + std::chrono::seconds(*s);
}

std::optional<Time> iso_day(std::string_view text) {
  const auto pieces = split(text, '-');
  if (pieces.size() != 3) return std::nullopt;
  return day(digits(pieces[0], 4, 4), digits(pieces[1], 1, 2), digits(pieces[2], 1, 2));
}

// Times between 1973 and 2128 only, so that seconds, milliseconds and plain numbers are told apart.
std::optional<Time> since_1970(std::string_view text, double unit_seconds) {
  const auto number = parse_double(text);
  if (!number) return std::nullopt;
  const double seconds = *number * unit_seconds;
  if (!(seconds >= 1e8 && seconds < 5e9)) return std::nullopt;
  return Time{from_seconds(seconds)};
}

}  // namespace

std::optional<Time> parse_moment(std::string_view text, MomentForm form) {
  switch (form) {
    case MomentForm::rfc3339:
      return parse_rfc3339(text);
    case MomentForm::iso:
      return day_and_time(text, iso_day);
    case MomentForm::compact:
      return compact(text);
    case MomentForm::month_first:
      return day_and_time(text, [](std::string_view t) { return slashed(t, true); });
    case MomentForm::day_first:
      return day_and_time(text, [](std::string_view t) { return slashed(t, false); });
    case MomentForm::unix_seconds:
      return since_1970(text, 1);
    case MomentForm::unix_ms:
      return since_1970(text, 1e-3);
  }
  return std::nullopt;
}

Result<std::vector<Time>> parse_moments(const std::vector<std::string_view>& texts) {
  constexpr std::array forms{
      MomentForm::rfc3339,   MomentForm::iso,          MomentForm::compact, MomentForm::month_first,
      MomentForm::day_first, MomentForm::unix_seconds, MomentForm::unix_ms};
  std::size_t furthest = 0;
  for (const MomentForm form : forms) {
    std::vector<Time> times;
    for (const std::string_view text : texts) {
      const auto time = parse_moment(trim(text), form);
      if (!time) break;
      times.push_back(*time);
    }
    if (times.size() == texts.size()) return times;
    furthest = std::max(furthest, times.size());
  }
  return fail("bad_time", "'" + std::string(texts[furthest].substr(0, 64)) +
                              "': expected one form of date in the whole column, e.g. "
                              "2015-01-31, 2015-01-31T10:00:00Z, 1/31/2015 or seconds since 1970");
}

}  // namespace outrider::model
