// SPDX-License-Identifier: Apache-2.0
#pragma once

// A folder of model versions and the two stages that point into it. SHELL.
//
//   DIR/MODEL/v1/{model.json, card.json, reference.json, holdout.csv}     a version never changes
//   DIR/MODEL/stages.json       {"production": "v2", "candidate": "v3", "history": […]}
//   DIR/MODEL/.lock             one writer at a time, over all processes
//
// A version appears by one rename of a finished, synced folder; both stages change by one rename of
// stages.json. So kill -9 at any moment leaves the old state or the new one, and what it left half
// written (".new-…") is removed by the next writer. Readers take no lock.
// Thread-safe. Writing functions throw std::runtime_error, naming the file, when the disk refuses.
//
//   Registry registry("models", "house-price");
//   std::string version = registry.add([&](const std::string& v) { return files_of(v); });
//   registry.promote(version, "gates passed");
//   registry.rollback("errors rose");

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"

namespace outrider::registry {

struct File {
  std::string name;
  std::string text;
};

struct Event {
  Time at{};
  std::string action;  // promote, force, rollback.
  std::string from;    // "" when there was no production.
  std::string to;
  std::string reason;
};

struct Stages {
  std::string production;      // "" when none.
  std::string candidate;       // "" when none.
  std::vector<Event> history;  // Oldest first, at most history_max.

  // The version that `production` replaced when it was last promoted; "" when there is none.
  std::string previous() const;
};

// "v12" -> 12; "12" too. Nothing for other texts.
std::optional<std::uint64_t> version_number(std::string_view version);

// The models that a folder holds, sorted.
std::vector<std::string> models_in(const std::string& folder);

class Registry {
 public:
  struct Limits {
    std::size_t versions_max =
        50;  // Past it the oldest that no stage and no rollback needs is removed.
    std::size_t history_max = 100;
    std::size_t file_bytes_max = 64 << 20;
  };

  // Throws std::invalid_argument when the model's name is not letters, digits, '.', '_' and '-'.
  Registry(std::string folder, std::string model_name, const Clock& clock);
  Registry(std::string folder, std::string model_name, const Clock& clock, Limits limits);

  const std::string& model_name() const { return model_name_; }
  const std::string& folder() const { return folder_; }  // Of this model.

  // Stores a new version under the next number and answers its name. `files_of` gets that name.
  std::string add(const std::function<std::vector<File>(const std::string& version)>& files_of);

  // Oldest first.
  std::vector<std::string> versions() const;
  // Error "unknown_version", naming those there are; "v3" and "3" are the same.
  Result<std::string> find(std::string_view version) const;
  // Errors "unknown_version", "unreadable".
  Result<std::string> read(std::string_view version, const std::string& file) const;

  // No file is no stages. Error "stages_damaged".
  Result<Stages> stages() const;
  // A number that changes whenever the stages do; for watching. Cheap: one stat.
  std::string stages_mark() const;

  // Errors "unknown_version", "stages_damaged". Promoting what is production already changes
  // nothing.
  Result<Stages> promote(std::string_view version, const std::string& reason, bool forced = false);
  Result<Stages> set_candidate(std::string_view version);
  // Back to what production was before. `leaving`, when not empty: only if that is production, so
  // that a repeated request does not roll back twice (then the stages come back unchanged). Error
  // "no_previous".
  Result<Stages> rollback(const std::string& reason, std::string_view leaving = "");

 private:
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  void prepare_folder() const;
  void write_stages(Stages stages) const;
  void record(Stages& stages, Event event) const;
  void remove_leftovers() const;
  void remove_oldest() const;

  std::string folder_;
  std::string model_name_;
  const Clock& clock_;
  Limits limits_;
};

}  // namespace outrider::registry
