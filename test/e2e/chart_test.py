# SPDX-License-Identifier: Apache-2.0
"""The chart, rendered by the real Helm over a matrix of values (helm/outrider/ci) and cluster versions: what it makes is
asserted on parsed objects, and its arguments, policy and model configuration are given to the real programs."""

import json
import pathlib
import re
import shutil
import subprocess

import pytest
import yaml
from kubernetes_objects import arguments, assert_restricted, container, find, kubeconform, pod_specs, run_with_arguments

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CHART = ROOT / "helm" / "outrider"
CONSUMER = ROOT / "examples" / "helm-consumer"
VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
VERSIONS = ["1.25.0", "1.29.0", "1.33.0"]


@pytest.fixture(scope="session")
def helm(tool):
    """Runs Helm and gives what it wrote; with fails=True, what it said when it refused."""

    def run(*words, fails=False):
        done = subprocess.run([tool("helm"), *map(str, words)], capture_output=True, text=True, timeout=120)
        assert (done.returncode != 0) == fails, done.stdout[-2000:] + done.stderr
        return done.stderr if fails else done.stdout

    return run


@pytest.fixture
def render(helm):
    """Objects of the chart: render("agent.enabled=false", values=…, version=…)."""

    def render(*settings, chart=CHART, values=None, version="1.33.0", release="outrider"):
        command = ["template", release, chart, "--namespace", "ml", "--kube-version", version]
        command += ["--values", values] if values else []
        command += [word for setting in settings for word in ("--set-json", setting)]
        return [o for o in yaml.safe_load_all(helm(*command)) if o]

    return render


@pytest.fixture
def refusal(helm):
    """What Helm says of values that the schema refuses."""
    return lambda setting: helm("template", "x", CHART, "--kube-version", "1.33.0", "--set-json", setting, fails=True)


def test_helm_lint_finds_no_fault(helm):
    for values in VALUES:
        assert "0 chart(s) failed" in helm("lint", "--strict", CHART, "--values", values, "--kube-version", "1.33.0")


def test_what_is_made_from_other_files_is_current():
    run = subprocess.run([ROOT / "scripts" / "chart", "--check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_every_object_fulfils_its_schema(render, tool, values):
    """Kubernetes's own schemas, and those of the Prometheus operator's definitions; none is skipped."""
    for version in VERSIONS:
        kubeconform(tool, yaml.safe_dump_all(render(values=values, version=version)))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_every_object_is_named_labelled_and_in_its_namespace(render, values, version):
    objects = render(values=values, version=version)
    names = [(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects]
    assert len(set(names)) == len(names)
    for o in objects:
        metadata = o["metadata"]
        assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", metadata["name"])
        assert metadata["namespace"], metadata
        assert metadata["labels"]["app.kubernetes.io/part-of"] == "outrider"
        assert metadata["labels"]["app.kubernetes.io/instance"] == "outrider"
        assert metadata["labels"]["helm.sh/chart"] == "outrider-0.1.0"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_every_pod_fulfils_the_restricted_security_standard(render, values, version):
    specs = list(pod_specs(render(values=values, version=version)))
    assert specs or "sidecar-only" in values.stem
    for name, spec in specs:
        assert_restricted(name, spec)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_selectors_select_and_mounts_mount(render, values, version):
    objects = render(values=values, version=version)
    for workload in [o for o in objects if o["kind"] in ("Deployment", "StatefulSet")]:
        template = workload["spec"]["template"]
        selector = workload["spec"]["selector"]["matchLabels"]
        assert selector.items() <= template["metadata"]["labels"].items()
        claims = {c["metadata"]["name"] for c in workload["spec"].get("volumeClaimTemplates", [])}
        volumes = {v["name"] for v in template["spec"]["volumes"]} | claims
        for c in template["spec"].get("initContainers", []) + template["spec"]["containers"]:
            assert {m["name"] for m in c["volumeMounts"]} <= volumes
    pods = [o["spec"]["template"]["metadata"]["labels"] for o in objects if "template" in o.get("spec", {})]
    for service in [o for o in objects if o["kind"] == "Service"]:
        selected = [p for p in pods if service["spec"]["selector"].items() <= p.items()]
        assert len(selected) == 1 or service["spec"].get("clusterIP") == "None"


@pytest.mark.parametrize("version, wanted", [("1.25.0", "container"), ("1.28.9", "container"), ("1.29.0", "native"),
                                             ("1.33.0", "native")])
def test_the_sidecar_is_native_where_the_cluster_can(render, version, wanted):
    spec = find(render("demo.enabled=true", version=version), "Deployment")["spec"]["template"]["spec"]
    natives = [c["name"] for c in spec["initContainers"] if c.get("restartPolicy") == "Always"]
    plain = [c["name"] for c in spec["containers"]]
    assert natives == (["outrider-sidecar"] if wanted == "native" else [])
    assert plain == ["predictor"] + (["outrider-sidecar"] if wanted == "container" else [])


def test_the_mode_can_be_forced(render):
    for mode, version, where in [("native", "1.28.0", "initContainers"), ("container", "1.33.0", "containers")]:
        objects = render("demo.enabled=true", f'sidecar.mode="{mode}"', version=version)
        spec = find(objects, "Deployment")["spec"]["template"]["spec"]
        assert "outrider-sidecar" in [c["name"] for c in spec[where]]


def test_an_ordinary_container_waits_for_endpoints_to_forget_it(render):
    def delays(*settings, mode="container"):
        objects = render("demo.enabled=true", f'sidecar.mode="{mode}"', *settings, version="1.29.0")
        arguments = container(objects, "outrider-sidecar")["args"]
        return [a for a in arguments if a.startswith("--proxy.drain-delay")]

    assert delays() == ["--proxy.drain-delay=5s"]
    assert delays("sidecar.drainDelaySeconds=0") == []
    assert delays(mode="native") == []  # It is stopped after the model.


def test_the_services_target_port_is_the_sidecars(render):
    for values, proxy in [(None, 9500), (CHART / "ci/container-values.yaml", 19500)]:
        objects = render("demo.enabled=true", values=values)
        service = find(objects, "Service", "outrider-demo")
        assert {p["name"]: p["targetPort"] for p in service["spec"]["ports"]} == {"http": proxy, "control": 8080}
        assert proxy in [p["containerPort"] for p in container(objects, "outrider-sidecar")["ports"]]


def test_probes_ask_the_proxy_and_never_the_monitor(render):
    for values in VALUES:
        objects = render("demo.enabled=true", values=values)
        sidecar = container(objects, "outrider-sidecar")
        proxy = sidecar["ports"][0]["containerPort"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            handler = sidecar[probe].get("httpGet") or sidecar[probe]["tcpSocket"]
            assert handler["port"] == proxy, f"{probe} must not depend on the analytics"
            assert handler.get("path", "/-/ready") in ("/-/ready", "/-/healthy")


def test_the_memory_limit_leaves_room_for_the_proxy(render):
    """The monitor's own limit must be reached before the container's, whose out-of-memory kill takes the proxy along."""
    sidecar = container(render("demo.enabled=true"), "outrider-sidecar")
    grows = int(re.fullmatch(r"(\d+)MiB", arguments(sidecar)["monitor.memory-max"])[1])
    limit = int(re.fullmatch(r"(\d+)Mi", sidecar["resources"]["limits"]["memory"])[1])
    assert limit - grows >= 192


def test_the_agents_memory_limit_holds_what_it_may_take_in(render):
    agent = container(render(), "agent")
    given = arguments(agent)
    limit = int(re.fullmatch(r"(\d+)Mi", agent["resources"]["limits"]["memory"])[1])
    mebibytes = sum(int(given[name].removesuffix("MiB")) for name in ("ingest.max-label-bytes", "ingest.max-in-flight"))
    assert mebibytes + int(given["ingest.max-series"]) / 1024 + 64 <= limit


def test_nothing_can_evict_the_models_pod_for_its_prediction_log(render):
    spec = find(render("demo.enabled=true"), "Deployment")["spec"]["template"]["spec"]
    data = next(v for v in spec["volumes"] if v["name"] == "outrider-data")
    assert data == {"name": "outrider-data", "emptyDir": {}}
    assert "ephemeral-storage" not in json.dumps(spec)


def test_the_agent_may_do_nothing_by_default(render):
    objects = render()
    assert not [o for o in objects if o["kind"] in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")]
    spec = find(objects, "StatefulSet")["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False


def test_scaling_grants_the_scale_of_deployments_and_nothing_else(render):
    objects = render(values=CHART / "ci/full-values.yaml")
    roles = {o["metadata"]["namespace"]: o["rules"] for o in objects
             if o["kind"] == "Role" and o["metadata"]["name"] == "outrider-agent-scale"}
    rule = {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get", "patch"]}
    assert roles == {"shop": [{**rule, "resourceNames": ["house-price", "rent"]}], "fraud": [rule]}
    assert not [o for o in objects if o["kind"].startswith("ClusterRole")]
    for binding in [o for o in objects if o["kind"] == "RoleBinding"]:
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "outrider-agent", "namespace": "ml"}]
    spec = find(objects, "StatefulSet")["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is True
    assert spec["serviceAccountName"] == "outrider-agent"


@pytest.mark.parametrize("namespaces, kind", [([], "ClusterRole"), (["shop", "fraud"], "Role")])
def test_watching_grants_list_and_watch_of_what_tells_changes_and_nothing_else(render, namespaces, kind):
    objects = render("agent.kubernetes.watch=true", f"agent.kubernetes.namespaces={json.dumps(namespaces)}", 'monitoring.cluster="eu-1"')
    roles = [o for o in objects if o["kind"].endswith("Role")]
    assert [(o["kind"], o["metadata"].get("namespace")) for o in roles] == [(kind, n) for n in namespaces or [None]]
    for role in roles:
        assert all(rule["verbs"] == ["list", "watch"] for rule in role["rules"])
        assert sorted(r for rule in role["rules"] for r in rule["resources"]) == [
            "configmaps", "daemonsets", "deployments", "events", "horizontalpodautoscalers", "replicasets", "statefulsets"]
    bindings = [o for o in objects if o["kind"] == f"{kind}Binding"]
    assert [o["roleRef"]["name"] for o in bindings] == [o["metadata"]["name"] for o in roles]
    assert all(o["subjects"] == [{"kind": "ServiceAccount", "name": "outrider-agent", "namespace": "ml"}] for o in bindings)
    spec = find(objects, "StatefulSet")["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is True
    args = container(objects, "agent")["args"]
    assert [a for a in args if a.startswith("--kubernetes")] == [
        "--kubernetes.watch", *[f"--kubernetes.namespaces={n}" for n in namespaces], "--kubernetes.cluster=eu-1"]


@pytest.mark.parametrize("namespaces, kind", [([], "ClusterRole"), (["shop"], "Role")])
def test_actions_of_kubernetes_grant_what_they_read_and_patch_and_nothing_else(render, namespaces, kind):
    objects = render("agent.actions.kubernetes.enabled=true", f"agent.actions.kubernetes.namespaces={json.dumps(namespaces)}",
                     'agent.actions.lease="agents"')
    roles = {o["metadata"]["name"]: o for o in objects if o["kind"].endswith("Role")}
    act = roles.pop("outrider-agent-act" if namespaces else "ml-outrider-agent-act")
    assert (act["kind"], act["metadata"].get("namespace")) == (kind, namespaces[0] if namespaces else None)
    granted = {(verb, resource) for rule in act["rules"] for verb in rule["verbs"] for resource in rule["resources"]}
    assert granted == {
        ("get", "deployments"), ("patch", "deployments"), ("get", "statefulsets"), ("patch", "statefulsets"),
        ("patch", "deployments/scale"), ("patch", "statefulsets/scale"), ("list", "replicasets"),
        ("list", "horizontalpodautoscalers"), ("patch", "horizontalpodautoscalers"), ("list", "poddisruptionbudgets")}
    lease = roles.pop("outrider-agent-lease")
    assert lease["metadata"]["namespace"] == "ml" and not roles
    more = render("agent.actions.kubernetes.enabled=true", "agent.actions.kubernetes.rollouts=true",
                  f"agent.actions.kubernetes.namespaces={json.dumps(namespaces)}")
    allowed = find(more, kind, act["metadata"]["name"])["rules"]
    assert [rule for rule in allowed if rule not in act["rules"]] == [
        {"apiGroups": ["argoproj.io"], "resources": ["rollouts"], "verbs": ["get"]},
        {"apiGroups": ["argoproj.io"], "resources": ["rollouts/status"], "verbs": ["patch"]}]
    assert [(rule["verbs"], rule.get("resourceNames")) for rule in lease["rules"]] == [(["create"], None), (["get", "update"], ["agents"])]
    spec = find(objects, "StatefulSet")["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is True
    args = container(objects, "agent")["args"]
    assert [a for a in args if a.startswith("--actions")] == ["--actions.kubernetes", "--actions.lease=ml/agents"]


def test_the_agent_finds_the_sidecars_by_a_headless_service(render):
    objects = render("demo.enabled=true")
    service = find(objects, "Service", "outrider-sidecars")
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    agent = container(objects, "agent")
    assert "--labels.sidecars=dns+http://outrider-sidecars.ml.svc:9501" in agent["args"]
    labels = find(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()


def test_predictions_are_shipped_under_the_labels_of_the_sidecars_metrics(render):
    objects = render(values=CHART / "ci/full-values.yaml")
    agent, sidecar = container(objects, "agent"), container(objects, "outrider-sidecar")
    assert {"--truth.enabled", "--truth.max-bytes=6GiB"} <= set(agent["args"])
    assert not [word for word in agent["args"] if word.startswith("--labels.sidecars")]
    assert {"--truth.url=http://outrider-agent.ml.svc:9510", "--truth.workload=house-price", "--truth.cluster=eu-1",
            "--truth.namespace=$(OUTRIDER_POD_NAMESPACE)", "--truth.pod=$(OUTRIDER_POD_NAME)"} <= set(sidecar["args"])
    assert {"OUTRIDER_POD_NAMESPACE", "OUTRIDER_POD_NAME"} <= {variable["name"] for variable in sidecar["env"]}
    end = find(objects, "ServiceMonitor")["spec"]["endpoints"][0]
    assert end["honorLabels"] is True
    # The labels of the agent's own target that a sidecar's metrics have not, or have with another value.
    pods = find(objects, "PodMonitor")["spec"]["podMetricsEndpoints"][0]
    assert {rule["targetLabel"]: rule["replacement"] for rule in end["metricRelabelings"]} == {
        "container": "", "service": "", "endpoint": pods["port"]}


def test_kafka_takes_the_place_of_urls_and_of_the_pairs_own_way(render):
    kafka = ['brokers=["k-0:9092","k-1:9092"]', "tls=true", 'existingSecret="kafka"', 'saslMechanism="PLAIN"', 'saslUser="outrider"']
    objects = render("demo.enabled=true", "agent.truth.enabled=true", "agent.truth.pair=true", 'sidecar.truth.workload="house-price"',
                     *(f"{who}.truth.kafka.{one}" for who in ("agent", "sidecar") for one in kafka))
    wanted = {"--truth.kafka.brokers=k-0:9092,k-1:9092", "--truth.kafka.topic=outrider-truth", "--truth.kafka.tls",
              "--truth.kafka.tls-ca=/etc/outrider/kafka/ca.crt", "--truth.kafka.sasl-mechanism=PLAIN", "--truth.kafka.sasl-user=outrider",
              "--truth.kafka.sasl-password-file=/etc/outrider/kafka/password"}
    pods = [find(objects, "StatefulSet", name)["spec"]["template"]["spec"] for name in ("outrider-agent", "outrider-agent-2")]
    for spec in (*pods, find(objects, "Deployment")["spec"]["template"]["spec"]):
        words, mounts = [], []
        for one in [*spec["containers"], *spec.get("initContainers", [])]:
            words += one.get("args", [])
            mounts += one.get("volumeMounts", [])
        assert wanted <= set(words)
        assert not [word for word in words if word.startswith(("--truth.peer-url", "--truth.url"))]
        assert "/etc/outrider/kafka" in {mount["mountPath"] for mount in mounts}
        assert "kafka" in {volume.get("secret", {}).get("secretName") for volume in spec["volumes"]}


def test_a_pair_is_one_release_of_two_agents_of_which_the_first_acts(render):
    objects = render("agent.truth.enabled=true", "agent.truth.pair=true", 'agent.auth.existingSecret="t"', "networkPolicy.enabled=true",
                     "monitoring.serviceMonitor.enabled=true")
    first, second = (find(objects, "StatefulSet", name)["spec"] for name in ("outrider-agent", "outrider-agent-2"))
    arguments_of = [spec["template"]["spec"]["containers"][0]["args"] for spec in (first, second)]
    assert "--truth.peer-url=http://outrider-agent-2.ml.svc:9510" in arguments_of[0]
    assert "--truth.peer-url=http://outrider-agent.ml.svc:9510" in arguments_of[1]
    for words in arguments_of:
        assert {"--truth.enabled", "--web.bearer-token-file=/etc/outrider/token/token",
                "--truth.peer-bearer-token-file=/etc/outrider/token/token"} <= set(words)
    assert not [word for word in arguments_of[1] if word.startswith(("--policy", "--prometheus", "--labels", "--ingest"))]
    for spec in (first, second):
        assert spec["volumeClaimTemplates"][0]["metadata"]["name"] == "data"
        term, = spec["template"]["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["topologyKey"] == "kubernetes.io/hostname"
        assert {"key": "app.kubernetes.io/component", "operator": "In", "values": ["agent", "agent-2"]} in term["labelSelector"]["matchExpressions"]
    # Alerts and remote write go to the first alone; both are scraped; one at a time may go.
    for name, spec in (("outrider-agent", first), ("outrider-agent-2", second)):
        selector = find(objects, "Service", name)["spec"]["selector"]
        assert selector.items() <= spec["template"]["metadata"]["labels"].items()
        assert find(objects, "NetworkPolicy", name)["spec"]["podSelector"]["matchLabels"] == selector
    assert find(objects, "Service", "outrider-agent")["spec"]["selector"]["app.kubernetes.io/component"] == "agent"
    budget, = [o for o in objects if o["kind"] == "PodDisruptionBudget" and "agent" in o["metadata"]["name"]]
    assert budget["spec"]["maxUnavailable"] == 1
    monitor = find(objects, "ServiceMonitor")["spec"]
    assert monitor["selector"]["matchExpressions"] == budget["spec"]["selector"]["matchExpressions"]
    assert monitor["endpoints"][0]["honorLabels"] is True


def test_the_rules_are_those_of_alerts(render):
    objects = render("monitoring.prometheusRule.enabled=true")
    rendered = [group for o in objects if o["kind"] == "PrometheusRule" for group in o["spec"]["groups"]]
    wanted = [group for path in sorted((ROOT / "alerts").glob("*.rules.yml"))
              for group in yaml.safe_load(path.read_text())["groups"]]
    by_name = {group["name"]: group for group in rendered}
    assert len(by_name) == len(rendered)
    assert by_name == {group["name"]: group for group in wanted}


def test_rules_can_be_left_out_labelled_and_given_runbooks(render):
    objects = render(values=CHART / "ci/full-values.yaml")
    alerts = [rule for o in objects if o["kind"] == "PrometheusRule" for group in o["spec"]["groups"]
              for rule in group["rules"] if "alert" in rule]
    assert alerts and "ModelLabelsMissing" not in [a["alert"] for a in alerts]
    for alert in alerts:
        assert alert["labels"]["team"] == "ml"
        assert alert["annotations"]["runbook_url"] == f"https://example.org/runbooks/{alert['alert']}.md"


def test_alerts_take_those_labels_of_a_models_configuration_that_are_named(render):
    def text(*settings):
        return yaml.safe_dump([o for o in render("monitoring.prometheusRule.enabled=true", *settings) if o["kind"] == "PrometheusRule"],
                              width=1_000_000)
    named = text('monitoring.prometheusRule.modelLabels=["owner","tier","cost_centre"]')
    assert named.count("group_left (owner, tier, cost_centre)") == text().count("group_left (owner, team)") > 20
    assert named.count("(__name__|owner|tier|cost_centre)") == text().count("(__name__|owner|team)") > 10


def test_the_clusters_name_becomes_a_label_of_what_is_scraped(render):
    def relabelled(*settings):
        objects = render("monitoring.podMonitor.enabled=true", "monitoring.serviceMonitor.enabled=true", *settings)
        ends = [*find(objects, "PodMonitor")["spec"]["podMetricsEndpoints"], *find(objects, "ServiceMonitor")["spec"]["endpoints"]]
        return [[rule["replacement"] for rule in end.get("relabelings", []) if rule.get("targetLabel") == "cluster"] for end in ends]
    assert relabelled() == [[], []]
    assert relabelled('monitoring.cluster="eu-1"') == [["eu-1"], ["eu-1"]]


def test_every_alert_has_the_label_by_which_it_is_routed(render):
    """AlertmanagerConfig and NOTES.txt route what has `signal`."""
    for path in (ROOT / "alerts").glob("*.rules.yml"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                assert "alert" not in rule or rule["labels"]["signal"], rule


def test_the_dashboards_are_those_of_dashboards(render):
    objects = render("monitoring.dashboards.enabled=true")
    found = {}
    for o in objects:
        if o["metadata"]["labels"].get("grafana_dashboard") == "1":
            assert len(json.dumps(o)) < 1 << 20, "a ConfigMap holds 1 MiB"
            found.update(o["data"])
    assert {name: json.loads(text) for name, text in found.items()} == {
        path.name: json.loads(path.read_text()) for path in (ROOT / "dashboards").glob("*.json")}


def test_alertmanager_is_routed_to_the_agents_service(render):
    objects = render(values=CHART / "ci/full-values.yaml")
    config = find(objects, "AlertmanagerConfig")
    webhook = config["spec"]["receivers"][0]["webhookConfigs"][0]
    service = find(objects, "Service", "outrider-agent")
    assert webhook["url"] == f"http://outrider-agent.ml.svc:{service['spec']['ports'][0]['port']}/api/v1/alerts"
    assert webhook["httpConfig"]["authorization"]["credentials"] == {"name": "outrider-token", "key": "token"}
    assert config["metadata"]["labels"]["release"] == "kube-prometheus-stack"


def test_a_monitor_names_ports_that_exist(render):
    objects = render(values=CHART / "ci/full-values.yaml")
    pods = find(objects, "PodMonitor")["spec"]
    assert pods["podMetricsEndpoints"][0]["port"] in [p["name"] for p in container(objects, "outrider-sidecar")["ports"]]
    assert pods["namespaceSelector"] == {"matchNames": ["shop", "fraud"]}
    services = find(objects, "ServiceMonitor")["spec"]
    agent = find(objects, "Service", "outrider-agent")
    assert services["endpoints"][0]["port"] == agent["spec"]["ports"][0]["name"]
    assert services["selector"]["matchLabels"].items() <= agent["metadata"]["labels"].items()
    assert services["endpoints"][0]["authorization"]["credentials"]["name"] == "outrider-token"


def test_network_policies_open_exactly_the_ports_in_use(render):
    objects = render(values=CHART / "ci/full-values.yaml")
    opened = {o["metadata"]["name"]: [p["port"] for rule in o["spec"]["ingress"] for p in rule["ports"]]
              for o in objects if o["kind"] == "NetworkPolicy"}
    assert opened == {"outrider-agent": [9510], "outrider-demo": [9500, 9501, 8080]}
    agent = find(objects, "NetworkPolicy", "outrider-agent")["spec"]
    assert agent["policyTypes"] == ["Ingress", "Egress"]
    assert [p["port"] for p in agent["egress"][0]["ports"]] == [53, 53]
    assert not [o for o in render() if o["kind"] == "NetworkPolicy"]


def test_certificates_and_tokens_are_mounted_and_named_to_the_programs(render):
    objects = render("demo.enabled=true", values=CHART / "ci" / "secure-values.yaml")
    agent = find(objects, "StatefulSet", "outrider-agent")["spec"]["template"]["spec"]["containers"][0]
    assert {"--web.tls-cert-dir=/etc/outrider/tls", "--web.tls-require-client-certificate", "--web.tls-client-name=prometheus.monitoring",
            "--labels.tls-cert-dir=/etc/outrider/tls", "--web.tokens-file=/etc/outrider/tokens/tokens.yaml",
            "--web.bearer-token-file=/etc/outrider/token/token"} <= set(agent["args"])
    assert any(a.startswith("--labels.sidecars=dns+https://") for a in agent["args"])
    assert {tuple(agent[probe])[0] for probe in ("startupProbe", "readinessProbe", "livenessProbe")} == {"tcpSocket"}, (
        "the kubelet has no certificate")
    pod = find(objects, "Deployment", "outrider-demo")["spec"]["template"]["spec"]
    sidecar = next(c for c in pod["initContainers"] if c["name"] == "outrider-sidecar")
    assert {"--tls.cert-dir=/etc/outrider/tls", "--tls.require-client-certificate", "--web.tls-cert-dir=/etc/outrider/web-tls"} <= set(
        sidecar["args"])
    assert "tcpSocket" in sidecar["readinessProbe"]
    assert {"name": "outrider-tls", "csi": {"driver": "spiffe.csi.cert-manager.io", "readOnly": True}} in pod["volumes"]
    assert {"name": "outrider-web-tls", "secret": {"secretName": "outrider-sidecar-tls"}} in pod["volumes"]
    assert find(objects, "PodMonitor", "outrider-sidecars")["spec"]["podMetricsEndpoints"][0]["scheme"] == "https"
    webhook = find(objects, "AlertmanagerConfig", "outrider-agent")["spec"]["receivers"][0]["webhookConfigs"][0]
    assert webhook["url"].startswith("https://") and {"authorization", "tlsConfig"} == set(webhook["httpConfig"])


def test_with_a_certificate_alone_probes_ask_by_https_and_the_demo_without_a_token_is_refused(render, helm):
    objects = render('agent.tls.existingSecret="a"', 'sidecar.tls.existingSecret="b"', "demo.enabled=true")
    agent = find(objects, "StatefulSet", "outrider-agent")["spec"]["template"]["spec"]["containers"][0]
    assert agent["readinessProbe"]["httpGet"] == {"path": "/-/ready", "port": "http", "scheme": "HTTPS"}
    pod = find(objects, "Deployment", "outrider-demo")["spec"]["template"]["spec"]
    assert next(c for c in pod["initContainers"] if c["name"] == "outrider-sidecar")["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"
    said = helm("template", "x", CHART, "--kube-version", "1.33.0", "--set", "demo.enabled=true", "--set", "sidecar.auth.tokensSecret=t", fails=True)
    assert "has no token to read training data" in said


@pytest.mark.parametrize("setting, said", [
    ("agent.replica=2", "'/agent': additional properties 'replica' not allowed"),
    ("sidecars={}", "additional properties 'sidecars' not allowed"),
    ("sidecar.proxyPort=95000", "'/sidecar/proxyPort': maximum"),
    ('sidecar.proxyPort="9500"', "'/sidecar/proxyPort': got string, want integer"),
    ('sidecar.mode="both"', "'/sidecar/mode': value must be one of 'auto', 'native', 'container'"),
    ('agent.prometheusUrl="prometheus:9090"', "'/agent/prometheusUrl'"),
    ('agent.persistence.size="2GB"', "'/agent/persistence/size'"),
    ('sidecar.extraArgs=["proxy.threads=2"]', "'/sidecar/extraArgs/0'"),
    ('agent.image.digest="sha256:abc"', "'/agent/image/digest'"),
    ("agent.podAnnotations={\"a\": 1}", "'/agent/podAnnotations/a': got number, want string"),
    ("agent.podDisruptionBudget.maxUnavailable=0", "'/agent/podDisruptionBudget/maxUnavailable': minimum"),
    ('monitoring.podMonitor.interval="15"', "'/monitoring/podMonitor/interval'"),
])
def test_the_schema_refuses_bad_values_and_says_which(refusal, setting, said):
    assert said in refusal(setting)


def test_the_schema_knows_every_value_and_no_other():
    schema = json.loads((CHART / "values.schema.json").read_text())

    def keys(node):
        node = {**schema["definitions"][node["$ref"].rsplit("/", 1)[1]], **node} if "$ref" in node else node
        return node.get("properties")

    def compare(values, node, path):
        known = keys(node)
        if known is None:
            return  # Free-form: annotations, affinity and the like.
        assert node.get("additionalProperties", False) is False
        optional = {"requests", "limits", "claims", "global"}
        assert set(values) - optional == set(known) - optional, path
        for name, value in values.items():
            if isinstance(value, dict):
                compare(value, known[name], f"{path}.{name}")

    compare(yaml.safe_load((CHART / "values.yaml").read_text()), schema, "values")


def test_notes_tell_what_is_missing(render, tmp_path):
    chart = tmp_path / "outrider"
    shutil.copytree(CHART, chart)
    # helm install prints the notes, and wants a cluster; so an object that holds them is rendered.
    (chart / "templates" / "notes.yaml").write_text(
        'kind: Notes\nmetadata: {name: notes}\ntext: |\n'
        '  {{- include (print .Template.BasePath "/NOTES.txt") . | nindent 2 }}\n')

    def notes(*settings):
        return find(render(*settings, chart=chart), "Notes")["text"]

    plain = notes()
    assert "agent.prometheusUrl is empty" in plain and "dry run" in plain and "Nothing scrapes" in plain
    assert "url: http://outrider-agent.ml.svc:9510/api/v1/alerts" in plain
    quiet = notes('agent.prometheusUrl="http://p:9090"', 'agent.policy="dry_run: false\\nrules: []\\n"',
                  "monitoring.podMonitor.enabled=true", "monitoring.prometheusRule.enabled=true")
    assert "NOTE" not in quiet and "Nothing" not in quiet


# --- what the programs say of what the chart gives them ---------------------------------------------------------


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_the_programs_know_every_option_that_the_chart_passes(render, binaries, values):
    commands = {"agent": ("agent", "serve"), "outrider-sidecar": ("sidecar", "serve"),
                "train": ("predictor", "train"), "predictor": ("predictor", "serve")}
    for name, spec in pod_specs(render("demo.enabled=true", values=values)):
        for c in spec.get("initContainers", []) + spec["containers"]:
            if name.endswith("-test"):
                continue
            program, command = commands[c["name"]]
            said = subprocess.run([binaries / f"outrider-{program}", command, "--help"], capture_output=True,
                                  text=True, check=True).stdout
            for option in arguments(c):
                assert re.search(rf"--{re.escape(option)}[ \n]", said), f"{program} has no --{option}"


@pytest.mark.parametrize("values", ["demo-values.yaml", "container-values.yaml"])
def test_the_demo_runs_as_rendered(render, binaries, programs, tmp_path, values):
    """Trains, serves, proxies and files incidents with the very arguments and files of the chart, on free ports."""
    objects = render(values=CHART / "ci" / values)
    run_with_arguments(objects, binaries, programs, tmp_path)


# --- somebody else's chart ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def consumer(tmp_path_factory, helm):
    """examples/helm-consumer with its dependency, in a copy."""
    folder = tmp_path_factory.mktemp("repository")
    shutil.copytree(CHART, folder / "helm" / "outrider")
    shutil.copytree(CONSUMER, folder / "examples" / "helm-consumer",
                    ignore=shutil.ignore_patterns("charts", "Chart.lock"))
    helm("dependency", "update", folder / "examples" / "helm-consumer")
    return folder / "examples" / "helm-consumer"


@pytest.mark.parametrize("version", ["1.28.0", "1.33.0"])
def test_a_chart_of_somebody_else_includes_the_sidecar(render, tool, consumer, version):
    objects = render(chart=consumer, version=version)
    kubeconform(tool, yaml.safe_dump_all(objects))
    assert sorted(o["kind"] for o in objects) == ["ConfigMap", "Deployment", "Service"]
    spec = find(objects, "Deployment")["spec"]["template"]["spec"]
    native = version == "1.33.0"
    assert [c["name"] for c in spec["containers"]] == ["model"] + ([] if native else ["outrider-sidecar"])
    assert ("initContainers" in spec) == native
    sidecar = container(objects, "outrider-sidecar")
    assert sidecar["image"] == "outrider-sidecar:0.1.0"
    assert arguments(sidecar)["upstream"] == "http://127.0.0.1:8000"
    assert {v["name"] for v in spec["volumes"]} == {m["name"] for m in sidecar["volumeMounts"]}
    assert find(objects, "Service")["spec"]["ports"][0]["targetPort"] == 9500


def test_a_consumers_mistake_is_refused_under_its_path(helm, consumer):
    said = helm("template", "x", consumer, "--kube-version", "1.33.0", "--set", "outrider.sidecar.mod=native",
                fails=True)
    assert "outrider:" in said and "additional properties 'mod' not allowed" in said


# --- beside kube-prometheus-stack ---------------------------------------------------------------------------------


def test_kube_prometheus_stack_takes_what_the_chart_makes(render, tmp_path):
    folder = ROOT / "examples" / "kube-prometheus-stack"
    stack = yaml.safe_load((folder / "values.yaml").read_text())
    command = (folder / "README.md").read_text()
    assert "helm install outrider ../../helm/outrider -n outrider" in command
    assert "kube-prometheus-stack -n monitoring" in command
    objects = render(values=folder / "outrider-values.yaml")

    # Grafana's sidecar finds the dashboards by this label, and their folder by this annotation.
    finds = stack["grafana"]["sidecar"]["dashboards"]
    boards = [o for o in objects if o["metadata"]["labels"]["app.kubernetes.io/component"] == "dashboards"]
    assert len(boards) == len(list((ROOT / "dashboards").glob("*.json")))
    for board in boards:
        assert board["metadata"]["labels"][finds["label"]] == finds["labelValue"]
        assert finds["folderAnnotation"] in board["metadata"]["annotations"]

    # With the stack's defaults its Prometheus takes only what bears the release's name.
    for kind in ("PodMonitor", "ServiceMonitor", "PrometheusRule"):
        made = [o for o in objects if o["kind"] == kind]
        assert made
        assert all(o["metadata"]["labels"]["release"] == "kube-prometheus-stack" for o in made)

    # Alertmanager's route leads to the Service that the chart makes, and amtool takes the configuration.
    alertmanager = stack["alertmanager"]["config"]
    urls = [w["url"] for r in alertmanager["receivers"] for w in r.get("webhook_configs", [])]
    service = find(objects, "Service", "outrider-agent")
    assert urls == [f"http://outrider-agent.outrider.svc:{service['spec']['ports'][0]['port']}/api/v1/alerts"]
    remote = [r["url"] for r in stack["prometheus"]["prometheusSpec"]["remoteWrite"]]
    assert remote == [urls[0].replace("alerts", "write")]
    file = tmp_path / "alertmanager.yml"
    file.write_text(yaml.safe_dump(alertmanager))
    subprocess.run(["amtool", "check-config", file], check=True, capture_output=True, text=True, timeout=60)

    # Prometheus and Alertmanager come from the namespace that the NetworkPolicy lets in.
    policy = find(objects, "NetworkPolicy", "outrider-agent")
    assert "monitoring" in json.dumps(policy["spec"]["ingress"])
