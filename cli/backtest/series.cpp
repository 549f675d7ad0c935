// SPDX-License-Identifier: Apache-2.0
#include "cli/backtest/series.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>

#include "agent/series/alert_budget.h"
#include "base/config/files.h"
#include "base/config/yaml.h"
#include "base/core/text.h"
#include "base/wire/exposition.h"
#include "cli/backtest/plot.h"
#include "cli/backtest/progress.h"
#include "cli/backtest/range.h"
#include "cli/backtest/series_table.h"

namespace outrider::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t file_bytes_max = 1 << 30;
constexpr std::size_t terminal_columns = 100;

// What all series of a run share.
struct Run {
  const SeriesBacktest& settings;
  Tally tally;
  std::size_t series = 0;
  std::vector<ScoredSeries> drawn;  // Those that will be, kept until the threshold is known.
  std::size_t not_drawn = 0;
};

void write_file(const fs::path& path, const std::string& text) {
  if (auto written = config::put_file(path, text); !written) {
    throw std::runtime_error(written.error().message);
  }
}

struct Job {
  fs::path input;
  fs::path output;
};

std::vector<Job> folder_jobs(const fs::path& input, const fs::path& output) {
  std::vector<Job> jobs;
  const fs::path inside = fs::weakly_canonical(output);
  for (auto entry = fs::recursive_directory_iterator(input);
       entry != fs::recursive_directory_iterator(); ++entry) {
    if (fs::weakly_canonical(entry->path()) == inside) {
      entry.disable_recursion_pending();  // Results of an earlier run are no input.
      continue;
    }
    if (!entry->is_regular_file() || entry->path().extension() != ".csv") continue;
    jobs.push_back({entry->path(), output / fs::relative(entry->path(), input)});
  }
  std::sort(jobs.begin(), jobs.end(), [](const Job& a, const Job& b) { return a.input < b.input; });
  return jobs;
}

std::vector<Job> jobs_of(const SeriesBacktest& settings) {
  const fs::path input = settings.input;
  const fs::path output = settings.output;
  if (!fs::exists(input)) throw std::runtime_error("input=" + settings.input + ": no such file");
  std::vector<Job> jobs;
  if (fs::is_directory(input)) {
    if (fs::exists(output) && !fs::is_directory(output)) {
      throw std::runtime_error("output=" + settings.output +
                               ": expected a folder, as the input is one");
    }
    jobs = folder_jobs(input, output);
    if (jobs.empty()) throw std::runtime_error("input=" + settings.input + ": no *.csv in it");
  } else {
    jobs.push_back({input, fs::is_directory(output) ? output / input.filename() : output});
  }
  for (const Job& job : jobs) {
    if (fs::weakly_canonical(job.input) == fs::weakly_canonical(job.output)) {
      throw std::runtime_error("output=" + settings.output + ": it would overwrite the input " +
                               job.input.string());
    }
  }
  return jobs;
}

Result<ScoredSeries> read_scored(const fs::path& path) {
  const auto text = config::read_file(path.string(), file_bytes_max);
  if (!text) return fail(text);
  auto series = parse_series(path.string(), *text);
  if (series) score(*series);
  return series;
}

void keep_for_plot(Run& run, ScoredSeries series) {
  if (run.settings.plot.empty() && !run.settings.show) return;
  if (run.drawn.size() < plots_max) {
    run.drawn.push_back(std::move(series));
  } else {
    ++run.not_drawn;
  }
}

Judgement judgement(const Run& run) {
  return run.settings.budget > 0 ? run.tally.within(run.settings.budget)
                                 : run.tally.at(run.settings.threshold);
}

// The threshold of a budget is known only when all files were scored, so then each is scored twice.
int backtest_files(Run& run) {
  const std::vector<Job> jobs = jobs_of(run.settings);
  ProgressLine progress("files");
  std::size_t failed = 0;
  const bool twice = run.settings.budget > 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    progress.show(i, jobs.size());
    auto series = read_scored(jobs[i].input);
    if (!series) {
      std::cerr << series.error().message << "\n";
      ++failed;
      continue;
    }
    if (series->not_later > 0) {
      std::cerr << jobs[i].input.string() << ": " << series->not_later
                << " rows are not later than the row before; they are scored where they stand\n";
    }
    run.tally.add(*series);
    ++run.series;
    if (!twice) {
      std::string out = header_line(false);
      append_rows(out, *series, run.settings.threshold, false);
      write_file(jobs[i].output, out);
    }
    keep_for_plot(run, std::move(*series));
  }
  const double threshold = judgement(run).threshold;
  for (std::size_t i = 0; twice && i < jobs.size(); ++i) {
    progress.show(i, jobs.size());
    const auto series = read_scored(jobs[i].input);
    if (!series) continue;
    std::string out = header_line(false);
    append_rows(out, *series, threshold, false);
    write_file(jobs[i].output, out);
  }
  return failed > 0 ? 1 : 0;
}

std::vector<Series> fetch(const SeriesBacktest& settings) {
  const Time now = SystemClock().now();
  const Time start = moment("start", settings.start, now);
  const Time end = moment("end", settings.end, now);
  if (start >= end) {
    throw std::runtime_error("start=" + settings.start + ": expected to be before the end");
  }
  ProgressLine progress("queries");
  RangeReader reader(settings.prometheus);
  return reader.read(settings.query, start, end, settings.step,
                     [&](std::size_t done, std::size_t of) { progress.show(done, of); });
}

ScoredSeries scored(const Series& series) {
  ScoredSeries made;
  made.name = series_name(series.labels);
  for (const Sample& sample : series.samples) {
    made.rows.push_back({sample.timestamp_ms, sample.value,
                         format_double(static_cast<double>(sample.timestamp_ms) / 1000),
                         format_double(sample.value)});
  }
  score(made);
  return made;
}

int backtest_prometheus(Run& run) {
  const std::vector<Series> fetched = fetch(run.settings);
  if (fetched.empty()) {
    throw std::runtime_error("query=" + run.settings.query +
                             ": no series in that range; try it in Prometheus's own page");
  }
  std::vector<ScoredSeries> all;
  for (const Series& series : fetched) {
    all.push_back(scored(series));
    run.tally.add(all.back());
  }
  run.series = all.size();
  const double threshold = judgement(run).threshold;
  std::string out = header_line(true);
  for (const ScoredSeries& series : all) append_rows(out, series, threshold, true);
  write_file(run.settings.output, out);
  for (ScoredSeries& series : all) keep_for_plot(run, std::move(series));
  return 0;
}

void draw(const Run& run, double threshold) {
  std::vector<const ScoredSeries*> series;
  for (const ScoredSeries& one : run.drawn) series.push_back(&one);
  if (!run.settings.plot.empty()) write_file(run.settings.plot, svg(series, threshold));
  if (run.settings.show) {
    for (const ScoredSeries* one : series) {
      std::cout << one->name << "\n" << terminal_plot(*one, threshold, terminal_columns);
    }
  }
  if (run.not_drawn > 0) {
    std::cerr << run.not_drawn << " more series are not drawn (at most " << plots_max << ")\n";
  }
}

void print_summary(const Run& run, const Judgement& judged) {
  std::printf("%zu anomalies in %zu series", judged.anomalies, run.series);
  if (judged.weeks > 0) {
    std::printf(" over %.1f days: %.1f a week", judged.weeks * 7,
                static_cast<double>(judged.anomalies) / judged.weeks);
  }
  std::printf(" (threshold %.3f)\n", judged.threshold);
}

// What was asked for makes sense, or exit status 2 with a reason.
bool sensible(const SeriesBacktest& settings) {
  const bool files = !settings.input.empty();
  const bool range = !settings.prometheus.empty() || !settings.query.empty();
  if (files == range) {
    std::cerr << "backtest: expected either --input, or --prometheus, --query and --start\n";
    return false;
  }
  if (range && (settings.prometheus.empty() || settings.query.empty() || settings.start.empty())) {
    std::cerr << "backtest: expected --prometheus, --query and --start together\n";
    return false;
  }
  if (settings.output.empty()) {
    std::cerr << "backtest: expected --output\n";
    return false;
  }
  return true;
}

}  // namespace

void add_series_options(config::OptionTable& options, SeriesBacktest& wanted) {
  options
      .add("input", wanted.input,
           "Series: CSV with the columns timestamp and value, or a folder of such files.")
      .value_name("FILE|DIR");
  options
      .add("output", wanted.output,
           "Series: where the scored rows go; a folder's tree is mirrored, folders are created.")
      .value_name("FILE|DIR");
  options
      .add("prometheus", wanted.prometheus,
           "Take the samples from this Prometheus instead. Without --query: what the agent would "
           "have "
           "forecast, alerted and scaled, by --forecast.rules.")
      .as_url()
      .example("http://127.0.0.1:9090");
  options.add("query", wanted.query, "Series: PromQL; every series of the answer is scored.")
      .value_name("PROMQL")
      .example("sum by (job) (rate(http_requests_total[5m]))");
  options
      .add("start", wanted.start,
           "Of Prometheus: Unix seconds, YYYY-MM-DD HH:MM:SS (UTC), or now-30d.")
      .value_name("TIME");
  options.add("end", wanted.end, "As --start.").value_name("TIME");
  options.add("from", wanted.start, "The same as --start.").value_name("TIME");
  options.add("to", wanted.end, "The same as --end.").value_name("TIME");
  options.add("step", wanted.step, "Series: how far apart the samples are.").between(0.001, 86400);
  options.add("threshold", wanted.threshold, "Series: a score from here on is an anomaly.")
      .between(0, 1.1);
  options
      .add("alerts-per-week", wanted.budget,
           "Series: take the lowest threshold that keeps all series together within this many "
           "anomalies a "
           "week, in hindsight, instead of --threshold.")
      .between(0, 1e9);
  options.add("plot", wanted.plot, "Series: draw them and their anomalies.").value_name("FILE.svg");
  options.add("show", wanted.show, "Series: draw them on the terminal.");
}

int backtest_series(const SeriesBacktest& wanted) {
  if (!sensible(wanted)) return 2;
  Run run{wanted, {}, 0, {}, 0};
  const int status = wanted.input.empty() ? backtest_prometheus(run) : backtest_files(run);
  const Judgement judged = judgement(run);
  draw(run, judged.threshold);
  print_summary(run, judged);
  return status;
}

}  // namespace outrider::cli
