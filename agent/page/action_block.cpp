// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "agent/decide/action.h"
#include "agent/page/incident_page.h"
#include "agent/page/markup.h"
#include "base/core/text.h"
#include "base/wire/json.h"

namespace outrider::page {
namespace {

using wire::Json;

constexpr std::size_t body_bytes_max = 20'000;  // Of a request, as the page shows it.
constexpr std::size_t line_bytes_max = 200;     // Of a request in a line.

std::string text_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<Time> time_of(const Json& json, const char* key) {
  return parse_rfc3339(text_of(json, key));
}

// Its state where it has a life of its own, else its outcome: words of the API, blanks for "_".
std::string state_of(const Json& action) {
  std::string state = text_of(action, "state");
  if (state.empty()) state = text_of(action, "outcome");
  std::replace(state.begin(), state.end(), '_', ' ');
  return state;
}

Tone tone_of_state(std::string_view state) {
  if (state == "succeeded") return Tone::good;
  if (state == "failed" || state == "handed over" || state == "undone") return Tone::bad;
  return state == "suppressed" || state == "expired" || state == "rejected" ? Tone::dim
                                                                            : Tone::warn;
}

bool changes_production(const Json& action) {
  const auto kind = decide::parse_kind(text_of(action, "kind"));
  return kind && decide::changes_production(*kind);
}

std::string value_text(const Json& value) {
  if (value.is_number()) return figure(Unit::number, value.get<double>());
  return "no data";
}

// What was read before, while and after it acted: the proof that it helped, or did not.
std::string readings(const Json& action) {
  const auto found = action.find("evidence");
  if (found == action.end() || !found->is_array() || found->empty()) return {};
  std::string html =
      "<div class=\"sheet inner\"><table><caption>Evidence before and after</caption><thead><tr>"
      "<th scope=\"col\">When</th><th scope=\"col\">At</th><th scope=\"col\">Value</th><th "
      "scope=\"col\">Holds</th><th scope=\"col\">What was read</th></tr></thead><tbody>";
  for (const Json& reading : *found) {
    if (!reading.is_object()) continue;
    const auto at = time_of(reading, "at");
    const bool holds = reading.value("holds", Json(false)) == Json(true);
    const std::string words = text_of(reading, "words"), query = text_of(reading, "query");
    const bool has_value = reading.value("value", Json()).is_number();
    html += "<tr><td>" + escape_html(text_of(reading, "moment")) + "</td><td>" +
            (at ? clock_time(*at) : "") + "</td><td>" +
            escape_html(value_text(reading.value("value", Json()))) + "</td><td>" +
            badge(holds ? Tone::good : Tone::warn, holds ? "yes" : "no") + "</td><td>" +
            escape_html(text_of(reading, "of")) +
            (words.empty() || has_value ? "" : ": " + escape_html(words)) +
            (query.empty() ? "" : "<br><code>" + escape_html(query) + "</code>") + "</td></tr>";
  }
  return html + "</tbody></table></div>";
}

std::string history(const Json& action) {
  const auto found = action.find("history");
  if (found == action.end() || !found->is_array() || found->empty()) return {};
  std::string html = "<ol class=\"history\">";
  for (const Json& event : *found) {
    const auto at = time_of(event, "at");
    html += "<li>" + (at ? moment(*at) : "") + " <span>" + escape_html(text_of(event, "text")) +
            "</span></li>";
  }
  return html + "</ol>";
}

std::string cut(std::string text, std::size_t bytes) {
  if (text.size() > bytes) text = text.substr(0, bytes) + " …";
  return text;
}

// "POST http://…/scale {…}" in one line; "" where it is no request.
std::string request_line(const Json& request) {
  if (!request.is_object() || text_of(request, "url").empty()) return {};
  std::string body = text_of(request, "body");
  std::replace(body.begin(), body.end(), '\n', ' ');
  std::string line = text_of(request, "method") + " " + text_of(request, "url");
  if (const std::string_view said = trim(body); !said.empty()) line += " " + std::string(said);
  return cut(std::move(line), line_bytes_max);
}

// What was asked of whom: of an executor, what its rule says of the target.
std::string asked_text(const Json& action) {
  std::string text = request_line(action.value("request", Json()));
  const Json target = action.value("target", Json());
  if (text.empty() && target.is_object())
    text = cut(text_of(action, "executor") + " " + wire::to_text(target), line_bytes_max);
  if (text.empty() || !changes_production(action)) return {};
  return "<p><b>" +
         std::string(time_of(action, "first_attempt_at") ? "What was asked:"
                                                         : "What it would ask:") +
         "</b> <code>" + escape_html(text) + "</code></p>";
}

std::string request(const Json& action) {
  const auto found = action.find("request");
  if (found == action.end() || !found->is_object() || text_of(*found, "url").empty()) return {};
  const std::string body = cut(text_of(*found, "body"), body_bytes_max);
  return "<pre>" +
         escape_html(text_of(*found, "method") + " " + text_of(*found, "url") +
                     "\nIdempotency-Key: " + text_of(action, "id") + "\n\n" + body) +
         "</pre>";
}

// A form that works without script; the server checks role, limits and where the request comes
// from.
// Who is known is not asked for a name.
std::string name_field(const std::string& key, const std::string& name) {
  if (!name.empty()) return "<span>As</span> <b>" + escape_html(name) + "</b>";
  return "<label for=\"" + key + "\">Your name</label> <input id=\"" + key +
         "\" name=\"by\" required maxlength=\"100\" autocomplete=\"username\">";
}

std::string approval_form(const Json& action, const std::string& name) {
  const std::string id = text_of(action, "id");
  const std::string path = "/api/v1/actions/" + escape_html(percent_encode(id));
  const std::string key = "by-" + escape_html(id);
  return "<form method=\"post\" class=\"approval\" action=\"" + path + "/approve\">" +
         name_field(key, name) + "<label for=\"why-" + key +
         "\">Why (for the journal)</label> <input id=\"why-" + key +
         "\" name=\"why\" maxlength=\"1000\"><span class=\"buttons\"><button "
         "class=\"yes\">Approve</button> <button formaction=\"" +
         path + "/reject\">Reject</button></span></form>";
}

// How it is seen that it helped, as the rule has it.
std::string verify_text(const Json& action) {
  const auto verify = action.find("verify");
  if (verify == action.end() || !verify->is_object()) return {};
  const std::string query = text_of(*verify, "query"), within = text_of(*verify, "within");
  const std::string what = query.empty() ? "the incident's alerts have ended"
                                         : "<code>" + escape_html(query) + "</code> holds";
  return "<p><b>It has helped when</b> " + what +
         (within.empty() ? "" : " within " + escape_html(within)) + ".</p>";
}

// How to take it back: as the rule has it, or in words that say that nobody wrote it down.
std::string undo_text(const Json& action) {
  const std::string kind = text_of(action, "kind");
  if (kind == "ticket" || kind == "notify") return {};
  const Json undo = action.value("undo", Json()), none = Json::object();
  if (text_of(action, "outcome") == "undone")
    return "<p><b>It was taken back:</b> " +
           escape_html(request_line(undo.is_object() ? undo.value("request", none) : none)) +
           "</p>";
  std::string text;
  if (undo.is_object()) {
    text = request_line(undo.value("request", none));
    if (text.empty()) text = "the executor puts back what was there before";
    if (!text_of(undo, "why").empty()) text += " (" + text_of(undo, "why") + ")";
  } else {
    const Json request = action.value("request", none);
    text = "its rule says no way back; undo it where it was done";
    if (request.is_object()) text += ": " + text_of(request, "url");
  }
  return "<p><b>To undo it:</b> " + escape_html(text) + "</p>";
}

}  // namespace

bool waits_for_person(const Json& action) {
  return action.value("needs_approval", Json(false)) == Json(true) &&
         text_of(action, "stage") == "held";
}

std::string outcome_line(const Json& action) {
  if (!changes_production(action)) return {};
  std::string kind = text_of(action, "kind");
  kind[0] = static_cast<char>(kind[0] - 'a' + 'A');  // Words of the API, in lower case.
  if (waits_for_person(action)) return kind + " waits for a person: " + text_of(action, "reason");
  std::string line = kind + " " + state_of(action);
  if (const auto at = time_of(action, "updated_at"))
    line += " at " + format_rfc3339(*at).substr(11, 8) + " UTC";
  return line + ": " + text_of(action, "reason");
}

std::string action_block(const Json& action, const BlockView& view) {
  const std::string state = state_of(action), id = text_of(action, "id");
  const auto updated = time_of(action, "updated_at");
  std::string html = "<li id=\"" + escape_html(id) + "\"><div>" +
                     badge(tone_of_state(state), state) + " <b>" +
                     escape_html(text_of(action, "kind")) + "</b>";
  if (view.with_incident) {
    const std::string model = text_of(action, "model");
    if (!model.empty()) html += " of " + escape_html(model);
    if (!text_of(action, "incident").empty())
      html += " for " + link(incident_address(text_of(action, "incident")), "its incident");
  }
  if (updated) html += " <span class=\"dim\">" + age(*updated, view.now) + "</span>";
  html += "</div><p>" + escape_html(text_of(action, "reason")) + "</p>";
  const std::string person = text_of(action, "person");
  if (!person.empty()) html += "<p class=\"dim\">Decided by " + escape_html(person) + "</p>";
  html += asked_text(action);
  if (waits_for_person(action)) {
    const std::string& cannot = view.reader.cannot_approve;
    html += cannot.empty()
                ? approval_form(action, view.reader.name)
                : "<p class=\"cannot\"><b>Waits for a person.</b> " + escape_html(cannot) + "</p>";
  }
  html += verify_text(action) + readings(action) + undo_text(action);
  html += "<details id=\"more-" + escape_html(id) +
          "\"><summary>Rule, request and history</summary><p>Rule " +
          escape_html(text_of(action, "rule")) + "</p>" + request(action) + history(action) +
          "</details>";
  return html + "</li>";
}

std::vector<Marker> markers_of(const incident::Incident& incident,
                               const std::vector<Json>& actions) {
  std::vector<Marker> markers;
  std::size_t number = 0;
  for (const incident::Change& change : incident.changes) {
    std::string text = change.kind;
    if (!change.version.empty()) text += " " + change.version;
    const std::string& who = change.workload.empty() ? change.model : change.workload;
    if (!who.empty()) text += " of " + who;
    markers.push_back({change.at, "C" + std::to_string(++number), std::move(text)});
  }
  number = 0;
  for (const Json& action : actions) {
    const auto at = time_of(action, "first_attempt_at");
    if (at)
      markers.push_back(
          {*at, "A" + std::to_string(++number), text_of(action, "kind") + " sent", true});
  }
  return markers;
}

}  // namespace outrider::page
