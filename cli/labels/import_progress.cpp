// SPDX-License-Identifier: Apache-2.0
#include "cli/labels/import_progress.h"

#include <algorithm>
#include <cstdio>

#include "base/wire/json.h"

namespace outrider::cli {
namespace {

using wire::Json;

constexpr std::string_view format = "outrider labels import 1";

// In the order in which they are told.
constexpr std::pair<std::string_view, std::string_view> results[] = {
    {"joined", "found their prediction, on disk"},
    {"resent", "had been sent before an interruption, and were labelled already"},
    {"queued", "are in the topic (Kafka); the agents join them"},
    {"duplicate", "labelled before; the first label stands"},
    {"early", "no such prediction yet: held for truth.early, then joined or unknown"},
    {"unknown", "no prediction goes by this id"},
    {"ambiguous", "several predictions go by this id, or several rows"},
    {"late", "the prediction is older than truth.max_delay"},
    {"evicted", "the prediction fell to log.max_bytes"},
    {"sampled_out", "truth.sample leaves their prediction out"},
    {"unlabelled", "the row has no label"},
    {"invalid", "no label could be read"},
};

Json subject_json(const ImportSubject& subject) {
  return {{"url", subject.url},           {"from", subject.from},
          {"id", subject.columns.id},     {"label", subject.columns.label},
          {"time", subject.columns.time}, {"map", subject.columns.words}};
}

Json example_json(const Example& example) {
  return {{"line", example.line}, {"id", example.id}, {"message", example.message}};
}

ImportProgress progress_of(const Json& json) {
  ImportProgress progress;
  progress.rows = json.at("rows").get<std::uint64_t>();
  progress.line = json.at("line").get<std::uint64_t>();
  progress.hash = json.at("hash").get<std::uint64_t>();
  progress.under_way = json.at("under_way").get<std::uint64_t>();
  for (const auto& [result, count] : json.at("counts").items())
    progress.counts[result] = count.get<std::uint64_t>();
  for (const auto& [result, list] : json.at("examples").items()) {
    for (const Json& one : list) {
      progress.count(result, {one.at("line").get<std::uint64_t>(), one.at("id").get<std::string>(),
                              one.at("message").get<std::string>()});
      --progress.counts[result];
    }
  }
  return progress;
}

}  // namespace

void RowHash::add(std::string_view bytes) {
  for (const char c : bytes) value_ = (value_ ^ static_cast<std::uint8_t>(c)) * 1099511628211ull;
  value_ = (value_ ^ 0xFFu) * 1099511628211ull;  // No byte of UTF-8: an end that no text has.
}

void RowHash::add(const LabelRow& row) {
  add(std::to_string(row.line));
  add(row.id);
  add(row.text);
}

void ImportProgress::count(std::string_view result, Example example) {
  count(result);
  std::vector<Example>& kept = examples[std::string(result)];
  if (kept.size() < examples_max) kept.push_back(std::move(example));
}

std::uint64_t ImportProgress::of(std::string_view result) const {
  const auto found = counts.find(result);
  return found == counts.end() ? 0 : found->second;
}

std::string encode_state(const ImportSubject& subject, const ImportProgress& progress) {
  Json examples = Json::object();
  for (const auto& [result, list] : progress.examples) {
    for (const Example& one : list) examples[result].push_back(example_json(one));
  }
  const Json json = {{"format", format},          {"import", subject_json(subject)},
                     {"rows", progress.rows},     {"line", progress.line},
                     {"hash", progress.hash},     {"under_way", progress.under_way},
                     {"counts", progress.counts}, {"examples", examples}};
  return wire::to_text(json) + "\n";
}

Result<ImportProgress> decode_state(std::string_view text, const ImportSubject& subject) {
  const auto json = wire::parse_json(text);
  if (!json || !json->is_object() || json->value("format", "") != format) {
    return fail("bad_state", "is no state of an import");
  }
  const auto stored = json->find("import");
  const Json own = subject_json(subject);
  if (stored == json->end() || !stored->is_object()) return fail("bad_state", "is cut short");
  for (const auto& [name, value] : own.items()) {
    const auto other = stored->find(name);
    if (other != stored->end() && *other == value) continue;
    return fail("other_import", "is of another import: --" + name + " was " +
                                    (other == stored->end() ? "absent" : wire::to_text(*other)) +
                                    ", now it is " + wire::to_text(value));
  }
  try {
    return progress_of(*json);
  } catch (const std::exception& error) {
    return fail("bad_state", std::string("is damaged: ") + error.what());
  }
}

std::string report(const ImportProgress& progress) {
  std::string text;
  for (const auto& [result, meaning] : results) {
    const std::uint64_t count = progress.of(result);
    if (count == 0) continue;
    char line[64];
    std::snprintf(line, sizeof line, "%-10s %12llu  ", std::string(result).c_str(),
                  static_cast<unsigned long long>(count));
    text.append(line).append(meaning).append("\n");
    const auto examples = progress.examples.find(result);
    if (examples == progress.examples.end()) continue;
    for (const Example& one : examples->second) {
      text += "             line " + std::to_string(one.line) +
              (one.message.empty() ? ": " + one.id : ": " + one.message) + "\n";
    }
    if (count > examples->second.size()) text += "             …\n";
  }
  return text;
}

int exit_status(const ImportProgress& progress) {
  const std::uint64_t found = progress.of("joined") + progress.of("resent") +
                              progress.of("duplicate") + progress.of("early") +
                              progress.of("queued");
  const std::uint64_t labels = progress.rows - progress.of("unlabelled");
  return progress.of("invalid") > 0 || (labels > 0 && found == 0) ? 3 : 0;
}

}  // namespace outrider::cli
