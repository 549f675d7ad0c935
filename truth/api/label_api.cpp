// SPDX-License-Identifier: Apache-2.0
#include "truth/api/label_api.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>

#include "base/core/text.h"
#include "truth/api/erase_api.h"
#include "truth/api/export_api.h"
#include "truth/api/training_data.h"
#include "truth/label_parser.h"

namespace outrider::truth {
namespace {

using net::HttpRequest;
using net::HttpResponse;

constexpr int streams_max = 2;  // Training data at one time; each reads a snapshot of the store.
constexpr std::size_t piece_bytes = 64 << 10;
constexpr std::string_view retry_after_seconds = "5";
constexpr std::string_view labels_path = "/api/v1/labels";
constexpr std::string_view feedback_path = "/api/v1.0/feedback";

HttpResponse try_later(std::string_view code, std::string_view message) {
  HttpResponse response = net::error_response(503, code, message);
  response.headers.push_back({"Retry-After", std::string(retry_after_seconds)});
  return response;
}

void append_json_text(std::string& out, std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c >= ' ' && c < 0x7F && c != '"' && c != '\\';
  });
  if (plain) {
    out += '"';
    out += text;
    out += '"';
  } else {
    out += wire::to_text(wire::Json(std::string(text)));
  }
}

// The results, one an item and in their order.
class Answers {
 public:
  void add(std::string_view id, const LabelAnswer& answer) {
    results_ += results_.empty() ? "{\"id\":" : ",{\"id\":";
    append_json_text(results_, id);
    results_ += ",\"result\":\"";
    results_ += to_string(answer.result);
    results_ += '"';
    if (!answer.message.empty()) {
      results_ += ",\"message\":";
      append_json_text(results_, answer.message);
      if (first_message_.empty()) first_message_ = answer.message;
    }
    results_ += '}';
    ++counts_[static_cast<std::size_t>(answer.result)];
    ++size_;
  }

  HttpResponse response() const {
    const bool all_invalid =
        size_ > 0 && counts_[static_cast<std::size_t>(LabelResult::invalid)] == size_;
    std::string body = "{";
    if (all_invalid) {
      body += "\"error\":\"invalid_label\",\"message\":";
      append_json_text(body, first_message_);
      body += ',';
    }
    body += "\"results\":[" + results_ + "],\"counts\":{";
    bool first = true;
    for (std::size_t i = 0; i < label_result_count; ++i) {
      if (counts_[i] == 0) continue;
      body += first ? "\"" : ",\"";
      body += to_string(static_cast<LabelResult>(i));
      body += "\":" + std::to_string(counts_[i]);
      first = false;
    }
    body += "}}\n";
    return {.status = all_invalid ? 400 : 200, .content_type = "application/json", .body = body};
  }

 private:
  std::string results_;
  std::string first_message_;
  std::array<std::size_t, label_result_count> counts_{};
  std::size_t size_ = 0;
};

// A brought prediction is of the workload that the request names.
void scope_brought(std::vector<ParsedLabel>& items, const Scope& scope, const LogSettings& log) {
  for (ParsedLabel& item : items) {
    if (!item.label || !item.label->brought) continue;
    std::string& model = item.label->brought->model_name;
    if (!scope.workload) {
      item.label = fail("invalid_label",
                        "a label that brings its prediction along needs ?workload=… here, as the "
                        "label job of its metrics");
    } else if (scope.model && !model.empty() && model != *scope.model) {
      item.label = fail("invalid_label", "\"model_name\" is " + model + ", and the labels are of " +
                                             *scope.model + " (?model=)");
    } else if (!may_be_scoped(model)) {
      item.label = fail("invalid_label", "\"model_name\" has a control character");
    } else {
      model =
          scoped_name({scope.cluster.value_or(""), scope.name_space.value_or(""), *scope.workload},
                      !model.empty() ? model : scope.model.value_or(log.model_name));
    }
  }
}

std::optional<std::string> query_of(const HttpRequest& request, std::string_view name) {
  std::string value = request.query_value(name);
  if (value.empty()) return std::nullopt;
  return value;
}

JoinOptions read_options(const PredictionLog& log, const HttpRequest& request,
                         const LabelHandling& handling) {
  if (!log.settings().shipped) return {.fan_out = request.query_value("fan-out") == "true"};
  return {.passed = handling.passed, .asked = handling.asked, .scope = read_scope(request)};
}

// Counts the streams that are open; the last copy of a ticket gives its place back.
using Streams = std::shared_ptr<std::atomic<int>>;
std::shared_ptr<void> take_place(const Streams& streams) {
  if (streams->fetch_add(1) >= streams_max) {
    streams->fetch_sub(1);
    return nullptr;
  }
  return std::shared_ptr<void>(streams.get(), [streams](void*) { streams->fetch_sub(1); });
}

// Which rows are asked for.
struct Wanted {
  Time since{};
  Scope scope;
  bool holds(const JoinedRow& row) const { return scope.holds(row.model_name); }
};

// The features of the rows that are asked for, in the order in which they come.
Result<std::vector<std::string>> names_of(const PredictionLog& log, const Wanted& wanted) {
  if (!log.settings().shipped) return log.feature_names();
  std::vector<std::string> names;
  const auto ok = log.for_each_joined(wanted.since, [&](const JoinedRow& row) {
    if (!wanted.holds(row)) return true;
    for (const Feature& feature : row.features) {
      if (std::find(names.begin(), names.end(), feature.name) == names.end())
        names.push_back(feature.name);
    }
    return true;
  });
  if (!ok) return fail(ok);
  return names;
}

// Gives how many rows were written.
std::uint64_t stream_rows(const PredictionLog& log, const Wanted& wanted, bool csv,
                          const HttpResponse::Write& write) {
  std::uint64_t count = 0;
  const auto names = csv ? names_of(log, wanted) : std::vector<std::string>();
  if (!names) return count;
  std::string piece = csv ? csv_header(*names) : "";
  const auto ok = log.for_each_joined(wanted.since, [&](const JoinedRow& row) {
    if (row.features.empty()) return true;  // A label from elsewhere: nothing to train on.
    if (!wanted.holds(row)) return true;
    if (csv) {
      append_csv_row(piece, *names, row);
    } else {
      append_ndjson_row(piece, row);
    }
    ++count;
    if (piece.size() < piece_bytes) return true;
    const bool taken = write(piece);
    piece.clear();
    return taken;
  });
  if (ok) write(piece);
  return count;
}

}  // namespace

Scope read_scope(const HttpRequest& request) {
  return {.cluster = query_of(request, "cluster"),
          .name_space = query_of(request, "namespace"),
          .workload = query_of(request, "workload"),
          .model = query_of(request, "model")};
}

HttpResponse give_training_data(const PredictionLog& log, const HttpRequest& request,
                                const Streams& streams, AccessJournal* journal) {
  if (!log.settings().keep_features) {
    return net::error_response(
        403, "features_not_kept",
        "training data needs the features in the log, and log.keep_features is "
        "false; set it to true (they may be personal data)");
  }
  const std::string format = request.query_value("format");
  if (!format.empty() && format != "csv" && format != "ndjson") {
    return net::error_response(400, "bad_format", "format=" + format + ": expected csv or ndjson");
  }
  Wanted wanted;
  wanted.scope = read_scope(request);
  if (const std::string text = request.query_value("since"); !text.empty()) {
    const auto time = parse_rfc3339(text);
    if (!time) {
      return net::error_response(
          400, "bad_since", "since=" + text + ": expected RFC 3339, e.g. 2026-01-31T12:00:00Z");
    }
    wanted.since = *time;
  }
  if (!log.figures().available)
    return try_later("log_unavailable", "the prediction log is not open now");
  const auto place = take_place(streams);
  if (!place)
    return try_later("busy", "two downloads of training data are under way; try again later");
  const bool csv = format != "ndjson";
  HttpResponse response;
  response.content_type = csv ? "text/csv; charset=utf-8" : "application/x-ndjson";
  HttpRequest who;
  who.caller = request.caller;
  who.peer = request.peer;
  response.stream = [&log, wanted, csv, place, journal, who](const HttpResponse::Write& write) {
    const std::uint64_t rows = stream_rows(log, wanted, csv, write);
    if (!journal) return;
    if (auto ok = journal->note(who, "training-data ended", {{"rows", rows}}); !ok)
      spdlog::error("{}", ok.error().message);
  };
  return journalled(journal, request, "training-data", {{"query", request.query}},
                    std::move(response));
}

bool may_have_joined(const Result<net::ClientResponse>& response) {
  if (!response) {
    const std::string_view code = response.error().code;
    return code == "cut_off" || code == "timeout" || code == "body_too_large";
  }
  if (response->status != 200 && response->status < 500) return false;
  return response->body.find("\"log_unavailable\"") == std::string::npos;
}

LabelItems read_labels(const HttpRequest& request) {
  return request.path == feedback_path ? parse_feedback(request.body, request.header("Seldon-Puid"))
                                       : parse_labels(request.body);
}

TakenLabels take_labels(PredictionLog& log, const HttpRequest& request, LabelItems items,
                        const LabelHandling& handling) {
  if (!items) {
    log.count_invalid(1);
    return {net::error_response(items.error().code == "too_many_labels" ? 413 : 400,
                                items.error().code, items.error().message)};
  }
  JoinOptions options = read_options(log, request, handling);
  if (log.settings().shipped) scope_brought(*items, options.scope, log.settings());
  const auto copy_of_labels = [&](const std::vector<bool>& each, std::vector<bool>& of_labels) {
    for (std::size_t i = 0; i < items->size() && !each.empty(); ++i) {
      if ((*items)[i].label) of_labels.push_back(i < each.size() && each[i]);
    }
  };
  copy_of_labels(handling.each_passed, options.each_passed);
  copy_of_labels(handling.claimed, options.claimed);
  std::vector<GroundTruth> labels;
  labels.reserve(items->size());
  for (ParsedLabel& item : *items) {
    if (item.label) labels.push_back(std::move(*item.label));
  }
  const std::size_t valid = labels.size();
  const bool counts_invalid = !options.fan_out && !options.passed && !options.asked;
  auto joined = log.join(std::move(labels), std::move(options));
  if (!joined) return {try_later(joined.error().code, joined.error().message)};
  if (counts_invalid) log.count_invalid(items->size() - valid);

  Answers answers;
  TakenLabels taken;
  auto next = joined->begin();
  for (const ParsedLabel& item : *items) {
    LabelAnswer answer = item.label ? std::move(*next++)
                                    : LabelAnswer{LabelResult::invalid, item.label.error().message};
    answers.add(item.id, answer);
    if (valid > 0) taken.answers.push_back(std::move(answer));
  }
  taken.response = answers.response();
  return taken;
}

HttpResponse handle_labels(PredictionLog& log, const HttpRequest& request,
                           const LabelHandling& handling) {
  return take_labels(log, request, read_labels(request), handling).response;
}

void add_label_routes(net::Router& router, PredictionLog& log, AccessJournal* journal) {
  for (const std::string_view path : {labels_path, feedback_path}) {
    router.add("POST", path,
               [&log](const HttpRequest& request) { return handle_labels(log, request, {}); });
  }
  const auto streams = std::make_shared<std::atomic<int>>(0);
  router.add("GET", "/api/v1/training-data", [&log, streams, journal](const HttpRequest& request) {
    return give_training_data(log, request, streams, journal);
  });
  const auto readers = std::make_shared<std::atomic<int>>(0);
  router.add("GET", export_path, [&log, readers, journal](const HttpRequest& request) {
    return give_export(log, request, readers, journal);
  });
  router.add("POST", erase_path, [&log, journal](const HttpRequest& request) {
    const auto wishes = parse_wishes(request.body, read_scope(request));
    if (!wishes) return net::error_response(400, wishes.error().code, wishes.error().message);
    return erase(log, *wishes, request, journal);
  });
}

void add_unavailable_label_routes(net::Router& router, std::string reason) {
  const auto refuse = [reason = std::move(reason)](const HttpRequest&) {
    return try_later("log_unavailable", reason);
  };
  router.add("POST", labels_path, refuse);
  router.add("POST", feedback_path, refuse);
  router.add("GET", "/api/v1/training-data", refuse);
  router.add("GET", export_path, refuse);
  router.add("POST", erase_path, refuse);
}

}  // namespace outrider::truth
