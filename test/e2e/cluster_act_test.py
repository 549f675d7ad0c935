# SPDX-License-Identifier: Apache-2.0
"""What the agent does through a real Kubernetes API (cluster.py) with nothing but what the chart's role for actions allows:
scale, roll back, restart; what is another's is handed over; of two agents with a lease one acts, also over a kill -9."""

import pytest
from agent_program import Agent, alert, webhook
from cluster_test import CHART, cluster, create_deployment, deployment, namespace, ready, replicas_of  # noqa: F401  Fixtures among them.
from processes import http_json, wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

POLICY = """
dry_run: false
rules:
  - name: scale
    match: {{alert: ModelSaturated}}
    action: scale
    scale: {{current: {{annotation: replicas}}, ratio: {{annotation: load_ratio}}, min: 2, max: 10}}
    kubernetes: {{action: scale, deployment: "{{{{ model }}}}", namespace: "{namespace}", replicas: "{{{{ replicas.wanted }}}}",
                 from: "{{{{ replicas.current }}}}"}}
  - name: roll-back
    match: {{alert: ModelRequestsFailing}}
    action: rollback
    kubernetes: {{action: rollback, deployment: "{{{{ model }}}}", namespace: "{namespace}"}}
  - name: restart
    match: {{alert: ModelLatencyHigh}}
    action: restart
    kubernetes: {{action: restart, deployment: "{{{{ model }}}}", namespace: "{namespace}"}}
"""


@pytest.fixture
def token(cluster, namespace):  # noqa: F811
    cluster.helm("install", "outrider", CHART, "--namespace", namespace, "--wait", "--timeout", "120s",
                 "--set", "agent.persistence.enabled=false", "--set", "agent.actions.kubernetes.enabled=true",
                 "--set", f"agent.actions.kubernetes.namespaces={{{namespace}}}", "--set", "agent.actions.lease=agents")
    yield cluster.token_of(namespace, "outrider-agent")
    cluster.helm("uninstall", "outrider", "--namespace", namespace, "--wait")


class Hand(Agent):
    def __init__(self, programs, binary, folder, cluster, namespace, token, name="agent", lease=False):  # noqa: F811
        folder.mkdir(exist_ok=True)
        (folder / "token").write_text(token)
        options = ["--actions.kubernetes", "--kubernetes.url", cluster.url, "--kubernetes.tls-ca", cluster.ca_file,
                   "--kubernetes.bearer-token-file", folder / "token"]
        if lease:
            options += ["--actions.lease", f"{namespace}/agents"]
        self.namespace = namespace
        super().__init__(programs, binary, folder, POLICY.format(namespace=namespace), options, name=name)

    def fire(self, name, model="house", current=3, ratio="2.667"):
        fired = alert(model=model, name=name)
        fired["labels"]["namespace"] = self.namespace
        fired["annotations"] |= {"replicas": str(current), "load_ratio": ratio}
        http_json("POST", f"{self.admin}/api/v1/alerts", webhook(fired))

    def done(self):
        return self.action_when("accepted", "succeeded", "failed", "handed_over", "expired", seconds=60)


@pytest.fixture
def hand(cluster, namespace, token, programs, agent_binary, tmp_path):  # noqa: F811
    return Hand(programs, agent_binary, tmp_path, cluster, namespace, token)


def path(namespace, name="house"):  # noqa: F811
    return f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"


def test_a_deployment_is_scaled_from_3_to_8(cluster, namespace, hand):  # noqa: F811
    create_deployment(cluster, namespace, "house", 3)
    hand.fire("ModelSaturated")
    action = hand.done()
    assert action["outcome"] == "accepted", action
    ready(cluster, namespace, "house", 8)


def test_a_deployment_is_rolled_back_to_the_image_before(cluster, namespace, hand):  # noqa: F811
    create_deployment(cluster, namespace, "house", 2)
    made = deployment("house", 2)["spec"]["template"]["spec"]["containers"]
    made[0]["image"] = "model:2"
    cluster.patch(path(namespace), {"spec": {"template": {"spec": {"containers": made}}}})
    wait_for("revision 2", lambda: cluster.get(path(namespace))["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2", 30)
    hand.fire("ModelRequestsFailing")
    action = hand.done()
    assert action["outcome"] == "accepted", action

    def back():
        now = cluster.get(path(namespace))
        return (now["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
                and now["spec"]["template"]["spec"]["containers"][0]["image"] == "model:1")

    wait_for("the earlier ReplicaSet as revision 3", back, 30)  # By the real controller.


def test_a_deployment_is_restarted_pod_by_pod(cluster, namespace, hand):  # noqa: F811
    create_deployment(cluster, namespace, "house", 2)
    pods = f"/api/v1/namespaces/{namespace}/pods"
    before = {p["metadata"]["uid"] for p in cluster.select(pods, "app=house")}
    hand.fire("ModelLatencyHigh")
    action = hand.done()
    assert action["outcome"] == "accepted", action
    wait_for("other pods", lambda: len(now := {p["metadata"]["uid"] for p in cluster.select(pods, "app=house")}) == 2
             and not now & before, 60)


def test_what_argo_cd_applies_is_handed_to_a_person(cluster, namespace, hand):  # noqa: F811
    applied = deployment("house", 3)
    applied["metadata"] |= {"annotations": {"argocd.argoproj.io/tracking-id": f"shop:apps/Deployment:{namespace}/house"}}
    status, answer = cluster.request("PATCH", f"{path(namespace)}?fieldManager=argocd-controller", applied,
                                     content_type="application/apply-patch+yaml")
    assert status == 201, answer
    hand.fire("ModelSaturated")
    action = hand.done()
    assert action["outcome"] == "handed_over", action
    assert "`spec.replicas` of Deployment house is managed by argocd-controller (Application shop)" in action["reason"], action
    assert replicas_of(cluster, namespace, "house") == 3


def test_no_more_pods_go_than_the_budget_allows(cluster, namespace, hand):  # noqa: F811
    create_deployment(cluster, namespace, "house", 4)
    budgets = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
    cluster.create(budgets, {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "house"},
                             "spec": {"minAvailable": 3, "selector": {"matchLabels": {"app": "house"}}}})
    wait_for("the budget", lambda: cluster.get(f"{budgets}/house").get("status", {}).get("disruptionsAllowed") == 1, 30)
    hand.fire("ModelSaturated", current=4, ratio="0.5")
    asked = hand.action_when("recommended")  # Nothing is scaled in without a precondition or a person.
    http_json("POST", f"{hand.admin}/api/v1/actions/{asked['id']}/approve", {"by": "ada"})
    words = "PodDisruptionBudget house allows 1 pods to go at the moment, not 2"
    wait_for(words, lambda: words in str(hand.actions()[0]["history"]), 30)  # Then a person is asked again.
    assert replicas_of(cluster, namespace, "house") == 4


def test_an_autoscalers_least_is_raised_and_its_controller_scales(cluster, namespace, hand):  # noqa: F811
    create_deployment(cluster, namespace, "house", 3)
    cluster.create(f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers", {
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "house"}, "spec": {
            "minReplicas": 3, "maxReplicas": 10, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "house"},
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]}})
    hand.fire("ModelSaturated")
    action = hand.done()
    assert action["outcome"] == "accepted" and "minReplicas" in action["reason"], action
    wait_for("the autoscaler", lambda: replicas_of(cluster, namespace, "house") == 8, 60)


def test_of_two_agents_the_holder_of_the_lease_acts_and_after_its_kill_the_other(
        cluster, namespace, token, programs, agent_binary, tmp_path):  # noqa: F811
    create_deployment(cluster, namespace, "house", 3)
    create_deployment(cluster, namespace, "rent", 3)
    agents = [Hand(programs, agent_binary, tmp_path / name, cluster, namespace, token, name, lease=True) for name in ("a", "b")]

    def holder():
        held = [one for one in agents if one.metrics().sum("outrider_agent_lease_held") == 1]
        return held[0] if len(held) == 1 else None

    first = wait_for("one holder", holder, 30)
    second = next(one for one in agents if one is not first)
    for one in agents:  # As Alertmanager tells both.
        one.fire("ModelSaturated")
    assert first.done()["outcome"] == "accepted"
    ready(cluster, namespace, "house", 8)
    generation = cluster.get(path(namespace))["metadata"]["generation"]
    number = first.metrics().sum("outrider_agent_lease_fencing_number")

    first.kill()
    for _ in range(2):
        second.fire("ModelSaturated", model="rent")
    wait_for("the other holds the lease", lambda: second.metrics().sum("outrider_agent_lease_held") == 1, 60)
    assert second.metrics().sum("outrider_agent_lease_fencing_number") > number
    wait_for("the other acts", lambda: replicas_of(cluster, namespace, "rent") == 8, 60)
    # What the first did is not done again: the precondition does not hold any more.
    assert cluster.get(path(namespace))["metadata"]["generation"] == generation
