# SPDX-License-Identifier: Apache-2.0
"""The tools of test/tools are the ones that are pinned, and refuse what they should."""

import json
import subprocess

import pytest

DEPLOYMENT = {
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "model"},
    "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "model"}},
             "template": {"metadata": {"labels": {"app": "model"}},
                          "spec": {"containers": [{"name": "server", "image": "model:1",
                                                   "resources": {"requests": {"cpu": 1, "memory": "64Mi"}}}]}}}}
POD_MONITOR = {
    "apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": {"name": "model"},
    "spec": {"selector": {"matchLabels": {"app": "model"}}, "podMetricsEndpoints": [{"port": "metrics"}]}}
INFERENCE_SERVICE = {
    "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "model"},
    "spec": {"predictor": {"model": {"modelFormat": {"name": "sklearn"}, "storageUri": "pvc://models/1"}}}}


def kubeconform(tool, document):
    location = f"{tool('schemas')}/{{{{.Group}}}}/{{{{.ResourceKind}}}}_{{{{.ResourceAPIVersion}}}}.json"
    return subprocess.run([tool("kubeconform"), "-strict", "-schema-location", location, "-"],
                          input=json.dumps(document), capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("document", [DEPLOYMENT, POD_MONITOR, INFERENCE_SERVICE], ids=lambda d: d["kind"])
def test_kubeconform_takes_a_good_object_and_refuses_an_unknown_field(tool, document):
    good = kubeconform(tool, document)
    assert good.returncode == 0, good.stdout + good.stderr
    bad = kubeconform(tool, document | {"spec": document["spec"] | {"replicaz": 3}})
    assert bad.returncode == 1
    assert "replicaz" in bad.stdout


def test_kubeconform_refuses_a_wrong_type_deep_inside(tool):
    document = json.loads(json.dumps(DEPLOYMENT))
    document["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"containerPort": "http"}]
    bad = kubeconform(tool, document)
    assert bad.returncode == 1
    assert "containerPort" in bad.stdout


def test_kubeconform_refuses_a_kind_that_no_schema_describes(tool):
    bad = kubeconform(tool, {"apiVersion": "example.com/v1", "kind": "Unheard", "metadata": {"name": "x"}})
    assert bad.returncode == 1
    assert "could not find schema for Unheard" in bad.stdout


def test_helm_is_the_pinned_one(tool):
    pinned = next(line.split()[1] for line in (tool("helm").parents[3] / "test/tools/helm/go.mod").read_text().splitlines()
                  if line.split()[:1] == ["helm.sh/helm/v3"])
    shown = subprocess.run([tool("helm"), "version", "--template", "{{.Version}}"], capture_output=True, text=True, timeout=60)
    assert shown.stdout == pinned
