// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/cloud_events.h"

#include <array>
#include <utility>

#include "base/core/text.h"
#include "base/wire/json.h"

namespace outrider::decode {
namespace {

constexpr std::size_t id_bytes_max = 256;
constexpr std::size_t attribute_bytes_max = 1'024;  // Of all others together.

std::optional<std::string> decode_base64(std::string_view text) {
  constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t value = alphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>((bits >> count) & 0xff);
    }
  }
  return out;
}

// Checks what every event needs, and tells requests from responses by the type's end. `status` is a
// response's statuscode, "" where it has none.
Result<CloudEvent> finish(CloudEvent event, std::string_view type, std::string_view status) {
  if (event.id.empty() || event.id.size() > id_bytes_max) {
    return fail("invalid_event", "expected an id of 1 to 256 bytes");
  }
  if (event.model_name.size() + event.scope.size() > attribute_bytes_max) {
    return fail("invalid_event", "expected attributes of at most 1024 bytes");
  }
  if (type.ends_with("inference.response")) {
    event.is_response = true;
    if (!status.empty()) {
      const auto code = parse_int(trim(status));
      if (!code || *code < 100 || *code > 599) {
        return fail("invalid_event", "statuscode '" + std::string(status.substr(0, 100)) +
                                         "': expected an HTTP status, 100 to 599");
      }
      event.status = static_cast<int>(*code);
    }
  } else if (!type.ends_with("inference.request")) {
    return fail("invalid_event", "type '" + std::string(type.substr(0, 100)) +
                                     "': expected …inference.request or …inference.response");
  }
  return event;
}

std::string scope_of(std::string_view space, std::string_view component,
                     std::string_view endpoint) {
  return std::string(space).append("/").append(component).append("/").append(endpoint);
}

// How many bytes the JSON object or list at the beginning of `body` takes; all when it does not
// end.
std::size_t json_extent(std::string_view body) {
  std::size_t depth = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < body.size(); ++i) {
    const char c = body[i];
    if (in_text) {
      if (c == '\\') ++i;
      if (c == '"') in_text = false;
    } else if (c == '"') {
      in_text = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && depth > 0 && --depth == 0) {
      return i + 1;
    }
  }
  return body.size();
}

Result<CloudEvent> parse_binary(const FieldOf& field, std::string_view body) {
  CloudEvent event;
  event.id = field("ce-id");
  event.model_name = field("ce-inferenceservicename");
  event.component = field("ce-component");
  event.scope = scope_of(field("ce-namespace"), event.component, field("ce-endpoint"));
  event.data_type = field("Content-Type");
  event.data = body;
  event.time = parse_rfc3339(field("ce-time"));
  return finish(std::move(event), field("ce-type"), field("ce-statuscode"));
}

std::string text_of(const wire::Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Result<CloudEvent> parse_structured(const wire::Json& object) {
  if (!object.is_object()) return fail("invalid_event", "expected an object for each event");
  CloudEvent event;
  event.id = text_of(object, "id");
  event.model_name = text_of(object, "inferenceservicename");
  event.component = text_of(object, "component");
  event.scope =
      scope_of(text_of(object, "namespace"), event.component, text_of(object, "endpoint"));
  event.data_type = text_of(object, "datacontenttype");
  if (event.data_type.empty()) event.data_type = "application/json";
  event.time = parse_rfc3339(text_of(object, "time"));
  if (object.contains("data_base64")) {
    auto bytes = decode_base64(text_of(object, "data_base64"));
    if (!bytes) return fail("invalid_event", "data_base64: expected base64");
    event.data = std::move(*bytes);
  } else if (const auto data = object.find("data"); data != object.end()) {
    const bool is_json = event.data_type.find("json") != std::string::npos;
    event.data = data->is_string() && !is_json ? data->get<std::string>() : wire::to_text(*data);
  }
  const auto status =
      object.find("statuscode");  // An Integer; some libraries write all attributes as texts.
  return finish(std::move(event), text_of(object, "type"),
                status == object.end() || status->is_null() ? std::string()
                : status->is_string()                       ? status->get<std::string>()
                                                            : wire::to_text(*status));
}

}  // namespace

Result<std::vector<CloudEvent>> parse_cloud_events(const FieldOf& field, std::string_view body) {
  std::vector<CloudEvent> events;
  const std::string type = lower_ascii(field("Content-Type"));
  const bool batch = type.starts_with("application/cloudevents-batch");
  if (!batch && !type.starts_with("application/cloudevents")) {
    auto event = parse_binary(field, body);
    if (!event) return fail(event);
    events.push_back(std::move(*event));
    return events;
  }
  const auto json = wire::parse_json(body);
  if (!json) return fail(json);
  if (batch && !json->is_array()) return fail("invalid_event", "expected a list of events");
  const auto take = [&events](const wire::Json& one) -> Result<void> {
    auto event = parse_structured(one);
    if (!event) return fail(event);
    events.push_back(std::move(*event));
    return {};
  };
  if (!batch) {
    if (auto ok = take(*json); !ok) return fail(ok);
    return events;
  }
  for (const auto& one : *json) {
    if (auto ok = take(one); !ok) return fail(ok);
  }
  return events;
}

BodyNature nature_of(std::string_view body, std::string_view said_type) {
  BodyNature nature{said_type, {}, {}};
  if (body.starts_with("\x1f\x8b")) nature.coding = "gzip";
  if (body.starts_with("\x28\xb5\x2f\xfd")) nature.coding = "zstd";
  if (!nature.coding.empty()) return nature;
  const std::string_view text = trim(body.substr(0, 64));
  for (const std::string_view field : {"data:", "event:", "id:", "retry:", ":"}) {
    if (text.starts_with(field)) nature.type = "text/event-stream";
  }
  if (!text.starts_with('{') && !text.starts_with('[')) return nature;
  const std::size_t bytes = json_extent(body);
  const std::string_view rest = trim(body.substr(bytes));
  if (rest.starts_with('{')) return nature;  // JSON lines, or nothing we know.
  nature.type = "application/json";
  if (!rest.empty()) nature.json_bytes = std::to_string(bytes);
  return nature;
}

std::optional<EventPairs::Pair> EventPairs::add(CloudEvent event, Time now) {
  std::string key = event.key();
  if (paired_.contains(key)) {
    ++duplicates_;
    return std::nullopt;
  }
  const auto found = halves_.find(key);
  if (found != halves_.end() && found->second.event.is_response != event.is_response) {
    CloudEvent other = std::move(found->second.event);
    bytes_ -= other.bytes();
    halves_.erase(found);
    remember(std::move(key));
    if (event.is_response) return Pair{std::move(other), std::move(event)};
    return Pair{std::move(event), std::move(other)};
  }
  if (found != halves_.end()) {
    bytes_ -= found->second.event.bytes();
    bytes_ += event.bytes();
    found->second.event = std::move(event);
    ++duplicates_;
    return std::nullopt;
  }
  bytes_ += event.bytes();
  const std::uint64_t number = next_number_++;
  order_.emplace_back(number, key);
  halves_.emplace(std::move(key), Half{std::move(event), now, number});
  while (halves_.size() > limits_.entries || bytes_ > limits_.bytes) drop_oldest();
  // Keys whose pair was completed stay in the order until they come to its front.
  while (!order_.empty() && order_.size() > 2 * limits_.entries) order_.pop_front();
  return std::nullopt;
}

void EventPairs::remember(std::string key) {
  paired_order_.push_back(key);
  paired_.insert(std::move(key));
  if (paired_order_.size() <= limits_.entries) return;
  paired_.erase(paired_order_.front());
  paired_order_.pop_front();
}

// The oldest one that still waits.
void EventPairs::drop_oldest() {
  while (!order_.empty()) {
    const auto [number, key] = std::move(order_.front());
    order_.pop_front();
    const auto found = halves_.find(key);
    if (found == halves_.end() || found->second.number != number) continue;
    bytes_ -= found->second.event.bytes();
    halves_.erase(found);
    ++given_up_;
    return;
  }
}

std::size_t EventPairs::take_given_up(Time now) {
  while (!order_.empty()) {
    const auto found = halves_.find(order_.front().second);
    if (found == halves_.end() || found->second.number != order_.front().first) {
      order_.pop_front();
      continue;
    }
    if (now - found->second.since < limits_.age) break;
    drop_oldest();
  }
  return std::exchange(given_up_, 0);
}

std::size_t EventPairs::clear() {
  const std::size_t count = halves_.size() + std::exchange(given_up_, 0);
  halves_.clear();
  order_.clear();
  bytes_ = 0;
  return count;
}

}  // namespace outrider::decode
