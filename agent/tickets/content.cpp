// SPDX-License-Identifier: Apache-2.0
#include "agent/tickets/content.h"

#include "agent/incident/evidence.h"
#include "base/core/digest.h"
#include "base/core/text.h"

namespace outrider::tickets {
namespace {

using decide::Action;
using incident::Incident;

// What has a meaning in GitHub's Markdown, in Jira's markup. A backslash before it takes it away.
constexpr std::string_view markdown = "\\`*_{}[]<>|~&";
constexpr std::string_view jira_markup = "\\*_{}[]|~^!";
constexpr const char* zero_width_space = "\u200B";

std::string cut(std::string text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  text.resize(bytes);
  while (!text.empty() && !is_valid_utf8(text)) text.pop_back();
  return text + "…";
}

std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return cut(std::move(text), Content::line_bytes_max);
}

void add(std::vector<std::string>& lines, const std::string& line) {
  if (lines.size() < Content::lines_max) lines.push_back(one_line(line));
}

std::string ending_of(const Incident& incident) {
  if (incident.open) return {};
  if (!incident.merged_into.empty()) return "Merged into incident " + incident.merged_into + ".";
  const Time ended = incident.resolved_at.value_or(incident.updated_at);
  const auto lasted = std::chrono::round<std::chrono::seconds>(ended - incident.episode_at);
  return "Its alerts ended at " + incident::plain_time(ended) + ", after " +
         format_duration(lasted) + ".";
}

bool names_cause(const Incident& incident) {
  return incident.diagnosis && incident.diagnosis->named && !incident.diagnosis->causes.empty();
}

std::string news_of(const Incident& incident) {
  std::string news;
  if (!incident.severity.empty()) news = "Severity " + incident.severity + ".";
  if (names_cause(incident)) {
    const auto& cause = incident.diagnosis->causes.front();
    news += (news.empty() ? "" : " ") + ("Cause: " + cause.component + ", " + cause.kind + ".");
  }
  return one_line(news);
}

std::string line_of(const Action& action) {
  std::string line(decide::name(action.kind));
  if (!action.model.empty()) line += " of " + action.model;
  line += ", by " + (action.person.empty() ? "the policy" : action.person) + ": ";
  line += std::string(decide::state(action));
  if (action.needs_approval) {
    line += ", waits for a person until " +
            incident::plain_time(action.created_at + action.plan.expires);
  }
  line += " (" + action.reason + ")";
  const bool stands =
      action.stage == decide::Stage::verifying || action.outcome == decide::Outcome::succeeded ||
      (action.stage == decide::Stage::done && action.outcome == decide::Outcome::accepted);
  if (stands && (action.plan.undo || action.plan.undo_by_executor))
    line += "; its rule says how to take it back";
  return line;
}

std::string lines_of(const std::vector<std::string>& lines, System system, const char* before,
                     const char* after) {
  std::string text;
  for (const std::string& line : lines) text += before + plain(line, system) + after;
  return text;
}

std::string headed(const std::string& heading, const std::vector<std::string>& lines,
                   System system) {
  if (lines.empty()) return {};
  const std::string title = system == System::github ? "\n**" + heading + "**\n\n"
                            : system == System::jira ? "\nh4. " + heading + "\n"
                                                     : "\n" + heading + "\n";
  return title + lines_of(lines, system, system == System::jira ? "* " : "- ", "\n");
}

}  // namespace

Content content_of(const Story& story, const std::string& base) {
  const Incident& incident = story.incident;
  Content out;
  out.incident = incident.id;
  out.severity = incident.severity;
  out.open = incident.open;
  out.opened_at = incident.opened_at;
  out.episode_at = incident.episode_at;
  out.ending = ending_of(incident);
  out.news = news_of(incident);
  out.source = incident::place_text(incident.identity());
  if (out.source.empty()) out.source = incident.model.empty() ? incident.alert : incident.model;
  if (!base.empty()) out.link = base + "/incidents/" + incident.id;
  const std::vector<std::string> brief = incident::brief_lines(incident);
  out.title = cut(one_line(brief.front()), Content::title_bytes_max);
  for (const std::string& line : brief) add(out.brief, line);
  for (const incident::Evidence& line : incident.evidence) add(out.evidence, line.text);
  for (const Action& action : story.actions) {
    if (decide::changes_production(action.kind)) add(out.done, line_of(action));
  }
  return out;
}

std::string plain(const std::string& line, System system) {
  if (system == System::pagerduty) return line;
  const std::string_view special = system == System::github ? markdown : jira_markup;
  std::string out;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (special.find(c) != std::string_view::npos) out += '\\';
    out += c;
    // GitHub makes a mention of @word and a reference of #1, whatever stands before them.
    if (system == System::github && (c == '@' || c == '#')) out += zero_width_space;
  }
  return out;
}

std::string text_of(const Content& content, System system) {
  std::string text;
  if (!content.ending.empty()) text = plain(content.ending, system) + "\n\n";
  text += lines_of(content.brief, system, "", system == System::pagerduty ? "\n" : "\n\n");
  text += headed("Evidence", content.evidence, system);
  text += headed("What was done", content.done, system);
  text += "\nIncident " + content.incident;
  if (!content.link.empty()) text += ": " + content.link;
  return text + "\n";
}

std::string digest_of(const Story& story, const Content& content) {
  const Incident& incident = story.incident;
  std::string said = content.title + "\n" + content.severity + "\n";
  if (incident.diagnosis) said += incident.diagnosis->sentence;
  for (const incident::Signal& signal : incident.grouped) said += "\n" + signal.key;
  for (const Action& action : story.actions) {
    if (decide::changes_production(action.kind))
      said += "\n" + action.id + " " + std::string(decide::state(action));
  }
  return sha256_hex(said);
}

std::string marker_of(const std::string& incident) {
  return "outrider-" + incident;
}

}  // namespace outrider::tickets
