// SPDX-License-Identifier: Apache-2.0
#pragma once

// Ticket systems played in memory, with the paths and shapes that their documentation has.

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/tickets/tracker.h"
#include "agent/tickets/web.h"
#include "base/core/text.h"

namespace outrider::tickets::testing {

using wire::Json;

struct Asked {
  std::string method, path;
  Json body;
};

// What the systems hold, over all conversations.
struct Played {
  std::vector<Asked> asked;
  std::vector<net::ClientResponse> first;  // Answered before it behaves; status 0: no answer.
  // True: the effect happens, and its answer is lost.
  bool lose_next_effect = false;
  // After so many requests nothing more is heard.
  std::optional<std::size_t> lose_after;

  std::vector<Json> issues;  // GitHub's.
  std::map<std::string, Json> jira;
  Json comments = Json::array();
  std::vector<Json> events;
  bool jira_is_cloud = true;
  const Clock* clock = nullptr;

  Json add(Json issue) {
    issue["number"] = issues.size() + 1;
    issue["html_url"] = "https://github.com/acme/shop/issues/" + std::to_string(issues.size() + 1);
    issue["state"] = "open";
    issue["updated_at"] = format_rfc3339(clock->now());
    return issues.emplace_back(std::move(issue));
  }
  std::size_t count(const std::string& method, const std::string& part) const {
    std::size_t found = 0;
    for (const Asked& one : asked)
      found += one.method == method && one.path.find(part) != std::string::npos;
    return found;
  }

  net::ClientResponse answer(const Asked& one) {
    const std::string path = one.path.substr(0, one.path.find('?'));
    if (path.starts_with("/repos/")) return github(one, path);
    if (path.starts_with("/rest/api/2")) return of_jira(one, path.substr(11));
    if (path == "/v2/enqueue") {
      events.push_back(one.body);
      return reply(202, {{"status", "success"},
                         {"message", "Event processed"},
                         {"dedup_key", one.body["dedup_key"]}});
    }
    return reply(404, {{"message", "Not Found"}});
  }

  static net::ClientResponse reply(int status, const Json& body) {
    return {status, {}, body.is_null() ? "" : wire::to_text(body)};
  }

 private:
  net::ClientResponse github(const Asked& one, const std::string& path) {
    const std::string root = "/repos/acme/shop/issues";
    if (!path.starts_with(root)) return reply(404, {{"message", "Not Found"}});
    if (path == root && one.method == "GET") {
      Json list = Json::array();
      const std::size_t at = one.path.find("&since=");
      const auto since = percent_decode(one.path.substr(at + 7), false);
      const std::string from = since->substr(0, since->find('&'));
      for (const Json& issue : issues) {
        if (issue["updated_at"].get<std::string>() >= from) list.push_back(issue);
      }
      const std::size_t page = *parse_uint(one.path.substr(one.path.find("&page=") + 6));
      Json shown = Json::array();
      for (std::size_t i = (page - 1) * 100; i < std::min(page * 100, list.size()); ++i)
        shown.push_back(list[i]);
      return reply(200, shown);
    }
    if (path == root) {
      Json issue = one.body;
      return reply(201, add(issue));
    }
    const std::string rest = path.substr(root.size() + 1);
    const auto number = parse_uint(rest.substr(0, rest.find('/')));
    if (!number || *number < 1 || *number > issues.size())
      return reply(404, {{"message", "Not Found"}});
    if (rest.ends_with("/comments")) {
      if (one.method == "GET") return reply(200, comments);
      comments.push_back(one.body);
      return reply(201, one.body);
    }
    for (const auto& [key, value] : one.body.items()) issues[*number - 1][key] = value;
    issues[*number - 1]["updated_at"] = format_rfc3339(clock->now());
    return reply(200, issues[*number - 1]);
  }

  net::ClientResponse of_jira(const Asked& one, const std::string& path) {
    if (path == "/search/jql" && !jira_is_cloud)
      return reply(404, {{"errorMessages", Json::array({"no such resource"})}});
    if (path == "/search" || path == "/search/jql") {
      Json list = Json::array();
      for (const auto& [key, issue] : jira) {
        for (const Json& label : issue["fields"]["labels"]) {
          const std::string quoted = "%22" + label.get<std::string>() + "%22";
          if (one.path.find(quoted) != std::string::npos) list.push_back({{"key", key}});
        }
      }
      return reply(200, {{"issues", list}});
    }
    if (path == "/issue") {
      const std::string key = "OPS-" + std::to_string(jira.size() + 1);
      Json issue = one.body;
      issue["fields"]["status"] = status_of("new");
      jira[key] = issue;
      return reply(201, {{"id", "1"}, {"key", key}});
    }
    const std::string rest = path.substr(7), key = rest.substr(0, rest.find('/'));
    if (!jira.contains(key))
      return reply(404, {{"errorMessages", Json::array({"Issue does not exist"})}});
    Json& fields = jira[key]["fields"];
    if (rest.ends_with("/comment")) {
      if (one.method == "GET")
        return reply(200, {{"comments", comments}, {"total", comments.size()}});
      comments.push_back(one.body);
      return reply(201, one.body);
    }
    if (rest.ends_with("/transitions") && one.method == "GET") {
      Json list = Json::array();
      for (const char* category : {"new", "indeterminate", "done"})
        list.push_back({{"id", category}, {"to", status_of(category)}});
      return reply(200, {{"transitions", list}});
    }
    if (rest.ends_with("/transitions")) {
      fields["status"] = status_of(one.body["transition"]["id"].get<std::string>());
      return reply(204, {});
    }
    if (one.method == "GET") return reply(200, jira[key]);
    for (const auto& [field, value] : one.body["fields"].items()) fields[field] = value;
    return reply(204, {});
  }

  static Json status_of(const std::string& category) {
    return {{"name", category}, {"statusCategory", {{"key", category}}}};
  }
};

class PlayedWeb final : public Web {
 public:
  PlayedWeb(Played& played, const Target& target, const Clock& clock)
      : played_(played), target_(target), clock_(clock) {}

  Result<Json> ask(const std::string& method, const std::string& path, const Json& body) override {
    wait.reset();
    status = 0;
    const Asked& one = played_.asked.emplace_back(Asked{method, path, body});
    net::ClientResponse response;
    if (!played_.first.empty()) {
      response = played_.first.front();
      played_.first.erase(played_.first.begin());
    } else {
      response = played_.answer(one);
      if (method != "GET" && played_.lose_next_effect) {
        played_.lose_next_effect = false;
        response.status = 0;
      }
      if (played_.lose_after && (*played_.lose_after)-- == 0) {
        played_.lose_after.reset();
        response.status = 0;
      }
    }
    may_have_acted |= method != "GET" && (response.status == 0 || response.status >= 500);
    if (response.status == 0) return fail("retry", "no answer within 10s");
    status = response.status;
    wait = wait_of(response, clock_.now());
    return read_answer(target_, response, clock_.now());
  }

 private:
  Played& played_;
  const Target& target_;
  const Clock& clock_;
};

}  // namespace outrider::tickets::testing
