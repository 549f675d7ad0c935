# SPDX-License-Identifier: Apache-2.0
"""The chart and the agent against a real Kubernetes API (cluster.py): Helm installs, upgrades, rolls back and uninstalls,
and the agent scales a Deployment from 3 to 8 with nothing but what the chart's role allows.

The nodes are played, so the agent of these tests runs beside the cluster, with a token of the service account that the
chart made for it; its image is tested in image_test.py."""

import json
import re
import subprocess

import pytest
import yaml
from agent_program import Agent, alert, webhook
from cluster import Cluster
from conftest import ROOT
from processes import Programs, http_json, wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

CHART = ROOT / "helm" / "outrider"
RELEASE = "app.kubernetes.io/instance=outrider"
EXAMPLE = (ROOT / "docs" / "policy.md").read_text().partition("### Kubernetes, scale\n")[2].partition("```yaml\n")[2].partition("```")[0]


@pytest.fixture(scope="module")
def cluster(tool, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kubernetes")
    with Programs(folder / "logs") as programs:
        yield Cluster(programs, tool, folder / "cluster")


@pytest.fixture(scope="module")
def monitoring_kinds(cluster, tool):
    """What the Prometheus operator brings to a cluster: PodMonitor, PrometheusRule and the others."""
    for file in sorted((tool("schemas") / "customresourcedefinitions").glob("*.monitoring.coreos.com.json")):
        cluster.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", json.loads(file.read_text()))
    wait_for("the operator's kinds", lambda: len(kinds(cluster, "/apis/monitoring.coreos.com/v1")) >= 6, 60)


def short_name(request):
    """A name of Kubernetes' for what a test makes; its end is what tells parameters apart."""
    return re.sub("[^a-z]+", "-", request.node.name.removeprefix("test_"))[-40:].strip("-")


@pytest.fixture
def namespace(cluster, request):
    """A namespace that takes only Pods of the restricted standard."""
    name = short_name(request)
    cluster.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    wait_for(f"{name}'s service account", lambda: cluster.request("GET", account)[0] == 200, 30)
    return name


@pytest.fixture
def volume(cluster, request):
    """A volume for the agent's journal: kwok provisions none."""
    name = short_name(request)
    cluster.create("/api/v1/persistentvolumes", {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": {
        "capacity": {"storage": "2Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": name,
        "hostPath": {"path": "/nowhere"}}})
    return name


def kinds(cluster, group):
    """The plural names of a group's kinds that live in namespaces and can be listed."""
    status, answer = cluster.request("GET", group)
    if status != 200:
        return []
    return [r["name"] for r in answer["resources"] if r["namespaced"] and "list" in r["verbs"]]


def everything(cluster, namespace, labels):
    """kind/name of every object of any kind in a namespace that bears the labels."""
    groups = ["/api/v1"] + [f"/apis/{v['groupVersion']}" for g in cluster.get("/apis")["groups"] for v in g["versions"]]
    return {f"{kind}/{o['metadata']['name']}" for group in groups for kind in kinds(cluster, group)
            for o in cluster.select(f"{group}/namespaces/{namespace}/{kind}", labels)}


def deployment(name, replicas):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {
            "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "model", "image": "model:1", "securityContext": {
                "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}]}}}}


def create_deployment(cluster, namespace, name, replicas):
    cluster.create(f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment(name, replicas))
    ready(cluster, namespace, name, replicas)


def ready(cluster, namespace, name, replicas):
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
    wait_for(f"{replicas} ready Pods of {name}", lambda: cluster.get(path)["status"].get("readyReplicas") == replicas, 60)


def replicas_of(cluster, namespace, name):
    return cluster.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale")["spec"]["replicas"]


# Helm.


def test_the_chart_lives_through_install_upgrade_rollback_and_uninstall(cluster, monitoring_kinds, namespace, volume):
    at = ("--namespace", namespace, "--wait", "--timeout", "120s")
    settings = ("--values", CHART / "ci" / "demo-values.yaml", "--set", f"agent.persistence.storageClass={volume}",
                "--set", "agent.scaling.enabled=true", "--set", "networkPolicy.enabled=true",
                "--set", "monitoring.alertmanagerConfig.enabled=true", "--set", "agent.podDisruptionBudget.enabled=true")
    agent = f"/apis/apps/v1/namespaces/{namespace}/statefulsets/outrider-agent"
    demo = f"/apis/apps/v1/namespaces/{namespace}/deployments/outrider-demo"

    def policy():
        found = cluster.select(f"/api/v1/namespaces/{namespace}/configmaps", RELEASE)
        return next(c["data"]["policy.yaml"] for c in found if "policy.yaml" in c["data"])

    def revisions():
        return [(r["revision"], r["status"]) for r in json.loads(cluster.helm("history", "outrider", *at[:2], "-o", "json").stdout)]

    cluster.helm("install", "outrider", CHART, *at, *settings)
    assert cluster.get(agent)["status"]["readyReplicas"] == 1
    assert cluster.get(demo)["status"]["readyReplicas"] == 1
    there = everything(cluster, namespace, RELEASE)
    for kind in ("podmonitors", "servicemonitors", "prometheusrules", "networkpolicies", "roles", "rolebindings", "configmaps"):
        assert any(o.startswith(f"{kind}/") for o in there), (kind, sorted(there))
    # The API server mounts a token where the policy of docs/policy.md looks for it, into the agent's Pod alone.
    pods = cluster.select(f"/api/v1/namespaces/{namespace}/pods", RELEASE)
    with_token = {p["metadata"]["name"] for p in pods for c in p["spec"]["containers"] for m in c.get("volumeMounts", [])
                  if m["mountPath"] in EXAMPLE.partition("credentials_file: ")[2].split("}")[0]}
    assert with_token == {"outrider-agent-0"} and len(pods) == 2
    first, first_policy = cluster.get(agent)["status"]["currentRevision"], policy()

    cluster.helm("upgrade", "outrider", CHART, *at, *settings, "--set", "demo.replicas=3",
                 "--set-string", "agent.policy=dry_run: true\nrules: []\n")
    assert cluster.get(demo)["status"]["readyReplicas"] == 3
    assert policy() == "dry_run: true\nrules: []\n"
    # Another policy is another Pod: the agent does not go on with the old one.
    assert cluster.get(agent)["status"]["currentRevision"] != first

    cluster.helm("rollback", "outrider", "1", *at)
    assert cluster.get(demo)["status"]["readyReplicas"] == 1 and policy() == first_policy
    assert cluster.get(agent)["status"]["currentRevision"] == first
    assert revisions() == [(1, "superseded"), (2, "superseded"), (3, "deployed")]

    cluster.helm("uninstall", "outrider", *at)

    def remains():  # What controllers remove a moment later is no remains. The claim stays: it holds the journal.
        return {o for o in everything(cluster, namespace, RELEASE) if not o.startswith("persistentvolumeclaims/")}

    wait_for("nothing remains", lambda: not remains(), 30)


def test_every_set_of_values_is_taken_by_the_api_server(cluster, monitoring_kinds, namespace):
    for values in sorted((CHART / "ci").glob("*-values.yaml")):
        run = cluster.helm("install", "outrider", CHART, "--namespace", namespace, "--values", values, "--dry-run=server",
                           "--set", "agent.scaling.targets[0].namespace=", "--set", "monitoring.podMonitor.namespaces={}", check=False)
        assert run.returncode == 0, f"{values.name}: {run.stderr}"


# outrider inject.


def inject(binaries, objects, *options):
    """The objects with the sidecar, as the real program writes them."""
    run = subprocess.run([binaries / "outrider", "inject", "-f", "-", *options], text=True, capture_output=True,
                         input="---\n".join(yaml.safe_dump(o) for o in objects), timeout=60)
    assert run.returncode == 0, run.stderr
    return [o for o in yaml.safe_load_all(run.stdout) if o]


@pytest.mark.parametrize("native", ["--native", "--no-native"])
def test_what_inject_writes_becomes_ready_pods_in_a_restricted_namespace(cluster, namespace, binaries, native):
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "model"}, "spec": {
        "selector": {"app": "model"}, "ports": [{"port": 80, "targetPort": 8080}]}}
    model = deployment("model", 3)
    model["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"containerPort": 8080}]
    for made in inject(binaries, [service, model], native):
        group = f"apis/{made['apiVersion']}" if "/" in made["apiVersion"] else f"api/{made['apiVersion']}"
        # Strict: a field that the server does not know is an error, not dropped in silence.
        cluster.create(f"/{group}/namespaces/{namespace}/{made['kind'].lower()}s?fieldValidation=Strict", made)
    ready(cluster, namespace, "model", 3)
    pods = cluster.select(f"/api/v1/namespaces/{namespace}/pods", "app=model")
    assert len(pods) == 3
    for pod in pods:
        ordinary = [c["name"] for c in pod["spec"]["containers"]]
        always = [c["name"] for c in pod["spec"].get("initContainers", []) if c.get("restartPolicy") == "Always"]
        assert len(always) == (1 if native == "--native" else 0) and len(ordinary + always) == 2, (ordinary, always)
    target = cluster.get(f"/api/v1/namespaces/{namespace}/services/model")["spec"]["ports"][0]["targetPort"]
    assert target != 8080


def test_an_injected_inference_service_is_what_kserve_defines(cluster, namespace, binaries, tool):
    definition = json.loads((tool("schemas") / "customresourcedefinitions" / "inferenceservices.serving.kserve.io.json").read_text())
    cluster.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
    group = "/apis/serving.kserve.io/v1beta1"
    wait_for("KServe's kinds", lambda: "inferenceservices" in kinds(cluster, group), 60)
    service = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "model"}, "spec": {
        "predictor": {"model": {"modelFormat": {"name": "sklearn"}, "storageUri": "pvc://models/1"}}}}
    [made] = inject(binaries, [service])
    assert made["spec"] != service["spec"]
    place = f"{group}/namespaces/{namespace}/inferenceservices?fieldValidation=Strict"
    cluster.create(place, made)
    made["metadata"]["name"], made["spec"]["predictorz"] = "other", {}
    assert cluster.request("POST", place, made)[0] == 400


# The role, and the agent's hand.


@pytest.fixture
def installed(cluster, namespace):
    """The chart with leave to scale one Deployment; the token of the agent's service account."""
    cluster.helm("install", "outrider", CHART, "--namespace", namespace, "--wait", "--timeout", "120s",
                 "--set", "agent.persistence.enabled=false", "--set-json",
                 'agent.scaling={"enabled": true, "targets": [{"namespace": "", "deployments": ["house-price"]}]}')
    yield cluster.token_of(namespace, "outrider-agent")
    cluster.helm("uninstall", "outrider", "--namespace", namespace, "--wait")


def test_the_role_allows_the_scale_of_the_named_deployment_and_nothing_else(cluster, namespace, installed):
    create_deployment(cluster, namespace, "house-price", 1)
    create_deployment(cluster, namespace, "payments", 1)
    merge = {"content_type": "application/merge-patch+json", "token": installed}
    apps, core = f"/apis/apps/v1/namespaces/{namespace}", f"/api/v1/namespaces/{namespace}"
    wider = {"spec": {"replicas": 2}}

    assert cluster.request("PATCH", f"{apps}/deployments/house-price/scale", wider, **merge)[0] == 200
    assert cluster.request("GET", f"{apps}/deployments/house-price/scale", token=installed)[0] == 200
    for method, path, body in [
            ("PATCH", f"{apps}/deployments/payments/scale", wider),
            ("PATCH", f"{apps}/deployments/house-price", wider),
            ("GET", f"{apps}/deployments/house-price", None),
            ("GET", f"{apps}/deployments", None),
            ("DELETE", f"{apps}/deployments/house-price", None),
            ("PATCH", f"{apps}/statefulsets/outrider-agent/scale", wider),
            ("PATCH", "/apis/apps/v1/namespaces/default/deployments/house-price/scale", wider),
            ("GET", f"{core}/secrets", None),
            ("GET", f"{core}/configmaps", None),
            ("GET", f"{core}/pods", None),
            ("GET", "/api/v1/nodes", None)]:
        status, answer = cluster.request(method, path, body, **merge)
        assert status == 403, (method, path, status, answer)
    assert replicas_of(cluster, namespace, "payments") == 1

    # All that it may, as the API server says it: beyond what every account may, one rule.
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}

    def rules(token):
        status, answer = cluster.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review, token=token)
        assert status == 201 and not answer["status"]["incomplete"]
        return [json.dumps(rule, sort_keys=True) for rule in answer["status"]["resourceRules"]]

    ordinary = rules(cluster.token_of(namespace, "default"))
    more = [json.loads(rule) for rule in rules(installed) if rule not in ordinary]
    assert more == [{"apiGroups": ["apps"], "resources": ["deployments/scale"], "resourceNames": ["house-price"],
                     "verbs": ["get", "patch"]}]


class Scaler:
    """The real agent with the policy that docs/policy.md shows for Kubernetes, pointed at this cluster."""

    def __init__(self, programs, binary, folder, cluster, token, dry_run=False):
        self.token_file = folder / "token"
        self.token_file.write_text(token)
        text = EXAMPLE.replace("https://kubernetes.default.svc", cluster.url)
        text = re.sub(r"(credentials_file: )[^}\s]+", rf"\g<1>{self.token_file}", text)
        text = re.sub(r"(ca_file: )\S+", rf"\g<1>{cluster.ca_file}", text)
        rule = "".join(f"    {line}\n" for line in text.splitlines())
        self.agent = Agent(programs, binary, folder, f"dry_run: {str(dry_run).lower()}\nrules:\n  - name: scale\n{rule}")

    def saturated(self, namespace, model="house-price", current=3):
        fired = alert(model=model, name="ModelSaturated")
        fired["labels"]["namespace"] = namespace
        fired["annotations"] |= {"replicas": str(current), "load_ratio": "2.667"}
        http_json("POST", f"{self.agent.admin}/api/v1/alerts", webhook(fired))


def test_the_agent_scales_a_deployment_from_3_to_8(cluster, namespace, installed, programs, agent_binary, tmp_path):
    create_deployment(cluster, namespace, "house-price", 3)
    scaler = Scaler(programs, agent_binary, tmp_path, cluster, installed)
    scaler.saturated(namespace)
    action = scaler.agent.action_when("accepted", "failed")
    assert action["outcome"] == "accepted", action
    assert replicas_of(cluster, namespace, "house-price") == 8
    ready(cluster, namespace, "house-price", 8)  # Scheduled by the real scheduler, made by the real controllers.
    # The alert again, as Alertmanager repeats it: the incident has had its action.
    before = cluster.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/house-price")["metadata"]["generation"]
    scaler.saturated(namespace)
    assert len(scaler.agent.actions()) == 1
    assert cluster.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/house-price")["metadata"]["generation"] == before


def test_what_the_role_does_not_allow_fails_at_once_and_says_so(cluster, namespace, installed, programs, agent_binary, tmp_path):
    create_deployment(cluster, namespace, "payments", 3)
    scaler = Scaler(programs, agent_binary, tmp_path, cluster, installed)
    scaler.saturated(namespace, model="payments")
    action = scaler.agent.action_when("accepted", "failed")
    assert action["outcome"] == "failed"
    assert "403" in action["reason"] and action["attempts"] == 1, action
    assert replicas_of(cluster, namespace, "payments") == 3


def test_a_dry_run_recommends_and_changes_nothing(cluster, namespace, installed, programs, agent_binary, tmp_path):
    create_deployment(cluster, namespace, "house-price", 3)
    scaler = Scaler(programs, agent_binary, tmp_path, cluster, installed, dry_run=True)
    scaler.saturated(namespace)
    action = scaler.agent.action_when("recommended", "accepted", "failed")
    assert action["outcome"] == "recommended"
    assert replicas_of(cluster, namespace, "house-price") == 3


def test_an_expired_token_is_a_clear_failure(cluster, namespace, installed, programs, agent_binary, tmp_path):
    create_deployment(cluster, namespace, "house-price", 3)
    scaler = Scaler(programs, agent_binary, tmp_path, cluster, "no-such-token")
    scaler.saturated(namespace)
    action = scaler.agent.action_when("accepted", "failed")
    assert action["outcome"] == "failed" and "401" in action["reason"], action
    assert replicas_of(cluster, namespace, "house-price") == 3
