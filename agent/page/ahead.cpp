// SPDX-License-Identifier: Apache-2.0
#include "agent/page/ahead.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "agent/page/markup.h"
#include "base/core/text.h"

namespace outrider::page {
namespace {

using wire::Json;

constexpr std::uint64_t checks_told = 20;  // Fewer say nothing of a coverage.

const Json* child(const Json& json, const char* key) {
  if (!json.is_object()) return nullptr;
  const auto found = json.find(key);
  return found == json.end() ? nullptr : &*found;
}

std::string text_of(const Json& json, const char* key) {
  const Json* found = child(json, key);
  return found != nullptr && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<double> number_of(const Json& json, const char* key) {
  const Json* found = child(json, key);
  if (found == nullptr || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

std::uint64_t count_of(const Json& json, const char* key) {
  const auto number = number_of(json, key);
  return number && *number > 0 ? static_cast<std::uint64_t>(*number) : 0;
}

// Within a hundred years, so that no time runs over.
std::optional<Duration> duration_of(const Json& json, const char* key) {
  const auto seconds = number_of(json, key);
  if (!seconds || !(*seconds >= 0) || *seconds > 3.2e9) return std::nullopt;
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*seconds));
}

Labels labels_of(const Json& json) {
  Labels labels;
  const Json* found = child(json, "labels");
  if (found == nullptr || !found->is_object()) return labels;
  for (const auto& [name, value] : found->items()) {
    if (value.is_string()) labels.set(name, value.get_ref<const std::string&>());
  }
  return labels;
}

std::vector<double> values_of(const Json& json, const char* key) {
  std::vector<double> values;
  const Json* found = child(json, key);
  if (found == nullptr || !found->is_array()) return values;
  for (const Json& value : *found) {
    values.push_back(value.is_number() ? value.get<double>()
                                       : std::numeric_limits<double>::quiet_NaN());
  }
  return values;
}

void read_course(const Json& course, Foretold& into) {
  const auto from = parse_rfc3339(text_of(course, "from"));
  const auto step = duration_of(course, "step_seconds");
  Band band{from.value_or(Time{}), step.value_or(Duration{}), values_of(course, "low"),
            values_of(course, "expected"), values_of(course, "high")};
  const bool is_whole = from && step && *step > Duration{} && !band.middle.empty() &&
                        band.low.size() == band.middle.size() &&
                        band.high.size() == band.middle.size();
  if (is_whole) into.ahead = std::move(band);
  const auto past_from = parse_rfc3339(text_of(course, "past_from"));
  const auto past_step = duration_of(course, "past_step_seconds");
  if (past_from && past_step && *past_step > Duration{})
    into.past = {*past_from, *past_step, values_of(course, "past")};
}

Foretold read_series(const Json& json) {
  Foretold told{.forecast = text_of(json, "forecast"), .labels = labels_of(json)};
  told.trouble = text_of(json, "trouble");
  if (const Json* horizons = child(json, "horizons"); horizons && horizons->is_array()) {
    for (const Json& one : *horizons) {
      const auto after = duration_of(one, "horizon_seconds");
      const auto low = number_of(one, "low"), expected = number_of(one, "expected"),
                 high = number_of(one, "high");
      if (after && low && expected && high)
        told.horizons.push_back(
            {*after, *low, *expected, *high, count_of(one, "checked"), count_of(one, "inside")});
    }
  }
  if (const auto limit = number_of(json, "limit")) {
    const Json* times = child(json, "to_limit_seconds");
    told.to_limit = ToLimit{.limit = *limit};
    if (times != nullptr) {
      told.to_limit->earliest = duration_of(*times, "earliest");
      told.to_limit->expected = duration_of(*times, "expected");
      told.to_limit->latest = duration_of(*times, "latest");
    }
  }
  if (const Json* notes = child(json, "notes"); notes && notes->is_array()) {
    for (const Json& note : *notes) {
      if (note.is_string()) told.notes.push_back(note.get<std::string>());
    }
  }
  if (const Json* course = child(json, "course")) read_course(*course, told);
  return told;
}

Advised read_service(const Json& json) {
  Advised advised{.capacity = text_of(json, "capacity"), .labels = labels_of(json)};
  advised.says = text_of(json, "says");
  advised.replicas = number_of(json, "replicas");
  advised.bears = number_of(json, "bears");
  const Json none = Json::object();
  const Json *now = child(json, "now"), *ahead = child(json, "ahead"),
             *checks = child(json, "checks");
  advised.wanted_now = number_of(now != nullptr ? *now : none, "wanted");
  advised.wanted_ahead = number_of(ahead != nullptr ? *ahead : none, "wanted");
  advised.wanted_by = parse_rfc3339(text_of(ahead != nullptr ? *ahead : none, "by"));
  if (checks != nullptr) {
    advised.enough = count_of(*checks, "enough");
    advised.too_few = count_of(*checks, "short");
    advised.spare = count_of(*checks, "spare");
  }
  return advised;
}

std::string cell(const char* column, const std::string& html) {
  return "<td role=\"cell\" data-label=\"" + std::string(column) + "\"><div>" + html +
         "</div></td>";
}

std::string kept_text(const Foretold::Horizon& at) {
  if (at.checked < checks_told) {
    return "<span class=\"dim\">not known yet, " + plural(at.checked, "interval") +
           " checked</span>";
  }
  return escape_html(
      figure(Unit::share, static_cast<double>(at.inside) / static_cast<double>(at.checked)) +
      " of " + figure(Unit::number, static_cast<double>(at.checked)));
}

std::string horizon_table(const Foretold& told, Unit unit) {
  if (told.horizons.empty()) return {};
  std::string html =
      "<div class=\"sheet inner\"><table role=\"table\" class=\"horizons\"><caption>Nine values in "
      "ten "
      "are meant to lie between the percentiles</caption><thead role=\"rowgroup\"><tr "
      "role=\"row\">";
  for (const char* column : {"In", "5th percentile", "Median", "95th percentile", "Held so far"})
    html += "<th scope=\"col\" role=\"columnheader\">" + std::string(column) + "</th>";
  html += "</tr></thead><tbody role=\"rowgroup\">";
  for (const Foretold::Horizon& at : told.horizons) {
    html += "<tr role=\"row\"><th scope=\"row\" role=\"rowheader\">" +
            escape_html(span_text(at.after)) + "</th>" +
            cell("5th percentile", escape_html(figure(unit, at.low))) +
            cell("Median", "<b>" + escape_html(figure(unit, at.expected)) + "</b>") +
            cell("95th percentile", escape_html(figure(unit, at.high))) +
            cell("Held so far", kept_text(at)) + "</tr>";
  }
  return html + "</tbody></table></div>";
}

// The capacity whose load this series is: of one rule and the same labels.
const Advised* service_of(const Ahead& ahead, const Foretold& told) {
  for (const Advised& one : ahead.services) {
    if (one.capacity == told.forecast && one.labels == told.labels) return &one;
  }
  return nullptr;
}

std::string replicas_word(double replicas) {
  return figure(Unit::number, replicas) + (replicas == 1 ? " replica bears" : " replicas bear");
}

// When the interval's upper end, and when the median, first lies above what is borne.
std::string exhausted_text(const Band& band, double bears) {
  const auto first_above = [&](const std::vector<double>& values) -> std::optional<Time> {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i] > bears) return band.from + static_cast<std::int64_t>(i) * band.step;
    }
    return std::nullopt;
  };
  const auto expected = first_above(band.middle), earliest = first_above(band.high);
  if (!earliest) return "What there is suffices for all that is forecast, in 19 of 20 cases.";
  return "What there is suffices until " + format_rfc3339(*earliest).substr(11, 5) +
         " UTC in 19 of 20 cases; " +
         (expected ? "it is expected to be exceeded at " + format_rfc3339(*expected).substr(11, 5) +
                         " UTC."
                   : "it is not expected to be exceeded.");
}

std::string series_block(const Ahead& ahead, const Foretold& told, const std::string& model) {
  const Advised* service = service_of(ahead, told);
  const bool is_of_model = told.forecast == "requests" && told.labels.get("model_name") == model;
  const Unit unit = is_of_model || service != nullptr ? Unit::rate : Unit::number;
  std::string html;
  if (told.ahead) {
    Chart made{.title = is_of_model          ? "Requests to " + model
                        : service != nullptr ? "Load of " + series_name(told)
                                             : series_name(told),
               .unit = unit,
               .course = told.past,
               .floor = 0};
    made.ahead = told.ahead;
    if (service != nullptr && service->bears) {
      made.reference = service->bears;
      made.reference_name = "what " + replicas_word(service->replicas.value_or(0));
    } else if (told.to_limit) {
      made.reference = told.to_limit->limit;
      made.reference_name = "its limit";
    }
    html += chart(made);
    if (service != nullptr && service->bears)
      html += "<p>" + escape_html(exhausted_text(*told.ahead, *service->bears)) + "</p>";
  }
  if (told.to_limit && told.to_limit->is_near())
    html += "<p><b>Reaches its limit</b> " + escape_html(to_limit_text(*told.to_limit)) + ".</p>";
  html += horizon_table(told, unit);
  if (!told.trouble.empty()) {
    html +=
        "<p><b>Not forecast:</b> " + escape_html(series_name(told) + ": " + told.trouble) + "</p>";
  }
  for (const std::string& note : told.notes)
    html += "<p class=\"dim\">" + escape_html(note) + "</p>";
  return html;
}

std::string service_block(const Advised& service) {
  std::string html = "<p class=\"lead\">" + escape_html(service.says) + "</p>";
  const std::uint64_t checked = service.enough + service.too_few + service.spare;
  if (checked == 0) return html;
  return html + "<p class=\"dim\">What was said so far, beside what the load then needed: enough " +
         std::to_string(service.enough) + " times, too few " + std::to_string(service.too_few) +
         ", two or more to spare " + std::to_string(service.spare) + ".</p>";
}

}  // namespace

std::string to_limit_text(const ToLimit& to_limit) {
  const auto in = [](const std::optional<Duration>& time) {
    return time ? "in " + span_text(*time) : std::string("not within what is forecast");
  };
  return "expected " + in(to_limit.expected) + ", at the earliest " + in(to_limit.earliest) +
         ", at the latest " + in(to_limit.latest);
}

Ahead read_ahead(const std::string& json) {
  Ahead ahead;
  const auto read = wire::parse_json(json);
  if (!read) return ahead;
  if (const Json* series = child(*read, "series"); series && series->is_array()) {
    for (const Json& one : *series) {
      if (one.is_object()) ahead.series.push_back(read_series(one));
    }
  }
  if (const Json* services = child(*read, "capacity"); services && services->is_array()) {
    for (const Json& one : *services) {
      if (one.is_object()) ahead.services.push_back(read_service(one));
    }
  }
  return ahead;
}

std::string series_name(const Foretold& foretold) {
  std::string name = foretold.forecast, where;
  for (const Label& label : foretold.labels) {
    if (label.name == "job" || label.name == "fstype" || label.name == "endpoint" ||
        label.name == "service" || label.name == "metrics_path")
      continue;
    where += (where.empty() ? "" : ", ") + label.name + " " + label.value;
  }
  return where.empty() ? name : name + " of " + where;
}

std::string ahead_section(const Ahead& ahead, const std::string& model) {
  std::string html;
  for (const Advised& service : ahead.services) html += service_block(service);
  for (const Foretold& told : ahead.series) html += series_block(ahead, told, model);
  return html;
}

}  // namespace outrider::page
