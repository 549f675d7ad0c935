// SPDX-License-Identifier: Apache-2.0
#include "base/core/text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace outrider {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

template <class Number>
std::optional<Number> parse_integer(std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct Unit {
  std::string_view name;
  std::int64_t size;
};

constexpr std::int64_t second = 1'000'000'000;
constexpr std::array<Unit, 7> duration_units{{{"w", 7 * 86400 * second},
                                              {"d", 86400 * second},
                                              {"h", 3600 * second},
                                              {"m", 60 * second},
                                              {"s", second},
                                              {"ms", 1'000'000},
                                              {"us", 1'000}}};

constexpr std::array<Unit, 8> byte_units{{{"", 1},
                                          {"B", 1},
                                          {"KiB", 1 << 10},
                                          {"MiB", 1 << 20},
                                          {"GiB", 1 << 30},
                                          {"KB", 1'000},
                                          {"MB", 1'000'000},
                                          {"GB", 1'000'000'000}}};

}  // namespace

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string lower_ascii(std::string_view text) {
  std::string lowered(text);
  for (char& c : lowered) c = to_lower(c);
  return lowered;
}

bool iequals_ascii(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (to_lower(a[i]) != to_lower(b[i])) return false;
  }
  return true;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  for (;;) {
    const std::size_t end = text.find(separator);
    pieces.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return pieces;
    text.remove_prefix(end + 1);
  }
}

// The digits as an integer and the power of ten are doubles exactly, so their quotient is the
// nearest double to the text (W. D. Clinger, "How to Read Floating Point Numbers Accurately",
// 1990).
std::optional<double> parse_plain_decimal(std::string_view text) {
  static constexpr double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  constexpr std::size_t digits_max = 15;
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.empty() || text.size() > digits_max + 1) return std::nullopt;
  std::uint64_t integer = 0;
  std::size_t digits = 0, decimals = 0;
  bool has_point = false;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      integer = integer * 10 + static_cast<std::uint64_t>(c - '0');
      ++digits;
      decimals += has_point;
    } else if (c == '.' && !has_point && digits > 0) {
      has_point = true;
    } else {
      return std::nullopt;
    }
  }
  if (digits > digits_max || (has_point && decimals == 0)) return std::nullopt;
  const double value = static_cast<double>(integer) / powers[decimals];
  return negative ? -value : value;
}

std::optional<double> parse_double(std::string_view text) {
  if (const auto plain = parse_plain_decimal(text)) return plain;
  if (!text.empty() && text.front() == '+') {
    text.remove_prefix(1);
    if (!text.empty() && (text.front() == '-' || text.front() == '+')) return std::nullopt;
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || text.empty()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // from_chars leaves the value alone: overflow is infinite, underflow is zero, as strtod has it.
    const bool negative = text.front() == '-';
    const std::size_t exponent = text.find_first_of("eE");
    const bool tiny = exponent != std::string_view::npos ? text[exponent + 1] == '-'
                                                         : text.find('.') != std::string_view::npos;
    const double magnitude = tiny ? 0.0 : HUGE_VAL;
    return negative ? -magnitude : magnitude;
  }
  if (error != std::errc()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> parse_int(std::string_view text) {
  return parse_integer<std::int64_t>(text);
}
std::optional<std::uint64_t> parse_uint(std::string_view text) {
  return parse_integer<std::uint64_t>(text);
}

std::optional<Duration> parse_duration(std::string_view text) {
  if (text == "0") return Duration::zero();
  if (text.empty()) return std::nullopt;
  Duration total = Duration::zero();
  while (!text.empty()) {
    const std::size_t number_end = text.find_first_not_of("0123456789.");
    if (number_end == 0 || number_end == std::string_view::npos) return std::nullopt;
    const auto number = parse_double(text.substr(0, number_end));
    text.remove_prefix(number_end);
    const std::size_t unit_end = std::min(text.find_first_of("0123456789."), text.size());
    const std::string_view name = text.substr(0, unit_end);
    text.remove_prefix(unit_end);
    const Unit* unit = nullptr;
    for (const Unit& candidate : duration_units) {
      if (candidate.name == name) unit = &candidate;
    }
    if (!number || !unit) return std::nullopt;
    const double nanoseconds = *number * static_cast<double>(unit->size);
    if (nanoseconds + static_cast<double>(total.count()) > 9.2e18) return std::nullopt;
    total += Duration(static_cast<std::int64_t>(std::llround(nanoseconds)));
  }
  return total;
}

std::string format_duration(Duration duration) {
  if (duration == Duration::zero()) return "0";
  std::string text = duration < Duration::zero() ? "-" : "";
  std::int64_t left = std::abs(duration.count());
  for (const Unit& unit : duration_units) {
    if (unit.name == "w") continue;  // "30d" reads better than "4w2d".
    if (const std::int64_t count = left / unit.size; count > 0) {
      text += std::to_string(count);
      text += unit.name;
      left %= unit.size;
    }
  }
  return text.empty() ? "0" : text;
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  const std::size_t number_end = std::min(text.find_first_not_of("0123456789."), text.size());
  const auto number = parse_double(text.substr(0, number_end));
  if (!number) return std::nullopt;
  const std::string_view name = trim(text.substr(number_end));
  for (const Unit& unit : byte_units) {
    const double bytes = *number * static_cast<double>(unit.size);
    if (unit.name == name && bytes < 9.2e18) return static_cast<std::uint64_t>(bytes);
  }
  return std::nullopt;
}

std::string format_bytes(std::uint64_t bytes) {
  for (const std::string_view name : {"GiB", "MiB", "KiB"}) {
    for (const Unit& unit : byte_units) {
      const auto size = static_cast<std::uint64_t>(unit.size);
      if (unit.name == name && bytes >= size && bytes % size == 0) {
        return std::to_string(bytes / size) + std::string(name);
      }
    }
  }
  return std::to_string(bytes);
}

void append_double(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else {
    std::array<char, 32> buffer;
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
    out.append(buffer.data(), end);
  }
}

std::string format_double(double value) {
  std::string text;
  append_double(text, value);
  return text;
}

std::string format_rfc3339(Time time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{floor<milliseconds>(time - day)};
  std::array<char, 40> buffer;
  const int size = std::snprintf(
      buffer.data(), buffer.size(), "%04d-%02u-%02uT%02ld:%02ld:%02ld.%03ldZ",
      static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
      static_cast<unsigned>(date.day()), static_cast<long>(clock.hours().count()),
      static_cast<long>(clock.minutes().count()), static_cast<long>(clock.seconds().count()),
      static_cast<long>(clock.subseconds().count()));
  return std::string(buffer.data(), static_cast<std::size_t>(size));
}

std::optional<Time> parse_rfc3339(std::string_view text) {
  using namespace std::chrono;
  const auto number = [&](std::size_t at, std::size_t size) -> int {
    if (at + size > text.size()) return -1;
    const auto value = parse_uint(text.substr(at, size));
    return value ? static_cast<int>(*value) : -1;
  };
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':' ||
      (text[10] != 'T' && text[10] != 't' && text[10] != ' ')) {
    return std::nullopt;
  }
  const int y = number(0, 4), mo = number(5, 2), d = number(8, 2);
  const int h = number(11, 2), mi = number(14, 2), s = number(17, 2);
  const year_month_day date{year{y}, month{static_cast<unsigned>(mo)},
                            day{static_cast<unsigned>(d)}};
  // Nanoseconds in 64 bits count from 1677 to 2262.
  if (y < 1678 || y > 2261 || mo < 1 || d < 1 || !date.ok() || h < 0 || h > 23 || mi < 0 ||
      mi > 59 || s < 0 || s > 60) {
    return std::nullopt;
  }
  Duration fraction{0};
  std::size_t at = 19;
  if (at < text.size() && text[at] == '.') {
    const std::size_t end = std::min(text.find_first_not_of("0123456789", at + 1), text.size());
    if (end == at + 1) return std::nullopt;
    std::string digits(text.substr(at + 1, std::min<std::size_t>(9, end - at - 1)));
    digits.resize(9, '0');
    fraction = Duration(*parse_int(digits));
    at = end;
  }
  minutes offset{0};
  const std::string_view zone = text.substr(at);
  if (zone != "Z" && zone != "z") {
    if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':')
      return std::nullopt;
    const int zone_hours = number(at + 1, 2), zone_minutes = number(at + 4, 2);
    if (zone_hours < 0 || zone_hours > 23 || zone_minutes < 0 || zone_minutes > 59) {
      return std::nullopt;
    }
    offset = hours{zone_hours} + minutes{zone_minutes};
    if (zone[0] == '-') offset = -offset;
  }
  return Time{sys_days{date}} + hours{h} + minutes{mi} + seconds{s} + fraction - offset;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_blank) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_blank) {
      decoded += ' ';
    } else if (text[i] == '%') {
      const int high = i + 1 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view hex = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
    if (unreserved) {
      encoded += c;
    } else {
      encoded += '%';
      encoded += hex[byte >> 4];
      encoded += hex[byte & 15];
    }
  }
  return encoded;
}

bool is_valid_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  for (std::size_t i = 0; i < text.size();) {
    if (std::uint64_t eight = 0; text.size() - i >= sizeof eight) {  // Mostly, all of it is ASCII.
      std::memcpy(&eight, text.data() + i, sizeof eight);
      if ((eight & 0x8080808080808080u) == 0) {
        i += sizeof eight;
        continue;
      }
    }
    const unsigned lead = byte(i);
    if (lead < 0x80) {
      i += 1;
    } else if (lead >= 0xC2 && lead <= 0xDF && continues(i + 1)) {
      i += 2;
    } else if ((lead & 0xF0u) == 0xE0u && continues(i + 1) && continues(i + 2) &&
               !(lead == 0xE0 && byte(i + 1) < 0xA0) && !(lead == 0xED && byte(i + 1) > 0x9F)) {
      i += 3;
    } else if (lead >= 0xF0 && lead <= 0xF4 && continues(i + 1) && continues(i + 2) &&
               continues(i + 3) && !(lead == 0xF0 && byte(i + 1) < 0x90) &&
               !(lead == 0xF4 && byte(i + 1) > 0x8F)) {
      i += 4;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace outrider
