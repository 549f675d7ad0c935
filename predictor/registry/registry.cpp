// SPDX-License-Identifier: Apache-2.0
#include "predictor/registry/registry.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <stdexcept>

#include "base/config/files.h"
#include "base/config/yaml.h"
#include "base/core/text.h"
#include "base/wire/json.h"
#include "predictor/registry/folder_lock.h"

namespace outrider::registry {
namespace {

namespace fs = std::filesystem;
using wire::Json;

constexpr std::string_view unfinished = ".new-";

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= 100 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
         });
}

std::string text_of(const Json& json, const char* key) {
  const auto place = json.find(key);
  return place != json.end() && place->is_string() ? place->get<std::string>() : "";
}

Json to_json(const Stages& stages) {
  Json history = Json::array();
  for (const Event& event : stages.history) {
    history.push_back({{"at", format_rfc3339(event.at)},
                       {"action", event.action},
                       {"from", event.from},
                       {"to", event.to},
                       {"reason", event.reason}});
  }
  return {{"production", stages.production}, {"candidate", stages.candidate}, {"history", history}};
}

Result<Stages> parse_stages(std::string_view text, const std::string& path) {
  const auto json = wire::parse_json(text);
  if (!json || !json->is_object()) {
    return fail("stages_damaged", path + " is damaged (" +
                                      (json ? std::string("no object") : json.error().message) +
                                      "); remove it and promote a version again");
  }
  Stages stages{text_of(*json, "production"), text_of(*json, "candidate"), {}};
  const auto history = json->find("history");
  if (history == json->end() || !history->is_array()) return stages;
  for (const Json& item : *history) {
    if (!item.is_object()) continue;
    stages.history.push_back({parse_rfc3339(text_of(item, "at")).value_or(Time{}),
                              text_of(item, "action"), text_of(item, "from"), text_of(item, "to"),
                              text_of(item, "reason")});
  }
  return stages;
}

void must(const Result<void>& written) {
  if (!written) throw std::runtime_error(written.error().message);
}

}  // namespace

std::optional<std::uint64_t> version_number(std::string_view version) {
  if (version.starts_with('v')) version.remove_prefix(1);
  if (version.empty() || version.front() == '0' || version.front() == '+') return std::nullopt;
  return parse_uint(version);
}

std::vector<std::string> models_in(const std::string& folder) {
  std::vector<std::string> models;
  std::error_code ignored;  // No folder is no models.
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory() && is_name(name)) models.push_back(name);
  }
  std::sort(models.begin(), models.end());
  return models;
}

std::string Stages::previous() const {
  for (auto event = history.rbegin(); event != history.rend(); ++event) {
    if (event->to == production && event->action != "rollback") return event->from;
  }
  return "";
}

Registry::Registry(std::string folder, std::string model_name, const Clock& clock)
    : Registry(std::move(folder), std::move(model_name), clock, Limits{}) {}

Registry::Registry(std::string folder, std::string model_name, const Clock& clock, Limits limits)
    : folder_(std::move(folder) + "/" + model_name),
      model_name_(std::move(model_name)),
      clock_(clock),
      limits_(limits) {
  if (!is_name(model_name_)) {
    throw std::invalid_argument(
        "name=" + model_name_ +
        ": expected letters, digits, '.', '_' and '-', not beginning with '.'");
  }
}

void Registry::prepare_folder() const {
  fs::create_directories(folder_);
}

std::string Registry::add(
    const std::function<std::vector<File>(const std::string& version)>& files_of) {
  prepare_folder();
  const FolderLock lock(path(".lock"));
  remove_leftovers();
  const auto existing = versions();
  const std::uint64_t number = existing.empty() ? 1 : *version_number(existing.back()) + 1;
  const std::string version = "v" + std::to_string(number);
  const std::string draft =
      path(std::string(unfinished) + version + "-" + std::to_string(::getpid()));
  fs::create_directory(draft);
  for (const File& file : files_of(version)) {
    must(config::write_synced(draft + "/" + file.name, file.text, config::everybody_reads));
  }
  must(config::sync_folder(draft));
  fs::rename(draft, path(version));
  must(config::sync_folder(folder_));
  remove_oldest();
  return version;
}

std::vector<std::string> Registry::versions() const {
  std::vector<std::string> found;
  std::error_code ignored;  // No folder is no versions.
  for (const auto& entry : fs::directory_iterator(folder_, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('v') && version_number(name)) found.push_back(name);
  }
  std::sort(found.begin(), found.end(), [](const std::string& a, const std::string& b) {
    return *version_number(a) < *version_number(b);
  });
  return found;
}

Result<std::string> Registry::find(std::string_view version) const {
  const auto number = version_number(version);
  const std::string name = number ? "v" + std::to_string(*number) : "";
  if (number && fs::is_directory(path(name))) return name;
  std::string known;
  for (const std::string& each : versions()) known += (known.empty() ? "" : ", ") + each;
  return fail("unknown_version", "model " + model_name_ + " has no version '" +
                                     std::string(version.substr(0, 64)) + "'; there " +
                                     (known.empty() ? "is none in " + folder_ : "are " + known));
}

Result<std::string> Registry::read(std::string_view version, const std::string& file) const {
  const auto name = find(version);
  if (!name) return fail(name);
  auto text = config::read_file(path(*name) + "/" + file, limits_.file_bytes_max);
  if (!text) return fail("unreadable", text.error().message);
  return text;
}

Result<Stages> Registry::stages() const {
  const std::string file = path("stages.json");
  if (!fs::exists(file)) return Stages{};
  const auto text = config::read_file(file, limits_.file_bytes_max);
  if (!text) return fail("stages_damaged", text.error().message);
  return parse_stages(*text, file);
}

std::string Registry::stages_mark() const {
  struct stat status {};
  if (::stat(path("stages.json").c_str(), &status) != 0) return "";
  return std::to_string(status.st_ino) + "/" + std::to_string(status.st_mtim.tv_sec) + "." +
         std::to_string(status.st_mtim.tv_nsec);
}

void Registry::record(Stages& stages, Event event) const {
  stages.history.push_back(std::move(event));
  if (stages.history.size() > limits_.history_max) stages.history.erase(stages.history.begin());
}

void Registry::write_stages(Stages stages) const {
  must(config::replace_file(path("stages.json"), to_json(stages).dump(1) + "\n",
                            config::everybody_reads));
}

Result<Stages> Registry::promote(std::string_view version, const std::string& reason, bool forced) {
  const auto name = find(version);
  if (!name) return fail(name);
  const FolderLock lock(path(".lock"));
  auto stages = this->stages();
  if (!stages) return fail(stages);
  if (stages->production == *name) return stages;
  record(*stages, {clock_.now(), forced ? "force" : "promote", stages->production, *name, reason});
  stages->production = *name;
  if (stages->candidate == *name) stages->candidate.clear();
  write_stages(*stages);
  return stages;
}

Result<Stages> Registry::set_candidate(std::string_view version) {
  const auto name = find(version);
  if (!name) return fail(name);
  const FolderLock lock(path(".lock"));
  auto stages = this->stages();
  if (!stages) return fail(stages);
  stages->candidate = *name;
  write_stages(*stages);
  return stages;
}

Result<Stages> Registry::rollback(const std::string& reason, std::string_view leaving) {
  prepare_folder();
  const FolderLock lock(path(".lock"));
  auto stages = this->stages();
  if (!stages) return fail(stages);
  if (!leaving.empty()) {
    const auto left = version_number(leaving);
    if (left != version_number(stages->production)) return stages;
  }
  const std::string previous = stages->previous();
  if (previous.empty() || !fs::is_directory(path(previous))) {
    return fail("no_previous", "model " + model_name_ + " has no version before '" +
                                   stages->production + "' to go back to");
  }
  record(*stages, {clock_.now(), "rollback", stages->production, previous, reason});
  stages->production = previous;
  write_stages(*stages);
  return stages;
}

void Registry::remove_leftovers() const {
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().filename().string().starts_with(unfinished)) fs::remove_all(entry.path());
  }
}

void Registry::remove_oldest() const {
  const auto stages = this->stages();
  if (!stages) return;  // Without the stages nobody knows what is still needed.
  std::set<std::string> needed{stages->production, stages->candidate, stages->previous()};
  auto all = versions();
  std::size_t count = all.size();
  for (std::size_t i = 0; i + 1 < all.size() && count > limits_.versions_max; ++i) {
    if (needed.count(all[i]) > 0) continue;
    spdlog::info("registry: version {} of {} removed: more than {} versions", all[i], model_name_,
                 limits_.versions_max);
    // Renamed first: a reader never sees half a version, and a crash leaves a leftover.
    const std::string grave = path(std::string(unfinished) + "removed-" + all[i]);
    fs::rename(path(all[i]), grave);
    fs::remove_all(grave);
    --count;
  }
}

}  // namespace outrider::registry
