// SPDX-License-Identifier: Apache-2.0
#include "agent/page/lists_page.h"

#include <algorithm>
#include <set>

#include "agent/page/frame.h"
#include "agent/page/incident_page.h"
#include "agent/page/markup.h"
#include "agent/page/models_page.h"
#include "base/core/text.h"

namespace outrider::page {
namespace {

using incident::Incident;
using wire::Json;
using Words = std::vector<std::pair<std::string, std::string>>;

std::string text_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool has(const std::string& text, const std::string& part) {
  return lower_ascii(text).find(part) != std::string::npos;
}

// What a page of a list shows of `matching` things.
Pager turned(const ListView& view, const std::string& path, std::size_t matching,
             std::size_t a_page) {
  Pager pager;
  pager.path = path;
  pager.pages = std::max<std::size_t>(1, (matching + a_page - 1) / a_page);
  pager.page = std::clamp<std::size_t>(view.page, 1, pager.pages);
  pager.first = (pager.page - 1) * a_page;
  pager.count = std::min(a_page, matching - std::min(matching, pager.first));
  pager.matching = matching;
  pager.query = {{"q", view.search}, {"owner", view.owner}, {"state", view.state}};
  return pager;
}

std::string choice(const std::set<std::string>& owners, const std::string& chosen) {
  if (owners.empty() && chosen.empty()) return {};
  Words words = {{"", "all"}};
  for (const std::string& owner : owners) words.emplace_back(owner, owner);
  if (!chosen.empty() && !owners.contains(chosen)) words.emplace_back(chosen, chosen);
  return "<label>Owner <select name=\"owner\">" + options(words, chosen) + "</select></label>";
}

std::string filters(const std::string& path, const char* what, const ListView& view,
                    const std::set<std::string>& owners, const Words& states) {
  return "<form class=\"filters\" method=\"get\" action=\"" + path +
         "\" role=\"search\" aria-label=\"" + what +
         "\"><label>Search <input type=\"search\" name=\"q\" value=\"" + escape_html(view.search) +
         "\" maxlength=\"200\"></label>" + choice(owners, view.owner) +
         "<label>State <select name=\"state\">" + options(states, view.state) +
         "</select></label><button>Show</button> <a href=\"" + path + "\">Reset</a></form>";
}

bool is_asked_for(const Incident& incident, const ListView& view, const std::string& search) {
  if (view.state == "open" && !incident.open) return false;
  if (view.state == "resolved" && incident.open) return false;
  if (!view.owner.empty() && incident.owner != view.owner) return false;
  if (search.empty()) return true;
  for (const std::string& text :
       {incident.id, incident.alert, incident.model, incident.version, incident.summary,
        incident.cluster, incident.name_space, incident.workload, incident.owner}) {
    if (has(text, search)) return true;
  }
  return incident.diagnosis && has(incident.diagnosis->sentence, search);
}

bool is_asked_for(const Json& action, const ListView& view, const std::string& search) {
  if (view.state == "waiting" && !waits_for_person(action)) return false;
  if (!view.state.empty() && view.state != "waiting" && text_of(action, "outcome") != view.state &&
      text_of(action, "state") != view.state) {
    return false;
  }
  if (!view.owner.empty() && text_of(action, "owner") != view.owner) return false;
  if (search.empty()) return true;
  for (const char* key : {"id", "kind", "rule", "model", "version", "cluster", "namespace",
                          "workload", "owner", "reason", "person", "incident"}) {
    if (has(text_of(action, key), search)) return true;
  }
  return false;
}

std::string cut_off(bool cut, const char* what) {
  if (!cut) return {};
  return "<p class=\"dim\">Older " + std::string(what) +
         " are in the journal; this page reads the newest ones.</p>";
}

std::string nothing(bool filtered, const std::string& path, const char* none) {
  return filtered ? "<p class=\"dim\">None is like that. " + link(path, "Show all") + "</p>"
                  : "<p class=\"dim\">" + std::string(none) + "</p>";
}

bool is_filtered(const ListView& view) {
  return !view.search.empty() || !view.owner.empty() || !view.state.empty();
}

}  // namespace

std::string incidents_main(const IncidentsContent& content) {
  const std::string path = "/incidents", search = lower_ascii(trim(content.view.search));
  std::vector<const Incident*> matching;
  std::set<std::string> owners;
  for (const Incident& incident : *content.incidents) {
    if (!incident.owner.empty()) owners.insert(incident.owner);
    if (is_asked_for(incident, content.view, search)) matching.push_back(&incident);
  }
  const Pager pages = turned(content.view, path, matching.size(), incidents_a_page);
  std::string html = "<h1>Incidents</h1>" +
                     filters(path, "Incidents", content.view, owners,
                             {{"", "every state"}, {"open", "open"}, {"resolved", "resolved"}});
  if (matching.empty())
    return html + nothing(is_filtered(content.view), path, "There has been no incident.");
  html += "<ul class=\"incidents\">";
  for (std::size_t i = pages.first; i < pages.first + pages.count; ++i) {
    const auto waits = content.waiting.find(matching[i]->id);
    html += incident_item(*matching[i], waits == content.waiting.end() ? 0 : waits->second,
                          content.now);
  }
  return html + "</ul>" + pager(pages, "incidents") + cut_off(content.cut, "incidents");
}

std::string actions_main(const ActionsContent& content) {
  const std::string path = "/actions", search = lower_ascii(trim(content.view.search));
  std::vector<const Json*> matching;
  std::set<std::string> owners, states;
  for (const Json& action : *content.actions) {
    if (const std::string owner = text_of(action, "owner"); !owner.empty()) owners.insert(owner);
    const std::string state = text_of(action, "state");
    states.insert(state.empty() ? text_of(action, "outcome") : state);
    if (is_asked_for(action, content.view, search)) matching.push_back(&action);
  }
  Words words = {{"", "every state"}, {"waiting", "waiting for a person"}};
  for (const std::string& state : states) words.emplace_back(state, state);
  const Pager pages = turned(content.view, path, matching.size(), actions_a_page);
  std::string html = "<h1>Actions</h1>" + filters(path, "Actions", content.view, owners, words);
  if (matching.empty())
    return html + nothing(is_filtered(content.view), path, "No action has been asked for.");
  html += "<ul class=\"actions\">";
  for (std::size_t i = pages.first; i < pages.first + pages.count; ++i) {
    Json action = *matching[i];
    if (content.history) action["history"] = content.history(text_of(action, "id"));
    html += action_block(action, {content.now, true, content.reader});
  }
  return html + "</ul>" + pager(pages, "actions") + cut_off(content.cut, "actions");
}

}  // namespace outrider::page
