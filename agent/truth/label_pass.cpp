// SPDX-License-Identifier: Apache-2.0
#include "agent/truth/label_pass.h"

#include "base/net/address.h"

#include <array>

namespace outrider::fleet {
namespace {

remote_write::Courier::Settings courier_settings(const LabelPass::Settings& settings) {
  remote_write::Courier::Settings made;
  made.name = "labels for the other agent";
  made.url = net::without_slash(settings.url) + std::string(LabelPass::path);
  made.content_type = "application/octet-stream";
  made.prepare = settings.prepare;
  made.queue.folder = settings.folder;
  made.queue.bytes_max = settings.bytes_max;
  made.queue.age_max = settings.age_max;
  return made;
}

}  // namespace

LabelPass::LabelPass(const Settings& settings, const Clock& clock)
    : courier_(courier_settings(settings), clock) {}

bool LabelPass::add(const net::HttpRequest& request) {
  return courier_.append(pack(request), 1);
}

void LabelPass::collect(wire::MetricSink& sink) {
  using wire::MetricType;
  const auto figures = courier_.figures();
  const auto one = [&](const char* name, MetricType type, const char* help, double value) {
    sink.family({name, type, help});
    sink.value(wire::SeriesKey(Labels{}), value);
  };
  const auto number = [](std::uint64_t count) { return static_cast<double>(count); };
  one("outrider_truth_passed_batches_total", MetricType::counter,
      "Requests with labels that the other agent of the pair took from this one.",
      number(figures.sent));
  one("outrider_truth_pass_pending_batches", MetricType::gauge,
      "Requests with labels that wait on disk for the other agent of the pair.",
      number(figures.queue.pending.samples));
  one("outrider_truth_pass_up", MetricType::gauge,
      "1 where the other agent of the pair took what was last passed to it.", figures.up ? 1 : 0);
  std::uint64_t lost = figures.queue.dropped.queue_full + figures.queue.dropped.too_old +
                       figures.queue.dropped.memory_full + figures.queue.dropped.too_large +
                       figures.queue.dropped.damaged;
  for (const auto& [reason, count] : figures.refused) lost += count;
  one("outrider_truth_pass_dropped_batches_total", MetricType::counter,
      "Requests with labels that the other agent of the pair will never have from this one.",
      number(lost));
}

std::string pack(const net::HttpRequest& request) {
  std::string out = request.path;
  out += '\n';
  out += request.query;
  out += '\n';
  out += request.header("Seldon-Puid");
  out += "\n\n";
  out += request.body;
  return out;
}

Result<net::HttpRequest> unpack(std::string_view body) {
  std::array<std::string_view, 4> lines;
  for (std::string_view& line : lines) {
    const std::size_t end = body.find('\n');
    if (end == std::string_view::npos) {
      return fail("invalid_pass", "expected path, query, id and an empty line before the labels");
    }
    line = body.substr(0, end);
    body.remove_prefix(end + 1);
  }
  if (!lines[0].starts_with('/') || !lines[3].empty()) {
    return fail("invalid_pass", "expected path, query, id and an empty line before the labels");
  }
  net::HttpRequest request;
  request.method = "POST";
  request.path = lines[0];
  request.query = lines[1];
  if (!lines[2].empty()) request.headers.push_back({"Seldon-Puid", std::string(lines[2])});
  request.body = body;
  return request;
}

}  // namespace outrider::fleet
