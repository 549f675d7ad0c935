// SPDX-License-Identifier: Apache-2.0
#include "cli/export_command.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <memory>
#include <random>
#include <stdexcept>
#include <thread>

#include "base/config/files.h"
#include "base/config/yaml.h"
#include "base/core/backoff.h"
#include "base/core/text.h"
#include "base/net/address.h"
#include "base/net/http_client.h"
#include "base/web/client_options.h"
#include "cli/credential_files.h"
#include "cli/export/export_csv.h"
#include "cli/export/export_state.h"

namespace outrider::cli {
namespace {

namespace fs = std::filesystem;
using Steady = std::chrono::steady_clock;

constexpr std::string_view path = "/api/v1/export";
constexpr std::string_view next_header = "Outrider-Next";
constexpr std::string_view state_suffix = ".outrider-export";
constexpr std::string_view end_cursor = "end";  // All is there; the state was not removed yet.
constexpr std::size_t page_bytes_max = 64 << 20;
constexpr std::size_t shown_bytes = 300;

struct Settings {
  ExportSubject subject;
  std::string state;
  CredentialFiles credentials;
  Duration timeout = std::chrono::seconds(60);
  Duration retry_for = std::chrono::minutes(5);
};

struct Page {
  std::string lines, next;
};

// Asks for pages, again and again while nobody answers.
class PageReader {
 public:
  explicit PageReader(const Settings& settings) : settings_(settings) {}

  // Errors: "refused", with what to change; "unavailable" when retry_for has passed.
  Result<Page> read(const std::string& cursor) {
    const auto give_up = Steady::now() + settings_.retry_for;
    backoff_.reset();
    for (;;) {
      bool again = false;
      auto page = attempt(cursor, again);
      if (page || !again) return page;
      const Duration wait = backoff_.next(std::generate_canonical<double, 24>(random_));
      if (Steady::now() + wait > give_up) {
        return fail("unavailable", page.error().message + "; no answer for " +
                                       format_duration(settings_.retry_for) + " (--retry-for)");
      }
      std::cerr << page.error().message << "; again in "
                << format_duration(std::chrono::ceil<std::chrono::seconds>(wait)) << "\n";
      std::this_thread::sleep_for(wait);
    }
  }

 private:
  std::string url_of(const std::string& cursor) const {
    const ExportSubject& subject = settings_.subject;
    std::string url = net::without_slash(subject.url);
    std::string features;
    for (const std::string& name : subject.features)
      features += (features.empty() ? "" : ",") + name;
    url += std::string(path) + "?from=" + percent_encode(subject.from) +
           "&to=" + percent_encode(subject.to);
    for (const auto& [name, value] :
         {std::pair("model", subject.model), std::pair("workload", subject.workload),
          std::pair("namespace", subject.name_space), std::pair("cluster", subject.cluster),
          std::pair("features", features), std::pair("cursor", cursor),
          std::pair("labelled", std::string(subject.labelled ? "true" : ""))}) {
      if (!value.empty()) url += std::string("&") + name + "=" + percent_encode(value);
    }
    return url;
  }

  Result<Page> attempt(const std::string& cursor, bool& again) {
    net::ClientRequest request{.method = "GET", .url = url_of(cursor)};
    const CredentialFiles& credentials = settings_.credentials;
    if (!credentials.bearer_token_file.empty()) {  // Read each time: it may be a new one.
      const auto token = web::read_token(credentials.bearer_token_file);
      if (!token) return fail("refused", "bearer-token-file: " + token.error().message);
      request.headers.push_back({"Authorization", "Bearer " + *token});
    }
    request.timeout = settings_.timeout;
    request.body_bytes_max = page_bytes_max;
    credentials.apply_tls(request);
    auto response = client_.send(request);
    const std::string& agent = settings_.subject.url;
    if (!response) {
      again = response.error().code == "unreachable" || response.error().code == "timeout";
      return fail("unavailable", agent + ": " + response.error().message);
    }
    if (response->status == 200) {
      std::string next(response->header(next_header));
      return Page{std::move(response->body), std::move(next)};
    }
    again = response->status >= 500 || response->status == 429 || response->status == 408;
    return fail(again ? "unavailable" : "refused",
                agent + " answered " + std::to_string(response->status) + ": " +
                    std::string(trim(response->body.substr(0, shown_bytes))) +
                    (response->status == 404
                         ? "; --agent must be the agent (9510) or a sidecar's admin port (9501)"
                         : ""));
  }

  const Settings& settings_;
  net::HttpClient client_;
  Backoff backoff_{{.initial = std::chrono::milliseconds(200), .max = std::chrono::seconds(10)}};
  std::minstd_rand random_{std::random_device{}()};
};

// Where the rows go: a file that can be gone on with, or standard output.
class Output {
 public:
  Output(const Settings& settings, const ExportProgress& progress)
      : settings_(settings), is_file_(settings.subject.output != "-") {
    if (!is_file_) {
      file_ = STDOUT_FILENO;
      return;
    }
    const std::string& name = settings.subject.output;
    file_ = ::open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    if (file_ < 0) throw std::runtime_error("output=" + name + ": " + std::strerror(errno));
    // What was written behind the state's last word is asked for again.
    const auto bytes = static_cast<off_t>(progress.bytes);
    if (::lseek(file_, 0, SEEK_END) < bytes) {
      throw std::runtime_error("output=" + name + ": is shorter than its state says (" +
                               std::to_string(progress.bytes) +
                               " bytes); remove the state to begin anew");
    }
    if (::ftruncate(file_, bytes) != 0 || ::lseek(file_, bytes, SEEK_SET) != bytes)
      throw std::runtime_error("output=" + name + ": " + std::strerror(errno));
  }
  ~Output() {
    if (is_file_) ::close(file_);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // Rows first, then the word that they are there.
  Result<void> write(std::string_view text, const ExportProgress& progress) {
    while (!text.empty()) {
      const ssize_t written = ::write(file_, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return fail("cannot_write", "output: " + std::string(std::strerror(errno)));
      text.remove_prefix(static_cast<std::size_t>(written));
    }
    if (settings_.state.empty()) return {};
    if (::fdatasync(file_) != 0)
      return fail("cannot_write", "output: " + std::string(std::strerror(errno)));
    return config::replace_file(settings_.state, encode_state(settings_.subject, progress));
  }

 private:
  const Settings& settings_;
  const bool is_file_;
  int file_ = -1;
};

ExportProgress progress_in(const Settings& settings) {
  std::error_code ignored;
  if (settings.state.empty()) return {};
  if (!fs::exists(settings.state, ignored)) {
    const std::string& output = settings.subject.output;
    if (fs::exists(output, ignored) && fs::file_size(output, ignored) > 0) {
      throw std::runtime_error("output=" + output +
                               ": is there, and no state of an export beside it; remove it, or "
                               "name another file");
    }
    // What is written from now on is this export's.
    auto kept = config::replace_file(settings.state, encode_state(settings.subject, {}));
    if (!kept) throw std::runtime_error("state: " + kept.error().message);
    return {};
  }
  const auto text = config::read_file(settings.state);
  if (!text) throw std::runtime_error("state: " + text.error().message);
  auto progress = decode_state(*text, settings.subject);
  if (!progress) {
    throw std::runtime_error("state=" + settings.state + ": " + progress.error().message +
                             ". Remove it to begin anew");
  }
  return std::move(*progress);
}

Result<void> export_all(const Settings& settings, ExportProgress& progress) {
  const bool csv = settings.subject.format == "csv";
  const auto& features = settings.subject.features;
  Output output(settings, progress);
  PageReader reader(settings);
  while (progress.cursor != end_cursor) {
    const auto page = reader.read(progress.cursor);
    if (!page) return fail(page);
    auto text = csv ? export_csv(page->lines, features) : Result<std::string>(page->lines);
    if (!text) return fail(text);
    if (csv && progress.bytes == 0) text->insert(0, export_csv_header(features));
    progress.rows +=
        static_cast<std::uint64_t>(std::count(page->lines.begin(), page->lines.end(), '\n'));
    progress.bytes += text->size();
    progress.cursor = page->next.empty() ? std::string(end_cursor) : page->next;
    if (auto ok = output.write(*text, progress); !ok) return ok;
  }
  return {};
}

int run(Settings& settings) {
  ExportSubject& subject = settings.subject;
  if (subject.format != "csv" && subject.format != "ndjson")
    throw std::runtime_error("format=" + subject.format + ": expected csv or ndjson");
  for (const auto& [name, text] : {std::pair("from", subject.from), std::pair("to", subject.to)}) {
    if (!parse_rfc3339(text)) {
      throw std::runtime_error(std::string(name) + "=" + text +
                               ": expected RFC 3339, such as 2026-01-31T12:00:00Z");
    }
  }
  for (const std::string& name : subject.features) {
    if (name.find(',') != std::string::npos)
      throw std::runtime_error("feature=" + name + ": a name with a comma cannot be asked for");
  }
  if (subject.output != "-" && settings.state.empty())
    settings.state = subject.output + std::string(state_suffix);
  if (subject.output == "-" && !settings.state.empty())
    throw std::runtime_error(
        "state: expected --output FILE beside it; what went to standard "
        "output cannot be gone on with");
  ExportProgress progress = progress_in(settings);
  if (progress.rows > 0) std::cerr << "going on after row " << progress.rows << "\n";
  const auto done = export_all(settings, progress);
  if (!done) {
    std::cerr << "outrider export: " << done.error().message << "\nstopped after " << progress.rows
              << " rows"
              << (settings.state.empty() ? "" : "; the same call goes on (" + settings.state + ")")
              << "\n";
    return 1;
  }
  std::cerr << progress.rows << " rows\n";
  std::error_code ignored;
  if (!settings.state.empty()) fs::remove(settings.state, ignored);
  return 0;
}

void add_options(config::OptionTable& options, Settings& settings) {
  ExportSubject& subject = settings.subject;
  options.add("agent", subject.url, "The agent, or a sidecar that keeps its own predictions.")
      .as_url()
      .example("http://127.0.0.1:9510");
  options.add("from", subject.from, "Predictions made at this time or later.")
      .required()
      .value_name("TIME")
      .example("2026-01-01T00:00:00Z");
  options.add("to", subject.to, "Predictions made before this time.")
      .required()
      .value_name("TIME")
      .example("2026-02-01T00:00:00Z");
  options.add("model", subject.model, "Of this model alone.").value_name("NAME");
  options.add("workload", subject.workload, "Of this workload alone (the agent's label job).")
      .value_name("NAME");
  options.add("namespace", subject.name_space, "Of this namespace alone.").value_name("NAME");
  options.add("cluster", subject.cluster, "Of this cluster alone.").value_name("NAME");
  options
      .add("feature", subject.features,
           "A feature to give, where the log has it; none is given that is not named. "
           "Repeatable.")
      .value_name("NAME");
  options.add("labelled", subject.labelled, "Only predictions whose truth is known.");
  options.add("format", subject.format, "ndjson or csv.").value_name("FORMAT");
  options.add("output", subject.output, "A file, or - for standard output.").value_name("FILE|-");
  options
      .add("state", settings.state,
           "Where it is kept how far the export has come. Default: FILE.outrider-export beside "
           "the output. It is removed at the end.")
      .value_name("FILE");
  options.add("timeout", settings.timeout, "Of one request.").between(1, 3'600);
  options
      .add("retry-for", settings.retry_for,
           "How long a page is asked for again, while nobody answers or the answer is 5xx or "
           "429.")
      .between(0, 86'400);
  settings.credentials.add_to(options, "; role read.");
}

}  // namespace

config::Command export_command() {
  const auto settings = std::make_shared<Settings>();
  settings->subject.url = "http://127.0.0.1:9510";
  settings->subject.format = "ndjson";
  settings->subject.output = "-";
  auto options = std::make_shared<config::OptionTable>();
  add_options(*options, *settings);
  return {.name = "export",
          .summary = "Writes predictions with their truth to CSV or NDJSON; goes on after a stop.",
          .positional = "",
          .options = options,
          .run = [settings](const config::Positional&) { return run(*settings); }};
}

}  // namespace outrider::cli
