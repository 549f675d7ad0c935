// SPDX-License-Identifier: Apache-2.0
#include "detectors/timestamp.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdio>

#include "base/core/in_quotes.h"
#include "base/core/text.h"

namespace outrider::detectors {
namespace {

constexpr double time_share_min = 0.95;
constexpr std::uint64_t days_min = 20;  // So many valid days are no chance.
constexpr std::size_t timestamp_bytes_max = 48;

bool all_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<int> digits(std::string_view text, std::size_t length_min, std::size_t length_max) {
  if (text.size() < length_min || text.size() > length_max || !all_digits(text))
    return std::nullopt;
  return static_cast<int>(*parse_int(text));
}

std::optional<Time> day(std::optional<int> y, std::optional<int> m, std::optional<int> d) {
  if (!y || !m || !d || *y < 1678 || *y > 2261) return std::nullopt;  // What a Time can hold.
  const std::chrono::year_month_day date{std::chrono::year(*y),
                                         std::chrono::month(static_cast<unsigned>(*m)),
                                         std::chrono::day(static_cast<unsigned>(*d))};
  if (!date.ok()) return std::nullopt;
  return Time{std::chrono::sys_days(date)};
}

// "10", "10:00", "10:00:00" or "10:00:00.5" without what follows the seconds.
std::optional<Duration> clock_time(std::string_view text) {
  const auto pieces = split(text, ':');
  if (pieces.size() < 2 || pieces.size() > 3) return std::nullopt;
  const auto hour = digits(pieces[0], 1, 2), minute = digits(pieces[1], 2, 2);
  Duration fraction{0};
  std::optional<int> second = 0;
  if (pieces.size() == 3) {
    const std::size_t point = std::min(pieces[2].find_first_of(".,"), pieces[2].size());
    second = digits(pieces[2].substr(0, point), 2, 2);
    if (point < pieces[2].size()) {
      const std::string_view decimals = pieces[2].substr(point + 1);
      if (decimals.empty() || decimals.size() > 9 || !all_digits(decimals)) return std::nullopt;
      std::string nanoseconds(decimals);
      nanoseconds.resize(9, '0');
      fraction = Duration(*parse_int(nanoseconds));
    }
  }
  if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60)
    return std::nullopt;
  return std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(*second) +
         fraction;
}

// The same, and perhaps AM or PM.
std::optional<Duration> time_of_day(std::string_view text) {
  const bool am = text.size() > 2 && iequals_ascii(text.substr(text.size() - 2), "am");
  const bool pm = text.size() > 2 && iequals_ascii(text.substr(text.size() - 2), "pm");
  if (!am && !pm) return clock_time(text);
  const auto clock = clock_time(trim(text.substr(0, text.size() - 2)));
  constexpr std::chrono::hours noon{12}, one{1};
  if (!clock || *clock < one || *clock >= noon + one) return std::nullopt;
  return *clock - (*clock >= noon ? noon : Duration{0}) + (pm ? noon : Duration{0});
}

// A day, and optionally a blank (or T) and the time of day. The day itself may hold blanks.
template <class ReadDay>
std::optional<Time> day_and_time(std::string_view text, const ReadDay& read_day) {
  if (const auto date = read_day(text)) return date;
  for (std::size_t cut = text.find_first_of(" T"); cut != text.npos;
       cut = text.find_first_of(" T", cut + 1)) {
    const auto date = read_day(text.substr(0, cut));
    if (!date) continue;
    const auto rest = time_of_day(text.substr(cut + 1));
    return rest ? std::optional<Time>(*date + *rest) : std::nullopt;
  }
  return std::nullopt;
}

struct Three {
  std::string_view first, second, third;
  char separator;
};

// Three pieces with the same separator between them.
std::optional<Three> three_pieces(std::string_view text, std::string_view separators) {
  const std::size_t at = text.find_first_of(separators);
  if (at == text.npos) return std::nullopt;
  const auto pieces = split(text, text[at]);
  if (pieces.size() != 3) return std::nullopt;
  return Three{pieces[0], pieces[1], pieces[2], text[at]};
}

std::optional<Time> year_last(std::string_view text, bool month_first) {
  const auto three = three_pieces(text, month_first ? "/-" : "/-.");
  if (!three) return std::nullopt;
  const auto first = digits(three->first, 1, 2), second = digits(three->second, 1, 2);
  const auto year = digits(three->third, 4, 4);
  return month_first ? day(year, first, second) : day(year, second, first);
}

std::optional<Time> year_first(std::string_view text) {
  const auto three = three_pieces(text, "-/");
  if (!three) return std::nullopt;
  return day(digits(three->first, 4, 4), digits(three->second, 1, 2), digits(three->third, 1, 2));
}

std::optional<Time> compact(std::string_view text) {
  if (text.size() != 8 && text.size() != 15) return std::nullopt;
  auto date = day(digits(text.substr(0, 4), 4, 4), digits(text.substr(4, 2), 2, 2),
                  digits(text.substr(6, 2), 2, 2));
  if (!date || text.size() == 8) return date;
  const auto h = digits(text.substr(9, 2), 2, 2), m = digits(text.substr(11, 2), 2, 2),
             s = digits(text.substr(13, 2), 2, 2);
  if (text[8] != 'T' || !h || !m || !s || *h > 23 || *m > 59 || *s > 60) return std::nullopt;
  return *date + std::chrono::hours(*h) + std::chrono::minutes(*m) + std::chrono::seconds(*s);
}

std::optional<int> month_by_name(std::string_view text) {
  static constexpr std::string_view names[] = {"january",   "february", "march",    "april",
                                               "may",       "june",     "july",     "august",
                                               "september", "october",  "november", "december"};
  const std::string lower = lower_ascii(text);
  for (std::size_t i = 0; i < std::size(names); ++i) {
    if (lower == names[i] || lower == names[i].substr(0, 3)) return static_cast<int>(i + 1);
  }
  return lower == "sept" ? std::optional<int>(9) : std::nullopt;
}

// "31-Jan-2015", "31 January 2015", "31JAN2015", "Jan 31, 2015".
std::optional<Time> named_month(std::string_view text) {
  std::array<std::string_view, 3> pieces;
  std::size_t count = 0;
  while (!text.empty()) {
    const bool letter = std::isalpha(static_cast<unsigned char>(text.front())) != 0;
    const bool digit = all_digits(text.substr(0, 1));
    if (!letter && !digit) {
      if (std::string_view(" -,/.").find(text.front()) == std::string_view::npos)
        return std::nullopt;
      text.remove_prefix(1);
      continue;
    }
    const auto end = std::find_if(text.begin(), text.end(), [&](char c) {
      return letter ? std::isalpha(static_cast<unsigned char>(c)) == 0 : c < '0' || c > '9';
    });
    if (count == pieces.size()) return std::nullopt;
    pieces[count++] = text.substr(0, static_cast<std::size_t>(end - text.begin()));
    text.remove_prefix(pieces[count - 1].size());
  }
  if (count != 3) return std::nullopt;
  const bool month_leads = !all_digits(pieces[0]);
  return day(digits(pieces[2], 4, 4), month_by_name(pieces[month_leads ? 0 : 1]),
             digits(pieces[month_leads ? 1 : 0], 1, 2));
}

// Times between 1973 and 2128 only, so that seconds, milliseconds and plain numbers are told apart.
std::optional<Time> since_1970(std::string_view text, double unit_seconds) {
  const auto number = parse_double(text);
  if (!number) return std::nullopt;
  const double seconds = *number * unit_seconds;
  if (!(seconds >= 1e8 && seconds < 5e9)) return std::nullopt;
  return Time{from_seconds(seconds)};
}

// A year of two digits: either order of days and months, 25-02-24 or 2/25/24. Points only between
// pairs: 1.2.15 is a version.
bool short_year(std::string_view text) {
  const auto three = three_pieces(text, "/-.");
  if (!three) return false;
  const bool pairs = three->first.size() == 2 && three->second.size() == 2;
  const auto a = digits(three->first, 1, 2), b = digits(three->second, 1, 2);
  if (!a || !b || !digits(three->third, 2, 2) || (three->separator == '.' && !pairs)) return false;
  return (*a >= 1 && *a <= 31 && *b >= 1 && *b <= 12) ||
         (*a >= 1 && *a <= 12 && *b >= 1 && *b <= 31 && three->separator != '.');
}

bool is_year_and_month(std::string_view text) {
  if (text.size() != 7 || (text[4] != '-' && text[4] != '/')) return false;
  return day(digits(text.substr(0, 4), 4, 4), digits(text.substr(5), 2, 2), 1).has_value();
}

bool named_like_a_time(std::string_view name) {
  const std::string lower = lower_ascii(name);
  for (const std::string_view word :
       {"date", "datetime", "day", "time", "timestamp", "ts", "epoch", "datum", "dt"}) {
    if (lower == word || lower.ends_with("_" + std::string(word)) ||
        lower.starts_with(std::string(word) + "_"))
      return true;
  }
  return lower.ends_with("_at") || name.ends_with("Date") || name.ends_with("Time") ||
         lower.ends_with("timestamp");  // Not any "date": candidates have numbers too.
}

constexpr std::uint32_t bit(TimestampForm form) {
  return 1u << static_cast<unsigned>(form);
}

Failure bad_time(const std::string& text, const std::string& expected) {
  return fail("bad_time", in_quotes(text, 64) + ": " + expected);
}

}  // namespace

std::optional<Time> parse_timestamp(std::string_view text, TimestampForm form) {
  if (text.size() > timestamp_bytes_max) return std::nullopt;
  switch (form) {
    case TimestampForm::rfc3339:
      return parse_rfc3339(text);
    case TimestampForm::iso:
      return day_and_time(text, year_first);
    case TimestampForm::compact:
      return compact(text);
    case TimestampForm::month_first:
      return day_and_time(text, [](std::string_view t) { return year_last(t, true); });
    case TimestampForm::day_first:
      return day_and_time(text, [](std::string_view t) { return year_last(t, false); });
    case TimestampForm::named_month:
      return day_and_time(text, named_month);
    case TimestampForm::unix_seconds:
      return since_1970(text, 1);
    case TimestampForm::unix_ms:
      return since_1970(text, 1e-3);
  }
  return std::nullopt;
}

void MomentColumn::add(std::string_view text) {
  if (forms_ == 0) return;
  if (example_.empty()) example_ = text;
  for (std::size_t i = 0; i < moment_forms; ++i) {
    const auto form = static_cast<TimestampForm>(i);
    if ((forms_ & bit(form)) != 0 && !parse_timestamp(text, form)) forms_ &= ~bit(form);
  }
  if (forms_ == 0) odd_ = text;
}

Result<TimestampForm> MomentColumn::form() const {
  if (forms_ == 0) {
    return bad_time(odd_,
                    "expected one form of date in the whole column, e.g. 2015-01-31, "
                    "2015-01-31T10:00:00Z, 31/1/2015 or seconds since 1970");
  }
  constexpr std::uint32_t either = bit(TimestampForm::month_first) | bit(TimestampForm::day_first);
  if ((forms_ & either) == either) {
    return bad_time(example_,
                    "days and months may stand in either order, and no value of the column tells: "
                    "write dates as 2015-01-31");
  }
  std::size_t i = 0;
  while ((forms_ & bit(static_cast<TimestampForm>(i))) == 0) ++i;
  return static_cast<TimestampForm>(i);
}

Result<std::vector<Time>> parse_timestamps(const std::vector<std::string_view>& texts) {
  MomentColumn column;
  for (const std::string_view text : texts) column.add(trim(text));
  const auto form = column.form();
  if (!form) return fail(form);
  std::vector<Time> times;
  times.reserve(texts.size());
  for (const std::string_view text : texts) times.push_back(*parse_timestamp(trim(text), *form));
  return times;
}

bool looks_like_timestamp(std::string_view text) {
  if (text.size() < 5 || text.size() > timestamp_bytes_max) return false;
  // Most texts are words; plain digits tell nothing alone.
  const std::size_t digit = text.find_first_of("0123456789");
  if (digit == text.npos || all_digits(text)) return false;
  for (const TimestampForm form : {TimestampForm::rfc3339, TimestampForm::iso,
                                   TimestampForm::month_first, TimestampForm::day_first}) {
    if (parse_timestamp(text, form)) return true;
  }
  const bool compact_time = text.size() == 15 && parse_timestamp(text, TimestampForm::compact);
  if (compact_time || is_year_and_month(text) || time_of_day(text)) return true;
  const std::string_view first = text.substr(0, text.find(' '));
  if (short_year(first)) return first == text || time_of_day(trim(text.substr(first.size())));
  return parse_timestamp(text, TimestampForm::named_month).has_value();
}

TimeColumn::TimeColumn(std::string_view name) : named_(named_like_a_time(name)) {}

void TimeColumn::add(const Value& value) {
  if (value.kind == Value::Kind::missing) return;
  ++values_;
  if (value.kind == Value::Kind::text) {
    texts_ += looks_like_timestamp(value.text) ? 1 : 0;
    return;
  }
  const double x = value.number;
  if (x != std::floor(x)) return;
  if (x >= 19000101 && x <= 21001231) {
    std::array<char, 16> text;
    const int size = std::snprintf(text.data(), text.size(), "%.0f", x);
    days_ += compact({text.data(), static_cast<std::size_t>(size)}) ? 1 : 0;
  }
  seconds_ += x >= 1e8 && x < 5e9 ? 1 : 0;
  milliseconds_ += x >= 1e11 && x < 5e12 ? 1 : 0;
}

bool TimeColumn::holds() const {
  if (values_ == 0) return false;
  if (static_cast<double>(texts_) >= time_share_min * static_cast<double>(values_)) return true;
  if (days_ == values_) return named_ || values_ >= days_min;
  return named_ && (seconds_ == values_ || milliseconds_ == values_);
}

}  // namespace outrider::detectors
