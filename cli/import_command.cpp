// SPDX-License-Identifier: Apache-2.0
#include "cli/import_command.h"
#include "cli/credential_files.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

#include "base/config/files.h"
#include "base/config/yaml.h"
#include "base/core/text.h"
#include "cli/label_sender.h"
#include "cli/labels/label_import.h"

namespace outrider::cli {
namespace {

namespace fs = std::filesystem;
using Steady = std::chrono::steady_clock;

constexpr std::size_t piece_bytes = 1 << 18;
constexpr std::size_t token_bytes_max = 4'096;
constexpr std::string_view state_suffix = ".outrider-import";

struct Settings {
  std::string url, from, label, time, state;
  CredentialFiles credentials;
  std::vector<std::string> id, map;
  std::int64_t batch = 5'000;
  Duration timeout = std::chrono::seconds(60);
  Duration retry_for = std::chrono::minutes(5);
};

// One line that writes over itself on a terminal; elsewhere a line every ten seconds, for a job's
// log.
class ProgressLine {
 public:
  explicit ProgressLine(double input_bytes) : input_bytes_(input_bytes) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void read(std::size_t bytes) { read_bytes_ += static_cast<double>(bytes); }
  void show(std::uint64_t rows) {
    const auto now = Steady::now();
    if (now - shown_ < (terminal_ ? Duration(std::chrono::milliseconds(200)) : every_)) return;
    const double seconds = to_seconds(now - began_);
    shown_ = now;
    std::fprintf(stderr, "%s%llu rows", terminal_ ? "\r\033[K" : "",
                 static_cast<unsigned long long>(rows));
    if (input_bytes_ > 0) std::fprintf(stderr, ", %.0f %% read", 100 * read_bytes_ / input_bytes_);
    std::fprintf(stderr, ", %.0f s%s", seconds, terminal_ ? "" : "\n");
    is_on_ = terminal_;
  }
  void say(const std::string& words) {
    clear();
    std::cerr << words << "\n";
  }
  void clear() {
    if (is_on_) std::cerr << "\r\033[K" << std::flush;
    is_on_ = false;
  }

 private:
  static constexpr Duration every_ = std::chrono::seconds(10);
  bool terminal_ = isatty(STDERR_FILENO) == 1, is_on_ = false;
  double input_bytes_, read_bytes_ = 0;
  Steady::time_point began_ = Steady::now(), shown_ = began_;
};

// Batches to the network, what is done to the state file.
class Delivery final : public LabelSink {
 public:
  // `begin`: what the state says before the first batch is answered; nothing where it is there
  // already.
  Delivery(LabelSender::Settings sender, ImportSubject subject, std::string state,
           std::optional<ImportProgress> begin, ProgressLine& line)
      : sender_(std::move(sender),
                [this](const std::string& why, Duration wait) { tell(why, wait); }),
        subject_(std::move(subject)),
        state_(std::move(state)),
        begin_(std::move(begin)),
        line_(line) {}

  Result<BatchAnswer> send(const std::string& body, std::size_t) override {
    if (const auto begin = std::exchange(begin_, std::nullopt)) {
      if (auto kept = keep(*begin); !kept) return fail(kept);
    }
    return sender_.send(body);
  }
  Result<void> keep(const ImportProgress& progress) override {
    line_.show(progress.rows);
    if (state_.empty()) return {};
    auto kept = config::replace_file(state_, encode_state(subject_, progress));
    if (!kept) return fail(kept.error().code, "--state: " + kept.error().message);
    return {};
  }

 private:
  void tell(const std::string& why, Duration wait) {
    line_.say(why + "; again in " + format_duration(std::chrono::ceil<std::chrono::seconds>(wait)));
  }
  LabelSender sender_;
  ImportSubject subject_;
  std::string state_;
  std::optional<ImportProgress> begin_;
  ProgressLine& line_;
};

LabelColumns columns_of(const Settings& settings) {
  LabelColumns columns{
      .id = settings.id, .label = settings.label, .time = settings.time, .words = {}};
  for (const std::string& pair : settings.map) {
    const std::size_t equals = pair.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == pair.size()) {
      throw std::runtime_error("map=" + pair + ": expected FROM=TO, such as t=true");
    }
    columns.words[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return columns;
}

std::string token_of(const Settings& settings) {
  if (settings.credentials.bearer_token_file.empty()) return "";
  const auto text = config::read_file(settings.credentials.bearer_token_file, token_bytes_max);
  if (!text) throw std::runtime_error("bearer-token-file: " + text.error().message);
  std::string token(trim(*text));
  if (token.empty()) {
    throw std::runtime_error("bearer-token-file=" + settings.credentials.bearer_token_file +
                             ": expected a token, got an empty file");
  }
  return token;
}

// Beside the file; for standard input only where it is asked for.
std::string state_file_of(const Settings& settings) {
  if (!settings.state.empty()) return settings.state;
  return settings.from == "-" ? "" : settings.from + std::string(state_suffix);
}

ImportProgress progress_in(const std::string& state, const ImportSubject& subject) {
  std::error_code ignored;
  if (state.empty() || !fs::exists(state, ignored)) return {};
  const auto text = config::read_file(state);
  if (!text) throw std::runtime_error("state: " + text.error().message);
  auto progress = decode_state(*text, subject);
  if (!progress) {
    throw std::runtime_error("state=" + state + ": " + progress.error().message +
                             ". Remove it to begin anew, or name another one with --state");
  }
  return std::move(*progress);
}

// Feeds the input, at most up to the first error of either side.
Result<void> feed(const Settings& settings, LabelRows& rows, const LabelImport& import,
                  ProgressLine& line) {
  std::ifstream file;
  if (settings.from != "-") {
    file.open(settings.from, std::ios::binary);
    if (!file) {
      return fail("cannot_read", "from=" + settings.from + ": " + std::strerror(errno) +
                                     "; expected a CSV or NDJSON file, or - for standard input");
    }
  }
  std::istream& in = settings.from == "-" ? std::cin : file;
  std::string piece(piece_bytes, '\0');
  while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())), in.gcount() > 0) {
    const std::string_view bytes(piece.data(), static_cast<std::size_t>(in.gcount()));
    line.read(bytes.size());
    if (auto fed = rows.feed(bytes); !fed) return fed;
    if (import.failed()) return Failure(*import.failed());
  }
  if (in.bad())
    return fail("cannot_read", "from=" + settings.from + ": reading failed before its end");
  return rows.finish();
}

void tell_stop(const Error& error, const ImportProgress& progress, const std::string& state) {
  std::cerr << "outrider labels import: " << error.message << "\n";
  std::cerr << "stopped; " << progress.rows << " rows are done, to line " << progress.line;
  std::cerr << (state.empty()
                    ? ": without --state the next call begins at the first row (labels that are "
                      "joined are then duplicates)"
                    : ": the same call goes on from there (" + state + ")")
            << "\n";
}

int run(const Settings& settings) {
  const ImportSubject subject{settings.url, settings.from, columns_of(settings)};
  const std::string state = state_file_of(settings);
  const ImportProgress done = progress_in(state, subject);
  std::error_code ignored;
  const auto size = settings.from == "-" ? 0 : fs::file_size(settings.from, ignored);
  ProgressLine line(ignored ? 0.0 : static_cast<double>(size));
  if (done.rows > 0) {
    line.say("going on after row " + std::to_string(done.rows) + " (line " +
             std::to_string(done.line) + ")");
  }
  const Batching batching{.labels = static_cast<std::size_t>(settings.batch)};
  // The first batch may be joined, and then we are killed: the next call must know.
  std::optional<ImportProgress> begin;
  if (done.rows == 0) begin.emplace().under_way = batching.labels;
  Delivery delivery({.url = settings.url,
                     .bearer_token = token_of(settings),
                     .credentials = settings.credentials,
                     .timeout = settings.timeout,
                     .retry_for = settings.retry_for},
                    subject, state, std::move(begin), line);
  LabelImport import(batching, done, delivery);
  LabelRows rows(subject.columns, [&import](const LabelRow& row) { import.take(row); });
  const auto read = feed(settings, rows, import, line);
  // What was read before a mistake in the input is whole, and is sent.
  const auto finished = import.finish();
  line.clear();
  std::cout << report(import.progress()) << std::flush;
  if (!read || !finished) {
    tell_stop(read ? finished.error() : read.error(), import.progress(), state);
    return 1;
  }
  if (!state.empty()) fs::remove(state, ignored);
  return exit_status(import.progress());
}

void add_options(config::OptionTable& options, Settings& settings) {
  options
      .add("url", settings.url, "Where labels go: a sidecar's admin or label port, or the agent.")
      .required()
      .as_url()
      .example("http://127.0.0.1:9501");
  options
      .add("from", settings.from, "A file of CSV with a header, or of NDJSON; - is standard input.")
      .required()
      .value_name("FILE|-")
      .example("labels.csv");
  options
      .add("id", settings.id,
           "The column of the id or key that the prediction goes by; the columns of a key of "
           "several parts, one "
           "--id each, in the order of request.id.")
      .required()
      .value_name("COLUMN")
      .example("order_id");
  options
      .add("label", settings.label,
           "The column of the truth; where it is empty the row has none yet.")
      .required()
      .value_name("COLUMN")
      .example("is_fraud");
  options
      .add("time", settings.time,
           "The column of the time at which the truth was known; without, it is when the label "
           "comes in.")
      .value_name("COLUMN")
      .example("decided_at");
  options
      .add("map", settings.map,
           "What a label is to be read as, where the table writes it otherwise.")
      .value_name("FROM=TO")
      .example("t=true");
  options
      .add("state", settings.state,
           "Where it is kept how far the import has come, so that the same call goes on after a "
           "stop. Default: "
           "FILE.outrider-import; none of standard input. It is removed at the end.")
      .value_name("FILE");
  options.add("batch", settings.batch, "Labels of one request.").between(1, 20'000);
  options.add("timeout", settings.timeout, "Of one request.").between(1, 3'600);
  options
      .add("retry-for", settings.retry_for,
           "How long a batch is sent again, while nobody answers or the answer is 5xx or 429.")
      .between(0, 86'400);
  settings.credentials.add_to(options, " (--labels.bearer-token-file of the sidecar).");
}

}  // namespace

config::Command labels_import_command() {
  const auto settings = std::make_shared<Settings>();
  auto options = std::make_shared<config::OptionTable>();
  add_options(*options, *settings);
  return {.name = "labels import",
          .summary =
              "Sends the truth from a table (CSV, NDJSON) to the predictions that were made; goes "
              "on after a stop.",
          .positional = "",
          .options = options,
          .run = [settings](const config::Positional&) { return run(*settings); }};
}

}  // namespace outrider::cli
