// SPDX-License-Identifier: Apache-2.0
// Posted events: a byte that chooses the mode, then a line for the id, a line for the other
// attributes, and the body. Whatever comes, pairs fit together and no event is lost or counted
// twice.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "sidecar/monitor/decode/cloud_events.h"
#include "test/fuzz/require.h"

namespace {

using namespace outrider;

std::string_view take_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

// An event in as many ways as there are to lose one: each half once, twice, and again after the
// pair.
void check_pairs(const decode::CloudEvent& event) {
  using fuzz::require;
  decode::EventPairs pairs({.entries = 4, .bytes = 1 << 16, .age = std::chrono::minutes(1)});
  const Time start{std::chrono::seconds(1'700'000'000)};
  decode::CloudEvent other = event;
  other.is_response = !event.is_response;
  require(!pairs.add(event, start), "half of an exchange is no exchange");
  const bool was_kept = pairs.waiting() == 1;
  require(was_kept != (pairs.take_given_up(start) == 1), "an event waits or is given up");
  if (!was_kept) return;
  require(!pairs.add(event, start) && pairs.duplicates() == 1, "the same half again");
  const auto pair = pairs.add(other, start);
  require(pair && !pair->request.is_response && pair->response.is_response, "both halves");
  require(!pairs.add(event, start) && !pairs.add(other, start), "a pair that comes again");
  require(pairs.duplicates() == 3 && pairs.waiting() == 0 && pairs.clear() == 0, "nothing stays");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static constexpr std::string_view types[] = {"application/json", "application/cloudevents+json",
                                               "application/cloudevents-batch+json", ""};
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string_view content_type = types[data[0] & 3];
  std::string_view id, attribute;
  if (content_type.find("cloudevents") == std::string_view::npos) {
    id = take_line(rest);
    attribute = take_line(rest);
  }
  const bool is_response = (data[0] & 4) != 0;
  const auto field = [&](std::string_view name) -> std::string_view {
    if (name == "Content-Type") return content_type;
    if (name == "ce-id") return id;
    if (name == "ce-type") return is_response ? "x.inference.response" : "x.inference.request";
    // Nearly every text is no status, and would hide what comes after it.
    const bool is_digit = !attribute.empty() && attribute[0] >= '0' && attribute[0] <= '9';
    if (name == "ce-statuscode") return is_digit ? attribute : std::string_view();
    return attribute;
  };
  const auto events = decode::parse_cloud_events(field, rest);
  if (!events) {
    fuzz::require(!events.error().message.empty(), "a refusal says why");
    return 0;
  }
  for (const decode::CloudEvent& event : *events) {
    fuzz::require(!event.id.empty(), "an event has an id");
    fuzz::require(event.status >= 100 && event.status <= 599, "a status is one of HTTP's");
    fuzz::require(event.is_response || event.status == 200, "a request has no status");
    check_pairs(event);
    const decode::BodyNature nature = decode::nature_of(event.data, event.data_type);
    if (!nature.json_bytes.empty()) {
      fuzz::require(std::stoull(nature.json_bytes) < event.data.size(), "bytes follow the JSON");
    }
  }
  return 0;
}
