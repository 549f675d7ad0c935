// SPDX-License-Identifier: Apache-2.0
#include "agent/page/markup.h"

#include "base/core/text.h"

namespace outrider::page {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";
constexpr std::string_view time_begin = "<time class=\"";

// U+202A … U+202E are E2 80 AA … AE, U+2066 … U+2069 are E2 81 A6 … A9.
bool turns_direction(std::string_view text, std::size_t at) {
  if (at + 2 >= text.size() || text[at] != '\xE2') return false;
  const auto second = static_cast<unsigned char>(text[at + 1]);
  const auto third = static_cast<unsigned char>(text[at + 2]);
  return (second == 0x80 && third >= 0xAA && third <= 0xAE) ||
         (second == 0x81 && third >= 0xA6 && third <= 0xA9);
}

std::string time_element(std::string_view kind, Time time, const std::string& text) {
  return "<time class=\"" + std::string(kind) + "\" datetime=\"" + format_rfc3339(time) +
         "\" title=\"" + utc_text(time) + "\">" + text + "</time>";
}

}  // namespace

std::string utc_text(Time time) {
  std::string text = format_rfc3339(time).substr(0, 19);
  text[10] = ' ';
  return text + " UTC";
}

std::string escape_html(std::string_view text) {
  const bool is_utf8 = is_valid_utf8(text);
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\'') {
      out += "&#39;";
    } else if (byte >= 0x80 && !is_utf8) {
      out += replacement;
    } else if (turns_direction(text, i)) {
      out += replacement;
      i += 2;
    } else if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7F) {
      out += ' ';
    } else {
      out += c;
    }
  }
  return out;
}

std::string_view css_class(Tone tone) {
  switch (tone) {
    case Tone::good:
      return "good";
    case Tone::warn:
      return "warn";
    case Tone::bad:
      return "bad";
    case Tone::dim:
      break;
  }
  return "dim";
}

std::string badge(Tone tone, std::string_view text) {
  return "<span class=\"badge " + std::string(css_class(tone)) + "\">" + escape_html(text) +
         "</span>";
}

Tone tone_of_severity(std::string_view severity) {
  if (severity == "critical") return Tone::bad;
  return severity == "warning" ? Tone::warn : Tone::dim;
}

std::string ago(Time time, Time now) {
  const bool ahead = time > now;
  const auto seconds =
      std::chrono::floor<std::chrono::seconds>(ahead ? time - now : now - time).count();
  std::string span;
  if (seconds < 120) {
    span = std::to_string(seconds) + " s";
  } else if (seconds < 2 * 3600) {
    span = std::to_string(seconds / 60) + " min";
  } else if (seconds < 48 * 3600) {
    span = std::to_string(seconds / 3600) + " h";
  } else {
    span = std::to_string(seconds / 86400) + " days";
  }
  return ahead ? "in " + span : span + " ago";
}

std::string age(Time time, Time now) {
  return time_element("age", time, ago(time, now));
}

std::string moment(Time time) {
  return time_element("at", time, utc_text(time));
}

std::string clock_time(Time time) {
  return time_element("at", time, utc_text(time).substr(11, 8));
}

std::string plural(std::size_t count, std::string_view one, std::string_view many) {
  std::string text = std::to_string(count) + " ";
  if (count == 1) return text += one;
  return many.empty() ? text.append(one) += 's' : text += many;
}

std::string outside_link(std::string_view url, std::string_view text) {
  if (!url.starts_with("https://") && !url.starts_with("http://")) return {};
  return "<a rel=\"noopener noreferrer\" href=\"" + escape_html(url) + "\">" + escape_html(text) +
         "</a>";
}

std::string address(std::string_view path,
                    const std::vector<std::pair<std::string, std::string>>& values) {
  std::string text(path);
  char between = '?';
  for (const auto& [name, value] : values) {
    if (value.empty()) continue;
    text += between + name + "=" + percent_encode(value);
    between = '&';
  }
  return text;
}

std::string link(const std::string& to, std::string_view text) {
  return "<a href=\"" + escape_html(to) + "\">" + escape_html(text) + "</a>";
}

std::string incident_address(const std::string& id) {
  return "/incidents/" + percent_encode(id);
}

std::string without_ages(std::string_view html) {
  std::string out;
  out.reserve(html.size());
  for (std::size_t at = 0; at < html.size();) {
    const std::size_t begin = html.find(time_begin, at);
    const std::size_t text = begin == std::string_view::npos ? begin : html.find('>', begin);
    const std::size_t end = text == std::string_view::npos ? text : html.find("</time>", text);
    if (end == std::string_view::npos) return out.append(html.substr(at));
    const std::string_view kind = html.substr(begin + time_begin.size());
    const bool is_made = kind.starts_with("made\""), is_age = kind.starts_with("age\"");
    out.append(html.substr(at, (is_made ? begin : is_age ? text + 1 : end) - at));
    at = end;
  }
  return out;
}

}  // namespace outrider::page
