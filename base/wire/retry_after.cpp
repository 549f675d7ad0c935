// SPDX-License-Identifier: Apache-2.0
#include "base/wire/retry_after.h"

#include <algorithm>
#include <vector>

#include "base/core/text.h"

namespace outrider::wire {
namespace {

constexpr std::string_view months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

std::optional<unsigned> month_of(std::string_view text) {
  const auto* found = std::find(std::begin(months), std::end(months), text);
  if (found == std::end(months)) return std::nullopt;
  return static_cast<unsigned>(found - std::begin(months)) + 1;
}

struct Parts {
  std::string_view day, month, year, clock;
};

// The pieces of the three forms that RFC 9110, section 5.6.7, has:
//   "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994".
std::optional<Parts> date_parts(std::string_view text) {
  std::vector<std::string_view> words;
  for (const std::string_view word : split(text, ' ')) {
    if (!word.empty()) words.push_back(word);
  }
  if (words.size() == 6 && words[5] == "GMT") return Parts{words[1], words[2], words[3], words[4]};
  if (words.size() == 5) return Parts{words[2], words[1], words[4], words[3]};
  if (words.size() == 4 && words[3] == "GMT") {
    const auto date = split(words[1], '-');
    if (date.size() == 3) return Parts{date[0], date[1], date[2], words[2]};
  }
  return std::nullopt;
}

std::optional<Time> parse_http_date(std::string_view text) {
  using namespace std::chrono;
  const auto parts = date_parts(text);
  if (!parts) return std::nullopt;
  const auto clock = split(parts->clock, ':');
  const auto number = [](std::string_view piece) { return parse_uint(piece).value_or(9999); };
  const auto month_number = month_of(parts->month);
  if (clock.size() != 3 || !month_number) return std::nullopt;
  auto year_number = number(parts->year);
  // RFC 9110: a two-digit year that seems over 50 years ahead is the past's. No retry lies so far.
  if (parts->year.size() == 2) year_number += year_number < 70 ? 2000 : 1900;
  if (year_number > 2200 || number(parts->day) > 31 || number(clock[0]) > 23 ||
      number(clock[1]) > 59 || number(clock[2]) > 60) {
    return std::nullopt;
  }
  const year_month_day date{year{static_cast<int>(year_number)}, month{*month_number},
                            day{static_cast<unsigned>(number(parts->day))}};
  if (!date.ok()) return std::nullopt;
  return Time{sys_days{date}} + hours(number(clock[0])) + minutes(number(clock[1])) +
         seconds(number(clock[2]));
}

}  // namespace

std::optional<Duration> parse_retry_after(std::string_view text, Time now) {
  text = trim(text);
  if (const auto seconds = parse_uint(text)) {
    return std::chrono::seconds(std::min<std::uint64_t>(*seconds, 1'000'000));
  }
  const auto date = parse_http_date(text);
  if (!date || *date <= now) return std::nullopt;
  return *date - now;
}

}  // namespace outrider::wire
