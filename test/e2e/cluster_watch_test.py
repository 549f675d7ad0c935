# SPDX-License-Identifier: Apache-2.0
"""What the agent sees of a real Kubernetes API (cluster.py) with nothing but what the chart's role for watching allows: rollouts,
roll-backs, scalings, ConfigMaps, warnings; nothing twice, nothing lost over a kill -9 of the agent or of the API server."""

import json

import pytest
from agent_program import Agent
from cluster_test import CHART, cluster, create_deployment, deployment, namespace, ready  # noqa: F401  Fixtures among them.
from processes import http_json, wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture
def token(cluster, namespace):  # noqa: F811
    """Of the service account that the chart makes for an agent that watches this namespace."""
    cluster.helm("install", "outrider", CHART, "--namespace", namespace, "--wait", "--timeout", "120s",
                 "--set", "agent.persistence.enabled=false", "--set", "agent.kubernetes.watch=true",
                 "--set", f"agent.kubernetes.namespaces={{{namespace}}}")
    yield cluster.token_of(namespace, "outrider-agent")
    cluster.helm("uninstall", "outrider", "--namespace", namespace, "--wait")


class Watching(Agent):
    def __init__(self, programs, binary, folder, cluster, namespace, token):  # noqa: F811
        (folder / "token").write_text(token)
        super().__init__(programs, binary, folder, options=[
            "--kubernetes.watch", "--kubernetes.url", cluster.url, "--kubernetes.tls-ca", cluster.ca_file,
            "--kubernetes.bearer-token-file", folder / "token", "--kubernetes.namespaces", namespace, "--kubernetes.cluster", "eu-1"])
        self.wait_for_lists()

    def wait_for_lists(self):
        """Every resource has been listed once: from now on changes are seen."""
        name = "outrider_agent_kubernetes_last_success_timestamp_seconds"
        wait_for("every watch", lambda: len(seen := self.metrics().by(name, "resource")) == 7 and all(seen.values()), 60)

    def changes(self, workload="house"):
        """(kind, version, summary), oldest first."""
        told = http_json("GET", f"{self.admin}/api/v1/changes")["changes"]
        return [(c["kind"], c["version"], c["summary"]) for c in reversed(told) if c["workload"] == workload]

    def change_when(self, wanted):
        return wait_for(str(wanted), lambda: next((c for c in self.changes() if wanted(c)), None), 60)


def house(image="house:2.1.2", replicas=3):
    made = deployment("house", replicas)
    container = made["spec"]["template"]["spec"]["containers"][0]
    container |= {"image": image, "envFrom": [{"configMapRef": {"name": "house-config"}}]}
    return made


@pytest.fixture
def watching(cluster, namespace, token, programs, agent_binary, tmp_path):  # noqa: F811
    cluster.create(f"/api/v1/namespaces/{namespace}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
        "name": "house-config"}, "data": {"threshold": "hush-hush"}})
    cluster.create(f"/apis/apps/v1/namespaces/{namespace}/deployments", house())
    ready(cluster, namespace, "house", 3)
    return Watching(programs, agent_binary, tmp_path, cluster, namespace, token)


def path(namespace, name="house"):  # noqa: F811
    return f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"


def set_image(cluster, namespace, image):  # noqa: F811
    made = house(image)["spec"]["template"]["spec"]
    cluster.patch(path(namespace), {"spec": {"template": {"spec": {"containers": made["containers"]}}}})


def test_what_people_do_to_a_deployment_is_told_as_changes_of_it(cluster, namespace, watching, tmp_path):  # noqa: F811
    # What was made less than an hour ago is known from its ReplicaSet.
    assert watching.changes() == [("deployment", "2.1.2", "Deployment house: image house:2.1.2")]

    set_image(cluster, namespace, "house:2.1.3")
    watching.change_when(lambda c: c == ("deployment", "2.1.3", "Deployment house: image house:2.1.2 -> house:2.1.3"))

    cluster.patch(f"{path(namespace)}/scale", {"spec": {"replicas": 8}})
    _, _, scaled = watching.change_when(lambda c: c[0] == "scale")
    assert scaled.startswith("house: replicas 3 -> 8, by "), scaled

    cluster.patch(f"/api/v1/namespaces/{namespace}/configmaps/house-config", {"data": {"threshold": "hush-again"}})
    _, _, written = watching.change_when(lambda c: c[0] == "config")
    assert written.startswith("house: ConfigMap house-config written"), written

    set_image(cluster, namespace, "house:2.1.2")
    _, version, back = watching.change_when(lambda c: c[0] == "rollback")
    assert version == "2.1.2" and back == "Deployment house: back to revision 1, image house:2.1.3 -> house:2.1.2"

    [pod, *_] = cluster.select(f"/api/v1/namespaces/{namespace}/pods", "app=house")
    cluster.create(f"/api/v1/namespaces/{namespace}/events", {
        "apiVersion": "v1", "kind": "Event", "metadata": {"generateName": "e"}, "type": "Warning", "reason": "BackOff",
        "message": "Back-off restarting failed container", "lastTimestamp": pod["metadata"]["creationTimestamp"],
        "involvedObject": {"kind": "Pod", "namespace": namespace, "name": pod["metadata"]["name"]}})
    _, _, warned = watching.change_when(lambda c: c[0] == "warning")
    assert warned == f"BackOff of Pod {pod['metadata']['name']}: Back-off restarting failed container"

    assert len(watching.changes()) == 6, watching.changes()
    told = http_json("GET", f"{watching.admin}/api/v1/changes")["changes"]
    assert {(c["cluster"], c["namespace"]) for c in told if c["workload"] == "house"} == {("eu-1", namespace)}
    # No content of a ConfigMap ever reaches the agent's disk or log.
    kept = b"".join(file.read_bytes() for file in (tmp_path / "agent").rglob("*") if file.is_file())
    assert b"house-config" in kept and b"hush" not in kept and "hush" not in watching.programs.log("agent")


def test_over_a_kill_of_the_agent_nothing_is_told_twice_and_a_rollout_meanwhile_is_told(cluster, namespace, watching):  # noqa: F811
    before = watching.changes()
    watching.kill()
    set_image(cluster, namespace, "house:2.1.3")
    wait_for("the ReplicaSet", lambda: len(cluster.select(
        f"/apis/apps/v1/namespaces/{namespace}/replicasets", "app=house")) == 2, 30)
    watching.start()
    watching.wait_for_lists()
    watching.change_when(lambda c: c[1] == "2.1.3")
    told = [*before, ("deployment", "2.1.3", "Deployment house: image house:2.1.2 -> house:2.1.3")]
    assert sorted(watching.changes()) == sorted(told)  # Two of one second have no order.


def test_the_role_allows_no_contents_of_secrets_no_pods_and_no_writing(cluster, namespace, token):  # noqa: F811
    core, apps = f"/api/v1/namespaces/{namespace}", f"/apis/apps/v1/namespaces/{namespace}"
    create_deployment(cluster, namespace, "house", 1)
    for method, place, body in [
            ("GET", f"{core}/secrets", None), ("GET", f"{core}/pods", None), ("GET", f"{core}/configmaps/kube-root-ca.crt", None),
            ("PATCH", f"{apps}/deployments/house", {"spec": {"replicas": 2}}),
            ("PATCH", f"{apps}/deployments/house/scale", {"spec": {"replicas": 2}}),
            ("DELETE", f"{apps}/deployments/house", None), ("GET", "/apis/apps/v1/deployments", None),
            ("GET", "/api/v1/namespaces/default/configmaps", None)]:
        status, answer = cluster.request(method, place, body, token=token, content_type="application/merge-patch+json")
        assert status == 403, (method, place, status, json.dumps(answer))
    assert cluster.request("GET", f"{apps}/deployments", token=token)[0] == 200


# The last: it ends the API server.
def test_while_the_api_server_is_gone_nothing_is_lost(cluster, namespace, watching):  # noqa: F811
    failed = "outrider_agent_kubernetes_failures_total"
    restart = cluster.kill_api_server()
    wait_for("failures", lambda: watching.metrics().sum(failed) >= 7, 60)
    restart()
    set_image(cluster, namespace, "house:2.1.3")
    watching.change_when(lambda c: c == ("deployment", "2.1.3", "Deployment house: image house:2.1.2 -> house:2.1.3"))
    assert len(watching.changes()) == 2
