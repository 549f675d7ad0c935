// SPDX-License-Identifier: Apache-2.0
#include "truth/label_api.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>

#include "base/core/text.h"
#include "truth/label_parser.h"
#include "truth/training_data.h"

namespace outrider::truth {
namespace {

using net::HttpRequest;
using net::HttpResponse;

constexpr int streams_max = 2;  // Training data at one time; each reads a snapshot of the store.
constexpr std::size_t piece_bytes = 64 << 10;
constexpr std::string_view retry_after_seconds = "5";

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

HttpResponse take_labels(PredictionLog& log, Result<std::vector<ParsedLabel>> items,
                         JoinOptions options) {
  if (!items) {
    log.count_invalid(1);
    return net::error_response(items.error().code == "too_many_labels" ? 413 : 400,
                               items.error().code, items.error().message);
  }
  std::vector<GroundTruth> labels;
  labels.reserve(items->size());
  for (ParsedLabel& item : *items) {
    if (item.label) labels.push_back(std::move(*item.label));
  }
  const std::size_t valid = labels.size();
  const auto joined = log.join(std::move(labels), options);
  if (!joined) return try_later(joined.error().code, joined.error().message);
  if (!options.fan_out) log.count_invalid(items->size() - valid);  // Else the asking agent counts.

  Answers answers;
  auto next = joined->begin();
  for (const ParsedLabel& item : *items) {
    if (item.label) {
      answers.add(item.id, *next++);
    } else {
      answers.add(item.id, {LabelResult::invalid, item.label.error().message});
    }
  }
  return answers.response();
}

JoinOptions read_options(const HttpRequest& request) {
  return {.fan_out = request.query_value("fan-out") == "true"};
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

void stream_rows(const PredictionLog& log, Time since, bool csv, const HttpResponse::Write& write) {
  const std::vector<std::string> names = log.feature_names();
  std::string piece = csv ? csv_header(names) : "";
  const auto ok = log.for_each_joined(since, [&](const JoinedRow& row) {
    if (row.features.empty()) return true;  // A label from elsewhere: nothing to train on.
    if (csv) {
      append_csv_row(piece, names, row);
    } else {
      append_ndjson_row(piece, row);
    }
    if (piece.size() < piece_bytes) return true;
    const bool taken = write(piece);
    piece.clear();
    return taken;
  });
  if (ok) write(piece);
}

HttpResponse give_training_data(const PredictionLog& log, const Streams& streams,
                                const HttpRequest& request) {
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
  Time since{};
  if (const std::string text = request.query_value("since"); !text.empty()) {
    const auto time = parse_rfc3339(text);
    if (!time) {
      return net::error_response(
          400, "bad_since", "since=" + text + ": expected RFC 3339, e.g. 2026-01-31T12:00:00Z");
    }
    since = *time;
  }
  if (!log.figures().available)
    return try_later("log_unavailable", "the prediction log is not open now");
  const auto place = take_place(streams);
  if (!place)
    return try_later("busy", "two downloads of training data are under way; try again later");
  const bool csv = format != "ndjson";
  HttpResponse response;
  response.content_type = csv ? "text/csv; charset=utf-8" : "application/x-ndjson";
  response.stream = [&log, since, csv, place](const HttpResponse::Write& write) {
    stream_rows(log, since, csv, write);
  };
  return response;
}

}  // namespace

void add_label_routes(net::Router& router, PredictionLog& log) {
  router.add("POST", "/api/v1/labels", [&log](const HttpRequest& request) {
    return take_labels(log, parse_labels(request.body), read_options(request));
  });
  router.add("POST", "/api/v1.0/feedback", [&log](const HttpRequest& request) {
    return take_labels(log, parse_feedback(request.body, request.header("Seldon-Puid")),
                       read_options(request));
  });
  const auto streams = std::make_shared<std::atomic<int>>(0);
  router.add("GET", "/api/v1/training-data", [&log, streams](const HttpRequest& request) {
    return give_training_data(log, streams, request);
  });
}

void add_unavailable_label_routes(net::Router& router, std::string reason) {
  const auto refuse = [reason = std::move(reason)](const HttpRequest&) {
    return try_later("log_unavailable", reason);
  };
  router.add("POST", "/api/v1/labels", refuse);
  router.add("POST", "/api/v1.0/feedback", refuse);
  router.add("GET", "/api/v1/training-data", refuse);
}

}  // namespace outrider::truth
