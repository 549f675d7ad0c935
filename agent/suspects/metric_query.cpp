// SPDX-License-Identifier: Apache-2.0
#include "agent/suspects/metric_query.h"

#include <algorithm>
#include <array>

#include "agent/diagnose/channels.h"
#include "base/config/yaml.h"
#include "base/core/enum_names.h"

namespace outrider::suspects {
namespace {

constexpr const char* from_file = "--diagnose.queries";

constexpr std::size_t queries_max = 200;
constexpr std::array<EnumName<Role>, 4> roles = {{{Role::workload, "workload"},
                                                  {Role::model, "model"},
                                                  {Role::machine, "machine"},
                                                  {Role::gpu, "gpu"}}};

const std::string of_job = "cluster, namespace, job, workload";
const std::string of_model = of_job + ", model_name";
const std::string failed = R"(outcome=~"server_error|timeout|unreachable",$scope)";

std::string sum_by(const std::string& by, const std::string& of) {
  return "sum by (" + by + ") (" + of + ")";
}
std::string rate_of(const std::string& metric, const std::string& matchers = "$scope") {
  return "rate(" + metric + "{" + matchers + "}[$rate])";
}
std::string share(const std::string& by, const std::string& part, const std::string& whole) {
  return sum_by(by, part) + " / " + sum_by(by, whole);
}

// A histogram's mean and p95 in milliseconds; `scale` makes those of its unit.
void add_latency(std::vector<MetricQuery>& out, MetricQuery like, const std::string& histogram,
                 const std::string& by, const std::string& matchers, const std::string& scale) {
  like.metric = "latency_mean_ms";
  like.promql = scale + share(by, rate_of(histogram + "_sum", matchers),
                              rate_of(histogram + "_count", matchers));
  out.push_back(like);
  like.metric = "latency_p95_ms";
  like.promql = scale + "histogram_quantile(0.95, " +
                sum_by(by + ", le", rate_of(histogram + "_bucket", matchers)) + ")";
  out.push_back(like);
}

void add_outrider(std::vector<MetricQuery>& out) {
  const MetricQuery like{.family = "Outrider",
                         .needs = "outrider_requests_total",
                         .metric = "",
                         .promql = "",
                         .role = Role::model};
  const auto add = [&](const char* needs, const char* metric, std::string promql,
                       bool a_row = false) {
    MetricQuery one = like;
    one.needs = needs;
    one.metric = metric;
    one.promql = std::move(promql);
    one.a_row = a_row;
    out.push_back(std::move(one));
  };
  add("outrider_requests_total", "requests", sum_by(of_model, rate_of("outrider_requests_total")),
      true);
  // Counters of outcomes that never happened are absent: without failures it is 0, not unknown.
  add("outrider_requests_total", "errors",
      sum_by(of_model, rate_of("outrider_requests_total", failed)) + " or 0 * " +
          sum_by(of_model, rate_of("outrider_requests_total")),
      true);
  add_latency(out, like, "outrider_request_duration_seconds", of_model, "$scope", "1000 * ");
  add("outrider_drift_ratio", "drift_ratio",
      "max by (" + of_model + ") (quantile by (" + of_model +
          R"(, subject) (0.5, outrider_drift_ratio{subject!="prediction",$scope})))");
  add("outrider_feature_quality_total", "quality_failures",
      share(of_model, rate_of("outrider_feature_quality_total"),
            rate_of("outrider_predictions_total")));
  add("outrider_outcomes_total", "wrong_predictions",
      share(of_model, rate_of("outrider_outcomes_total", R"(correct="false",$scope)"),
            rate_of("outrider_outcomes_total")));
  // The sidecar counts these for all of its models together.
  MetricQuery upstream = like;
  upstream.role = Role::workload;
  upstream.needs = "outrider_upstream_failures_total";
  upstream.metric = "upstream_failures";
  upstream.promql = share(of_job, rate_of("outrider_upstream_failures_total"),
                          rate_of("outrider_requests_total"));
  out.push_back(std::move(upstream));
}

void add_opentelemetry(std::vector<MetricQuery>& out) {
  const std::string http = "http_server_request_duration_seconds";
  const std::string http_by = of_job + ", service_name";
  MetricQuery server{.family = "OpenTelemetry HTTP server",
                     .needs = http + "_count",
                     .metric = "requests",
                     .promql = sum_by(http_by, rate_of(http + "_count")),
                     .a_row = true};
  out.push_back(server);
  server.metric = "errors";
  server.promql =
      sum_by(http_by, rate_of(http + "_count", R"(http_response_status_code=~"5..",$scope)")) +
      " or 0 * " + sum_by(http_by, rate_of(http + "_count"));
  out.push_back(server);
  server.a_row = false;
  add_latency(out, server, http, http_by, "$scope", "1000 * ");

  // The collector's connector, and Tempo's generator with its own names and seconds.
  struct Names {
    const char *calls, *duration, *scale;
  };
  for (const Names& names :
       {Names{"traces_span_metrics_calls_total", "traces_span_metrics_duration_milliseconds", ""},
        Names{"traces_spanmetrics_calls_total", "traces_spanmetrics_latency", "1000 * "}}) {
    const std::string by = "cluster, namespace, service_name, service";
    const std::string server_side = R"(span_kind="SPAN_KIND_SERVER",$scope)";
    const std::string calls = sum_by(by, rate_of(names.calls, server_side));
    MetricQuery spans{.family = "OpenTelemetry span metrics",
                      .needs = names.calls,
                      .metric = "requests",
                      .promql = calls,
                      .component = {"service_name", "service"},
                      .a_row = true};
    out.push_back(spans);
    spans.metric = "errors";
    spans.promql =
        sum_by(by, rate_of(names.calls, R"(status_code="STATUS_CODE_ERROR",)" + server_side)) +
        " or 0 * " + calls;
    out.push_back(spans);
    spans.a_row = false;
    add_latency(out, spans, names.duration, by, server_side, names.scale);
  }
}

void add_service_graph(std::vector<MetricQuery>& out) {
  const std::string graph = "traces_service_graph_request";
  MetricQuery callee{.family = "service graph",
                     .needs = graph + "_total",
                     .metric = "requests",
                     .promql = sum_by("cluster, server", rate_of(graph + "_total")),
                     .component = {"server"},
                     .a_row = true};
  out.push_back(callee);
  callee.metric = "errors";
  callee.promql = sum_by("cluster, server", rate_of(graph + "_failed_total")) + " or 0 * " +
                  sum_by("cluster, server", rate_of(graph + "_total"));
  out.push_back(callee);
  callee.a_row = false;
  for (const auto& [metric, side] : {std::pair{"latency_mean_ms", "_server_seconds"},
                                     std::pair{"latency_at_callers_mean_ms", "_client_seconds"}}) {
    callee.metric = metric;
    callee.promql = "1000 * " + share("cluster, server", rate_of(graph + side + "_sum"),
                                      rate_of(graph + side + "_count"));
    out.push_back(callee);
  }
}

void add_istio(std::vector<MetricQuery>& out) {
  const std::string by = "cluster, destination_workload_namespace, destination_workload";
  const auto at = [](const std::string& reporter) {
    return "reporter=\"" + reporter + "\",$scope";
  };
  const std::string requests = "istio_requests_total",
                    duration = "istio_request_duration_milliseconds";
  MetricQuery query{.family = "Istio",
                    .needs = requests,
                    .metric = "requests",
                    .promql = sum_by(by, rate_of(requests, at("destination"))),
                    .component = {"destination_workload"},
                    .name_space = "destination_workload_namespace",
                    .a_row = true};
  out.push_back(query);
  query.metric = "errors";
  query.promql = sum_by(by, rate_of(requests, R"(response_code=~"5..",)" + at("destination"))) +
                 " or 0 * " + query.promql;
  out.push_back(query);
  query.a_row = false;
  for (const auto& [metric, reporter] : {std::pair{"latency_mean_ms", "destination"},
                                         std::pair{"latency_at_callers_mean_ms", "source"}}) {
    query.metric = metric;
    query.promql = share(by, rate_of(duration + "_sum", at(reporter)),
                         rate_of(duration + "_count", at(reporter)));
    out.push_back(query);
  }
}

void add_resources(std::vector<MetricQuery>& out) {
  const std::string pod = "cluster, namespace, pod", container = R"(container!="",$scope)";
  const auto add = [&out](const char* family, const std::string& needs, const char* metric,
                          std::string promql, Role role, Combine combine) {
    out.push_back({.family = family,
                   .needs = needs,
                   .metric = metric,
                   .promql = std::move(promql),
                   .role = role,
                   .combine = combine});
  };
  // Of a workload's pods the busiest: one that leaks among twenty is seen, another replica is not.
  const Combine largest = Combine::largest;
  add("cAdvisor", "container_cpu_usage_seconds_total", "cpu",
      sum_by(pod, rate_of("container_cpu_usage_seconds_total", container)), Role::workload,
      largest);
  add("cAdvisor", "container_memory_working_set_bytes", "memory",
      sum_by(pod, "container_memory_working_set_bytes{" + container + "}") + " / 2^20",
      Role::workload, largest);
  const std::string process = of_job + ", service_name, pod, instance";
  add("process", "process_cpu_seconds_total", "cpu",
      sum_by(process, rate_of("process_cpu_seconds_total")), Role::workload, largest);
  add("process", "process_resident_memory_bytes", "memory",
      sum_by(process, "process_resident_memory_bytes{$scope}") + " / 2^20", Role::workload,
      largest);
  add("kube-state-metrics", "kube_pod_container_status_restarts_total", "restarts",
      sum_by(pod, "increase(kube_pod_container_status_restarts_total{$scope}[$rate])"),
      Role::workload, Combine::sum);
  const std::string machine = "cluster, instance, node, nodename";
  add("node exporter", "node_cpu_seconds_total", "cpu",
      sum_by(machine, rate_of("node_cpu_seconds_total", R"(mode!~"idle|iowait",$scope)")),
      Role::machine, largest);
  add("node exporter", "node_memory_MemAvailable_bytes", "memory",
      sum_by(machine,
             "node_memory_MemTotal_bytes{$scope} - node_memory_MemAvailable_bytes{$scope}") +
          " / 2^20",
      Role::machine, largest);
  const std::string gpu = "cluster, Hostname, gpu";
  add("DCGM exporter", "DCGM_FI_DEV_GPU_UTIL", "gpu_utilisation",
      "max by (" + gpu + ") (DCGM_FI_DEV_GPU_UTIL{$scope})", Role::gpu, largest);
  add("DCGM exporter", "DCGM_FI_DEV_FB_USED", "gpu_memory",
      "max by (" + gpu + ") (DCGM_FI_DEV_FB_USED{$scope})", Role::gpu, largest);
  // The last error's number, 0 without one: not how many.
  add("DCGM exporter", "DCGM_FI_DEV_XID_ERRORS", "gpu_errors",
      "max by (" + gpu + ") (DCGM_FI_DEV_XID_ERRORS{$scope} > bool 0)", Role::gpu, largest);
}

void read_query(config::YamlReader& reader, const config::Yaml& item, QuerySet& out) {
  reader.only_keys(item,
                   {"metric", "query", "needs", "component", "namespace", "role", "pods", "a_row"});
  MetricQuery query;
  query.family = from_file;
  query.metric = reader.text(item, "metric").value_or("");
  query.promql = reader.text(item, "query").value_or("");
  query.needs = reader.text(item, "needs").value_or("");
  query.component = reader.texts(item, "component");
  query.name_space = reader.text(item, "namespace").value_or("namespace");
  query.a_row = reader.boolean(item, "a_row").value_or(false);
  if (query.promql.empty()) reader.mistake(item, "query is missing: expected PromQL");
  if (!diagnose::is_read(query.metric)) {
    reader.mistake(item, "metric '" + query.metric +
                             "': expected a name that docs/diagnose.md lists, such as cpu, errors "
                             "or latency_mean_ms; of others nobody knows which way is worse");
  }
  const std::string role = reader.text(item, "role").value_or("workload");
  if (const auto known = parse_enum_name(roles, role)) {
    query.role = *known;
  } else {
    reader.mistake(item, "role '" + role + "': expected workload, model, machine or gpu");
  }
  const std::string pods = reader.text(item, "pods").value_or("sum");
  if (pods != "sum" && pods != "largest")
    reader.mistake(item, "pods '" + pods + "': expected sum or largest");
  query.combine = pods == "largest" ? Combine::largest : Combine::sum;
  out.metrics.push_back(std::move(query));
}

void read_logs(config::YamlReader& reader, const config::Yaml& item, QuerySet& out) {
  reader.only_keys(item, {"query", "from", "needs", "component", "namespace", "site"});
  LogsQuery logs;
  logs.family = from_file;
  logs.query = reader.text(item, "query").value_or("");
  logs.needs = reader.text(item, "needs").value_or("");
  logs.component = reader.texts(item, "component");
  logs.name_space = reader.text(item, "namespace").value_or("namespace");
  const std::string from = reader.text(item, "from").value_or("prometheus");
  if (from != "prometheus" && from != "loki")
    reader.mistake(item, "from '" + from + "': expected prometheus or loki");
  logs.from = from == "loki" ? LogStore::loki : LogStore::prometheus;
  if (logs.from == LogStore::loki && !logs.needs.empty())
    reader.mistake(item, "needs: of metrics of Prometheus; Loki has none");
  if (auto site = reader.texts(item, "site"); !site.empty()) logs.site = std::move(site);
  if (logs.query.find("$rate") == std::string::npos) {
    reader.mistake(
        item,
        logs.from == LogStore::loki
            ? "expected query: LogQL that counts lines within $rate, such as sum by (namespace, "
              "app, level) (count_over_time({app=~\".+\", $scope} | logfmt [$rate]))"
            : "expected query: PromQL that counts lines within $rate, such as sum by "
              "(namespace, workload, level) (increase(log_lines_total{$scope}[$rate]))");
  }
  out.logs.push_back(std::move(logs));
}

void read_calls(config::YamlReader& reader, const config::Yaml& item, QuerySet& out) {
  reader.only_keys(item,
                   {"query", "needs", "caller", "callee", "caller_namespace", "callee_namespace"});
  CallsQuery calls;
  calls.family = from_file;
  calls.promql = reader.text(item, "query").value_or("");
  calls.needs = reader.text(item, "needs").value_or("");
  calls.caller = reader.text(item, "caller").value_or("");
  calls.callee = reader.text(item, "callee").value_or("");
  calls.caller_name_space = reader.text(item, "caller_namespace").value_or("");
  calls.callee_name_space = reader.text(item, "callee_namespace").value_or("");
  if (calls.promql.empty() || calls.caller.empty() || calls.callee.empty()) {
    reader.mistake(item, "expected query (PromQL), and caller and callee (labels of its answer)");
  }
  out.calls.push_back(std::move(calls));
}

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

}  // namespace

QuerySet default_queries() {
  QuerySet out;
  for (const char* counter :
       {"logback_events_total", "log4j2_events_total", "log_messages_total"}) {
    out.logs.push_back({.family = "log lines by level",
                        .needs = counter,
                        .query = sum_by("cluster, namespace, job, workload, service_name, level",
                                        std::string("increase(") + counter + "{$scope}[$rate])")});
  }
  // What Loki itself finds out: a stream's service, and a line's level.
  out.logs.push_back({.family = "Loki",
                      .needs = "",
                      .query = sum_by("cluster, namespace, service_name, detected_level",
                                      "count_over_time({service_name=~\".+\", $scope}[$rate])"),
                      .from = LogStore::loki,
                      .site = {"detected_level"}});
  add_outrider(out.metrics);
  add_opentelemetry(out.metrics);
  add_service_graph(out.metrics);
  add_istio(out.metrics);
  add_resources(out.metrics);
  out.calls = {{"service graph", "traces_service_graph_request_total",
                sum_by("cluster, client, server", rate_of("traces_service_graph_request_total")),
                "client", "server", "", ""},
               {"Istio", "istio_requests_total",
                sum_by("cluster, source_workload, source_workload_namespace, destination_workload, "
                       "destination_workload_namespace",
                       rate_of("istio_requests_total")),
                "source_workload", "destination_workload", "source_workload_namespace",
                "destination_workload_namespace"}};
  return out;
}

Result<QuerySet> parse_queries(const std::string& file, const std::string& text) {
  config::YamlReader reader(file);
  const config::Yaml root = reader.parse(text);
  reader.only_keys(root, {"queries", "logs", "calls"});
  QuerySet out = default_queries();
  const auto queries = reader.items(root, "queries"), calls = reader.items(root, "calls"),
             logs = reader.items(root, "logs");
  if (queries.size() + calls.size() + logs.size() > queries_max) {
    reader.mistake(root, "expected at most " + std::to_string(queries_max) + " queries");
  } else {
    for (const config::Yaml& item : queries) read_query(reader, item, out);
    QuerySet asked;
    for (const config::Yaml& item : logs) read_logs(reader, item, asked);
    // A component's lines are of one source: the user's comes first.
    out.logs.insert(out.logs.begin(), asked.logs.begin(), asked.logs.end());
    for (const config::Yaml& item : calls) read_calls(reader, item, out);
  }
  if (auto read = reader.finish(); !read) return fail(read);
  return out;
}

bool asks_loki(const QuerySet& queries) {
  return std::any_of(queries.logs.begin(), queries.logs.end(), [](const LogsQuery& one) {
    return one.family == from_file && one.from == LogStore::loki;
  });
}

std::string filled(std::string promql, const std::string& scope, const std::string& rate) {
  if (scope.empty()) replace_all(promql, ", $scope", "");
  replace_all(promql, "$scope", scope);
  replace_all(promql, "$rate", rate);
  return promql;
}

}  // namespace outrider::suspects
