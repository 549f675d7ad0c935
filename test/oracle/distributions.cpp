// SPDX-License-Identifier: Apache-2.0
// Runs the statistics of distributions over numbers on standard input, so that
// distributions_test.py can lay them
// beside NumPy, SciPy and scikit-learn. Blocks of lines are parted by an empty line; numbers by
// blanks.
//   oracle_distributions bins B         values                       -> edges; counts of all slots
//   oracle_distributions distances      edges, p, q, tails p, tails q (below above), one a line
//                                       -> psi psi0 js ks hellinger l_infinity chi2 degrees p
//                                       wasserstein
//   oracle_distributions pca K          rows                         -> mean; deviation;
//   variances; vectors, one a
//                                       line; then T2 and Q of each row
//   oracle_distributions cbpe           "score hit" rows; live scores -> the estimate
//   oracle_distributions anomaly        reference rows; live rows     -> score and p of each live
//   row
//   oracle_distributions rhythm         rows and weeks of 168 hours; hour and rows of each part; a shift in hours
//                                       -> noise and unknown; weights
//   oracle_distributions benjamini      p-values on one line          -> q-values
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "detectors/benjamini_hochberg.h"
#include "detectors/cbpe.h"
#include "detectors/chi_square.h"
#include "detectors/conformal.h"
#include "detectors/hellinger.h"
#include "detectors/jensen_shannon.h"
#include "detectors/kolmogorov_smirnov.h"
#include "detectors/l_infinity.h"
#include "detectors/pca.h"
#include "detectors/psi.h"
#include "detectors/rhythm.h"
#include "detectors/tail_score.h"
#include "detectors/wasserstein.h"

using namespace outrider::detectors;

namespace {

using Row = std::vector<double>;
using Block = std::vector<Row>;

Row numbers(const std::string& line) {
  Row row;
  std::istringstream in(line);
  for (std::string word; in >> word;) row.push_back(std::stod(word));
  return row;
}

// Up to the next empty line.
Block read_block() {
  Block block;
  for (std::string line; std::getline(std::cin, line) && !line.empty();)
    block.push_back(numbers(line));
  return block;
}

void print(std::span<const double> values) {
  for (const double value : values) std::printf("%.17g ", value);
  std::printf("\n");
}

std::vector<std::uint64_t> counts(const Row& row) {
  return {row.begin(), row.end()};
}

Pca fitted(const Block& rows, std::size_t components) {
  Pca::Moments moments(rows.front().size());
  for (const Row& row : rows) moments.add(row);
  return Pca::fit(moments, components).value();
}

int bins(std::size_t count) {
  Row sorted;
  for (const Row& row : read_block()) sorted.push_back(row.front());
  std::sort(sorted.begin(), sorted.end());
  const Binning binning = Binning::from_sorted_sample(sorted, count);
  Row slots(binning.slots());
  for (const double x : sorted) slots[binning.slot_of(x)] += 1;
  print(binning.edges());
  print(slots);
  return 0;
}

int distances() {
  for (Block lines; !(lines = read_block()).empty();) {
    const auto p = counts(lines.at(1)), q = counts(lines.at(2));
    const TailSums tails_p{lines.at(3).at(0), lines.at(3).at(1), 0, 0};
    const TailSums tails_q{lines.at(4).at(0), lines.at(4).at(1), 0, 0};
    const ChiSquare test = chi_square(p, q);
    print(Row{psi(p, q), psi0(p, q), jensen_shannon(p, q), kolmogorov_smirnov(p, q),
              hellinger(p, q), l_infinity(p, q), test.statistic, test.degrees, test.p,
              wasserstein(lines.at(0), p, tails_p, q, tails_q)});
  }
  return 0;
}

int pca(std::size_t components) {
  const Block rows = read_block();
  const Pca fit = fitted(rows, components);
  print(fit.mean());
  print(fit.deviation());
  print(fit.variances());
  for (Eigen::Index j = 0; j < fit.vectors().cols(); ++j) {
    Row direction;
    for (Eigen::Index i = 0; i < fit.vectors().rows(); ++i)
      direction.push_back(fit.vectors()(i, j));
    print(direction);
  }
  Row z(fit.components());
  for (const Row& row : rows) {
    const auto scores = fit.project(row, z);
    print(Row{scores.t2, scores.q});
  }
  return 0;
}

int cbpe() {
  Row scores;
  std::vector<bool> hits;
  for (const Row& row : read_block()) {
    scores.push_back(row.at(0));
    hits.push_back(row.at(1) != 0);
  }
  const auto calibration = Calibration::fit(Calibration::Kind::binary, scores, hits).value();
  std::vector<std::uint64_t> live(calibration.bins().value_bins());
  for (const Row& row : read_block()) ++live[calibration.bins().slot_of(row.at(0))];
  print(Row{calibration.estimate(live).value()});
  return 0;
}

int anomaly() {
  const Block reference = read_block();
  const Pca fit = fitted(reference, components_max);
  Row z(fit.components());
  std::vector<Row> columns(fit.components());
  for (const Row& row : reference) {
    fit.project(row, z);
    for (std::size_t j = 0; j < z.size(); ++j) columns[j].push_back(z[j]);
  }
  TailTable tails;
  for (Row& column : columns) {
    std::sort(column.begin(), column.end());
    tails.add_component(column);
  }
  const auto score = [&](const Row& row) {
    return std::max(fit.project(row, z).t2_shrunk, tails.score(z));
  };
  ConformalHistogram histogram;
  for (const Row& row : reference) histogram.add(score(row));
  histogram.freeze();
  for (const Row& row : read_block()) print(Row{score(row), histogram.p_value(score(row))});
  return 0;
}

// A reference of training rows with times; the subject does not matter to the weights.
int rhythm() {
  const Block cells = read_block();
  TimedCounts timed;
  for (std::size_t hour = 0; hour < week_hours; ++hour) {
    timed.rows[hour] = static_cast<std::uint64_t>(cells.at(0).at(hour));
    timed.weeks[hour] = static_cast<std::uint64_t>(cells.at(1).at(hour));
  }
  const FrozenSubject subject("x", Binning::numeric({0}).value());
  timed.counts.emplace_back(week_hours * rhythm_groups(subject.bins));
  const Rhythm known({&subject}, &timed);
  const outrider::Time monday{
      std::chrono::hours(4 * 24)};  // Of the first week that began after 1970.
  std::vector<Rhythm::Part> parts;
  for (const Row& row : read_block())
    parts.push_back({monday + outrider::from_seconds(3600 * row.at(0)), row.at(1)});
  const int shift = static_cast<int>(read_block().at(0).at(0));
  const Expectation expectation = known.expect(parts, shift);
  print(Row{expectation.noise, expectation.unknown});
  print(expectation.weights);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const std::size_t number = argc > 2 ? std::stoul(argv[2]) : 0;
  if (what == "bins") return bins(number);
  if (what == "distances") return distances();
  if (what == "pca") return pca(number);
  if (what == "cbpe") return cbpe();
  if (what == "anomaly") return anomaly();
  if (what == "rhythm") return rhythm();
  if (what == "benjamini") {
    print(benjamini_hochberg(read_block().at(0)));
    return 0;
  }
  std::fprintf(
      stderr,
      "oracle_distributions: expected bins, distances, pca, cbpe, anomaly, rhythm or benjamini\n");
  return 2;
}
