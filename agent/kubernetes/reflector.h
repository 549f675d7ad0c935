// SPDX-License-Identifier: Apache-2.0
#pragma once

// How one resource of one namespace is followed: a list in pages, then watches, each from where the
// one before it ended. PURE; not thread-safe.
//
//   if (reflector.is_listing()) reflector.take_page(client.get(reflector.next_path(…)));
//   else client.watch(reflector.next_path(…), … reflector.take_piece(piece) …);
//
// A watch resumes at the version of the last object or bookmark. 410 Gone, of either, means that
// the server has forgotten that version: the list is asked for anew, and what was missed shows in
// the difference. Bounded: a page of page_objects objects, a line of line_bytes_max.
//
// Source: Kubernetes, "API Concepts: efficient detection of changes; watch bookmarks; retrieving
// large results in chunks".

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/kubernetes/objects.h"

namespace outrider::kubernetes {

class Reflector {
 public:
  static constexpr std::size_t page_objects = 250;
  static constexpr std::size_t line_bytes_max = 4 << 20;

  Reflector(Resource resource, std::string name_space)
      : resource_(resource), name_space_(std::move(name_space)) {}

  Resource resource() const { return resource_; }
  const std::string& name_space() const { return name_space_; }
  bool is_listing() const { return version_.empty(); }
  // `watch_for`: when the server is to end the watch.
  std::string next_path(Duration watch_for) const;

  struct Page {
    bool is_last = false;
    std::size_t invalid = 0;  // Objects that cannot be read; left out.
  };
  // Error "bad_list"; the list begins anew.
  Result<Page> take_page(const wire::Json& page);
  // After the last page: all of the list.
  std::vector<Object> take_listed();

  struct Event {
    bool is_deleted = false;
    Object object;
  };
  // A piece of a watch, wherever it was cut; calls `each` for every object that changed. Errors:
  // "gone" (is_listing from now on), "watch_error" (the server's words), "bad_watch" (no event of
  // the API; the watch begins anew), "line_too_long".
  Result<void> take_piece(std::string_view piece, const std::function<void(Event)>& each);
  // A watch begins, or has ended: a line that is not whole is dropped.
  void begin_watch() { line_.clear(); }
  // The list is asked for anew.
  void start_over();

 private:
  Result<void> take_line(std::string_view line, const std::function<void(Event)>& each);

  const Resource resource_;
  const std::string name_space_;
  std::string version_;  // Where the next watch begins; "" while listing.
  std::string continue_, listed_version_;
  std::vector<Object> listed_;
  std::string line_;
};

}  // namespace outrider::kubernetes
