// SPDX-License-Identifier: Apache-2.0
#pragma once

// A Kubernetes API that is played over HTTP: objects by path, each write a new resourceVersion, and
// a conflict where the write names another one than there is.

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/net/http_server.h"
#include "base/wire/json_path.h"
#include "test/support/catch.h"

namespace outrider::kubernetes::testing {

using wire::find;
using wire::items_at;
using wire::Json;
using wire::number_at;
using wire::text_at;

inline Json json(const std::string& text) {
  auto parsed = wire::parse_json(text);
  REQUIRE(parsed);
  return std::move(*parsed);
}

class PlayedApi {
 public:
  PlayedApi() {
    net::Router router;
    for (const char* method : {"GET", "PUT", "POST", "PATCH"}) {
      router.add_open(method, "/{path...}",
                      [this](const net::HttpRequest& request) { return answer(request); });
    }
    server_.emplace(net::HttpServer::Settings{.connections_max = 8}, std::move(router));
  }
  // As new: a server takes seconds to stop, so that a test of many worlds keeps one.
  void clear() {
    std::lock_guard lock(mutex_);
    objects_.clear();
    meanwhile_.reset();
    writes_ = status_ = 0;
    acts_ = false;
    trouble_ = {};
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }

  void put(const std::string& path, Json object) {
    std::lock_guard lock(mutex_);
    store(path, std::move(object));
  }
  void erase(const std::string& path) {
    std::lock_guard lock(mutex_);
    objects_.erase(path);
  }
  Json at(const std::string& path) {
    std::lock_guard lock(mutex_);
    return objects_.at(path);
  }
  // Applied to the object as it is when it has been read next: somebody else is quicker.
  void change_after_read(const std::string& path, Json patch) {
    std::lock_guard lock(mutex_);
    meanwhile_ = {path, std::move(patch)};
  }
  // Every answer from now on; 0: as ever. `acts`: the write is done all the same.
  void refuse(int status, bool acts = false) {
    std::lock_guard lock(mutex_);
    status_ = status;
    acts_ = acts;
  }
  // The next so many writes: done or not, and answered like that; or, with status 0, not answered
  // until let_go(), when the client has gone.
  struct Trouble {
    int writes = 0, status = 500;
    bool acts = false;
  };
  void let_go() {
    std::lock_guard lock(mutex_);
    ++let_go_;
    gone_.notify_all();
  }
  void trouble(const Trouble& trouble) {
    std::lock_guard lock(mutex_);
    trouble_ = trouble;
  }
  int writes() {
    std::lock_guard lock(mutex_);
    return writes_;
  }

 private:
  static net::HttpResponse status(int code, const std::string& message) {
    return net::json_response(code, {{"kind", "Status"}, {"code", code}, {"message", message}});
  }

  void store(const std::string& path, Json object) {
    object["metadata"]["resourceVersion"] = std::to_string(++version_);
    objects_[path] = std::move(object);
  }

  net::HttpResponse answer(const net::HttpRequest& request) {
    std::unique_lock lock(mutex_);
    if (request.method != "GET" && trouble_.writes > 0) {
      --trouble_.writes;
      const Trouble now = trouble_;
      const net::HttpResponse real = now.acts ? handle(request) : net::HttpResponse{};
      const int before = let_go_;
      if (now.status == 0)
        gone_.wait_for(lock, std::chrono::minutes(1), [&] { return let_go_ != before; });
      return now.status == 0 ? real : status(now.status, "as the test wants");
    }
    const net::HttpResponse real = status_ == 0 || acts_ ? handle(request) : net::HttpResponse{};
    return status_ == 0 ? real : status(status_, "as the test wants");
  }

  net::HttpResponse handle(const net::HttpRequest& request) {
    if (request.method == "GET") return read(request.path);
    const Json body = wire::parse_json(request.body).value();
    if (request.method == "POST") {
      const std::string path = request.path + "/" + text_at(body, {"metadata", "name"});
      if (objects_.contains(path)) return status(409, "already exists");
      store(path, body);
      ++writes_;
      return net::json_response(201, objects_[path]);
    }
    std::string path = request.path;
    const bool is_scale = path.ends_with("/scale");
    if (is_scale) path.resize(path.size() - 6);
    if (path.ends_with("/status")) path.resize(path.size() - 7);
    if (!objects_.contains(path)) return status(404, path + " not found");
    Json wanted = objects_[path];
    if (request.method == "PUT") {
      wanted = body;
    } else if (request.header("Content-Type") == "application/json-patch+json") {
      wanted = wanted.patch(body);
    } else {
      wanted.merge_patch(body);
    }
    if (text_at(wanted, {"metadata", "resourceVersion"}) !=
        text_at(objects_[path], {"metadata", "resourceVersion"})) {
      return status(409, "the object has been modified");
    }
    store(path, wanted);
    ++writes_;
    return net::json_response(200, objects_[path]);
  }

  net::HttpResponse read(const std::string& path) {
    if (const auto found = objects_.find(path); found != objects_.end()) {
      const Json object = found->second;
      if (meanwhile_ && meanwhile_->first == path) {
        Json changed = object;
        changed.merge_patch(meanwhile_->second);
        meanwhile_.reset();
        store(path, std::move(changed));
      }
      return net::json_response(200, object);
    }
    // A collection: what lies one below. An object that is not there has no such path here.
    const std::string last = path.substr(path.rfind('/') + 1);
    if (!last.ends_with('s') || last == "leases") return status(404, path + " not found");
    Json items = Json::array();
    for (const auto& [place, object] : objects_) {
      if (place.starts_with(path + "/") && place.find('/', path.size() + 1) == std::string::npos)
        items.push_back(object);
    }
    return net::json_response(200, {{"metadata", {{"resourceVersion", "1"}}}, {"items", items}});
  }

  std::mutex mutex_;
  std::condition_variable gone_;
  std::map<std::string, Json> objects_;
  std::optional<std::pair<std::string, Json>> meanwhile_;
  int version_ = 100, writes_ = 0, status_ = 0, let_go_ = 0;
  bool acts_ = false;
  Trouble trouble_;
  std::optional<net::HttpServer> server_;
};

}  // namespace outrider::kubernetes::testing
