// SPDX-License-Identifier: Apache-2.0
#include "predictor/train/training.h"

#include "base/core/text.h"
#include "predictor/train/card.h"
#include "predictor/train/reference_text.h"
#include "reference/reference_json.h"
#include "test/predictor/models.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::train;

namespace {

Settings settings() {
  Settings s;
  s.model_name = "houses";
  s.target = "price";
  return s;
}

Trained trained_on(const Dataset& data, const Settings& s) {
  return train::train(data, split_rows(data, s).value(), s).value();
}

// price = 3·size + 100·(view is GOOD), one row a day from 1 January 2015.
Dataset sales(int rows) {
  std::string csv = "sold,size,view,price\n";
  for (int i = 0; i < rows; ++i) {
    const bool good = i % 3 == 0;
    const int size = 10 + i % 7 + i % 11;
    csv += "1/" + std::to_string(1 + i % 28) + "/" + std::to_string(2015 + i / 28) + "," +
           std::to_string(size) + "," + (good ? "GOOD" : "BAD") + "," +
           std::to_string(3 * size + (good ? 100 : 0)) + "\n";
  }
  return test::dataset(csv);
}

}  // namespace

TEST_CASE("the seed's rows train without a hold-out, and that is said") {
  const auto trained = trained_on(test::dataset(test::seed_csv), settings());
  CHECK(trained.evaluation.on_training_rows);
  CHECK(trained.split.held_out.empty());
  CHECK_THAT(trained.notes.at(0), Catch::Contains("too few rows for a hold-out"));
  CHECK_THAT(trained.warnings.at(0), Catch::Contains("size, bedrooms"));
  CHECK(trained.model.predict(model::Cells{1800.0, 3.0}).value ==
        Approx(89.99994000024).epsilon(1e-12));
}

TEST_CASE("a split by time holds out the newest rows, whatever their order in the file") {
  Dataset data = sales(200);
  std::reverse(data.table.rows.begin(), data.table.rows.end());
  Settings s = settings();
  s.split_by_time = true;
  s.split_column = "sold";
  const Split split = split_rows(data, s).value();
  CHECK(split.training.size() == 160);
  CHECK(split.held_out.size() == 40);
  const auto day = [&](std::size_t row) { return data.table.rows[row].fields[0]; };
  CHECK(day(split.training.front()) == "1/1/2015");
  CHECK(day(split.held_out.back()) == "1/4/2022");
  s.since = parse_rfc3339("2021-01-01T00:00:00Z");
  s.holdout = 0;
  CHECK(split_rows(data, s).value().training.size() == 32);
  s.since = parse_rfc3339("2031-01-01T00:00:00Z");
  CHECK(split_rows(data, s).error().code == "no_rows");
}

TEST_CASE("a split by hash keeps each row on its side, and a column's value together") {
  const Dataset data = sales(400);
  Settings s = settings();
  const Split first = split_rows(data, s).value(), again = split_rows(data, s).value();
  CHECK(first.held_out == again.held_out);
  CHECK(first.held_out.size() > 40);
  CHECK(first.held_out.size() < 120);
  s.split_column = "size";
  s.holdout = 0.5;
  const Split grouped = split_rows(data, s).value();
  std::set<std::string> training, held_out;
  for (const auto row : grouped.training) training.insert(data.table.rows[row].fields[1]);
  for (const auto row : grouped.held_out) held_out.insert(data.table.rows[row].fields[1]);
  for (const auto& size : held_out) CHECK(training.count(size) == 0);
}

TEST_CASE("rows without a usable target are left out and named") {
  const auto data = test::dataset("size,price\n1,2\n2,\n3,cheap\n4,8\n");
  Settings s = settings();
  s.rows_drop_max = 0.5;
  const Split split = split_rows(data, s).value();
  CHECK(split.training.size() == 2);
  CHECK_THAT(split.notes.at(0), Catch::Contains("2 rows") &&
                                    Catch::Contains("line 3: '' is missing") &&
                                    Catch::Contains("line 4: 'cheap' is no number"));
}

TEST_CASE("more rows than a person allows are not left out in silence") {
  std::string csv = "sold,size,price\n";
  for (int i = 0; i < 100; ++i) {
    csv += (i == 50 ? "NA" : "2024-01-" + std::to_string(10 + i % 20)) + "," + std::to_string(i) +
           "," + (i % 12 == 0 ? "n/a" : std::to_string(i)) + "\n";
  }
  const auto data = test::dataset(csv);
  Settings s = settings();
  s.holdout = 0;
  const auto refused = split_rows(data, s);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "too_many_dropped");
  CHECK_THAT(refused.error().message,
             Catch::Contains("9 rows without a usable 'price' are 9.0% of all") &&
                 Catch::Contains("the 5% of --rows.drop-max") &&
                 Catch::Contains("line 2: 'n/a' is missing, line 14: ") && Catch::Contains(", …"));
  s.rows_drop_max = 0.09;
  CHECK(split_rows(data, s).value().notes.size() == 1);
  s.split_by_time = true;
  s.split_column = "sold";
  const auto split = split_rows(data, s).value();
  CHECK(split.notes.size() == 2);
  CHECK_THAT(split.notes[1],
             Catch::Contains("1 rows without a usable 'sold'") && Catch::Contains("line 52"));
}

TEST_CASE("an index and dates are learned from only when a person says so") {
  std::string csv = ",Unnamed: 0,sold,size,price\n";
  for (int i = 0; i < 60; ++i) {
    csv += std::to_string(i) + "," + std::to_string((i * 7) % 60) + "," +
           std::to_string(1 + i % 28) + "/01/2024," + std::to_string(i % 13) + "," +
           std::to_string(2 * (i % 13)) + "\n";
  }
  const auto data = test::dataset(csv);
  CHECK(data.index_columns == std::vector<std::string>{"", "Unnamed: 0"});
  CHECK(data.time_columns == std::vector<std::string>{"sold"});
  Settings s = settings();
  const Trained trained = trained_on(data, s);
  CHECK(trained.model.encoding.column_names() == std::vector<std::string>{"size"});
  std::string notes;
  for (const std::string& note : trained.notes) notes += note + "\n";
  CHECK_THAT(notes, Catch::Contains("column '' is an index") &&
                        Catch::Contains("column 'Unnamed: 0' is an index") &&
                        Catch::Contains("column 'sold' holds dates"));
  s.features = {"Unnamed: 0", "size", "sold"};
  CHECK(trained_on(data, s).model.encoding.column_names() ==
        std::vector<std::string>{"Unnamed: 0", "size"});
  s.features = {};
  s.categorical = {"sold"};
  CHECK(trained_on(data, s).model.encoding.columns() == 29);
  // Copies of a row fall on one side, whatever their index.
  std::set<std::string> training, held_out;
  const Split split = split_rows(data, settings()).value();
  for (const auto& [rows, side] :
       {std::pair{&split.training, &training}, {&split.held_out, &held_out}}) {
    for (const std::size_t row : *rows) {
      const auto& fields = data.table.rows[row].fields;
      side->insert(fields[2] + fields[3]);
    }
  }
  for (const std::string& row : held_out) CHECK(training.count(row) == 0);
}

TEST_CASE(
    "days before months are in the order of time, and where nobody can tell that is refused") {
  std::string csv = "sold,size,price\n", open = csv;
  for (int i = 0; i < 100; ++i) {
    csv += std::to_string(1 + i % 25) + "/" + std::to_string(1 + i / 25) + "/2024," +
           std::to_string(i) + ",1\n";
    open += std::to_string(1 + i % 12) + "/" + std::to_string(1 + i % 7) + "/2024,1,1\n";
  }
  Settings s = settings();
  s.split_by_time = true;
  s.split_column = "sold";
  const auto data = test::dataset(csv);
  const Split split = split_rows(data, s).value();
  REQUIRE(split.held_out.size() == 20);
  CHECK(split.held_out.front() == 80);
  const auto refused = split_rows(test::dataset(open), s);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Contains("column 'sold'") &&
                                          Catch::Contains("either order") &&
                                          Catch::Contains("2015-01-31"));
}

TEST_CASE("numbers with marks are read where the column tells, and refused where it does not") {
  std::string csv = "size,area,price\n", open = "size,price\n";
  for (int i = 0; i < 40; ++i) {
    csv += std::to_string(i) + ",\"" + std::to_string(i) + ",25\",\"1," + std::to_string(200 + i) +
           ".5\"\n";
    open += std::to_string(i) + ",\"1," + std::to_string(200 + i) + "\"\n";
  }
  const auto data = test::dataset(csv);
  CHECK(data.table.rows[3].fields == std::vector<std::string>{"3", "3.25", "1203.5"});
  REQUIRE(data.notes.size() == 2);
  CHECK_THAT(data.notes[0], Catch::Contains("'area' was read with a decimal comma"));
  CHECK_THAT(data.notes[1], Catch::Contains("'price' was read with marks between thousands"));
  CHECK(split_rows(data, settings()).value().training.size() +
            split_rows(data, settings()).value().held_out.size() ==
        40);

  const auto target = split_rows(test::dataset(open), settings());
  REQUIRE_FALSE(target);
  CHECK(target.error().code == "ambiguous_numbers");
  CHECK_THAT(target.error().message, Catch::Contains("data.csv: column 'price': '1,200' (row 1)"));
  Settings s = settings();
  s.target = "size";
  const auto features = test::dataset(open);
  const auto refused = train::train(features, split_rows(features, s).value(), s);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Contains("--exclude price"));
}

TEST_CASE("a target of True and False, 1 and 0 has two classes") {
  std::string csv = "x,price\n";
  for (int i = 0; i < 80; ++i) {
    csv += std::to_string(i) + "," + (i < 40 ? (i % 2 ? "False" : "0") : (i % 2 ? "TRUE" : "1")) +
           "\n";
  }
  Settings s = settings();
  s.algorithm = model::Algorithm::logistic;
  const auto data = test::dataset(csv);
  const Trained trained = trained_on(data, s);
  CHECK(trained.model.classes == std::vector<std::string>{"false", "true"});
  CHECK(trained.evaluation.overall.accuracy() > 0.8);
  s.algorithm = model::Algorithm::ols;
  CHECK(trained_on(data, s).split.training.size() > 40);
}

TEST_CASE("a trained model is exact on exact data, with metrics by segment") {
  Settings s = settings();
  s.split_by_time = true;
  s.split_column = "sold";
  s.segments = {"view"};
  const auto data = sales(300);
  const auto trained = trained_on(data, s);
  CHECK(trained.evaluation.overall.rows == 60);
  CHECK(trained.evaluation.overall.mae < 1e-8);
  CHECK(trained.evaluation.segments.at("view=GOOD").rows == 20);
  CHECK(trained.warnings.empty());  // Dummy columns that sum to 1 are no collinearity of the data.

  const wire::Json card =
      make_card({"v1", "", Time{}, data, s, trained, "data.csv", "all rows", {}});
  CHECK(card["data"]["sha256"] == data.sha256);
  CHECK(card["metrics"]["segments"]["view=BAD"]["rows"] == 40);
  const auto read = settings_of(card).value();
  CHECK(to_json(read) == to_json(s));
  CHECK(read.model_name == "houses");
}

TEST_CASE("the reference holds what training saw and the held-out error rate") {
  Settings s = settings();
  s.split_by_time = true;
  s.split_column = "sold";
  const auto data = sales(300);
  const auto trained = trained_on(data, s);
  const auto read = reference::parse(reference_text(data, trained, s, "v4", Time{}).value());
  REQUIRE(read);
  CHECK(read->model_version == "v4");
  CHECK(read->accuracy->rows == 60);
  CHECK(read->accuracy->error_rate == 0);
  CHECK(read->accuracy->tolerance == 0.1);
}

TEST_CASE("recalibration learns a shift and a scale of the parent") {
  const auto parent = trained_on(sales(300), settings()).model;
  std::string csv = "size,view,price\n";
  for (int size = 5; size < 45; ++size) {
    csv += std::to_string(size) + ",GOOD," + std::to_string(1.5 * (3 * size + 100) + 7) + "\n";
  }
  const auto data = test::dataset(csv);
  Split split;
  for (std::size_t i = 0; i < data.table.rows.size(); ++i)
    (i < 20 ? split.training : split.held_out).push_back(i);
  const auto trained = recalibrate(parent, data, split, settings()).value();
  CHECK(trained.evaluation.overall.mae < 1e-6);
  // What the new rows say nothing of keeps its place in the parent's order.
  CHECK(trained.model.predict(model::Cells{20.0, std::string("BAD")}).value ==
        Approx(1.5 * 60 + 7));
}

TEST_CASE("a logistic model wants two classes and says which it found") {
  Settings s = settings();
  s.algorithm = model::Algorithm::logistic;
  const auto three = test::dataset("size,price\n1,a\n2,b\n3,c\n");
  const auto refused = train::train(three, split_rows(three, s).value(), s);
  CHECK_THAT(refused.error().message, Catch::Contains("more than two classes"));
  const auto two = test::dataset("size,price\n1,10\n2,10\n3,9\n4,9\n");
  CHECK(trained_on(two, s).model.classes == std::vector<std::string>{"9", "10"});
}
