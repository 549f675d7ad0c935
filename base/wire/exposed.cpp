// SPDX-License-Identifier: Apache-2.0
#include "base/wire/exposed.h"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <unordered_set>

#include "base/core/text.h"

namespace outrider::wire {
namespace {

bool is_with_suffix(std::string_view sample, std::string_view family,
                    std::initializer_list<std::string_view> suffixes) {
  if (!sample.starts_with(family)) return false;
  const std::string_view suffix = sample.substr(family.size());
  return std::find(suffixes.begin(), suffixes.end(), suffix) != suffixes.end();
}

std::string_view without_total(std::string_view name) {
  return name.ends_with("_total") ? name.substr(0, name.size() - 6) : name;
}

// One family as one format can say it.
struct Page {
  std::string name;
  MetricType type;
  std::vector<const ExposedSample*> samples;
};

bool all_are_of(const ExposedFamily& family, std::string_view name, MetricType type) {
  return std::all_of(family.samples.begin(), family.samples.end(),
                     [&](const ExposedSample& s) { return is_of_family(s.name, name, type); });
}

std::vector<const ExposedSample*> pointers(const ExposedFamily& family) {
  std::vector<const ExposedSample*> samples;
  for (const ExposedSample& sample : family.samples) samples.push_back(&sample);
  return samples;
}

// OpenMetrics names a counter without "_total", and its samples must have it.
std::vector<Page> openmetrics_pages(const ExposedFamily& family) {
  std::string name = family.name;
  bool fits = true;
  if (family.type == MetricType::counter) {
    name = without_total(name);
    fits = std::none_of(family.samples.begin(), family.samples.end(),
                        [&](const ExposedSample& s) { return s.name == name; });
  } else if (family.type == MetricType::info) {
    if (name.ends_with("_info")) name.resize(name.size() - 5);
    fits = std::all_of(family.samples.begin(), family.samples.end(),
                       [&](const ExposedSample& s) { return s.name == name + "_info"; });
  }
  if (fits && all_are_of(family, name, family.type)) {
    return {{name, family.type, pointers(family)}};
  }
  std::map<std::string, Page> by_name;
  for (const ExposedSample& sample : family.samples) {
    by_name.try_emplace(sample.name, Page{sample.name, MetricType::unknown, {}})
        .first->second.samples.push_back(&sample);
  }
  std::vector<Page> pages;
  for (auto& [_, page] : by_name) pages.push_back(std::move(page));
  return pages;
}

bool is_created(const ExposedFamily& family, const ExposedSample& sample) {
  return (family.type == MetricType::counter || family.type == MetricType::histogram ||
          family.type == MetricType::summary) &&
         sample.name.ends_with("_created") && sample.name != family.name;
}

// Text 0.0.4 knows histograms and summaries as families; all else goes by the samples' own names.
std::vector<Page> text_pages(const ExposedFamily& family) {
  Page main{family.name, family.type, {}};
  std::map<std::string, Page> others;
  const bool is_one = family.type == MetricType::histogram || family.type == MetricType::summary;
  for (const ExposedSample& sample : family.samples) {
    if (is_created(family, sample)) {
      others.try_emplace(sample.name, Page{sample.name, MetricType::gauge, {}})
          .first->second.samples.push_back(&sample);
    } else if (is_one || sample.name == family.name) {
      main.samples.push_back(&sample);
    } else {
      const MetricType type =
          family.type == MetricType::gauge_histogram ? MetricType::unknown : family.type;
      others.try_emplace(sample.name, Page{sample.name, type, {}})
          .first->second.samples.push_back(&sample);
    }
  }
  std::vector<Page> pages;
  if (!main.samples.empty()) pages.push_back(std::move(main));
  for (auto& [_, page] : others) pages.push_back(std::move(page));
  return pages;
}

// A name of UTF-8 stands quoted inside the braces.
bool is_plain(std::string_view name, bool colon) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [colon](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (colon && c == ':');
  });
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text, true);
  out += '"';
}

void append_labels(std::string& out, const Labels& labels, bool comma) {
  for (const Label& label : labels) {
    if (comma) out += ',';
    comma = true;
    if (is_plain(label.name, false)) {
      out += label.name;
    } else {
      append_quoted(out, label.name);
    }
    out += '=';
    append_quoted(out, label.value);
  }
}

void append_name(std::string& out, std::string_view name) {
  if (is_plain(name, true)) {
    out += name;
  } else {
    append_quoted(out, name);
  }
}

void append_sample(std::string& out, const ExposedSample& sample, Format format,
                   bool may_have_exemplar) {
  const bool plain = is_plain(sample.name, true);
  if (plain) out += sample.name;
  if (!plain || !sample.labels.empty()) {
    out += '{';
    if (!plain) append_quoted(out, sample.name);
    append_labels(out, sample.labels, !plain);
    out += '}';
  }
  out += ' ';
  append_double(out, sample.value);
  if (sample.timestamp_ms) {
    out += ' ';
    if (format == Format::text) {
      out += std::to_string(*sample.timestamp_ms);
    } else {
      append_double(out, static_cast<double>(*sample.timestamp_ms) / 1000);
    }
  }
  if (sample.exemplar && may_have_exemplar) {
    out += " # {";
    append_labels(out, sample.exemplar->labels, false);
    out += "} ";
    append_double(out, sample.exemplar->value);
    if (sample.exemplar->timestamp_ms != 0) {
      out += ' ';
      append_double(out, static_cast<double>(sample.exemplar->timestamp_ms) / 1000);
    }
  }
  out += '\n';
}

void append_page(std::string& out, const Page& page, const ExposedFamily& family, Format format) {
  const auto line = [&](std::string_view what) {
    out += "# ";
    out += what;
    out += ' ';
    append_name(out, page.name);
    out += ' ';
  };
  if (!family.help.empty()) {
    line("HELP");
    append_escaped(out, family.help, format == Format::openmetrics);
    out += '\n';
  }
  line("TYPE");
  out += type_word(page.type, format);
  out += '\n';
  if (format == Format::openmetrics && !family.unit.empty() &&
      page.name.ends_with("_" + family.unit)) {
    line("UNIT");
    out += family.unit;
    out += '\n';
  }
  for (const ExposedSample* sample : page.samples) {
    const bool exemplar = format == Format::openmetrics &&
                          ((page.type == MetricType::counter && sample->name.ends_with("_total")) ||
                           sample->name.ends_with("_bucket"));
    append_sample(out, *sample, format, exemplar);
  }
}

}  // namespace

bool is_of_family(std::string_view sample, std::string_view family, MetricType type) {
  switch (type) {
    case MetricType::counter:
      return is_with_suffix(sample, family, {"", "_total", "_created"});
    case MetricType::histogram:
      return is_with_suffix(sample, family, {"_bucket", "_sum", "_count", "_created"});
    case MetricType::gauge_histogram:
      return is_with_suffix(sample, family, {"_bucket", "_gsum", "_gcount"});
    case MetricType::summary:
      return is_with_suffix(sample, family, {"", "_sum", "_count", "_created"});
    case MetricType::info:
      return is_with_suffix(sample, family, {"", "_info"});
    default:
      return sample == family;
  }
}

void GatheringSink::family(const Family& family) {
  families_.push_back({.name = family.name, .type = family.type, .help = family.help});
}

void GatheringSink::value(const SeriesKey& key, double value, const Exemplar* exemplar) {
  ExposedFamily& family = families_.back();
  ExposedSample sample{.name = family.name, .labels = key.labels(), .value = value};
  if (exemplar) sample.exemplar = *exemplar;
  family.samples.push_back(std::move(sample));
}

void GatheringSink::histogram(const SeriesKey& key, const HistogramValue& value) {
  ExposedFamily& family = families_.back();
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < value.bucket_counts.size(); ++i) {
    cumulative += value.bucket_counts[i];
    ExposedSample sample{.name = family.name + "_bucket",
                         .labels = key.labels(),
                         .value = static_cast<double>(cumulative)};
    sample.labels.set(
        "le", i < value.upper_bounds.size() ? canonical_bound(value.upper_bounds[i]) : "+Inf");
    if (i < value.exemplars.size()) sample.exemplar = value.exemplars[i];
    family.samples.push_back(std::move(sample));
  }
  family.samples.push_back(
      {.name = family.name + "_sum", .labels = key.labels(), .value = value.sum});
  family.samples.push_back({.name = family.name + "_count",
                            .labels = key.labels(),
                            .value = static_cast<double>(cumulative)});
}

void merge(ExposedFamilies& families, ExposedFamilies more) {
  // By the name that PromQL sees: "x" of OpenMetrics and "x_total" of text are one counter.
  const auto key = [](const ExposedFamily& family) {
    return std::string(family.type == MetricType::counter ? without_total(family.name)
                                                          : std::string_view(family.name));
  };
  std::map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < families.size(); ++i) places.emplace(key(families[i]), i);
  for (ExposedFamily& family : more) {
    const auto [place, is_new] = places.emplace(key(family), families.size());
    if (is_new) {
      families.push_back(std::move(family));
      continue;
    }
    auto& samples = families[place->second].samples;
    samples.insert(samples.end(), std::make_move_iterator(family.samples.begin()),
                   std::make_move_iterator(family.samples.end()));
  }
}

std::uint64_t drop_duplicates(ExposedFamilies& families) {
  std::unordered_set<std::string> seen;
  std::string key;
  // Each text with its length before it, so that no two samples have one key.
  const auto add = [&key](std::string_view text) {
    key.append(std::to_string(text.size())).append(1, ':').append(text);
  };
  const auto is_new = [&](const ExposedSample& sample) {
    key.clear();
    add(sample.name);
    for (const Label& label : sample.labels) {
      add(label.name);
      add(label.value);
    }
    if (sample.timestamp_ms) key += "@" + std::to_string(*sample.timestamp_ms);
    return seen.insert(key).second;
  };
  std::uint64_t dropped = 0;
  for (ExposedFamily& family : families) {
    const auto keep = std::remove_if(family.samples.begin(), family.samples.end(),
                                     [&](const ExposedSample& sample) { return !is_new(sample); });
    dropped += static_cast<std::uint64_t>(family.samples.end() - keep);
    family.samples.erase(keep, family.samples.end());
  }
  return dropped;
}

std::string render(const ExposedFamilies& families, Format format) {
  std::string out;
  for (const ExposedFamily& family : families) {
    const auto pages =
        format == Format::openmetrics ? openmetrics_pages(family) : text_pages(family);
    for (const Page& page : pages) append_page(out, page, family, format);
  }
  if (format == Format::openmetrics) out += "# EOF\n";
  return out;
}

}  // namespace outrider::wire
