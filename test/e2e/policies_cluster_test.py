# SPDX-License-Identifier: Apache-2.0
"""The policies of examples/policies that ask Kubernetes, through a real API server (cluster.py) with its own controllers, as
they are but for their times. What Prometheus says is played."""

import pytest
from cluster_act_test import path, token  # noqa: F401  A fixture.
from cluster_test import cluster, create_deployment, deployment, namespace, ready, replicas_of  # noqa: F401  Fixtures.
from policies_test import Agent, end_of, fire, fired, hurried, world  # noqa: F401  A fixture among them.
from processes import wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture
def run(cluster, namespace, token, programs, agent_binary, tmp_path):  # noqa: F811
    """run(policy, world): an agent with that policy, which may do what the chart's role allows."""
    (tmp_path / "token").write_text(token)

    def start(name, here):
        return Agent(programs, agent_binary, tmp_path, hurried(name, here.url, tmp_path), [
            "--prometheus.url", here.url, "--decide.every", "300ms", "--actions.kubernetes", "--kubernetes.url", cluster.url,
            "--kubernetes.tls-ca", cluster.ca_file, "--kubernetes.bearer-token-file", tmp_path / "token"])

    return start


def image_of(cluster, namespace):  # noqa: F811
    return cluster.get(path(namespace, "rent"))["spec"]["template"]["spec"]["containers"][0]["image"]


def restarted(cluster, namespace):  # noqa: F811
    made = cluster.get(path(namespace, "rent"))["spec"]["template"]["metadata"].get("annotations") or {}
    return "kubectl.kubernetes.io/restartedAt" in made


@pytest.mark.parametrize(("helps", "outcome", "image"), [(True, "succeeded", "model:1"), (False, "undone", "model:2")])
def test_a_bad_deployment_goes_back_and_forth_again_where_it_did_not_help(cluster, namespace, run, world, helps, outcome, image):  # noqa: F811
    create_deployment(cluster, namespace, "rent", 2)
    made = deployment("rent", 2)["spec"]["template"]["spec"]["containers"]
    made[0]["image"] = "model:2"
    cluster.patch(path(namespace, "rent"), {"spec": {"template": {"spec": {"containers": made}}}})
    revision = "deployment.kubernetes.io/revision"
    wait_for("revision 2", lambda: cluster.get(path(namespace, "rent"))["metadata"]["annotations"][revision] == "2", 30)
    here = world()
    here.values = {"server_error": lambda: 0.0 if helps and image_of(cluster, namespace) == "model:1" else 0.4}
    agent = run("bad-deployment", here)
    fire(agent, fired("ModelRequestsFailing", severity="critical", namespace=namespace))
    action = end_of(agent, 60)
    assert action["outcome"] == outcome and image_of(cluster, namespace) == image, action


def test_a_surge_is_answered_by_eight_replicas(cluster, namespace, run, world):  # noqa: F811
    create_deployment(cluster, namespace, "rent", 3)
    here = world()
    here.values = {"in_flight": lambda: float(replicas_of(cluster, namespace, "rent")),
                   "duration_seconds": lambda: 0.1 if replicas_of(cluster, namespace, "rent") > 3 else 0.9}
    agent = run("load-surge", here)
    one = fired("ModelSaturated", namespace=namespace)
    one["annotations"] |= {"replicas": "3", "load_ratio": "2.667"}
    fire(agent, one)
    action = end_of(agent, 60)
    assert action["outcome"] == "succeeded", action
    ready(cluster, namespace, "rent", 8)


def test_load_that_is_to_come_is_answered_before_it_comes(cluster, namespace, run, world):  # noqa: F811
    create_deployment(cluster, namespace, "rent", 3)
    here = world()
    here.values = {"forecast_checks": 0.02, "replicas_wanted": 1.6667,
                   "outrider_replicas{": lambda: float(replicas_of(cluster, namespace, "rent"))}
    agent = run("capacity-ahead", here)
    fire(agent, fired("ModelCapacityAhead", namespace=namespace, capacity="rent", workload="rent"))
    action = end_of(agent, 60)
    assert action["outcome"] == "succeeded", action
    assert replicas_of(cluster, namespace, "rent") == 5


@pytest.mark.parametrize(("helps", "outcome"), [(True, "succeeded"), (False, "handed_over")])
def test_a_leak_is_restarted_and_a_restart_that_does_not_help_is_a_persons(cluster, namespace, run, world, helps, outcome):  # noqa: F811
    create_deployment(cluster, namespace, "rent", 2)
    ready(cluster, namespace, "rent", 2)
    here = world()
    here.values = {"memory": lambda: 0.3 if helps and restarted(cluster, namespace) else 0.93}
    agent = run("memory-leak", here)
    fire(agent, fired("MemoryFullAhead", namespace=namespace, workload="rent"))
    action = end_of(agent, 60)
    assert action["outcome"] == outcome and restarted(cluster, namespace), action


def test_a_stuck_server_is_drained_restarted_and_returned_by_one_runbook(cluster, namespace, run, world):  # noqa: F811
    create_deployment(cluster, namespace, "rent", 2)
    ready(cluster, namespace, "rent", 2)
    here = world()
    here.values = {"outrider_requests_total": lambda: 0.0 if here.paths()[-1:] == ["/api/routes/drain"] else 40.0,
                   "replicas_updated": lambda: 2.0 if restarted(cluster, namespace) else 0.0, "duration_seconds": 0.1}
    agent = run("stuck-model", here)
    fire(agent, fired("ModelLatencyHigh", severity="critical", namespace=namespace))
    action = end_of(agent, 90)
    assert action["outcome"] == "succeeded", action
    assert here.paths() == ["/api/routes/drain", "/api/routes/return"] and restarted(cluster, namespace)
