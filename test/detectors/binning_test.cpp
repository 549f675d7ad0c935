// SPDX-License-Identifier: Apache-2.0
#include "detectors/binning.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "test/support/catch.h"

using namespace outrider::detectors;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

std::vector<double> sorted_normals(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> values(count);
  for (double& value : values) value = normal(random);
  std::sort(values.begin(), values.end());
  return values;
}

}  // namespace

TEST_CASE("the search counts what lies below, whatever the table holds") {
  for (std::size_t size = 0; size < search_width; ++size) {
    SearchTable table;
    std::vector<double> asked = {-infinity, -1, 0.5, 1e300, infinity};
    for (std::size_t i = 0; i < size; ++i) {
      table.numbers[i] = static_cast<double>(i / 2);  // Pairs: equal ones do not lie below.
      asked.push_back(table.numbers[i]);
      asked.push_back(table.numbers[i] + 0.5);
    }
    for (const double x : asked) {
      INFO(size << " " << x);
      const auto below = std::count_if(table.numbers.begin(), table.numbers.end(),
                                       [&](double number) { return number < x; });
      CHECK(count_below(table, x) == static_cast<std::size_t>(below));
    }
    CHECK(count_below(table, std::numeric_limits<double>::quiet_NaN()) == 0);
  }
}

TEST_CASE("a value falls into the bin that ends at the first edge not below it") {
  const auto bins = Binning::numeric({1, 2, 4});
  REQUIRE(bins);
  const auto slot = [&](double x) { return bins->slot_of(x); };
  CHECK(slot(0.5) == 0);
  CHECK(slot(1) == 0);
  CHECK(slot(1.5) == 1);
  CHECK(slot(4) == 2);
  CHECK(slot(5) == 3);
  CHECK(slot(std::nan("")) == 5);
  CHECK(slot(-infinity) == 6);
  CHECK(slot(infinity) == 7);
  CHECK(slot(std::numeric_limits<double>::max()) == 3);
  CHECK(slot(std::numeric_limits<double>::lowest()) == 0);
}

TEST_CASE("the branchless search agrees with lower_bound for every number of edges") {
  std::mt19937_64 random(7);
  std::uniform_int_distribution<int> small(-40, 40);
  for (std::size_t count = 0; count < value_bins_max; ++count) {
    std::vector<double> edges(count);
    std::iota(edges.begin(), edges.end(), -static_cast<double>(count) / 2);
    const auto bins = Binning::numeric(edges);
    REQUIRE(bins);
    for (int i = 0; i < 200; ++i) {
      const double x = small(random) / 2.0;
      const auto expected = std::lower_bound(edges.begin(), edges.end(), x) - edges.begin();
      CHECK(bins->slot_of(x) == static_cast<std::size_t>(expected));
    }
  }
}

TEST_CASE("edges that are not ascending, not finite or too many are refused") {
  CHECK(Binning::numeric({1, 1}).error().code == "bad_edges");
  CHECK(Binning::numeric({2, 1}).error().code == "bad_edges");
  CHECK(Binning::numeric({std::nan("")}).error().code == "bad_edges");
  CHECK(Binning::numeric({infinity}).error().code == "bad_edges");
  CHECK(Binning::numeric(std::vector<double>(32)).error().code == "bad_edges");
}

TEST_CASE("bins of a sample hold equal shares of it") {
  const auto sample = sorted_normals(10'000, 1);
  const Binning bins = Binning::from_sorted_sample(sample);
  REQUIRE(bins.value_bins() == 20);
  std::vector<int> counts(20);
  for (const double x : sample) ++counts[bins.slot_of(x)];
  CHECK(*std::min_element(counts.begin(), counts.end()) >= 499);
  CHECK(*std::max_element(counts.begin(), counts.end()) <= 501);
}

TEST_CASE("few distinct values have a bin each, with an empty one on either side") {
  const Binning bins = Binning::from_sorted_sample(std::vector<double>{1, 1, 2, 5});
  REQUIRE(bins.value_bins() == 5);
  CHECK(bins.slot_of(0.99) == 0);
  CHECK(bins.slot_of(1) == 1);
  CHECK(bins.slot_of(2) == 2);
  CHECK(bins.slot_of(5) == 3);
  CHECK(bins.slot_of(5.01) == 4);
  const Binning constant = Binning::from_sorted_sample(std::vector<double>(10, 7.0));
  CHECK(constant.slot_of(7) == 1);
  CHECK(constant.slot_of(6) == 0);
  CHECK(constant.slot_of(8) == 2);
}

TEST_CASE("a value that repeats over several quantiles makes fewer bins, not broken ones") {
  std::vector<double> sample(600, 0.0);
  for (int i = 1; i <= 400; ++i) sample.push_back(i);
  const Binning bins = Binning::from_sorted_sample(sample);
  CHECK(bins.value_bins() < 20);
  CHECK(bins.slot_of(0) == 0);
  const auto edges = bins.edges();
  CHECK(std::is_sorted(edges.begin(), edges.end(), std::less_equal<>()));
}

TEST_CASE("extreme samples have finite edges") {
  constexpr double most = std::numeric_limits<double>::max();
  std::vector<double> sample;
  for (int i = 0; i < 50; ++i) sample.push_back(most * ((i - 25) / 25.0));
  std::sort(sample.begin(), sample.end());
  const Binning bins = Binning::from_sorted_sample(sample);
  for (const double edge : bins.edges()) CHECK(std::isfinite(edge));
  CHECK(Binning::from_sorted_sample(std::vector<double>{-most}).value_bins() == 2);
}

TEST_CASE("a category has its slot, a rare one is other, and a new one is other and unseen") {
  const auto bins = Binning::categorical({"blue", "3"}, {"green"});
  REQUIRE(bins);
  CHECK(bins->value_bins() == 3);
  CHECK(bins->slots() == 4);
  CHECK(bins->classify(Value::of("blue")).slot == 0);
  CHECK(bins->classify(Value::of(3.0)).slot == 1);
  const SlotOutcome rare = bins->classify(Value::of("green"));
  CHECK((rare.slot == 2 && !rare.unseen));
  const SlotOutcome fresh = bins->classify(Value::of("purple"));
  CHECK((fresh.slot == 2 && fresh.unseen));
  const SlotOutcome absent = bins->classify(Value::none());
  CHECK((absent.slot == 3 && absent.missing));
  CHECK(bins->classify(Value::of(std::nan(""))).missing);
}

TEST_CASE("nothing is called unseen where the reference could not keep all names") {
  const auto bins = Binning::categorical({"a"}, {}, false);
  REQUIRE(bins);
  CHECK_FALSE(bins->classify(Value::of("z")).unseen);
}

TEST_CASE("a number written with leading zeros is the category of that text") {
  const auto bins = Binning::categorical({"01234", "7"});
  REQUIRE(bins);
  Value written = Value::of(1234.0);
  written.text = "01234";
  CHECK(bins->classify(written).slot == 0);
  CHECK(bins->classify(Value::of(1234.0)).slot == 0);
  written = Value::of(7.0);
  written.text = "7.0";
  CHECK(bins->classify(written).slot == 1);
}

TEST_CASE("True, true and 1 are one value, whatever spelling the reference has") {
  const auto text = [](std::string_view t) { return Value::of(t); };
  // As this version writes them, as earlier ones did, and where training had numbers.
  for (const auto& categories : std::vector<std::vector<std::string>>{
           {"false", "true"}, {"False", "True"}, {"FALSE", "TRUE"}, {"0", "1"}}) {
    const auto bins = Binning::categorical(categories);
    REQUIRE(bins);
    for (const Value& value : {text("true"), text("True"), text("TRUE"), Value::of(1.0)}) {
      const SlotOutcome outcome = bins->classify(value);
      CHECK(outcome.slot == 1);
      CHECK_FALSE(outcome.unseen);
    }
    for (const Value& value : {text("false"), text("False"), Value::of(0.0), Value::of(-0.0)}) {
      CHECK(bins->classify(value).slot == 0);
    }
    CHECK(bins->classify(text("yes")).unseen);
    CHECK(bins->classify(Value::of(2.0)).unseen);
  }
  // What is a category itself stays that one.
  const auto both = Binning::categorical({"True", "true", "1"}, {"False"});
  CHECK(both->classify(text("True")).slot == 0);
  CHECK(both->classify(text("true")).slot == 1);
  CHECK(both->classify(Value::of(1.0)).slot == 2);
  CHECK(both->classify(Value::of(0.0)).slot == 3);
  CHECK_FALSE(both->classify(Value::of(0.0)).unseen);
}

TEST_CASE("a boolean is 1 or 0 in numeric bins, counted with its tails") {
  const auto bins = Binning::numeric({0, 0.5});
  BinCounts counts;
  counts.counts.resize(bins->slots());
  for (const std::string_view text : {"true", "False", "TRUE"}) {
    const SlotOutcome outcome = counts.observe(*bins, Value::of(text));
    CHECK(outcome.counted);
    CHECK_FALSE(outcome.wrong_type);
  }
  CHECK(counts.counts[0] == 1);
  CHECK(counts.counts[2] == 2);
  CHECK(counts.tails.sum == 2);
  CHECK(counts.observe(*bins, Value::of(std::string_view("yes"))).wrong_type);
}

TEST_CASE("categories that repeat, are too many or too long are refused") {
  CHECK(Binning::categorical({"a", "a"}).error().code == "bad_categories");
  CHECK(Binning::categorical({"a"}, {"a"}).error().code == "bad_categories");
  CHECK(Binning::categorical(std::vector<std::string>(32)).error().code == "bad_categories");
  CHECK(Binning::categorical({std::string(300, 'x')}).error().code == "bad_categories");
}

TEST_CASE("text where numbers belong is a wrong type and counted in no bin") {
  const auto bins = Binning::numeric({1});
  BinCounts counts{std::vector<std::uint64_t>(bins->slots()), {}};
  const SlotOutcome outcome = counts.observe(*bins, Value::of("tall"));
  CHECK((outcome.wrong_type && !outcome.counted));
  CHECK(counts.total() == 0);
}

TEST_CASE("bins are named as the metric's label has them") {
  const auto numeric = Binning::numeric({1, 2});
  CHECK(numeric->bin_name(0) == "00");
  CHECK(numeric->bin_name(2) == "02");
  CHECK(numeric->bin_name(3) == "missing");
  CHECK(numeric->bin_name(4) == "nan");
  CHECK(numeric->bin_name(5) == "neg_inf");
  CHECK(numeric->bin_name(6) == "pos_inf");
  CHECK(numeric->bin_title(1) == "(1, 2]");
  const auto categorical = Binning::categorical({"blue"});
  CHECK(categorical->bin_name(0) == "00");
  CHECK(categorical->bin_name(1) == "other");
  CHECK(categorical->bin_name(2) == "missing");
  CHECK(categorical->bin_title(0) == "blue");
}

TEST_CASE("tails sum what lies beyond the outer edges") {
  const auto bins = Binning::numeric({0, 10});
  BinCounts counts{std::vector<std::uint64_t>(bins->slots()), {}};
  for (const double x : {-3.0, 5.0, 12.0, 14.0, infinity}) counts.observe(*bins, Value::of(x));
  CHECK(counts.tails == TailSums{3, 6, 28, 9 + 25 + 144 + 196});
}

TEST_CASE("a reference ratio is smoothed by one half, so that it is never 0") {
  FrozenSubject subject("x", *Binning::numeric({0}));
  subject.counts.counts = {3, 0, 9, 0, 0, 0};
  CHECK(subject.ratio(0) == Approx(3.5 / 4));
  CHECK(subject.ratio(1) == Approx(0.5 / 4));
}
