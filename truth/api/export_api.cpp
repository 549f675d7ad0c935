// SPDX-License-Identifier: Apache-2.0
#include "truth/api/export_api.h"

#include <algorithm>
#include <chrono>

#include "base/core/text.h"
#include "base/wire/json.h"
#include "truth/api/label_api.h"
#include "truth/codec.h"
#include "truth/rows.h"

namespace outrider::truth {
namespace {

using Steady = std::chrono::steady_clock;

constexpr int readers_max = 2;
constexpr std::size_t page_rows_max = 5'000;
constexpr std::size_t page_bytes_max = 4 << 20;
constexpr Duration page_time_max = std::chrono::seconds(1);
constexpr std::size_t features_max = 1'000;

// Which rows are asked for.
struct Wanted {
  Time from{}, to{};
  Scope scope;
  bool labelled = false;
  std::vector<std::string> features;
  std::uint64_t first_slot = 0;

  bool holds(const LoggedRow& row) const {
    const Time made = row.key.id.time();
    return made >= from && made < to && (row.labelled || !labelled) &&
           scope.holds(row.row.model_name);
  }
};

Result<Time> read_time(const net::HttpRequest& request, const char* name, const char* code) {
  const std::string text = request.query_value(name);
  const auto time = parse_rfc3339(text);
  if (time) return *time;
  return fail(code,
              std::string(name) + "=" + text + ": expected RFC 3339, e.g. 2026-01-31T12:00:00Z");
}

Result<Wanted> read_wanted(const net::HttpRequest& request) {
  Wanted wanted;
  const auto from = read_time(request, "from", "bad_from"), to = read_time(request, "to", "bad_to");
  if (!from) return fail(from);
  if (!to) return fail(to);
  if (*to <= *from) return fail("bad_to", "to: expected a time after from");
  wanted.from = *from;
  wanted.to = *to;
  wanted.scope = read_scope(request);
  wanted.labelled = request.query_value("labelled") == "true";
  if (const std::string names = request.query_value("features"); !names.empty()) {
    for (const std::string_view name : split(names, ',')) wanted.features.emplace_back(name);
  }
  if (wanted.features.size() > features_max) {
    return fail("bad_features", "features: expected at most " + std::to_string(features_max));
  }
  wanted.first_slot = slot_of(wanted.from);
  if (const std::string text = request.query_value("cursor"); !text.empty()) {
    const auto cursor = parse_uint(text);
    if (!cursor || *cursor > UINT64_MAX >> 16) {
      return fail("bad_cursor", "cursor=" + text + ": expected the Outrider-Next of an answer");
    }
    wanted.first_slot = std::max<std::uint64_t>(wanted.first_slot, *cursor);
  }
  return wanted;
}

std::shared_ptr<void> take_place(const std::shared_ptr<std::atomic<int>>& readers) {
  if (readers->fetch_add(1) >= readers_max) {
    readers->fetch_sub(1);
    return nullptr;
  }
  return std::shared_ptr<void>(readers.get(), [readers](void*) { readers->fetch_sub(1); });
}

net::HttpResponse try_later(std::string_view code, const std::string& message) {
  net::HttpResponse response = net::error_response(503, code, message);
  response.headers.push_back({"Retry-After", "2"});
  return response;
}

struct Page {
  std::string lines;
  std::uint64_t rows = 0;
  std::optional<std::uint64_t> next;  // Where it stopped; nothing at the end.
};

Result<Page> read_page(const PredictionLog& log, const Wanted& wanted) {
  Page page;
  bool any = false;
  const auto until = Steady::now() + page_time_max;
  const auto ok = log.for_each_slot(wanted.first_slot, slot_of(wanted.to) + 1,
                                    [&](std::uint64_t slot, const std::vector<LoggedRow>& rows) {
                                      // Whole slots: the cursor has no place within one.
                                      const bool is_full = page.rows >= page_rows_max ||
                                                           page.lines.size() >= page_bytes_max ||
                                                           Steady::now() >= until;
                                      if (any && is_full) {
                                        page.next = slot;
                                        return false;
                                      }
                                      any = true;
                                      for (const LoggedRow& row : rows) {
                                        if (!wanted.holds(row)) continue;
                                        append_export_row(page.lines, row, wanted.features);
                                        ++page.rows;
                                      }
                                      return true;
                                    });
  if (!ok) return fail(ok);
  return page;
}

}  // namespace

void append_export_row(std::string& out, const LoggedRow& logged,
                       const std::vector<std::string>& features) {
  const JoinedRow& row = logged.row;
  const ScopedName name = split_scope(row.model_name);
  wire::Json line = {{"id", row.id},
                     {"time", format_rfc3339(row.predicted)},
                     {"model", name.model},
                     {"version", row.model_version},
                     {"prediction", to_json(row.prediction)}};
  if (!name.cluster.empty()) line["cluster"] = name.cluster;
  if (!name.name_space.empty()) line["namespace"] = name.name_space;
  if (!name.workload.empty()) line["workload"] = name.workload;
  if (row.score) line["score"] = to_json(*row.score);
  if (!row.segment.empty()) line["segment"] = row.segment;
  if (logged.labelled) {
    line["label"] = to_json(row.truth);
    if (row.truth_time) line["label_time"] = format_rfc3339(*row.truth_time);
    line["labelled_at"] = format_rfc3339(row.labelled);
  }
  for (const std::string& wanted : features) {
    const auto feature = std::find_if(row.features.begin(), row.features.end(),
                                      [&](const Feature& f) { return f.name == wanted; });
    if (feature != row.features.end()) line["features"][wanted] = to_json(feature->value);
  }
  out += wire::to_text(line) + '\n';
}

net::HttpResponse give_export(const PredictionLog& log, const net::HttpRequest& request,
                              const std::shared_ptr<std::atomic<int>>& readers,
                              AccessJournal* journal) {
  const auto wanted = read_wanted(request);
  if (!wanted) return net::error_response(400, wanted.error().code, wanted.error().message);
  if (!wanted->features.empty() && !log.settings().keep_features) {
    return net::error_response(
        403, "features_not_kept",
        "features= asks for features, and log.keep_features is false: none are in the log; set it "
        "to true (they may be personal data), or leave features= out");
  }
  const auto place = take_place(readers);
  if (!place) return try_later("busy", "two exports are being read; try again");
  auto page = read_page(log, *wanted);
  if (!page) return try_later(page.error().code, page.error().message);
  net::HttpResponse response{.content_type = "application/x-ndjson",
                             .body = std::move(page->lines)};
  if (page->next) {
    response.headers.push_back({std::string(export_next_header), std::to_string(*page->next)});
  }
  return journalled(journal, request, "export", {{"query", request.query}, {"rows", page->rows}},
                    std::move(response));
}

}  // namespace outrider::truth
