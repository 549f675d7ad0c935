// SPDX-License-Identifier: Apache-2.0
#include "agent/settings.h"

namespace outrider {
namespace {

void add_web_options(config::OptionTable& options, AgentSettings& settings) {
  options.add("web.listen-address", settings.listen_address, "Address of the API and the page.")
      .value_name("HOST:PORT")
      .example("0.0.0.0:9510");
  options.add("web.max-connections", settings.connections_max, "Connections served at once.")
      .between(4, 4096);
  options.add("web.max-body", settings.body_bytes_max, "The largest request body.")
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

void add_ingest_options(config::OptionTable& options, AgentSettings::Ingest& settings) {
  options
      .add("ingest.max-series", settings.series_max,
           "Series known at once (remote write). A new one past it takes the place of one that has "
           "ended or been silent for 15 minutes, or is refused and counted.")
      .between(1'000, 50'000'000);
  options
      .add("ingest.max-label-bytes", settings.label_bytes_max,
           "Label texts of all series, each counted once; past it new series are refused.")
      .as_bytes()
      .between(1 << 20, 1LL << 40);
  options
      .add("ingest.max-request", settings.decompressed_bytes_max,
           "A remote write request decompressed; past it 413.")
      .as_bytes()
      .between(1 << 10, 1 << 30);
  options
      .add(
          "ingest.max-in-flight", settings.in_flight_bytes_max,
          "Remote write requests worked on at once, in bytes; past it they wait for a second, then "
          "503 with Retry-After.")
      .as_bytes()
      .between(1 << 10, 1LL << 40);
  options
      .add("ingest.max-labels", settings.labels_max,
           "Labels of one series; one with more is refused.")
      .between(1, 255);
  options
      .add("ingest.max-label-value", settings.label_value_bytes_max,
           "A label's value; a series with a longer one is refused.")
      .as_bytes()
      .between(16, 65'536);
  options
      .add("ingest.keep-samples", settings.kept_samples,
           "Newest samples kept of each series for GET /api/v1/series, 16 bytes each, besides the "
           "last.")
      .between(0, 1'000);
  options
      .add("ingest.max-ahead", settings.ahead_max,
           "How far ahead of the agent's clock a sample may be.")
      .between(0, 86'400);
  options.add("ingest.max-age", settings.age_max, "How old a sample may be.")
      .between(60, 3650.0 * 86'400);
  options
      .add("ingest.idle-timeout", settings.idle_after,
           "A series without samples for so long is forgotten.")
      .between(60, 3650.0 * 86'400);
}

void add_watch_options(config::OptionTable& options, AgentSettings::Watch& settings) {
  options
      .add("series.rules", settings.rules_file,
           "YAML file: which received series are watched, and as what (docs/series.md). Without it "
           "all are.")
      .value_name("FILE");
  options
      .add("series.alerts-per-week", settings.alerts_a_week,
           "The alert budget: at most so many incidents a week are opened for anomalies of series. "
           "The threshold follows from it.")
      .between(0, 1e6);
  options
      .add("series.max-watched", settings.watched_max,
           "Series watched at once. A new one past it takes the place of one that has been silent "
           "for an hour, or is left out and counted.")
      .between(1, 50'000'000);
  options
      .add("series.max-histograms", settings.histograms_max,
           "Classic histograms whose quantiles are watched; past it they are left out and counted.")
      .between(1, 10'000'000);
  options
      .add("series.quiet", settings.quiet,
           "An anomaly ends when nothing was unusual for so long, or for five samples if longer.")
      .between(1, 86'400);
  options
      .add("series.save-every", settings.save_every,
           "How often what was learnt goes to disk; a kill -9 forgets at most that.")
      .between(1, 86'400);
}

void add_forecast_options(config::OptionTable& options, AgentSettings::Forecast& settings) {
  options
      .add("forecast.rules", settings.rules_file,
           "YAML file: what is forecast, and whose capacity is learned (docs/forecast.md). Without "
           "it each model's requests, each container's CPU and memory, GPUs and disks are "
           "forecast, where --prometheus.url is given.")
      .value_name("FILE");
  options
      .add("forecast.max-series", settings.series_max,
           "Series forecast at once; past it new ones are turned away and counted. 0: nothing is "
           "forecast.")
      .between(0, 100'000);
  options
      .add("forecast.learn-from", settings.learn_from,
           "How much of the past Prometheus is asked for at the start, minute by minute, to learn "
           "what a replica bears.")
      .between(0, 30.0 * 86'400);
  options.add("forecast.every", settings.every, "How often Prometheus is asked for what is new.")
      .between(1, 3600);
}

void add_right_size_options(config::OptionTable& options, AgentSettings::RightSize& settings) {
  options
      .add("right-size.every", settings.every,
           "How often Prometheus is asked what the models' containers use, for what they should "
           "ask for (docs/right-size.md). 0: not at all. It is a dear question.")
      .between(0, 7 * 86'400.0);
  options.add("right-size.history", settings.history, "How much of the past counts.")
      .between(86'400, 90.0 * 86'400);
  options
      .add("right-size.namespaces", settings.namespaces,
           "A pattern, anchored: only containers of these namespaces. Without it all.")
      .value_name("REGEX")
      .example("models|shop");
}

void add_diagnose_options(config::OptionTable& options, AgentSettings::Diagnose& settings) {
  options
      .add("diagnose.queries", settings.queries_file,
           "YAML file: metrics of suspects and calls beyond those that are asked for by default "
           "(docs/incidents.md).")
      .value_name("FILE");
  options
      .add("loki.url", settings.loki_url,
           "Loki, which is asked how many lines the suspects logged, by level; no text is read "
           "(docs/incidents.md).")
      .as_url()
      .example("http://127.0.0.1:3100");
  options
      .add("loki.tenant", settings.loki_tenant,
           "The tenant that is asked for (X-Scope-OrgID), where Loki has several.")
      .value_name("NAME");
  settings.loki.add_to(options, "loki", "Loki");
  options
      .add("diagnose.baseline", settings.baseline,
           "How long before an incident's onset counts as normal.")
      .between(300, 7 * 86400.0);
  options
      .add("diagnose.step", settings.step,
           "Between the rows that Prometheus is asked for; an incident that began long ago has "
           "longer ones.")
      .between(1, 600);
  options
      .add("diagnose.rate-window", settings.rate_window,
           "The window of rates: four scrape intervals or more.")
      .between(1, 3600);
  options
      .add("diagnose.lead", settings.lead,
           "From a fault to its alert, at most: evaluation and `for`. The onset is searched from "
           "two minutes before that on.")
      .between(0, 3600);
  options
      .add("diagnose.timeout", settings.timeout,
           "Of one question to Prometheus; all of an incident have four times that.")
      .between(0.1, 60);
  options.add("diagnose.threads", settings.threads, "Incidents diagnosed at once.").between(1, 16);
}

void add_kubernetes_options(config::OptionTable& options, AgentSettings::Kubernetes& settings) {
  options.add("kubernetes.watch", settings.watch,
              "Take rollouts, scalings, configuration changes and warnings from the Kubernetes API "
              "(docs/incidents.md).");
  options
      .add("kubernetes.url", settings.url,
           "The API server. Without it that of the cluster in which the agent runs, with its "
           "service account's token and authority.")
      .as_url()
      .example("https://10.96.0.1:443");
  settings.client.add_to(options, "kubernetes", "the Kubernetes API");
  options
      .add("kubernetes.namespaces", settings.namespaces,
           "Namespaces to watch, 16 at most; a role in each is enough. Without it all are watched.")
      .value_name("NAME")
      .example("shop");
  options.add("actions.kubernetes", settings.acts,
              "Carry out the policy's `kubernetes:` actions through the Kubernetes API "
              "(docs/policy.md).");
  options
      .add("actions.lease", settings.lease,
           "A Lease of the Kubernetes API: nothing is acted on but while this agent holds it, so "
           "of two agents that name it one acts.")
      .value_name("NAMESPACE/NAME")
      .example("outrider/agents");
  options
      .add("kubernetes.cluster", settings.cluster,
           "The cluster's name, as the label cluster of its series has it; empty where they have "
           "none.")
      .value_name("NAME")
      .example("eu-1");
}

void add_truth_options(config::OptionTable& options, AgentSettings::Truth& settings) {
  options.add("truth.enabled", settings.enabled,
              "Keep the predictions that sidecars ship here (their --truth.url), and join labels "
              "with them.");
  options
      .add("truth.max-bytes", settings.bytes_max,
           "Predictions and joined rows on disk; past it the oldest go, counted.")
      .as_bytes()
      .between(16 << 20, 1LL << 46);
  options
      .add("truth.max-delay", settings.max_delay,
           "How long a prediction waits for its label; later ones are late.")
      .between(60, 3650.0 * 86'400);
  options
      .add("truth.early", settings.early,
           "The longest that a label is held whose prediction has not come, and that a silent "
           "sidecar is waited for.")
      .between(0, 7 * 86'400);
  options
      .add("truth.probe-interval", settings.probe_every,
           "How often a synthetic prediction and its label tell how fresh the outcomes are.")
      .between(1, 60);
  options
      .add("truth.peer-url", settings.peer_url,
           "The other agent of a pair: labels that come here are passed to it. Sidecars ship to "
           "both.")
      .as_url()
      .value_name("URL")
      .example("http://outrider-agent-1.outrider-agent:9510");
  options
      .add("truth.peer-bearer-token-file", settings.peer.bearer_token_file,
           "File with the token that the other agent asks for: role administer, or label where "
           "nothing is erased.")
      .value_name("FILE");
  settings.peer.add_tls_to(options, "truth.peer", "the other agent");
  settings.kafka.add_to(options, "truth.kafka", "which needs truth.enabled");
  options.add("truth.kafka.group", settings.kafka_group, "Consumer group of the agents.")
      .value_name("NAME");
  options
      .add("truth.kafka.instance", settings.kafka_instance,
           "This agent's name in the group, which a restart keeps (static membership); empty: the "
           "host's name.")
      .value_name("NAME");
  options
      .add("truth.kafka.session-timeout", settings.kafka_session_timeout,
           "An agent that is silent for so long loses its partitions to the others.")
      .between(1, 1800);
}

void add_incident_options(config::OptionTable& options, AgentSettings& settings) {
  options
      .add("incidents.max-open", settings.open_incidents_max,
           "Open incidents; past it new ones are turned away and counted.")
      .between(1, 100'000);
  options
      .add("incidents.reopen-window", settings.reopen_window,
           "An incident that fires again within it is reopened; later it is a new one.")
      .between(0, 30.0 * 86400);
  options
      .add("incidents.group-within", settings.group_within,
           "Alerts that began within it of one another are one incident where what they are about "
           "hangs together; 0: one alert name and label set is one incident.")
      .between(0, 86400.0);
  options
      .add("incidents.correlation", settings.correlation_file,
           "YAML file: which alerts are one incident, and what depends on what, where no metric "
           "says so (docs/incidents.md).")
      .value_name("FILE");
  options
      .add("changes.github-secret-file", settings.github_secret_file,
           "File with the secret of GitHub's webhook. With it POST /api/v1/changes/github takes "
           "what "
           "is signed with it (X-Hub-Signature-256), and asks for no token.")
      .value_name("FILE");
  options
      .add("actions.max-active", settings.active_actions_max,
           "Actions queued, being sent or watched; past it none is let go.")
      .between(1, 100'000);
  options.add("actions.senders", settings.senders, "Webhooks sent at once.").between(1, 64);
  options
      .add("decide.every", settings.look_every, "How often open incidents are looked at, at least.")
      .between(0.1, 60);
  options.add("journal.max-age", settings.journal_age_max, "How long what has ended is kept.")
      .between(3600, 3650.0 * 86400);
  options
      .add("journal.max-bytes", settings.journal_bytes_max,
           "The journal on disk; past it what ended longest ago goes, counted.")
      .as_bytes()
      .between(1 << 20, 1LL << 46);
}

void add_care_options(config::OptionTable& options, AgentSettings& settings) {
  options.add("actions.paused", settings.paused,
              "The kill switch: while it is on, nothing that changes production leaves the agent.");
  options
      .add("actions.pause-file", settings.pause_file,
           "The kill switch as a file, such as a mounted ConfigMap: on while it is there and does "
           "not say false.")
      .value_name("FILE");
  options
      .add("actions.allowed-hosts", settings.allowed_hosts,
           "Whom webhooks may be sent to: HOST, HOST:PORT or *.DOMAIN. Without it, to whom the "
           "policy says.")
      .value_name("HOST")
      .example("trainer.shop.svc:8080");
  options
      .add("actions.signing-key-file", settings.signing_key_file,
           "File with the key by which webhooks are signed (docs/policy.md): at least 16 "
           "characters. Without it they are not.")
      .value_name("FILE");
  options
      .add("tickets.max-per-hour", settings.tickets_per_hour,
           "Tickets opened within an hour (`ticket:` of the policy); past it they wait.")
      .between(1, 10'000);
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
  add_ingest_options(options, settings.ingest);
  add_watch_options(options, settings.watch);
  add_forecast_options(options, settings.forecast);
  add_right_size_options(options, settings.right_size);
  add_diagnose_options(options, settings.diagnose);
  add_kubernetes_options(options, settings.kubernetes);
  add_truth_options(options, settings.truth);
  settings.remote_write.job = "outrider-agent";
  settings.remote_write.add_to(options);
}

}  // namespace outrider
