// SPDX-License-Identifier: Apache-2.0
#include "base/net/metrics_page.h"

#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "base/core/text.h"
#include "base/core/version.h"

namespace outrider::net {
namespace {

bool accepts_gzip(std::string_view accept_encoding) {
  for (const std::string_view coding : split(accept_encoding, ',')) {
    const auto pieces = split(coding, ';');
    if (!iequals_ascii(trim(pieces.front()), "gzip")) continue;
    return pieces.size() < 2 || trim(pieces[1]) != "q=0";
  }
  return false;
}

// Seconds since the epoch at which this process began: boot time + start ticks of /proc/self/stat.
double process_start_seconds() {
  std::ifstream stat("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  std::istringstream after_name(text.substr(std::min(text.rfind(')'), text.size() - 1) + 1));
  std::string field;
  for (int i = 0; i < 20 && after_name >> field; ++i) {
  }  // The 22nd field of the line.
  const double ticks = parse_double(field).value_or(0);
  std::ifstream system("/proc/stat");
  for (std::string line; std::getline(system, line);) {
    if (line.starts_with("btime ")) {
      return parse_double(line.substr(6)).value_or(0) +
             ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
    }
  }
  return 0;
}

void gauge(wire::MetricSink& sink, const char* name, const char* help, double value) {
  sink.family({name, wire::MetricType::gauge, help});
  sink.value(wire::SeriesKey(), value);
}

}  // namespace

std::string gzip(std::string_view bytes) {
  z_stream stream{};
  constexpr int window_bits_gzip = 15 + 16;
  if (deflateInit2(&stream, 1, Z_DEFLATED, window_bits_gzip, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::runtime_error("zlib: out of memory");
  }
  std::string packed(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

namespace {

HttpResponse page_response(const HttpRequest& request, wire::Format format, std::string body) {
  HttpResponse response{.content_type = std::string(wire::content_type(format)),
                        .body = std::move(body)};
  response.headers.push_back({"Vary", "Accept, Accept-Encoding"});
  if (accepts_gzip(request.header("Accept-Encoding"))) {
    response.body = gzip(response.body);
    response.headers.push_back({"Content-Encoding", "gzip"});
  }
  return response;
}

}  // namespace

Handler metrics_page(std::vector<wire::Collector*> collectors) {
  return [collectors = std::move(collectors)](const HttpRequest& request) {
    const wire::Format format = wire::negotiate(request.header("Accept"));
    wire::TextSink sink(format);
    for (wire::Collector* collector : collectors) collector->collect(sink);
    return page_response(request, format, sink.finish());
  };
}

Handler metrics_page(std::vector<wire::Collector*> collectors,
                     std::function<wire::ExposedFamilies()> more) {
  return [collectors = std::move(collectors), more = std::move(more)](const HttpRequest& request) {
    const wire::Format format = wire::negotiate(request.header("Accept"));
    wire::GatheringSink sink;
    for (wire::Collector* collector : collectors) collector->collect(sink);
    wire::ExposedFamilies families = sink.take();
    wire::merge(families, more());
    return page_response(request, format, wire::render(families, format));
  };
}

void ProcessCollector::collect(wire::MetricSink& sink) {
  static const double start_seconds = process_start_seconds();
  sink.family({"outrider_build_info", wire::MetricType::info,
               "The version and commit that this program was built from; always 1."});
  sink.value(
      wire::SeriesKey({{"version", std::string(version())}, {"revision", std::string(revision())}}),
      1);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  sink.family({"process_cpu_seconds_total", wire::MetricType::counter,
               "Total user and system CPU time spent in seconds."});
  sink.value(wire::SeriesKey(), seconds(usage.ru_utime) + seconds(usage.ru_stime));
  std::ifstream statm("/proc/self/statm");
  double pages_virtual = 0, pages_resident = 0;
  statm >> pages_virtual >> pages_resident;
  const auto page_bytes = static_cast<double>(sysconf(_SC_PAGESIZE));
  gauge(sink, "process_virtual_memory_bytes", "Virtual memory size in bytes.",
        pages_virtual * page_bytes);
  gauge(sink, "process_resident_memory_bytes", "Resident memory size in bytes.",
        pages_resident * page_bytes);
  gauge(sink, "process_start_time_seconds",
        "Start time of the process since unix epoch in seconds.", start_seconds);
  std::error_code ignored;
  double open_files = 0;
  for (auto it = std::filesystem::directory_iterator("/proc/self/fd", ignored);
       it != std::filesystem::directory_iterator(); it.increment(ignored)) {
    ++open_files;
  }
  gauge(sink, "process_open_fds", "Number of open file descriptors.", open_files);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  gauge(sink, "process_max_fds", "Maximum number of open file descriptors.",
        static_cast<double>(limit.rlim_cur));
}

}  // namespace outrider::net
