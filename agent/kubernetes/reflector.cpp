// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/reflector.h"

#include "base/core/text.h"

namespace outrider::kubernetes {
namespace {

using wire::Json;

constexpr int gone_status = 410;

std::string text_at(const Json& json, const char* pointer) {
  const Json::json_pointer at(pointer);
  return json.contains(at) && json.at(at).is_string() ? json.at(at).get<std::string>() : "";
}

}  // namespace

std::string Reflector::next_path(Duration watch_for) const {
  const std::string path = path_of(resource_, name_space_);
  if (is_listing()) {
    return path + "limit=" + std::to_string(page_objects) +
           (continue_.empty() ? "" : "&continue=" + percent_encode(continue_));
  }
  return path + "watch=1&allowWatchBookmarks=true&resourceVersion=" + percent_encode(version_) +
         "&timeoutSeconds=" +
         std::to_string(std::chrono::duration_cast<std::chrono::seconds>(watch_for).count());
}

void Reflector::start_over() {
  version_.clear();
  continue_.clear();
  listed_version_.clear();
  listed_.clear();
  line_.clear();
}

Result<Reflector::Page> Reflector::take_page(const Json& page) {
  const auto items = page.is_object() ? page.find("items") : page.end();
  const std::string version = text_at(page, "/metadata/resourceVersion");
  if (!page.is_object() || items == page.end() || !items->is_array() || version.empty()) {
    start_over();
    return fail("bad_list", "a list of " + std::string(name(resource_)) +
                                " without items or metadata.resourceVersion");
  }
  Page taken;
  for (const Json& item : *items) {
    auto object = parse_object(resource_, item);
    if (object) {
      listed_.push_back(std::move(*object));
    } else {
      ++taken.invalid;
    }
  }
  listed_version_ = version;
  continue_ = text_at(page, "/metadata/continue");
  taken.is_last = continue_.empty();
  if (taken.is_last) version_ = listed_version_;
  return taken;
}

std::vector<Object> Reflector::take_listed() {
  return std::exchange(listed_, {});
}

Result<void> Reflector::take_piece(std::string_view piece, const std::function<void(Event)>& each) {
  while (true) {
    const std::size_t end = piece.find('\n');
    const std::string_view part = piece.substr(0, end);
    if (line_.size() + part.size() > line_bytes_max) {
      start_over();
      return fail("line_too_long", "a watch of " + std::string(name(resource_)) +
                                       " sent a line of more than " + format_bytes(line_bytes_max));
    }
    if (end == std::string_view::npos) {
      line_ += part;
      return {};
    }
    // Most lines come whole.
    const std::string joined = line_.empty() ? std::string() : line_ + std::string(part);
    line_.clear();
    if (auto taken = take_line(joined.empty() ? part : joined, each); !taken) return taken;
    piece.remove_prefix(end + 1);
  }
}

Result<void> Reflector::take_line(std::string_view line, const std::function<void(Event)>& each) {
  if (trim(line).empty()) return {};
  const auto json = wire::parse_json(line);
  const std::string type = json && json->is_object() ? text_at(*json, "/type") : "";
  const auto bad = [this](const std::string& what) {
    return fail("bad_watch", "a watch of " + std::string(name(resource_)) + ": " + what);
  };
  if (type.empty())
    return bad("expected an object with a type, got " + std::string(line.substr(0, 80)));
  const auto object = json->find("object");
  if (object == json->end() || !object->is_object()) return bad(type + " without an object");
  if (type == "ERROR") {
    const auto code = object->find("code");
    const bool gone = code != object->end() && code->is_number_integer() &&
                      code->get<std::int64_t>() == gone_status;
    const std::string words = text_at(*object, "/message");
    start_over();
    return fail(gone ? "gone" : "watch_error",
                "a watch of " + std::string(name(resource_)) + " ended: " + words);
  }
  if (type == "BOOKMARK") {
    const std::string version = text_at(*object, "/metadata/resourceVersion");
    if (version.empty()) return bad("a bookmark without metadata.resourceVersion");
    version_ = version;
    return {};
  }
  if (type != "ADDED" && type != "MODIFIED" && type != "DELETED")
    return bad("expected ADDED, MODIFIED, DELETED, BOOKMARK or ERROR, got " + type.substr(0, 40));
  auto parsed = parse_object(resource_, *object);
  if (!parsed) return fail(parsed);
  version_ = parsed->resource_version;
  each({type == "DELETED", std::move(*parsed)});
  return {};
}

}  // namespace outrider::kubernetes
