// SPDX-License-Identifier: Apache-2.0
// Runs one detector over numbers on standard input, one a line, and prints for each "signal
// figure", so that error_detectors_test.py can lay it beside river and NumPy. Started anew after
// each drift, as river does.
//   oracle_error_detectors adwin | page_hinkley | ddm | hddm_a
//   oracle_error_detectors e_detector P0 ETA        figure: log10 of the evidence; never started anew
//   oracle_error_detectors reference                one line: error rate, labels, design effect, Wilson's bound
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "base/core/text.h"
#include "detectors/adwin.h"
#include "detectors/ddm.h"
#include "detectors/e_detector.h"
#include "detectors/hddm_a.h"
#include "detectors/page_hinkley.h"

using namespace outrider;
using namespace outrider::detectors;

namespace {

std::vector<double> read_numbers() {
  std::vector<double> numbers;
  for (std::string line; std::getline(std::cin, line);) {
    numbers.push_back(parse_double(line).value());
  }
  return numbers;
}

double figure(const Adwin& adwin) {
  return adwin.width();
}
double figure(const PageHinkley& test) {
  return test.statistic();
}
double figure(const Ddm& ddm) {
  return ddm.best_error_rate();
}
double figure(const HddmA& hddm) {
  return hddm.error_rate();
}

template <class Detector>
int trace(Detector detector, const std::vector<double>& values) {
  for (const double value : values) {
    const Signal signal = detector.update(value);
    std::printf("%d %.17g\n", static_cast<int>(signal), figure(detector));
    if (signal == Signal::drift) detector.reset();
  }
  return 0;
}

int trace_e_detector(double null_rate, double tempering, const std::vector<double>& values) {
  EDetectorSettings settings;
  settings.null_rate = null_rate;
  settings.reference_rate = null_rate / 2;
  settings.tempering = tempering;
  settings.alarm_run_length = settings.recovery_run_length = 1e100;
  EDetector detector = EDetector::make(settings).value();
  for (const double value : values) {
    detector.update_loss(value);
    std::printf("0 %.17g\n", detector.evidence_log10());
  }
  return 0;
}

int print_reference(const std::vector<double>& values) {
  ErrorReferenceEstimator estimator;
  for (const double value : values) estimator.add_loss(value);
  const ErrorReference reference = estimator.estimate();
  std::printf("%.17g %.17g %.17g %.17g\n", reference.error_rate, reference.labels,
              reference.design_effect, wilson_upper(reference.error_rate, reference.labels));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const std::string name = arguments.empty() ? "" : arguments[0];
  if (name == "adwin") return trace(Adwin(), read_numbers());
  if (name == "page_hinkley") return trace(PageHinkley(), read_numbers());
  if (name == "ddm") return trace(Ddm(), read_numbers());
  if (name == "hddm_a") return trace(HddmA(), read_numbers());
  if (name == "reference") return print_reference(read_numbers());
  if (name == "e_detector" && arguments.size() == 3) {
    return trace_e_detector(parse_double(arguments[1]).value(), parse_double(arguments[2]).value(),
                            read_numbers());
  }
  std::cerr << "oracle_error_detectors: no detector '" << name << "'\n";
  return 2;
}
