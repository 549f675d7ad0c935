// SPDX-License-Identifier: Apache-2.0
#include "truth/api/erase_api.h"

#include <algorithm>
#include <array>

#include "base/core/text.h"

namespace outrider::truth {
namespace {

using wire::Json;

constexpr std::size_t wishes_max = 1'000;
constexpr std::size_t id_bytes_max = 512;
constexpr std::array<std::pair<const char*, std::optional<std::string> Scope::*>, 4> parts = {
    {{"cluster", &Scope::cluster},
     {"namespace", &Scope::name_space},
     {"workload", &Scope::workload},
     {"model", &Scope::model}}};

Failure bad(const std::string& what) {
  return fail("bad_erase", what + R"(; expected {"id": "…"}, or a list of such, with "row", )" +
                               R"("cluster", "namespace", "workload" or "model" where needed)");
}

Result<void> read_whose(const Json& item, EraseWish& wish) {
  for (const auto& [name, part] : parts) {
    const auto found = item.find(name);
    if (found == item.end()) continue;
    if (!found->is_string()) return bad(std::string(name) + " is no text");
    std::optional<std::string>& of = wish.scope.*part;
    const auto text = found->get<std::string>();
    if (of && *of != text) {
      return bad(std::string(name) + " is " + text + ", and " + *of + " in the query");
    }
    of = text;
  }
  return {};
}

Result<EraseWish> read_wish(const Json& item, const Scope& whose) {
  if (!item.is_object()) return bad("an item is no object");
  EraseWish wish{.id = "", .row = {}, .scope = whose};
  for (const auto& [key, value] : item.items()) {
    const bool known = key == "id" || key == "row" ||
                       std::any_of(parts.begin(), parts.end(),
                                   [&key = key](const auto& part) { return key == part.first; });
    if (!known) return bad("unknown key " + key);
  }
  const auto id = item.find("id");
  if (id == item.end() || !id->is_string() || id->get_ref<const std::string&>().empty() ||
      id->get_ref<const std::string&>().size() > id_bytes_max) {
    return bad("an item has no \"id\", or one that is no text of 1 to " +
               std::to_string(id_bytes_max) + " bytes");
  }
  wish.id = id->get<std::string>();
  if (const auto row = item.find("row"); row != item.end()) {
    if (!row->is_number_unsigned() || row->get<std::uint64_t>() >= 1'000'000'000) {
      return bad("\"row\" is no row's number, from 0");
    }
    wish.row = row->get<std::uint32_t>();
  }
  if (auto ok = read_whose(item, wish); !ok) return fail(ok);
  return wish;
}

}  // namespace

Result<std::vector<EraseWish>> parse_wishes(std::string_view body, const Scope& whose) {
  const auto json = wire::parse_json(body);
  if (!json) return bad(json.error().message);
  const Json list = json->is_array() ? *json : Json::array({*json});
  if (list.empty() || list.size() > wishes_max) {
    return bad(std::to_string(list.size()) + " items: 1 to " + std::to_string(wishes_max) +
               " are erased at one time");
  }
  std::vector<EraseWish> wishes;
  for (const Json& item : list) {
    auto wish = read_wish(item, whose);
    if (!wish) return fail(wish);
    wishes.push_back(std::move(*wish));
  }
  return wishes;
}

std::string write_wishes(const std::vector<EraseWish>& wishes) {
  Json list = Json::array();
  for (const EraseWish& wish : wishes) {
    Json item = {{"id", wish.id}};
    if (wish.row) item["row"] = *wish.row;
    for (const auto& [name, part] : parts) {
      if (wish.scope.*part) item[name] = *(wish.scope.*part);
    }
    list.push_back(std::move(item));
  }
  return wire::to_text(list);
}

net::HttpResponse erase(PredictionLog& log, const std::vector<EraseWish>& wishes,
                        const net::HttpRequest& request, AccessJournal* journal) {
  const auto erased = log.erase(wishes);
  if (!erased) {
    net::HttpResponse response =
        net::error_response(503, erased.error().code, erased.error().message);
    response.headers.push_back({"Retry-After", "5"});
    return response;
  }
  Json results = Json::array();
  Erased sum;
  for (const Erased& one : *erased) {
    results.push_back({{"predictions", one.predictions},
                       {"joined", one.joined},
                       {"held_labels", one.held},
                       {"names", one.names}});
    sum.predictions += one.predictions;
    sum.joined += one.joined;
    sum.held += one.held;
    sum.names += one.names;
  }
  return journalled(journal, request, "erase",
                    {{"asked", wishes.size()},
                     {"predictions", sum.predictions},
                     {"joined", sum.joined},
                     {"held_labels", sum.held},
                     {"names", sum.names}},
                    net::json_response(200, {{"results", results}}));
}

}  // namespace outrider::truth
