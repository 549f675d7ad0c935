// SPDX-License-Identifier: Apache-2.0
#include "truth/api/topic_labels.h"

#include "base/wire/json.h"
#include "truth/label_parser.h"
#include "truth/topic_record.h"

namespace outrider::truth {
namespace {

constexpr std::string_view feedback_path = "/api/v1.0/feedback";
constexpr std::string_view brings_along =
    "a label that brings its prediction along cannot go through a topic; label by the prediction's "
    "id or key";

}  // namespace

net::HttpResponse publish_labels(const net::HttpRequest& request, const Scope& scope,
                                 const PublishRecords& publish) {
  const auto items = request.path == feedback_path
                         ? parse_feedback(request.body, request.header("Seldon-Puid"))
                         : parse_labels(request.body);
  if (!items) {
    return net::error_response(items.error().code == "too_many_labels" ? 413 : 400,
                               items.error().code, items.error().message);
  }
  std::vector<KeyedRecord> records;
  wire::Json results = wire::Json::array();
  std::string first_message;
  for (const ParsedLabel& item : *items) {
    std::string message;
    if (!item.label) {
      message = item.label.error().message;
    } else if (item.label->brought) {
      message = brings_along;
    }
    if (message.empty()) {
      records.push_back({topic_key(item.label->id), write_topic_label({*item.label, scope})});
      results.push_back({{"id", item.id}, {"result", "queued"}});
    } else {
      if (first_message.empty()) first_message = message;
      results.push_back({{"id", item.id}, {"result", "invalid"}, {"message", message}});
    }
  }
  const std::size_t invalid = items->size() - records.size();
  if (!records.empty()) {
    if (const auto ok = publish(records); !ok) {
      auto response = net::error_response(503, ok.error().code, ok.error().message);
      response.headers.push_back({"Retry-After", "5"});
      return response;
    }
  }
  wire::Json body = {{"results", std::move(results)}, {"counts", wire::Json::object()}};
  if (!records.empty()) body["counts"]["queued"] = records.size();
  if (invalid > 0) body["counts"]["invalid"] = invalid;
  if (!records.empty()) return net::json_response(200, body);
  body["error"] = "invalid_label";
  body["message"] = first_message;
  return net::json_response(400, body);
}

}  // namespace outrider::truth
