// SPDX-License-Identifier: Apache-2.0
#pragma once

// Pieces of the agent's pages: text as HTML, times, badges, addresses. PURE. O(bytes).
//
// Everything that comes from outside goes through escape_html: labels of alerts and series, bodies
// of requests, words of people. No style attribute and no script stands in a page, so the
// Content-Security-Policy allows neither.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/clock.h"

namespace outrider::page {

// Text between tags or quotes. Control characters are blanks; what turns the direction of writing
// (U+202A to U+202E, U+2066 to U+2069) and what is no UTF-8 shows as U+FFFD: a label must not look
// like another one.
std::string escape_html(std::string_view text);

// good, bad and warn never stand alone: the text says the same.
enum class Tone { good, warn, bad, dim };
std::string_view css_class(Tone tone);
std::string badge(Tone tone, std::string_view text);

// "critical" is bad, "warning" is warn, any other severity dim.
Tone tone_of_severity(std::string_view severity);

// "3 s ago", "5 min ago", "2 h ago", "3 days ago"; "in 5 min" for what is to come.
std::string ago(Time time, Time now);
// The same as an element, which the script keeps current.
std::string age(Time time, Time now);
std::string utc_text(Time time);  // "2026-01-31 12:00:00 UTC"
// The same as an element; the script adds the reader's own time as its title.
std::string moment(Time time);
// "12:00:00", with the day in the title: for lists whose day is said.
std::string clock_time(Time time);

std::string plural(std::size_t count, std::string_view one, std::string_view many = {});

// A link only where it is one: an annotation may hold "javascript:…". "" for any other scheme.
std::string outside_link(std::string_view url, std::string_view text);

// "path?name=value&…" of what has a value, percent-encoded; to be escaped where it is written.
std::string address(std::string_view path,
                    const std::vector<std::pair<std::string, std::string>>& values);
std::string link(const std::string& to, std::string_view text);
std::string incident_address(const std::string& id);

// The page without the text of its ages and without the time that it was made at: what of it says
// something new.
std::string without_ages(std::string_view html);

}  // namespace outrider::page
