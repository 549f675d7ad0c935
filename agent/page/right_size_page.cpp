// SPDX-License-Identifier: Apache-2.0
#include "agent/page/right_size_page.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "agent/page/figures.h"
#include "agent/page/frame.h"
#include "agent/page/markup.h"
#include "base/core/text.h"

namespace outrider::page {
namespace {

using wire::Json;

std::string text_of(const Json& json, const char* key) {
  if (!json.is_object()) return {};
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<double> number_of(const Json& json, const char* part, const char* key) {
  if (!json.is_object()) return std::nullopt;
  const Json inner = json.value(part, Json());
  if (!inner.is_object() || !inner.value(key, Json()).is_number()) return std::nullopt;
  return inner[key].get<double>();
}

double count_of(const Json& json, const char* key) {
  const Json value = json.is_object() ? json.value(key, Json()) : Json();
  return value.is_number() ? value.get<double>() : 0;
}

// What manifests are written in.
std::string cores(double value) {
  return figure(Unit::number, std::round(value * 1000)) + "m";
}
std::string mebibytes(double value) {
  return figure(Unit::number, std::round(value / (1 << 20))) + "Mi";
}

bool is_idle(const Json& row) {
  return row.value("idle", Json(false)) == Json(true);
}

incident::Identity identity_of(const Json& row) {
  return {text_of(row, "cluster"), text_of(row, "namespace"), text_of(row, "workload"), "", ""};
}

std::string cell(const char* column, const std::string& html) {
  return "<td role=\"cell\" data-label=\"" + std::string(column) + "\"><div>" + html +
         "</div></td>";
}

// "2000m, should be 400m": today's and the proposal; a pod's.
template <class Words>
std::string change(const Json& row, const char* part, const Words& words) {
  const auto request = number_of(row, part, "request"), proposed = number_of(row, part, "proposed");
  const std::string now = request ? words(*request) : "none asked for";
  if (!proposed) return escape_html(now) + "<br><span class=\"dim\">no proposal</span>";
  if (request && *request == *proposed)
    return escape_html(now) + "<br><span class=\"dim\">as it should be</span>";
  return escape_html(now) + "<br><b>should be " + escape_html(words(*proposed)) + "</b>";
}

template <class Words>
std::string saving(const Json& row, const char* key, const Words& words, const char* what) {
  const auto saved = number_of(row, "saved", key);
  if (!saved || std::abs(*saved) < 1e-9) return {};
  const std::string size = words(std::abs(*saved));
  return escape_html((*saved > 0 ? "saves " : "costs ") + size + " of " + what);
}

std::string notes(const Json& row) {
  const Json notes = row.value("notes", Json());
  if (!notes.is_array() || notes.empty()) return "<span class=\"dim\">none known</span>";
  std::string html = "<ul>";
  for (const Json& note : notes) {
    if (note.is_string()) html += "<li>" + escape_html(note.get<std::string>()) + "</li>";
  }
  return html + "</ul>";
}

std::string row_of(const Json& row) {
  const incident::Identity who = identity_of(row);
  std::string place = who.name_space;
  if (!who.cluster.empty()) place += " in " + who.cluster;
  std::string saved = saving(row, "cpu", cores, "CPU");
  const std::string memory = saving(row, "memory_bytes", mebibytes, "memory");
  if (!memory.empty()) saved += (saved.empty() ? "" : "<br>") + memory;
  return "<tr role=\"row\"><th scope=\"row\" role=\"rowheader\"><b>" + escape_html(who.workload) +
         "</b> " + escape_html(text_of(row, "container")) + "<br><span class=\"dim\">" +
         escape_html(place) + "</span></th>" +
         cell("Pods", (is_idle(row) ? badge(Tone::warn, "idle") + " " : "") +
                          escape_html(figure(Unit::number, count_of(row, "pods")))) +
         cell("CPU, a pod", change(row, "cpu", cores)) +
         cell("Memory, a pod", change(row, "memory_bytes", mebibytes)) +
         cell("All pods", saved.empty() ? "<span class=\"dim\">nothing</span>" : saved) +
         cell("Risk", notes(row)) + "</tr>";
}

std::string table(const std::vector<const Json*>& rows) {
  std::string html =
      "<div class=\"sheet\"><table role=\"table\" class=\"models\"><caption>Requests of "
      "containers beside a sidecar, what saves most first</caption><thead role=\"rowgroup\"><tr "
      "role=\"row\">";
  for (const char* column :
       {"Container", "Pods", "CPU, a pod", "Memory, a pod", "All pods", "Risk"}) {
    html += "<th scope=\"col\" role=\"columnheader\">" + std::string(column) + "</th>";
  }
  html += "</tr></thead><tbody role=\"rowgroup\">";
  for (std::size_t i = 0; i < std::min(rows.size(), right_size_rows_max); ++i)
    html += row_of(*rows[i]);
  html += "</tbody></table></div>";
  if (rows.size() > right_size_rows_max) {
    html += "<p>" + std::to_string(rows.size() - right_size_rows_max) + " more: search, or read " +
            link("/api/v1/right-size", "the JSON") + ".</p>";
  }
  return html;
}

// The same measure for both, so that they can be ordered: a core as much as 4 GiB, as machines have
// it.
double worth(const Json& row) {
  constexpr double bytes_a_core = 4.0 * (1 << 30);
  return number_of(row, "saved", "cpu").value_or(0) +
         number_of(row, "saved", "memory_bytes").value_or(0) / bytes_a_core;
}

std::vector<const Json*> rows_of(const RightSizeContent& content) {
  std::vector<const Json*> rows;
  const auto all = content.report.find("containers");
  if (all == content.report.end() || !all->is_array()) return rows;
  const std::string search = lower_ascii(trim(content.search));
  for (const Json& row : *all) {
    if (!row.is_object() || (content.may_see && !content.may_see(identity_of(row)))) continue;
    const incident::Identity who = identity_of(row);
    const std::string words = lower_ascii(who.cluster + " " + who.name_space + " " + who.workload +
                                          " " + text_of(row, "container"));
    if (words.find(search) != std::string::npos) rows.push_back(&row);
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Json* a, const Json* b) { return worth(*a) > worth(*b); });
  return rows;
}

std::string sums(const std::vector<const Json*>& rows) {
  double cpu = 0, memory = 0;
  std::size_t idle = 0;
  for (const Json* row : rows) {
    cpu += number_of(*row, "saved", "cpu").value_or(0);
    memory += number_of(*row, "saved", "memory_bytes").value_or(0);
    idle += is_idle(*row) ? 1 : 0;
  }
  const auto less = [](double value, const std::string& size) {
    return size + (value < 0 ? " more" : " less");
  };
  std::string html =
      "<p class=\"lead\">" +
      escape_html("In all " + less(cpu, cores(std::abs(cpu))) + " of CPU and " +
                  less(memory, mebibytes(std::abs(memory))) + " of memory would be requested.");
  if (idle > 0) html += " " + badge(Tone::warn, plural(idle, "idle container"));
  return html + "</p>";
}

std::string source(const RightSizeContent& content) {
  const Json& report = content.report;
  const auto asked_at = parse_rfc3339(text_of(report, "asked_at"));
  const double seconds = count_of(report, "history_seconds");
  std::string html = "<p class=\"source dim\">";
  html += asked_at ? "From what containers used in " +
                         span_text(std::chrono::seconds(static_cast<std::int64_t>(seconds))) +
                         ", asked " + age(*asked_at, content.now) + "."
                   : "Prometheus has not answered yet.";
  if (const std::string trouble = text_of(report, "trouble"); !trouble.empty()) {
    html +=
        " <b class=\"warn\">Not all was answered the last time: " + escape_html(trouble) + "</b>";
  }
  if (const double others = count_of(report, "others"); others > 0 && !content.may_see) {
    html += " " + escape_html(figure(Unit::number, others)) +
            " other containers have no sidecar: <code>outrider right-size</code> lists them.";
  }
  if (const double left_out = count_of(report, "left_out"); left_out > 0 && !content.may_see) {
    html += " <b class=\"warn\">" + escape_html(figure(Unit::number, left_out)) +
            " left out: the page's bound is reached.</b>";
  }
  return html +
         " CPU: the 95th percentile of the pod that uses most; memory: the highest use and 15 %. "
         "Nothing is changed. The Vertical Pod Autoscaler sets requests by itself, and Robusta's "
         "KRR tables whole clusters: use one of them where you right-size everything.</p>";
}

}  // namespace

std::string right_size_main(const RightSizeContent& content) {
  const std::string head = "<h1>Right-size</h1>";
  if (!content.report.is_object()) {
    return head +
           "<p class=\"dim\">Not asked: give --right-size.every, such as 6h, and a Prometheus that "
           "has cAdvisor and kube-state-metrics.</p>";
  }
  const auto rows = rows_of(content);
  std::string html =
      head +
      "<form class=\"filters\" method=\"get\" action=\"/right-size\" role=\"search\" "
      "aria-label=\"Containers\"><label>Search <input type=\"search\" name=\"q\" "
      "value=\"" +
      escape_html(content.search) +
      "\" maxlength=\"200\"></label><button>Show</button> <a "
      "href=\"/right-size\">Reset</a></form>";
  if (!rows.empty()) return html + sums(rows) + table(rows) + source(content);
  html += content.search.empty()
              ? "<p class=\"dim\">No container beside a sidecar is known: it takes series of "
                "cAdvisor (container_cpu_usage_seconds_total), kube-state-metrics "
                "(kube_pod_container_resource_requests, kube_pod_owner) and the sidecars' "
                "outrider_requests_total with the labels namespace and pod.</p>"
              : "<p class=\"dim\">No container is like that.</p>";
  return html + source(content);
}

}  // namespace outrider::page
