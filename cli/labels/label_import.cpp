// SPDX-License-Identifier: Apache-2.0
#include "cli/labels/label_import.h"

#include <algorithm>

#include "base/wire/json.h"

namespace outrider::cli {
namespace {

constexpr std::string_view no_examples[] = {"joined", "queued", "duplicate", "resent", "early"};

}  // namespace

Result<std::vector<LabelVerdict>> read_verdicts(std::string_view body) {
  const auto json = wire::parse_json(body);
  const auto bad = [](const std::string& what) {
    return fail("bad_answer", "the answer is not that of POST /api/v1/labels: " + what);
  };
  if (!json) return bad(json.error().message);
  const auto results = json->is_object() ? json->find("results") : json->end();
  if (!json->is_object() || results == json->end() || !results->is_array())
    return bad("no \"results\"");
  std::vector<LabelVerdict> verdicts;
  verdicts.reserve(results->size());
  for (const wire::Json& one : *results) {
    const auto result = one.is_object() ? one.find("result") : one.end();
    if (!one.is_object() || result == one.end() || !result->is_string())
      return bad("a label without \"result\"");
    const auto message = one.find("message");
    verdicts.push_back({result->get<std::string>(), message != one.end() && message->is_string()
                                                        ? message->get<std::string>()
                                                        : std::string()});
  }
  return verdicts;
}

LabelImport::LabelImport(Batching batching, ImportProgress done, LabelSink& sink)
    : batching_(batching),
      progress_(std::move(done)),
      sink_(sink),
      to_skip_(progress_.rows),
      expected_hash_(progress_.hash),
      may_be_sent_(progress_.under_way) {}

// True for a row that was done before.
bool LabelImport::skip(const LabelRow& row) {
  if (to_skip_ == 0) return false;
  if (--to_skip_ == 0 && hash_.value() != expected_hash_) {
    refuse({"other_input", "the first " + std::to_string(progress_.rows) + " rows (to line " +
                               std::to_string(row.line) +
                               ") are not those that were imported: a query needs an order by, and "
                               "a file must not change before it is done"});
  }
  return true;
}

void LabelImport::take(const LabelRow& row) {
  if (failed_) return;
  hash_.add(row);
  ++rows_;
  last_line_ = row.line;
  if (skip(row)) return;
  if (row.kind == LabelRow::Kind::unlabelled) {
    progress_.count("unlabelled");
  } else if (row.kind == LabelRow::Kind::invalid) {
    progress_.count("invalid", {row.line, row.id, row.text});
  } else {
    waiting_bytes_ += row.text.size() + 1;
    waiting_.push_back({row.line, row.id, row.text});
  }
  if (waiting_.size() >= batching_.labels || waiting_bytes_ >= batching_.bytes) send_waiting();
}

Result<void> LabelImport::finish() {
  if (!failed_ && to_skip_ > 0) {
    refuse({"other_input", "the input has " + std::to_string(rows_) + " rows, but " +
                               std::to_string(progress_.rows) + " were imported already"});
  }
  if (!failed_) send_waiting();
  if (failed_) return Failure(*failed_);
  return {};
}

void LabelImport::send_waiting() {
  if (rows_ == progress_.rows) return;  // Nothing new.
  if (auto sent = send(0, waiting_.size()); !sent) return refuse(sent.error());
  may_be_sent_ -= std::min<std::uint64_t>(may_be_sent_, waiting_.size());
  waiting_.clear();
  waiting_bytes_ = 0;
  progress_.rows = rows_;
  progress_.line = last_line_;
  progress_.hash = hash_.value();
  progress_.under_way = std::max<std::uint64_t>(may_be_sent_, batching_.labels);
  if (auto kept = sink_.keep(progress_); !kept) refuse(kept.error());
}

Result<void> LabelImport::send(std::size_t begin, std::size_t end) {
  if (begin == end) return {};
  std::string body;
  body.reserve(waiting_bytes_);
  for (std::size_t i = begin; i < end; ++i) (body += waiting_[i].object) += '\n';
  auto answer = sink_.send(body, end - begin);
  if (!answer && answer.error().code == "too_large" && end - begin > 1) {
    const std::size_t middle = begin + (end - begin) / 2;
    batching_.labels = std::max<std::size_t>(1, std::min(batching_.labels, (end - begin) / 2));
    if (auto first = send(begin, middle); !first) return first;
    return send(middle, end);
  }
  if (!answer) return fail(answer);
  if (answer->verdicts.size() != end - begin) {
    return fail("bad_answer", "the answer has " + std::to_string(answer->verdicts.size()) +
                                  " results for " + std::to_string(end - begin) + " labels");
  }
  for (std::size_t i = begin; i < end; ++i) {
    count(waiting_[i], std::move(answer->verdicts[i - begin]),
          answer->sent_again || i < may_be_sent_);
  }
  return {};
}

void LabelImport::count(const Waiting& label, LabelVerdict verdict, bool sent_again) {
  std::string_view result = verdict.result;
  if (result == "duplicate" && sent_again) result = "resent";
  if (std::find(std::begin(no_examples), std::end(no_examples), result) != std::end(no_examples)) {
    progress_.count(result);
  } else {
    progress_.count(result, {label.line, label.id, std::move(verdict.message)});
  }
}

}  // namespace outrider::cli
