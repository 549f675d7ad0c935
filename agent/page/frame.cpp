// SPDX-License-Identifier: Apache-2.0
#include "agent/page/frame.h"

#include "agent/page/assets.h"  // Generated of assets/.
#include "base/core/digest.h"
#include "base/core/text.h"
#include "base/core/version.h"

namespace outrider::page {
namespace {

constexpr const char* made = "<time class=\"made\"";

std::string banner(std::string_view kind, const std::string& text) {
  return "<p class=\"banner " + std::string(kind) + "\">" + escape_html(text) + "</p>";
}

std::string banners(const Overall& overall) {
  std::string html;
  if (!overall.notice.empty()) html += banner("notice", overall.notice);
  for (const std::string& warning : overall.warnings) html += banner("warn", warning);
  if (!overall.policy_trouble.empty()) {
    html +=
        banner("warn", "The policy file has mistakes; the policy before it is still in force:\n" +
                           overall.policy_trouble);
  }
  if (!overall.has_policy) {
    html += banner("warn",
                   "No policy: incidents are filed, no action is recommended. Start the agent with "
                   "--policy FILE.");
  } else if (overall.dry_run) {
    html += banner("warn", "Dry run: actions are recommended and nothing is sent.");
  }
  return html;
}

std::string nav_item(const Frame& frame, const char* section, const char* path, const char* text,
                     std::size_t count, const char* counted) {
  std::string html = "<li><a href=\"" + std::string(path) + "\"";
  if (frame.section == section) html += " aria-current=\"page\"";
  html += ">" + std::string(text);
  if (count > 0) {
    html += " <span class=\"count\">" + std::to_string(count) + "<span class=\"hidden\"> " +
            counted + "</span></span>";
  }
  return html + "</a></li>";
}

std::string head(const Frame& frame) {
  const Overall& overall = frame.overall;
  const std::string mark = overall.open == 0 ? "" : "(" + std::to_string(overall.open) + ") ";
  std::string html = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>" +
                     mark + escape_html(frame.title) +
                     " · Outrider</title><meta name=\"viewport\" content=\"width=device-width, "
                     "initial-scale=1\">";
  html += "<link rel=\"stylesheet\" href=\"" + assets()[0].path + "\"><link rel=\"icon\" href=\"" +
          assets()[2].path + "\"><script defer src=\"" + assets()[1].path + "\"></script>";
  // What somebody is typing must not be lost.
  if (!frame.has_forms) html += "<noscript><meta http-equiv=\"refresh\" content=\"30\"></noscript>";
  return html + "</head>";
}

std::string top(const Frame& frame) {
  const Overall& overall = frame.overall;
  return "<a class=\"skip\" href=\"#content\">Skip to content</a><header class=\"top\"><a "
         "class=\"brand\" href=\"/\">Outrider</a><nav aria-label=\"Pages\"><ul>" +
         nav_item(frame, "models", "/", "Models", 0, "") +
         nav_item(frame, "incidents", "/incidents", "Incidents", overall.open, "open") +
         nav_item(frame, "actions", "/actions", "Actions", overall.waiting, "waiting") +
         (overall.right_sizes ? nav_item(frame, "right-size", "/right-size", "Right-size", 0, "")
                              : std::string()) +
         "</ul></nav><span class=\"push\"><span id=\"live\"></span> " + std::string(made) +
         " datetime=\"" + format_rfc3339(overall.now) + "\">" + utc_text(overall.now) +
         "</time></span></header>";
}

std::string asset_path(const char* name, const char* ending, std::string_view content) {
  return "/assets/" + std::string(name) + "-" + sha256_hex(content).substr(0, 12) + ending;
}

}  // namespace

std::string state_line(const Overall& overall) {
  const Tone tone = overall.critical > 0 ? Tone::bad : overall.open > 0 ? Tone::warn : Tone::good;
  std::string html = "<p role=\"status\" class=\"state " + std::string(css_class(tone)) + "\">";
  if (overall.open == 0) html += "<b>No open incident.</b>";
  if (overall.open > 0) {
    html += "<b>" + plural(overall.open, "open incident") + "</b>";
    if (overall.critical > 0) html += ", " + std::to_string(overall.critical) + " critical";
    html += ".";
  }
  if (overall.waiting > 0) {
    const std::string to = overall.waiting == 1 && !overall.waiting_incident.empty()
                               ? incident_address(overall.waiting_incident) + "#actions"
                               : "/actions?state=waiting";
    html += " " +
            link(to, plural(overall.waiting, "action waits", "actions wait") + " for a person") +
            ".";
  }
  return html + "</p>";
}

std::string document(const Frame& frame) {
  return head(frame) + "<body>" + top(frame) + "<main id=\"content\" tabindex=\"-1\">" +
         state_line(frame.overall) + banners(frame.overall) + frame.main + "</main><footer><span>" +
         escape_html(version_line("outrider-agent")) +
         "</span> <a href=\"/metrics\">Metrics</a> <a href=\"/api/v1/incidents\">JSON</a>" +
         "<noscript><span>" +
         (frame.has_forms ? "Without JavaScript: reload the page to see what is new."
                          : "Without JavaScript this page reloads each 30 s.") +
         "</span></noscript></footer></body></html>";
}

const std::vector<Asset>& assets() {
  static const std::vector<Asset> made_once = {
      {asset_path("page", ".css", page_css), "text/css; charset=utf-8", page_css},
      {asset_path("page", ".js", page_js), "text/javascript; charset=utf-8", page_js},
      {asset_path("icon", ".svg", icon_svg), "image/svg+xml", icon_svg}};
  return made_once;
}

std::string pager(const Pager& pager, std::string_view what) {
  if (pager.matching == 0) return {};
  std::string html = "<nav class=\"pager\" aria-label=\"Pages of " + escape_html(what) + "\">";
  const auto turn = [&pager](std::size_t page, const char* rel, const char* text) {
    auto query = pager.query;
    if (page > 1) query.emplace_back("page", std::to_string(page));
    return "<a rel=\"" + std::string(rel) + "\" href=\"" + escape_html(address(pager.path, query)) +
           "\">" + text + "</a> ";
  };
  if (pager.page > 1) html += turn(pager.page - 1, "prev", "Previous");
  html += "<span>" + std::to_string(pager.first + 1) + " to " +
          std::to_string(pager.first + pager.count) + " of " + std::to_string(pager.matching) +
          " " + escape_html(what) + "</span> ";
  if (pager.page < pager.pages) html += turn(pager.page + 1, "next", "Next");
  return html + "</nav>";
}

std::string options(const std::vector<std::pair<std::string, std::string>>& words,
                    const std::string& chosen) {
  std::string html;
  for (const auto& [value, text] : words) {
    html += "<option value=\"" + escape_html(value) + "\"" + (value == chosen ? " selected" : "") +
            ">" + escape_html(text) + "</option>";
  }
  return html;
}

}  // namespace outrider::page
