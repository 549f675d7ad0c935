// SPDX-License-Identifier: Apache-2.0
#include "base/wire/exposition_parser.h"

#include <bit>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <utility>

#include "base/core/text.h"

namespace outrider::wire {
namespace {

constexpr double seconds_max = 1e11;  // The year 5138: beyond it a "_created" is in milliseconds.
constexpr std::size_t shown_bytes_max = 120;

bool is_name_start(char c, bool colon) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':');
}
bool is_name_part(char c, bool colon) {
  return is_name_start(c, colon) || (c >= '0' && c <= '9');
}

// Go's ParseFloat, which Prometheus uses: also "Infinity", but no sign on NaN.
std::optional<double> parse_value(std::string_view text) {
  const std::string lower = lower_ascii(text);
  if (lower == "nan") return std::bit_cast<double>(std::uint64_t{0x7ff8000000000001});
  if (lower.ends_with("nan")) return std::nullopt;
  if (lower == "infinity" || lower == "+infinity") return std::numeric_limits<double>::infinity();
  if (lower == "-infinity") return -std::numeric_limits<double>::infinity();
  return parse_double(text);
}

// OpenMetrics' seconds. Nothing when they are no number or beyond what milliseconds can say.
std::optional<std::int64_t> parse_seconds(std::string_view text) {
  const auto seconds = parse_value(text);
  if (!seconds || !(std::fabs(*seconds) < 9e15)) return std::nullopt;
  // To the nearest, so that 1.001 is 1001 and not, through its binary form, 1000.
  return std::llround(*seconds * 1000);
}

std::optional<MetricType> type_named(std::string_view word, Format format) {
  if (word == "counter") return MetricType::counter;
  if (word == "gauge") return MetricType::gauge;
  if (word == "histogram") return MetricType::histogram;
  if (word == "summary") return MetricType::summary;
  if (format == Format::text) {
    return word == "untyped" ? std::optional(MetricType::unknown) : std::nullopt;
  }
  if (word == "gaugehistogram") return MetricType::gauge_histogram;
  if (word == "info") return MetricType::info;
  if (word == "stateset") return MetricType::stateset;
  if (word == "unknown") return MetricType::unknown;
  return std::nullopt;
}

// A line, read from the left. What goes wrong is kept; the rest then reads nothing.
class Line {
 public:
  Line(std::string_view text, Format format) : rest_(text), format_(format) {}

  bool failed() const { return !expected_.empty(); }
  const std::string& expected() const { return expected_; }
  bool at_end() const { return rest_.empty(); }
  char next() const { return rest_.empty() ? '\0' : rest_.front(); }

  void expect(std::string what) {
    if (!failed()) expected_ = std::move(what);
  }
  // Blanks and tabs between tokens, which text allows anywhere and OpenMetrics nowhere.
  void skip_blanks() {
    if (format_ == Format::openmetrics) return;
    while (next() == ' ' || next() == '\t') rest_.remove_prefix(1);
  }
  bool take(std::string_view token) {
    if (failed() || !rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  // The blank before a value: one in OpenMetrics, at least one in text.
  void take_separator(const char* before) {
    if (format_ == Format::openmetrics) {
      if (!take(" ")) expect(std::string("one blank before ") + before);
      return;
    }
    skip_blanks();
  }
  std::string_view take_name(bool colon) {
    std::size_t length = 0;
    if (!rest_.empty() && is_name_start(rest_[0], colon)) {
      while (length < rest_.size() && is_name_part(rest_[length], colon)) ++length;
    }
    const std::string_view name = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return name;
  }
  std::string take_quoted();
  std::string_view take_word() {
    const std::string_view word = rest_.substr(0, rest_.find_first_of(" \t"));
    rest_.remove_prefix(word.size());
    return word;
  }
  std::string_view take_all() { return std::exchange(rest_, {}); }

 private:
  std::string_view rest_;
  Format format_;
  std::string expected_;
};

// \\, \" and \n; any other escape stands for itself, as in Prometheus.
std::string unescape(std::string_view text, bool quotes) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char after = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
    if (after == '\\' || after == 'n' || (after == '"' && quotes)) {
      plain += after == 'n' ? '\n' : after;
      ++i;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

std::string Line::take_quoted() {
  if (!take("\"")) {
    expect("a quoted string");
    return {};
  }
  std::size_t end = 0;
  while (end < rest_.size() && rest_[end] != '"') end += rest_[end] == '\\' ? 2 : 1;
  if (end >= rest_.size()) {
    expect("a closing quote");
    return {};
  }
  const std::string_view quoted = rest_.substr(0, end);
  rest_.remove_prefix(end + 1);
  if (!is_valid_utf8(quoted)) expect("valid UTF-8");
  return unescape(quoted, true);
}

class Parser {
 public:
  Parser(Format format, const ExpositionLimits& limits) : format_(format), limits_(limits) {}

  Result<ExposedFamilies> parse(std::string_view page);

 private:
  bool is_openmetrics() const { return format_ == Format::openmetrics; }
  void line(Line& line);
  void comment(Line& line);
  void metadata(Line& line, std::string_view what);
  void sample(Line& line);
  void labels(Line& line, Labels& labels, std::string* name);
  void label(Line& line, Labels& labels, std::string* name);
  void exemplar(Line& line, ExposedSample& sample);
  ExposedFamily& family_named(std::string_view name);
  ExposedFamily& family_of(std::string_view sample);
  void date_beginnings();

  const Format format_;
  const ExpositionLimits& limits_;
  ExposedFamilies families_;
  std::unordered_map<std::string, std::size_t> places_;
  std::size_t current_ = SIZE_MAX;  // The family of the last metadata or sample.
  std::size_t samples_ = 0;
  bool ended_ = false;
};

Result<ExposedFamilies> Parser::parse(std::string_view page) {
  std::size_t number = 0;
  while (!page.empty()) {
    ++number;
    const std::size_t end = page.find('\n');
    const std::string_view text = page.substr(0, end);
    const std::string where = "line " + std::to_string(number) + ": ";
    if (ended_) return fail("bad_exposition", where + "expected nothing after # EOF");
    if (end == std::string_view::npos && is_openmetrics() && text != "# EOF") {
      return fail("bad_exposition", where + "expected the page to end in # EOF");
    }
    page.remove_prefix(end == std::string_view::npos ? page.size() : end + 1);
    Line reader(text, format_);
    line(reader);
    if (!reader.failed() && !reader.at_end()) reader.expect("the end of the line");
    if (reader.failed()) {
      return fail("bad_exposition", where + "expected " + reader.expected() + " in '" +
                                        std::string(text.substr(0, shown_bytes_max)) + "'");
    }
    if (samples_ > limits_.samples_max) {
      return fail("too_many_samples",
                  "the page has more than " + std::to_string(limits_.samples_max) + " samples");
    }
  }
  if (is_openmetrics() && !ended_) {
    return fail("bad_exposition", "expected the page to end in # EOF");
  }
  date_beginnings();
  return std::move(families_);
}

void Parser::line(Line& line) {
  line.skip_blanks();
  if (line.at_end()) {
    if (is_openmetrics()) line.expect("a sample or a comment");
    return;
  }
  if (line.next() == '#') {
    comment(line);
  } else {
    sample(line);
  }
}

void Parser::comment(Line& line) {
  if (is_openmetrics()) {
    if (line.take("# EOF")) {
      ended_ = true;
    } else if (line.take("# HELP ")) {
      metadata(line, "HELP");
    } else if (line.take("# TYPE ")) {
      metadata(line, "TYPE");
    } else if (line.take("# UNIT ")) {
      metadata(line, "UNIT");
    } else {
      line.expect("# HELP, # TYPE, # UNIT or # EOF");
    }
    return;
  }
  line.take("#");
  const bool blank = line.next() == ' ' || line.next() == '\t';
  line.skip_blanks();
  for (const char* what : {"HELP", "TYPE"}) {
    if (!blank || !line.take(what)) continue;
    if (line.next() != ' ' && line.next() != '\t') break;
    line.skip_blanks();
    metadata(line, what);
    return;
  }
  line.take_all();
}

void Parser::metadata(Line& line, std::string_view what) {
  const std::string name =
      line.next() == '"' ? line.take_quoted() : std::string(line.take_name(true));
  if (name.empty()) return line.expect("a metric's name");
  if (!line.at_end() && line.next() != ' ' && line.next() != '\t') {
    return line.expect("a blank after the metric's name");
  }
  if (!line.take(" ")) line.skip_blanks();
  const std::string_view text = line.take_all();
  ExposedFamily& family = family_named(name);
  if (what == "TYPE") {
    const auto type = type_named(is_openmetrics() ? text : trim(text), format_);
    if (!type) return line.expect("a known type");
    family.type = *type;
  } else if (what == "HELP") {
    if (!is_valid_utf8(text)) return line.expect("valid UTF-8");
    family.help = unescape(text, is_openmetrics());
  } else {
    const bool fits = text.empty() || (name.size() > text.size() + 1 && name.ends_with(text) &&
                                       name[name.size() - text.size() - 1] == '_');
    if (!fits) return line.expect("a unit that ends the metric's name");
    family.unit = text;
  }
}

void Parser::label(Line& line, Labels& labels, std::string* name) {
  const bool quoted = line.next() == '"';
  const std::string label = quoted ? line.take_quoted() : std::string(line.take_name(false));
  line.skip_blanks();
  if (quoted && name && (line.next() == ',' || line.next() == '}')) {
    if (!name->empty()) return line.expect("one name of the metric");
    if (label.empty()) return line.expect("a name that is not empty");
    *name = label;
    return;
  }
  if (label.empty()) return line.expect("a label's name");
  if (!line.take("=")) return line.expect("= after a label's name");
  line.skip_blanks();
  const std::string value = line.take_quoted();
  if (!labels.get(label).empty()) return line.expect("each label once");
  labels.set(label, value);
}

// After the opening brace. `name` is the place for a quoted metric name, null where none may stand.
void Parser::labels(Line& line, Labels& labels, std::string* name) {
  line.skip_blanks();
  while (!line.failed() && !line.take("}")) {
    label(line, labels, name);
    line.skip_blanks();
    if (line.take(",")) {
      line.skip_blanks();
    } else if (line.next() != '}') {
      line.expect("a comma or a closing brace");
    }
  }
}

void Parser::sample(Line& line) {
  ExposedSample sample;
  sample.name = line.take_name(true);
  line.skip_blanks();
  if (line.take("{")) labels(line, sample.labels, &sample.name);
  if (sample.name.empty()) line.expect("a metric's name");
  line.take_separator("the value");
  if (line.failed()) return;
  const auto value = parse_value(line.take_word());
  if (!value) return line.expect("a number as value");
  sample.value = *value;
  line.skip_blanks();
  if (is_openmetrics()) {
    bool more = line.take(" ");
    if (more && line.next() != '#') {
      sample.timestamp_ms = parse_seconds(line.take_word());
      if (!sample.timestamp_ms) return line.expect("a timestamp in seconds");
      more = line.take(" ");
    }
    if (more) exemplar(line, sample);
  } else if (!line.at_end()) {
    sample.timestamp_ms = parse_int(line.take_word());
    if (!sample.timestamp_ms) return line.expect("a timestamp in milliseconds");
    line.skip_blanks();
  }
  if (line.failed() || !line.at_end()) return;
  ++samples_;
  ExposedFamily& family = family_of(sample.name);
  for (const char* bound : {"le", "quantile"}) {
    const bool is_bound = bound == std::string_view("le") ? family.type == MetricType::histogram
                                                          : family.type == MetricType::summary;
    const auto number = is_bound ? parse_value(sample.labels.get(bound)) : std::nullopt;
    if (number) sample.labels.set(bound, canonical_bound(*number));
  }
  family.samples.push_back(std::move(sample));
}

void Parser::exemplar(Line& line, ExposedSample& sample) {
  Exemplar exemplar;
  if (!line.take("# {")) return line.expect("# {labels} of an exemplar");
  labels(line, exemplar.labels, nullptr);
  if (!line.take(" ")) return line.expect("one blank before the exemplar's value");
  const auto value = parse_value(line.take_word());
  if (!value) return line.expect("a number as the exemplar's value");
  exemplar.value = *value;
  if (line.take(" ")) {
    const auto time = parse_seconds(line.take_word());
    if (!time) return line.expect("the exemplar's timestamp in seconds");
    exemplar.timestamp_ms = *time;
  }
  sample.exemplar = std::move(exemplar);
}

ExposedFamily& Parser::family_named(std::string_view name) {
  const auto [place, is_new] = places_.try_emplace(std::string(name), families_.size());
  if (is_new) families_.push_back({.name = std::string(name)});
  current_ = place->second;
  return families_[current_];
}

// The family at hand, where the sample can be of it; else one of the sample's own name.
ExposedFamily& Parser::family_of(std::string_view sample) {
  if (current_ < families_.size()) {
    ExposedFamily& current = families_[current_];
    if (is_of_family(sample, current.name, current.type)) return current;
  }
  return family_named(sample);
}

void Parser::date_beginnings() {
  for (ExposedFamily& family : families_) {
    const bool counts = family.type == MetricType::counter ||
                        family.type == MetricType::histogram || family.type == MetricType::summary;
    if (!counts) continue;
    const auto key = [](Labels labels) {
      labels.set("le", "");
      labels.set("quantile", "");
      std::string text;
      for (const Label& label : labels) text += label.name + '\x01' + label.value + '\x02';
      return text;
    };
    std::unordered_map<std::string, std::int64_t> beginnings;
    for (const ExposedSample& sample : family.samples) {
      if (!sample.name.ends_with("_created") || !(sample.value > 0) || sample.value > 1e15)
        continue;
      const double ms = sample.value < seconds_max ? sample.value * 1000 : sample.value;
      beginnings[key(sample.labels)] = std::llround(ms);
    }
    if (beginnings.empty()) continue;
    for (ExposedSample& sample : family.samples) {
      if (sample.name.ends_with("_created")) continue;
      const auto found = beginnings.find(key(sample.labels));
      if (found != beginnings.end()) sample.start_timestamp_ms = found->second;
    }
  }
}

}  // namespace

Result<ExposedFamilies> parse_exposition(std::string_view page, Format format,
                                         const ExpositionLimits& limits) {
  return Parser(format, limits).parse(page);
}

Format format_of(std::string_view content_type) {
  return lower_ascii(trim(split(content_type, ';').front())) == "application/openmetrics-text"
             ? Format::openmetrics
             : Format::text;
}

}  // namespace outrider::wire
