// SPDX-License-Identifier: Apache-2.0
#pragma once

// What every detector keeps, whatever it detects: one suite, run over each. A detector's test
// describes it by a struct of static functions and hands it to conforms<Subject>():
//
//   struct AdwinSubject {
//     using Detector = Adwin;
//     static Detector fresh();                                  // Always the same.
//     static void feed(Detector&, double);                      // Any double: NaN and Inf too.
//     static void reset(Detector&);                             // Back to fresh().
//     static std::vector<double> stream(std::uint64_t seed);    // A few thousand typical values.
//     static std::vector<Figure> figures(const Detector&);      // What it tells, with its bounds.
//     static std::string save(const Detector&);
//     static Result<Detector> load(std::string_view);
//     static void merge(Detector& into, const Detector& other); // Only where merging is addition.
//   };
//   TEST_CASE("ADWIN keeps what every detector keeps") { conforms<AdwinSubject>(); }

#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "test/support/catch.h"

#include "base/core/result.h"

namespace outrider::test {

struct Figure {
  std::string name;
  double value;
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

template <class Subject>
concept Merges = requires(typename Subject::Detector& into,
                          const typename Subject::Detector& other) {
  Subject::merge(into, other);
};

template <class Subject>
void feed_all(typename Subject::Detector& detector, const std::vector<double>& values) {
  for (const double value : values) Subject::feed(detector, value);
}

template <class Subject>
void check_bounds(const typename Subject::Detector& detector) {
  for (const Figure& figure : Subject::figures(detector)) {
    INFO(figure.name << " = " << figure.value);
    CHECK_FALSE(std::isnan(figure.value));
    CHECK(figure.value >= figure.low);
    CHECK(figure.value <= figure.high);
  }
}

template <class Subject>
void is_deterministic_and_resets() {
  const std::vector<double> values = Subject::stream(1);
  auto first = Subject::fresh(), second = Subject::fresh();
  const std::string at_start = Subject::save(first);
  feed_all<Subject>(first, values);
  feed_all<Subject>(second, values);
  CHECK(Subject::save(first) == Subject::save(second));
  CHECK(Subject::save(first) != at_start);
  Subject::reset(first);
  CHECK(Subject::save(first) == at_start);
  feed_all<Subject>(first, values);
  CHECK(Subject::save(first) == Subject::save(second));
}

template <class Subject>
void goes_on_after_a_restart() {
  const std::vector<double> values = Subject::stream(2);
  for (const std::size_t cut :
       {std::size_t{0}, std::size_t{1}, values.size() / 3, values.size() - 1}) {
    INFO("restarted after " << cut << " values");
    auto unbroken = Subject::fresh();
    for (std::size_t i = 0; i < cut; ++i) Subject::feed(unbroken, values[i]);
    auto restored = Subject::load(Subject::save(unbroken));
    REQUIRE(restored);
    CHECK(Subject::save(*restored) == Subject::save(unbroken));
    for (std::size_t i = cut; i < values.size(); ++i) {
      Subject::feed(unbroken, values[i]);
      Subject::feed(*restored, values[i]);
    }
    CHECK(Subject::save(*restored) == Subject::save(unbroken));
  }
}

template <class Subject>
void refuses_damaged_state() {
  auto detector = Subject::fresh();
  feed_all<Subject>(detector, Subject::stream(3));
  const std::string whole = Subject::save(detector);
  for (std::size_t size = 0; size < whole.size(); size += 1 + whole.size() / 97) {
    const auto cut = Subject::load(whole.substr(0, size));
    INFO("cut to " << size << " of " << whole.size() << " bytes");
    REQUIRE_FALSE(cut);
    CHECK_FALSE(cut.error().message.empty());
  }
  CHECK_FALSE(Subject::load(whole + '\0'));
  for (std::size_t i = 0; i < whole.size(); i += 1 + whole.size() / 97) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x20);
    INFO("byte " << i << " damaged");
    CHECK_FALSE(Subject::load(damaged));
  }
}

template <class Subject>
void stays_within_bounds() {
  auto detector = Subject::fresh();
  check_bounds<Subject>(detector);
  for (const double value : Subject::stream(4)) {
    Subject::feed(detector, value);
    check_bounds<Subject>(detector);
  }
}

template <class Subject>
void survives_any_double() {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const std::array<double, 9> odd{std::nan(""),
                                  infinity,
                                  -infinity,
                                  0.0,
                                  -0.0,
                                  std::numeric_limits<double>::max(),
                                  std::numeric_limits<double>::lowest(),
                                  std::numeric_limits<double>::denorm_min(),
                                  1.0};
  const std::vector<double> values = Subject::stream(5);
  auto detector = Subject::fresh();
  for (std::size_t i = 0; i < values.size(); ++i) {
    Subject::feed(detector, values[i]);
    if (i % 7 == 0) Subject::feed(detector, odd[(i / 7) % odd.size()]);
  }
  check_bounds<Subject>(detector);
  CHECK(Subject::load(Subject::save(detector)));
}

template <class Subject>
void merges_by_addition() {
  const std::vector<double> left = Subject::stream(6), right = Subject::stream(7);
  auto one = Subject::fresh(), other = Subject::fresh(), all = Subject::fresh();
  feed_all<Subject>(one, left);
  feed_all<Subject>(other, right);
  feed_all<Subject>(all, left);
  feed_all<Subject>(all, right);
  Subject::merge(one, other);
  const auto merged = Subject::figures(one), whole = Subject::figures(all);
  REQUIRE(merged.size() == whole.size());
  for (std::size_t i = 0; i < merged.size(); ++i) {
    INFO(merged[i].name);
    CHECK(merged[i].value == Approx(whole[i].value).epsilon(1e-12));
  }
  auto untouched = Subject::fresh();
  feed_all<Subject>(untouched, left);
  const std::string before = Subject::save(untouched);
  Subject::merge(untouched, Subject::fresh());
  CHECK(Subject::save(untouched) == before);
}

template <class Subject>
void conforms() {
  SECTION("the same values give the same state, and a reset one is as good as new") {
    is_deterministic_and_resets<Subject>();
  }
  SECTION("restored from its state, it goes on as if nothing had happened") {
    goes_on_after_a_restart<Subject>();
  }
  SECTION("a cut, padded or damaged state is refused") {
    refuses_damaged_state<Subject>();
  }
  SECTION("what it tells stays within its bounds") {
    stays_within_bounds<Subject>();
  }
  SECTION("NaN, infinities and extremes do not break it") {
    survives_any_double<Subject>();
  }
  if constexpr (Merges<Subject>) {
    SECTION("merged, two are as one that saw everything") {
      merges_by_addition<Subject>();
    }
  }
}

// Zeros and ones: `before` errors in 1 up to the middle, `after` from there on.
inline std::vector<double> error_stream(std::uint64_t seed, std::size_t size, double before,
                                        double after) {
  std::mt19937_64 random(seed);
  std::vector<double> errors;
  for (std::size_t i = 0; i < size; ++i) {
    const double uniform = static_cast<double>(random() >> 11) * 0x1p-53;
    errors.push_back(uniform < (i < size / 2 ? before : after) ? 1.0 : 0.0);
  }
  return errors;
}

}  // namespace outrider::test
