// SPDX-License-Identifier: Apache-2.0
#include "agent/settings.h"

namespace outrider {
namespace {

void add_web_options(config::OptionTable& options, AgentSettings& settings) {
  options
      .add("web.listen-address", settings.server.listen_address, "Address of the API and the page.")
      .value_name("HOST:PORT")
      .example("0.0.0.0:9510");
  options.add("web.max-connections", settings.server.connections_max, "Connections served at once.")
      .between(4, 4096);
  options.add("web.max-body", settings.server.body_bytes_max, "The largest request body.")
      .as_bytes()
      .between(1 << 10, 1 << 30);
  options
      .add("web.bearer-token-file", settings.bearer_token_file,
           "File with a token that every request but those under /-/ must bear.")
      .value_name("FILE");
  options
      .add("web.grafana-url", settings.grafana_url,
           "Grafana with Outrider's dashboards; an incident's page leads to its model there.")
      .as_url()
      .example("https://grafana.example.com");
  options
      .add("web.external-url", settings.external_url,
           "The agent's address for people: tickets link to their incident there.")
      .as_url()
      .example("https://outrider.example.com");
  settings.access.add_to(options, false);
  settings.access.add_proxy_to(options);
  settings.web_tls.add_to(options, "web", "the API and the page");
}

void add_diagnose_options(config::OptionTable& options, AgentSettings::Diagnose& settings) {
  options
      .add("diagnose.queries", settings.queries_file,
           "YAML file: metrics of suspects and calls beyond those that are asked for by default "
           "(docs/incidents.md).")
      .value_name("FILE");
  options
      .add("loki.url", settings.diagnoser.loki_url,
           "Loki, which is asked how many lines the suspects logged, by level; no text is read "
           "(docs/incidents.md).")
      .as_url()
      .example("http://127.0.0.1:3100");
  options
      .add("loki.tenant", settings.loki_tenant,
           "The tenant that is asked for (X-Scope-OrgID), where Loki has several.")
      .value_name("NAME");
  settings.loki.add_to(options, "loki", "Loki");
  settings.diagnoser.add_to(options);
}

void add_truth_options(config::OptionTable& options, AgentSettings::Truth& settings) {
  options.add("truth.enabled", settings.enabled,
              "Keep the predictions that sidecars ship here (their --truth.url), and join labels "
              "with them.");
  settings.fleet.add_to(options);
  options
      .add("truth.peer-bearer-token-file", settings.peer.bearer_token_file,
           "File with the token that the other agent asks for: role administer, or label where "
           "nothing is erased.")
      .value_name("FILE");
  settings.peer.add_tls_to(options, "truth.peer", "the other agent");
  settings.kafka.add_to(options, "truth.kafka", "which needs truth.enabled");
}

void add_incident_options(config::OptionTable& options, AgentSettings& settings) {
  settings.dispatch.book.add_to(options);
  options
      .add("incidents.group-within", settings.incidents.group_within,
           "Alerts that began within it of one another are one incident where what they are about "
           "hangs together; 0: one alert name and label set is one incident.")
      .between(0, 86400.0);
  options
      .add("incidents.correlation", settings.incidents.correlation_file,
           "YAML file: which alerts are one incident, and what depends on what, where no metric "
           "says so (docs/incidents.md).")
      .value_name("FILE");
  options
      .add("changes.github-secret-file", settings.incidents.github_secret_file,
           "File with the secret of GitHub's webhook. With it POST /api/v1/changes/github takes "
           "what "
           "is signed with it (X-Hub-Signature-256), and asks for no token.")
      .value_name("FILE");
  settings.dispatch.add_to(options);
  options.add("actions.senders", settings.actions.senders, "Webhooks sent at once.").between(1, 64);
  options
      .add("decide.every", settings.incidents.look_every,
           "How often open incidents are looked at, at least.")
      .between(0.1, 60);
  settings.journal.add_to(options);
}

void add_care_options(config::OptionTable& options, AgentSettings& settings) {
  options.add("actions.paused", settings.actions.paused,
              "The kill switch: while it is on, nothing that changes production leaves the agent.");
  options
      .add("actions.pause-file", settings.actions.pause_file,
           "The kill switch as a file, such as a mounted ConfigMap: on while it is there and does "
           "not say false.")
      .value_name("FILE");
  settings.sending.add_to(options);
  settings.tickets.add_to(options);
}

}  // namespace

void add_options(config::OptionTable& options, AgentSettings& settings) {
  add_web_options(options, settings);
  options.add("data.dir", settings.data_dir, "Folder of the journal; made if it is missing.")
      .value_name("DIR");
  options
      .add("policy", settings.policy_file,
           "YAML file: which incident asks for which action (docs/policy.md). Without it incidents "
           "are "
           "filed and nothing is done.")
      .value_name("FILE");
  options
      .add("prometheus.url", settings.prometheus_url,
           "Where to ask for drift verdicts, change estimates, the suspects' metrics and the "
           "numbers of "
           "scale actions.")
      .as_url()
      .example("http://127.0.0.1:9090");
  settings.prometheus.add_to(options, "prometheus", "Prometheus");
  options
      .add(
          "labels.sidecars", settings.label_sidecars,
          "Who is asked when labels come to the agent: the sidecars' admin addresses, or a name of "
          "all of them.")
      .value_name("URL")
      .example("dns+http://sidecars.shop.svc:9501");
  settings.labels.add_to(options, "labels", "the sidecars");
  add_incident_options(options, settings);
  add_care_options(options, settings);
  settings.ingest.add_to(options);
  options
      .add("series.rules", settings.series_rules_file,
           "YAML file: which received series are watched, and as what (docs/series.md). Without it "
           "all are.")
      .value_name("FILE");
  settings.watch.add_to(options);
  options
      .add("forecast.rules", settings.forecast_rules_file,
           "YAML file: what is forecast, and whose capacity is learned (docs/forecast.md). Without "
           "it each model's requests, each container's CPU and memory, GPUs and disks are "
           "forecast, where --prometheus.url is given.")
      .value_name("FILE");
  settings.forecast.add_to(options);
  settings.right_size.add_to(options);
  add_diagnose_options(options, settings.diagnose);
  settings.kubernetes.add_to(options);
  add_truth_options(options, settings.truth);
  settings.remote_write.job = "outrider-agent";
  settings.remote_write.add_to(options);
}

}  // namespace outrider
