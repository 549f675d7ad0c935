// SPDX-License-Identifier: Apache-2.0
#include "truth/log/prediction_log.h"

#include <fstream>
#include <random>
#include <thread>

#include "test/support/catch.h"
#include "test/truth/log_fixture.h"

namespace outrider::truth::test {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a label is joined to its prediction and handed to the consumer") {
  LogFixture f;
  f.open();
  const std::string id = f.predict(300'000);
  f.clock.advance(2h);
  CHECK(f.label(id, 312'000.0) == LabelResult::joined);
  const auto seen = f.consumer.seen();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].id == id);
  CHECK(seen[0].prediction == Value(300'000.0));
  CHECK(seen[0].truth == Value(312'000.0));
  CHECK(seen[0].model_name == "house-price");
  CHECK(seen[0].model_version == "v1");
  CHECK(seen[0].labelled - seen[0].predicted == 2h);
  CHECK(f.log->figures().pending == 0);
  CHECK(f.counted(LabelResult::joined) == 1);
}

TEST_CASE("a second label of the same prediction is a duplicate, and the first stands") {
  LogFixture f;
  f.open();
  const std::string id = f.predict(1);
  CHECK(f.label(id, 1.0) == LabelResult::joined);
  CHECK(f.label(id, 2.0) == LabelResult::duplicate);
  CHECK(f.label(id, 1.0) == LabelResult::duplicate);
  CHECK(f.consumer.rows() == 1);
  CHECK(f.consumer.sum() == 1.0);
  REQUIRE(f.joined_rows().size() == 1);
  CHECK(f.joined_rows()[0].truth == Value(1.0));
}

TEST_CASE("twice in one request is a duplicate as well") {
  LogFixture f;
  f.open();
  const std::string id = f.predict(1);
  const auto answers = f.log->join({f.truth(id, 1.0), f.truth(id, 2.0)});
  REQUIRE(answers);
  CHECK((*answers)[0].result == LabelResult::joined);
  CHECK((*answers)[1].result == LabelResult::duplicate);
  CHECK(f.consumer.rows() == 1);
}

TEST_CASE("labels, marks and the consumer's state survive a restart") {
  LogFixture f;
  f.open();
  const std::string first = f.predict(1), second = f.predict(2);
  CHECK(f.label(first, 10.0) == LabelResult::joined);
  f.open();
  CHECK(f.consumer.restores() == 2);
  CHECK(f.consumer.rows() == 1);
  CHECK(f.log->figures().pending == 1);
  CHECK(f.label(first, 10.0) == LabelResult::duplicate);
  CHECK(f.label(second, 20.0) == LabelResult::joined);
  CHECK(f.consumer.sum() == 30.0);
}

TEST_CASE("rows of one request are labelled one by one") {
  LogFixture f;
  f.open();
  const std::string id = f.new_id();
  f.append(id, {RowView{.prediction = 1.0}, RowView{.prediction = std::string_view("b")}});
  CHECK(f.label(id + "_1", "b") == LabelResult::joined);
  CHECK(f.label(id + "_1", "b") == LabelResult::duplicate);
  GroundTruth by_field = f.truth(id, 1.0);
  by_field.row = 0;
  CHECK(f.join(by_field).result == LabelResult::joined);
  CHECK(f.label(id, 1.0) == LabelResult::ambiguous);  // Which row?
  const LabelAnswer third = f.join(f.truth(id + "_2", 1.0));
  CHECK(third.result == LabelResult::unknown);
  CHECK(third.message.find("2 rows") != std::string::npos);
  CHECK(f.consumer.seen()[0].id == id + "_1");
  CHECK(f.log->figures().pending == 0);
}

TEST_CASE("a caller's own id is an alias, with rows too") {
  LogFixture f;
  f.open();
  f.predict(1, {"order-17", "order-17"});
  CHECK(f.label("order-17", 1.0) == LabelResult::joined);
  CHECK(f.label("order-17", 1.0) == LabelResult::duplicate);
  const std::string many = f.new_id();
  f.append(many, {RowView{.prediction = 1.0}, RowView{.prediction = 2.0}}, {"batch_9"});
  CHECK(f.label("batch_9_1", 2.0) == LabelResult::joined);
  CHECK(f.label(many + "_1", 2.0) == LabelResult::duplicate);
  CHECK(f.label("batch_9", 2.0) == LabelResult::ambiguous);
}

TEST_CASE("an alias that is a UUIDv7 of the caller's is found as well") {
  LogFixture f;
  f.open();
  const std::string callers = f.new_id();
  f.predict(1, {callers});
  CHECK(f.label(callers, 1.0) == LabelResult::joined);
}

TEST_CASE(
    "an alias of two predictions is ambiguous, and each can still be labelled by its own id") {
  LogFixture f;
  f.open();
  const std::string first = f.predict(1, {"retry"}), second = f.predict(2, {"retry"});
  CHECK(f.label("retry", 1.0) == LabelResult::ambiguous);
  CHECK(f.label(first, 1.0) == LabelResult::joined);
  CHECK(f.label(second, 1.0) == LabelResult::joined);
  CHECK(f.counted(LabelResult::ambiguous) == 1);
}

TEST_CASE("a label before its prediction is held, and joined when that comes") {
  LogFixture f;
  f.open();
  const std::string id = f.new_id();
  CHECK(f.label(id, 5.0) == LabelResult::early);
  CHECK(f.label("alias-of-it", 6.0) == LabelResult::early);
  CHECK(f.log->figures().early_held == 2);
  f.append(id, {RowView{.prediction = 5.0}});
  f.predict(6.0, {"alias-of-it"});
  REQUIRE(f.log->flush(patience));
  CHECK(f.consumer.rows() == 2);
  CHECK(f.consumer.sum() == 11.0);
  CHECK(f.log->figures().early_held == 0);
  CHECK(f.counted(LabelResult::early) == 2);
  CHECK(f.counted(LabelResult::joined) == 2);
  CHECK(f.label(id, 5.0) == LabelResult::duplicate);
}

TEST_CASE("a held label outlives a restart") {
  LogFixture f;
  f.open();
  const std::string id = f.new_id();
  CHECK(f.label(id, 5.0) == LabelResult::early);
  f.open();
  CHECK(f.log->figures().early_held == 1);
  f.append(id, {RowView{.prediction = 5.0}});
  REQUIRE(f.log->flush(patience));
  CHECK(f.consumer.rows() == 1);
}

TEST_CASE("a held label is unknown once truth.early is over") {
  LogFixture f;
  f.settings.early_hold = 10min;
  f.open();
  CHECK(f.label("nobody", 5.0) == LabelResult::early);
  f.clock.advance(10min - 1s);
  REQUIRE(f.log->flush(patience));
  CHECK(f.counted(LabelResult::unknown) == 0);
  f.clock.advance(2s);
  REQUIRE(f.log->flush(patience));
  CHECK(f.counted(LabelResult::unknown) == 1);
  CHECK(f.log->figures().early_held == 0);
  f.open();
  CHECK(f.log->figures().early_held == 0);
}

TEST_CASE("the table of held labels is bounded") {
  LogFixture f;
  f.settings.early_max = 3;
  f.open();
  for (int i = 0; i < 3; ++i) CHECK(f.label("x" + std::to_string(i), 1.0) == LabelResult::early);
  const LabelAnswer fourth = f.join(f.truth("x3", 1.0));
  CHECK(fourth.result == LabelResult::unknown);
  CHECK(fourth.message.find("held") != std::string::npos);
  CHECK(f.log->figures().early_refused == 1);
}

TEST_CASE("held labels are bounded by their bytes as well, also after a restart") {
  LogFixture f;
  f.settings.early_bytes_max = 1000;
  f.open();
  const std::string long_class(400, 'c');
  CHECK(f.label("x0", Value(long_class)) == LabelResult::early);
  const std::uint64_t one = f.log->figures().early_bytes;
  CHECK(one > 400);
  CHECK(f.label("x1", Value(long_class)) == LabelResult::early);
  CHECK(f.label("x2", Value(long_class)) == LabelResult::early);
  CHECK(f.label("x3", 1.0) == LabelResult::unknown);
  f.open();
  CHECK(f.log->figures().early_bytes == 3 * one);
  CHECK(f.label("x3", 1.0) == LabelResult::unknown);
  f.predict(1.0, {"x1"});
  REQUIRE(f.log->flush(patience));
  CHECK(f.log->figures().early_bytes == 2 * one);
  CHECK(f.label("x4", 1.0) == LabelResult::early);
}

TEST_CASE("with truth.early at 0 nothing is held") {
  LogFixture f;
  f.settings.early_hold = Duration::zero();
  f.open();
  CHECK(f.label("nobody", 5.0) == LabelResult::unknown);
  CHECK(f.log->figures().early_refused == 0);
}

TEST_CASE("a key labels its prediction, and so does the prediction's own id") {
  LogFixture f;
  f.open();
  const std::string id = f.new_id();
  f.append_keyed(id, "order 17");
  CHECK(f.label("order 17", 1.0) == LabelResult::joined);
  CHECK(f.label(id, 1.0) == LabelResult::duplicate);
  const std::string other = f.new_id();
  f.append_keyed(other, "order 18");
  CHECK(f.label(other, 1.0) == LabelResult::joined);
  CHECK(f.label("order 18", 1.0) == LabelResult::duplicate);
}

TEST_CASE("each row of a batch is labelled by its own key") {
  LogFixture f;
  f.open();
  const std::string id = f.new_id();
  f.append(id, {RowView{.prediction = 1.0, .key = "a"}, RowView{.prediction = 2.0, .key = "b"},
                RowView{.prediction = 3.0}});
  CHECK(f.label("b", 2.5) == LabelResult::joined);
  CHECK(f.label(id + "_1", 2.5) == LabelResult::duplicate);
  CHECK(f.label("a", 1.5) == LabelResult::joined);
  REQUIRE(f.consumer.seen().size() == 2);
  CHECK(f.consumer.seen()[0].id == id + "_1");
  CHECK(f.consumer.seen()[0].prediction == Value(2.0));
  CHECK(f.consumer.seen()[1].id == id + "_0");
}

TEST_CASE("a key that two predictions or two rows go by is ambiguous, and counted") {
  LogFixture f;
  f.open();
  const std::string first = f.new_id(), second = f.new_id(), batch = f.new_id();
  f.append_keyed(first, "again");
  f.append_keyed(second, "again");
  f.append(batch, {RowView{.prediction = 1.0, .key = "twice"},
                   RowView{.prediction = 2.0, .key = "twice"}});
  const LabelAnswer answer = f.join(f.truth("again", 1.0));
  CHECK(answer.result == LabelResult::ambiguous);
  CHECK(answer.message.find("make the key longer (request.id)") != std::string::npos);
  CHECK(f.label("twice", 1.0) == LabelResult::ambiguous);
  CHECK(f.counted(LabelResult::ambiguous) == 2);
  CHECK(f.consumer.rows() == 0);
  CHECK(f.label(first, 1.0) == LabelResult::joined);
  CHECK(f.label(second, 1.0) == LabelResult::joined);
}

TEST_CASE(
    "a label's timestamp tells a key's predictions apart where one was made a day and more after "
    "it") {
  LogFixture f;
  f.open();
  const Time begin = f.clock.now();
  const auto at = [&f](std::string key, Time time) {
    GroundTruth label = f.truth(std::move(key), 1.0);
    label.timestamp = time;
    return label;
  };
  const std::string january = f.new_id();
  f.append_keyed(january, "customer 5");
  f.clock.advance(72h);
  const std::string february = f.new_id();
  f.append_keyed(february, "customer 5");
  CHECK(f.join(at("customer 5", begin - 25h)).result == LabelResult::unknown);
  CHECK(f.join(at("customer 5", begin + 60h)).result == LabelResult::ambiguous);
  CHECK(f.label("customer 5", 1.0) == LabelResult::ambiguous);
  CHECK(f.join(at("customer 5", begin + 40h)).result == LabelResult::joined);
  CHECK(f.label(january, 1.0) == LabelResult::duplicate);
  const LabelAnswer before = f.join(at("customer 5", begin - 25h));
  CHECK(before.message.find("more than a day after the label's timestamp") != std::string::npos);
  // A day counts in whatever zone it was written in.
  f.append_keyed(f.new_id(), "customer 6");
  CHECK(f.join(at("customer 6", f.clock.now() - 20h)).result == LabelResult::joined);
}

TEST_CASE("an alias and a key of the same text are one name: of two predictions it is ambiguous") {
  LogFixture f;
  f.open();
  f.predict(1.0, {"17"});
  f.append_keyed(f.new_id(), "17");
  CHECK(f.label("17", 1.0) == LabelResult::ambiguous);
  const std::string both = f.new_id();
  f.append_keyed(both, "18", {"18"});
  CHECK(f.label("18", 1.0) == LabelResult::joined);
  CHECK(f.label(both, 1.0) == LabelResult::duplicate);
}

TEST_CASE("a key is never taken apart: order_0 is not row 0 of order") {
  LogFixture f;
  f.open();
  f.append_keyed(f.new_id(), "order");
  CHECK(f.label("order_0", 1.0) == LabelResult::early);
  f.append_keyed(f.new_id(), "order_0");
  REQUIRE(f.log->flush(patience));
  CHECK(f.consumer.rows() == 1);
  const std::string batch = f.new_id();
  f.append_keyed(batch, "batch", {}, 2);
  const LabelAnswer whole = f.join(f.truth("batch", 1.0));
  CHECK(whole.result == LabelResult::ambiguous);
  CHECK(whole.message.find("label each with its \"row\", 0 to 1") != std::string::npos);
  GroundTruth second = f.truth("batch", 1.0);
  second.row = 1;
  CHECK(f.join(second).result == LabelResult::joined);
  CHECK(f.label(batch + "_1", 1.0) == LabelResult::duplicate);
}

TEST_CASE("a label that comes before its key's prediction is held, also over a restart") {
  LogFixture f;
  f.open();
  CHECK(f.label("order 9", 5.0) == LabelResult::early);
  CHECK(f.label("row of a batch", 6.0) == LabelResult::early);
  f.open();
  f.clock.advance(9min);
  f.append_keyed(f.new_id(), "order 9");
  f.append(f.new_id(),
           {RowView{.prediction = 6.0}, RowView{.prediction = 6.0, .key = "row of a batch"}});
  REQUIRE(f.log->flush(patience));
  CHECK(f.consumer.sum() == 11.0);
  CHECK(f.label("order 9", 5.0) == LabelResult::duplicate);
}

TEST_CASE("a key that looks like an old prediction id is found all the same") {
  LogFixture f;
  f.settings.max_delay = 1h;
  f.open();
  const std::string order = f.new_id();
  f.clock.advance(2h);
  f.append_keyed(f.new_id(), order);
  CHECK(f.label(order, 1.0) == LabelResult::joined);
}

TEST_CASE("an id that is older than truth.early and not in the log is unknown at once") {
  LogFixture f;
  f.open();
  const std::string id = f.new_id();
  f.clock.advance(11min);
  CHECK(f.label(id, 1.0) == LabelResult::unknown);
  CHECK(f.counted(LabelResult::unknown) == 1);
}

TEST_CASE(
    "a label that comes after truth.max_delay is late, before as after its prediction expires") {
  LogFixture f;
  f.settings.max_delay = 24h;
  f.open();
  const std::string id = f.predict(1, {"alias"});
  REQUIRE(f.log->flush(patience));
  f.clock.advance(25h);
  CHECK(f.label(id, 1.0) == LabelResult::late);
  REQUIRE(f.log->flush(patience));
  CHECK(f.log->figures().pending == 0);
  CHECK(f.log->figures().expired == 1);
  CHECK(f.label(id, 1.0) == LabelResult::late);
  CHECK(f.consumer.rows() == 0);
}

TEST_CASE("a self-contained label needs no prediction in the log, and counts once an id") {
  LogFixture f;
  f.open();
  GroundTruth label = f.truth("someone-elses", 1.0);
  label.brought = BroughtPrediction{.prediction = 2.0, .model_version = "v9", .segment = "s"};
  CHECK(f.join(label).result == LabelResult::joined);
  CHECK(f.join(label).result == LabelResult::duplicate);
  GroundTruth other_pods = f.truth(f.new_id(), 1.0);
  other_pods.brought = label.brought;
  CHECK(f.join(other_pods).result == LabelResult::joined);
  CHECK(f.join(other_pods).result == LabelResult::duplicate);
  f.open();
  CHECK(f.join(label).result == LabelResult::duplicate);
  CHECK(f.join(other_pods).result == LabelResult::duplicate);
  const auto answers = f.log->join({label, label});
  REQUIRE(answers);
  CHECK((*answers)[1].result == LabelResult::duplicate);
  const auto seen = f.consumer.seen();
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].model_version == "v9");
  CHECK(seen[0].segment == "s");
  CHECK(seen[0].prediction == Value(2.0));
  CHECK(seen[0].model_name == "unknown");
}

TEST_CASE(
    "a self-contained and a plain label of one prediction count once, whichever comes first") {
  LogFixture f;
  f.open();
  for (const bool by_alias : {false, true}) {
    for (const bool plain_first : {false, true}) {
      const std::string alias = "a" + std::to_string(f.serial);
      const std::string id = f.predict(7, {alias});
      const GroundTruth plain = f.truth(by_alias ? alias : id, 1.0);
      GroundTruth whole = f.truth(by_alias ? id : alias, 1.0);
      whole.brought = BroughtPrediction{.prediction = 7.0, .model_version = "v1"};
      CHECK(f.join(plain_first ? plain : whole).result == LabelResult::joined);
      CHECK(f.join(plain_first ? whole : plain).result == LabelResult::duplicate);
    }
  }
  CHECK(f.log->figures().pending == 0);
  // The prediction of that alias comes only after its self-contained label.
  GroundTruth first = f.truth("later", 1.0);
  first.brought = BroughtPrediction{.prediction = 7.0, .model_version = "v1"};
  CHECK(f.join(first).result == LabelResult::joined);
  f.predict(7, {"later"});
  CHECK(f.label("later", 1.0) == LabelResult::duplicate);
}

TEST_CASE("a question of the fan-out holds nothing and counts only this pod's own predictions") {
  LogFixture f;
  f.open();
  const std::string id = f.predict(1);
  CHECK(f.label("elsewhere", 1.0, {.fan_out = true}) == LabelResult::unknown);
  CHECK(f.counted(LabelResult::unknown) == 0);
  CHECK(f.log->figures().early_held == 0);
  CHECK(f.label(id, 1.0, {.fan_out = true}) == LabelResult::joined);
  CHECK(f.label(id, 1.0, {.fan_out = true}) == LabelResult::duplicate);
  CHECK(f.counted(LabelResult::joined) == 1);
  CHECK(f.counted(LabelResult::duplicate) == 1);
}

TEST_CASE("an id from the far future is no prediction id") {
  LogFixture f;
  f.open();
  const std::string id = format_uuid(make_uuid7(f.clock.now() + 24h * 365, 1, 2));
  GroundTruth label = f.truth(id, 1.0);
  label.brought = BroughtPrediction{.prediction = 7.0, .model_version = "v1"};
  CHECK(f.join(label).result == LabelResult::joined);
  CHECK(f.join(label).result == LabelResult::duplicate);
}

TEST_CASE("what cannot be appended is counted by reason, in rows") {
  LogFixture f;
  f.settings.append_bytes_max = 4096;
  f.settings.commit_interval = 1h;  // The owner takes nothing by itself.
  f.open();
  CHECK_FALSE(f.append("no-uuid", {RowView{.prediction = 1.0}, RowView{.prediction = 1.0}}));
  CHECK(f.dropped(AppendDrop::invalid_id) == 2);
  const std::string large(2 << 20, 'x');
  CHECK_FALSE(f.append(f.new_id(), {RowView{.prediction = std::string_view(large)}}));
  CHECK(f.dropped(AppendDrop::too_large) == 1);
  int taken = 0;
  while (f.append(f.new_id(), {RowView{.prediction = 1.0}})) ++taken;
  CHECK(taken > 10);
  CHECK(f.dropped(AppendDrop::queue_full) == 1);
  CHECK(f.append(f.new_id(), {}) == true);  // No rows: nothing to keep.
  f.log->close();
  CHECK_FALSE(f.append(f.new_id(), {RowView{.prediction = 1.0}}));
  CHECK(f.dropped(AppendDrop::unavailable) == 1);
  const auto after = f.log->join({f.truth("x", 1.0)});
  REQUIRE_FALSE(after);
  CHECK(after.error().code == "log_unavailable");
  f.open();
  CHECK(f.log->figures().pending ==
        static_cast<std::uint64_t>(taken));  // close() has written them.
  CHECK(f.dropped(AppendDrop::crash) == 0);
}

TEST_CASE("the log stays below its byte cap, the oldest go first, and their labels are evicted") {
  LogFixture f;
  f.settings.bytes_max = log_bytes_min;
  f.open();
  std::mt19937_64 random(1);
  std::vector<std::string> ids;
  std::uint64_t appended = 0;
  for (int second = 0; second < 60; ++second) {
    for (int i = 0; i < 2000; ++i) {
      std::string text(400, ' ');  // Random, so that it does not compress away.
      for (char& c : text) c = static_cast<char>('!' + random() % 90);
      const std::string id = format_uuid(make_uuid7(f.clock.now(), random(), random()));
      const std::string alias = "alias-" + id;
      while (!f.append(id, {RowView{.prediction = std::string_view(text)}}, {alias})) {
        REQUIRE(f.log->flush(patience));
      }
      if (i == 0) ids.push_back(id);
      ++appended;
    }
    f.clock.advance(1s);
    REQUIRE(f.log->flush(patience));
    CHECK(f.log->figures().disk_bytes <= log_bytes_min);
  }
  const auto figures = f.log->figures();
  CHECK(figures.evicted > appended / 4);
  CHECK(figures.pending > appended / 10);
  CHECK(figures.pending + figures.evicted == appended);
  CHECK(f.label(ids.front(), 1.0) == LabelResult::evicted);
  CHECK(f.label(ids.back(), 1.0) == LabelResult::joined);
  f.open();
  CHECK(f.label(ids.front(), 1.0) == LabelResult::evicted);
  CHECK(f.label(ids.back(), 1.0) == LabelResult::duplicate);
  CHECK(f.log->figures().pending + f.log->figures().evicted == figures.pending - 1);
}

TEST_CASE("expiry frees the disk as well as the count") {
  LogFixture f;
  f.settings.max_delay = 1h;
  f.settings.bytes_max = 64 << 20;
  f.open();
  std::mt19937_64 random(1);
  for (int minute = 0; minute < 10; ++minute) {
    for (int i = 0; i < 3000; ++i) {
      std::string text(300, ' ');
      for (char& c : text) c = static_cast<char>('!' + random() % 90);
      const std::string id = format_uuid(make_uuid7(f.clock.now(), random(), random()));
      REQUIRE(f.append(id, {RowView{.prediction = std::string_view(text)}}));
    }
    f.clock.advance(1min);
    REQUIRE(f.log->flush(patience));
  }
  const std::uint64_t full = f.log->figures().disk_bytes;
  CHECK(f.log->figures().pending == 30'000);
  f.clock.advance(2h);
  REQUIRE(f.log->flush(patience));
  CHECK(f.log->figures().pending == 0);
  CHECK(f.log->figures().expired == 30'000);
  f.open();  // What the memtables held is rewritten without them.
  CHECK(f.log->figures().disk_bytes < full);
  CHECK(f.log->figures().pending == 0);
}

TEST_CASE("a folder with something else in it is refused and left alone") {
  LogFixture f;
  std::filesystem::create_directories(f.settings.folder);
  std::ofstream(f.settings.folder / "thesis.txt") << "precious";
  const auto opened = PredictionLog::open(f.settings, f.consumer, f.clock);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == "log_foreign");
  CHECK(opened.error().message.find(f.settings.folder.string()) != std::string::npos);
  std::string text;
  std::ifstream(f.settings.folder / "thesis.txt") >> text;
  CHECK(text == "precious");
}

TEST_CASE("a damaged log says so, and how to go on") {
  LogFixture f;
  f.open();
  for (int i = 0; i < 2000; ++i) f.predict(i);
  REQUIRE(f.log->flush(patience));
  f.log.reset();
  f.open();  // Its predictions are in a table file now.
  f.log.reset();
  SECTION("a manifest cut short") {
    for (const auto& entry : std::filesystem::directory_iterator(f.settings.folder / "db")) {
      if (entry.path().filename().string().starts_with("MANIFEST")) {
        std::filesystem::resize_file(entry.path(), 20);
      }
    }
  }
  SECTION("CURRENT is gone") {
    std::filesystem::remove(f.settings.folder / "db" / "CURRENT");
  }
  SECTION("a table file is gone") {
    for (const auto& entry : std::filesystem::directory_iterator(f.settings.folder / "db")) {
      if (entry.path().extension() == ".sst") std::filesystem::remove(entry.path());
    }
  }
  SECTION("the marker is overwritten") {
    std::ofstream(f.settings.folder / "OUTRIDER-LOG") << "garbage\n";
  }
  const auto opened = PredictionLog::open(f.settings, f.consumer, f.clock);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == "log_corrupt");
  CHECK(opened.error().message.find("mv " + f.settings.folder.string()) != std::string::npos);
}

TEST_CASE("a log of a later format and one in use are refused, each with its reason") {
  LogFixture f;
  f.open();
  CountingConsumer other;
  const auto second = PredictionLog::open(f.settings, other, f.clock);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == "log_locked");
  f.log.reset();
  std::ofstream(f.settings.folder / "OUTRIDER-LOG") << "outrider prediction log, format 999\n";
  const auto newer = PredictionLog::open(f.settings, other, f.clock);
  REQUIRE_FALSE(newer);
  CHECK(newer.error().code == "log_newer");
}

TEST_CASE("many threads append and label at once, and each label is joined once") {
  LogFixture f;
  f.settings.append_bytes_max = 64 << 20;
  f.open();
  constexpr int threads = 4, each = 2000;
  std::atomic<int> joined = 0, duplicates = 0, others = 0;
  std::vector<std::thread> workers;
  const Time now = f.clock.now();
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&, t] {
      for (int i = 0; i < each; ++i) {
        const std::string id = format_uuid(
            make_uuid7(now, static_cast<std::uint64_t>(t), static_cast<std::uint64_t>(i)));
        f.append(id, {RowView{.prediction = 1.0}});
        if (i % 20 != 19) continue;
        std::vector<GroundTruth> labels;
        for (int j = i - 19; j <= i; ++j) {
          // Every other thread sends this one's labels as well.
          for (int other = 0; other < 2; ++other) {
            const auto from = static_cast<std::uint64_t>((t + other) % threads);
            labels.push_back(
                f.truth(format_uuid(make_uuid7(now, from, static_cast<std::uint64_t>(j))), 1.0));
          }
        }
        const auto answers = f.log->join(std::move(labels));
        if (!answers) return;
        for (const LabelAnswer& answer : *answers) {
          if (answer.result == LabelResult::joined)
            ++joined;
          else if (answer.result == LabelResult::duplicate)
            ++duplicates;
          else
            ++others;
        }
      }
    });
  }
  std::thread scraper([&] {
    for (int i = 0; i < 50; ++i) {
      wire::TextSink sink(wire::Format::text);
      f.log->collector().collect(sink);
      f.log->for_each_joined({}, [](const JoinedRow&) { return true; });
    }
  });
  for (std::thread& worker : workers) worker.join();
  scraper.join();
  REQUIRE(f.log->flush(patience));
  CHECK(f.consumer.rows() == threads * each);
  CHECK(f.counted(LabelResult::joined) == threads * each);
  CHECK(joined + duplicates + others == 2 * threads * each);
  CHECK(f.joined_rows().size() == threads * each);
  CHECK(f.log->figures().pending == 0);
}

TEST_CASE("the metrics are those that promise counters and units") {
  LogFixture f;
  f.settings.model_name = "m";
  f.open();
  const std::string id = f.predict(1);
  f.clock.advance(90s);
  f.label(id, 1.0);
  f.label(id, 1.0);
  f.log->count_invalid(3);
  wire::TextSink sink(wire::Format::text);
  f.log->collector().collect(sink);
  const std::string page = sink.finish();
  for (
      const char* line :
      {R"(outrider_labels_total{model_name="house-price",model_version="v1",result="joined"} 1)",
       R"(outrider_labels_total{model_name="house-price",model_version="v1",result="duplicate"} 1)",
       R"(outrider_labels_total{model_name="m",model_version="unknown",result="invalid"} 3)",
       R"(outrider_label_delay_seconds_bucket{model_name="house-price",model_version="v1",le="300"} 1)",
       R"(outrider_label_delay_seconds_sum{model_name="house-price",model_version="v1"} 90)",
       R"(outrider_log_dropped_total{reason="queue_full"} 0)", "outrider_log_available 1",
       "outrider_log_pending_predictions 0", "outrider_log_sync_seconds_count"}) {
    INFO(page);
    CHECK(page.find(line) != std::string::npos);
  }
}

TEST_CASE("labels' counters are there at 0 before the first label, for every version announced") {
  LogFixture f;
  f.settings.model_name = "m";
  f.open();
  const auto count_of = [&f](const std::string& model, const std::string& version,
                             LabelResult result) {
    wire::TextSink sink(wire::Format::text);
    f.log->collector().collect(sink);
    const std::string page = sink.finish();
    const std::string series = "outrider_labels_total{model_name=\"" + model +
                               "\",model_version=\"" + version + "\",result=\"" +
                               std::string(to_string(result)) + "\"} ";
    const std::size_t at = page.find(series);
    return at == std::string::npos ? -1 : std::stoi(page.substr(at + series.size()));
  };
  f.log->announce("house-price", "v1");
  for (std::size_t i = 0; i < label_result_count; ++i) {
    CHECK(count_of("m", "unknown", static_cast<LabelResult>(i)) == 0);
    CHECK(count_of("house-price", "v1", static_cast<LabelResult>(i)) == 0);
  }
  CHECK(count_of("house-price", "v2", LabelResult::joined) == -1);
  f.label(f.predict(1), 1.0);
  f.log->announce("house-price", "v1");
  CHECK(count_of("house-price", "v1", LabelResult::joined) == 1);
}

}  // namespace
}  // namespace outrider::truth::test
