# SPDX-License-Identifier: Apache-2.0
"""outrider inject as a person runs it, over a matrix of manifests: what comes out is parsed by another YAML
library, checked against Kubernetes's schemas, and run."""

import copy
import itertools
import json
import pathlib
import subprocess

import pytest
import yaml
from kubernetes_objects import arguments, assert_restricted, container, find, kubeconform, pod_specs

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class KubernetesLoader(yaml.SafeLoader):
    """Texts as Kubernetes reads them; the first-seen order of keys, and no date objects."""


KubernetesLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}


def load(text):
    return [o for o in yaml.load_all(text, KubernetesLoader) if o]


@pytest.fixture
def inject(binaries):
    """inject(text, *options) -> (text, report); with status, that status and nothing on standard output."""

    def run(text, *options, status=0):
        done = subprocess.run([binaries / "outrider", "inject", "-f", "-", *options], input=text.encode(),
                              capture_output=True, timeout=60)
        assert done.returncode == status, done.stderr
        assert status == 0 or done.stdout == b""
        return done.stdout.decode(), done.stderr.decode()  # Bytes, so that line ends stay what they are.

    return run


POD = {
    "metadata": {"labels": {"app": "m"}, "annotations": {"on": "yes", "version": "1.10", "octal": "0644", "null": "~"}},
    "spec": {
        "containers": [{
            "name": "m", "image": "m:007", "args": ["--from=a: b", "# no comment", "off", "1.50", "multi\nline\n"],
            "env": [{"name": "LEVEL", "value": "0x1f"}, {"name": "EMPTY", "value": ""}],
            "ports": [{"containerPort": 8080, "name": "http"}], "resources": {"limits": {"cpu": 1}},
        }],
        "terminationGracePeriodSeconds": 30,
    },
}


def with_pod(kind, api="apps/v1"):
    template = copy.deepcopy(POD)
    selector = {"matchLabels": {"app": "m"}}
    specs = {
        "Deployment": {"selector": selector, "template": template},
        "StatefulSet": {"selector": selector, "serviceName": "m", "template": template},
        "DaemonSet": {"selector": selector, "template": template},
        "ReplicaSet": {"selector": selector, "template": template},
        "Job": {"template": {**template, "spec": {**template["spec"], "restartPolicy": "Never"}}},
        "CronJob": {"schedule": "0 5 * * *", "jobTemplate": {"spec": {"template": {
            **template, "spec": {**template["spec"], "restartPolicy": "Never"}}}}},
    }
    made = {"apiVersion": api, "kind": kind, "metadata": {"name": "m"}}
    if kind == "Pod":
        made["metadata"].update(template["metadata"])
        return {**made, "spec": template["spec"]}
    return {**made, "spec": specs[kind]}


KINDS = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1", "ReplicaSet": "apps/v1",
         "Job": "batch/v1", "CronJob": "batch/v1", "Pod": "v1"}
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "m"},
           "spec": {"selector": {"app": "m"}, "ports": [{"port": 80, "targetPort": "http"}]}}

LAYOUTS = {
    "block": lambda objects: yaml.safe_dump_all(objects, sort_keys=False),
    "indentless, quoted": lambda objects: yaml.safe_dump_all(objects, default_style='"'),
    "flow": lambda objects: yaml.safe_dump_all(objects, default_flow_style=True, width=10000),
    "folded flow": lambda objects: yaml.safe_dump_all(objects, default_flow_style=True, width=40),
    "json": lambda objects: json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}, indent=2) + "\n",
    "json, one line": lambda objects: json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}),
    "windows": lambda objects: yaml.safe_dump_all(objects, sort_keys=False).replace("\n", "\r\n"),
    "unended": lambda objects: yaml.safe_dump_all(objects, sort_keys=False).rstrip("\n"),
}


def flat(objects):
    return [item for o in objects for item in (o["items"] if o["kind"] == "List" else [o])]


def without_sidecar(o):
    """The object as it was, by the structure: what inject may add is taken out."""
    o = copy.deepcopy(o)
    pods = [o] if o["kind"] == "Pod" else [o["spec"]["template"]] if "template" in o["spec"] else []
    pods += [o["spec"]["jobTemplate"]["spec"]["template"]] if "jobTemplate" in o["spec"] else []
    for pod in pods:
        pod["metadata"]["labels"].pop("outrider.io/sidecar")
        pod["metadata"]["annotations"].pop("outrider.io/injected")
        for key in ("initContainers", "containers", "volumes"):
            if key in pod["spec"]:
                pod["spec"][key] = [x for x in pod["spec"][key] if not x["name"].startswith("outrider-")]
                if not pod["spec"][key]:
                    del pod["spec"][key]
    if o["kind"] == "Service":
        o["metadata"].pop("annotations", None)
        o["spec"]["ports"][0]["targetPort"] = "http"
    return o


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mode", ["--native", "--no-native"])
def test_every_kind_in_every_layout(inject, layout, mode):
    kinds = [k for k in KINDS if not (mode == "--no-native" and k in ("Job", "CronJob"))]
    for kind in kinds:
        before = [with_pod(kind, KINDS[kind]), SERVICE]
        text = LAYOUTS[layout](before)
        once, report = inject(text, mode)
        assert f'{kind.lower()} "m" injected' in report, report
        assert 'service "m" now reaches the sidecar: port 80 -> 9500 (was http)' in report
        after = flat(load(once))
        assert find(after, "Service")["spec"]["ports"] == [{"port": 80, "targetPort": 9500}]
        assert [without_sidecar(o) for o in after] == before
        assert inject(once, mode)[0] == once, "twice is once"
        back, _ = inject(once, "--uninject")
        assert flat(load(back)) == before
        if layout not in ("unended", "json, one line"):
            assert back.replace('"http"', "http") == text.replace('"http"', "http"), "to the byte"


def test_the_container_is_the_charts(inject, tool):
    """One sidecar, whichever way it comes into the pod."""
    rendered = subprocess.run(
        [tool("helm"), "template", "x", ROOT / "helm/outrider", "--kube-version", "1.33.0", "--set", "demo.enabled=true"],
        capture_output=True, text=True, check=True).stdout
    charts = container(load(rendered), "outrider-sidecar")
    ours = container(load(inject(LAYOUTS["block"]([with_pod("Deployment")]), "--model.config-map=m",
                                 "--reference.config-map=r", "--sidecar.option=--log.level=info",
                                 "--sidecar.option=--log.format=logfmt")[0]), "outrider-sidecar")
    assert ours == charts


def test_what_comes_out_is_valid_and_restricted(inject, tool):
    objects = [with_pod(kind, api) for kind, api in KINDS.items()]
    for mode, kept in (("--native", objects), ("--no-native", [o for o in objects if o["kind"] not in ("Job", "CronJob")])):
        text, _ = inject(LAYOUTS["block"]([*kept, SERVICE]), mode)
        kubeconform(tool, text)
        for name, spec in pod_specs(load(text)):
            sidecar = [c for c in spec.get("initContainers", []) + spec["containers"] if c["name"] == "outrider-sidecar"]
            assert_restricted(name, {**spec, "containers": sidecar, "initContainers": []})


def test_kserve_in_all_its_forms(inject, tool):
    def service(predictor, **annotations):
        return {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
                "metadata": {"name": "iris", "annotations": annotations}, "spec": {"predictor": predictor}}

    model = {"modelFormat": {"name": "sklearn"}, "storageUri": "gs://models/iris"}
    custom = [{"name": "kserve-container", "image": "m", "ports": [{"containerPort": 7000, "protocol": "TCP"}]}]
    for predictor, port in (({"model": model, "minReplicas": 1}, 8080), ({"sklearn": {"storageUri": "gs://x"}}, 8080),
                            ({"containers": custom}, 7000),
                            ({"model": {**model, "ports": [{"containerPort": 9000, "protocol": "TCP"}]}}, 9000)):
        before = service(predictor)
        text = yaml.safe_dump(before, sort_keys=False)
        once, report = inject(text)
        assert f'inferenceservice "iris" injected, before port {port}' in report
        kubeconform(tool, once)
        changed = load(once)[0]["spec"]["predictor"]
        sidecar = changed["containers"][-1]
        assert sidecar["name"] == "transformer-container", "the name to which KServe leads the traffic"
        assert sidecar["ports"] == [{"containerPort": 9500, "protocol": "TCP"}], "Knative takes one, without a name"
        assert arguments(sidecar)["upstream"] == f"http://127.0.0.1:{port}"
        assert changed["labels"] == {"outrider.io/sidecar": "true"}
        assert inject(once)[0] == once
        assert inject(once, "--uninject")[0] == text


def test_a_stream_of_many_objects_is_reported_one_by_one(inject):
    disabled = with_pod("Deployment")
    disabled["metadata"].update(name="off", annotations={"outrider.io/inject": "disabled"})
    host = with_pod("DaemonSet")
    host["metadata"]["name"] = "host"
    host["spec"]["template"]["spec"]["hostNetwork"] = True
    host["spec"]["template"]["metadata"]["labels"]["app"] = "host"
    disabled["spec"]["template"]["metadata"]["labels"]["app"] = "off"
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1.10"}}
    text, report = inject(LAYOUTS["block"]([config, SERVICE, with_pod("Deployment"), disabled, host]))
    assert report.splitlines() == [
        'deployment "m" injected, before port 8080',
        'deployment "off" skipped: annotation outrider.io/inject: disabled',
        'daemonset "host" skipped: its pods use the host\'s network, where the sidecar\'s ports would be the node\'s',
        'service "m" now reaches the sidecar: port 80 -> 9500 (was http)']
    assert [o for o in load(text) if o["kind"] in ("ConfigMap", "DaemonSet")] == [config, host]


def test_bad_yaml_is_an_error_with_file_line_and_advice(inject, binaries, tmp_path):
    good = LAYOUTS["block"]([with_pod("Deployment")])
    for bad, said in (("\tkind: Pod\n", "indent with blanks"), ("kind: Pod: x\n", "not YAML"),
                      ("image: {{ .Values.image }}\nx: [\n", "render it first"), ("kind: Pod\nspec: 3\n", "must be a map")):
        text = f"{good}---\n{bad}"
        _, stderr = inject(text, status=1)
        line = int(stderr.split(":")[1])
        assert good.count("\n") < line - 1 <= text.count("\n") + 1, stderr
        assert stderr.startswith("<stdin>:") and said in stderr
    missing = subprocess.run([binaries / "outrider", "inject", "-f", tmp_path / "no.yaml"], capture_output=True,
                             text=True)
    assert missing.returncode == 1 and "no.yaml" in missing.stderr and missing.stdout == ""
    wrong = subprocess.run([binaries / "outrider", "inject"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "-f" in wrong.stderr


def test_the_charts_own_output_can_be_injected(inject, tool):
    """What Helm renders is a usual input: helm template … | outrider inject -f - ."""
    rendered = subprocess.run([tool("helm"), "template", "x", ROOT / "helm/outrider", "--kube-version", "1.33.0",
                               "--values", ROOT / "helm/outrider/ci/full-values.yaml"],
                              capture_output=True, text=True, check=True).stdout
    text, report = inject(rendered)
    assert 'deployment "x-outrider-demo" skipped: it has a container "outrider-sidecar"' in report
    assert 'statefulset "x-outrider-agent" injected' in report
    assert inject(text, "--uninject")[0] == rendered
    before = {(o["kind"], o["metadata"]["name"]): o for o in load(rendered)}
    after = {(o["kind"], o["metadata"]["name"]): o for o in load(text)}
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {("StatefulSet", "x-outrider-agent"), ("Service", "x-outrider-agent")}


def test_options_reach_the_container(inject):
    text, _ = inject(LAYOUTS["block"]([with_pod("Deployment"), SERVICE]), "--image=r.example.com/s:2", "--proxy.port=19500",
                     "--web.port=19501", "--proxy.reserved-path=/_o", "--sidecar.option=--proxy.threads=2", "--port=http")
    objects = load(text)
    sidecar = container(objects, "outrider-sidecar")
    assert sidecar["image"] == "r.example.com/s:2"
    assert arguments(sidecar)["proxy.threads"] == "2"
    assert [p["containerPort"] for p in sidecar["ports"]] == [19500, 19501]
    assert sidecar["readinessProbe"]["httpGet"] == {"path": "/_o/ready", "port": 19500}
    assert find(objects, "Service")["spec"]["ports"][0]["targetPort"] == 19500


def test_no_layout_of_comments_and_blank_lines_changes_what_is_there(inject):
    """Every line of the input stays, in order, but for the targetPort; comments do not wander."""
    pod = ["apiVersion: v1", "kind: Pod", "metadata:", "  name: m", "  labels:", "    app: m", "spec:", "  containers:",
           "    - name: m", "      ports:", "        - containerPort: 8080", "  restartPolicy: Always"]
    for indent, at in itertools.product((0, 2, 4, 8), range(1, len(pod))):
        lines = [*pod[:at], "", " " * indent + f"# comment {indent}", "", *pod[at:]]
        text = "\n".join(lines) + "\n"
        once, _ = inject(text)
        kept = iter(once.split("\n"))
        assert all(line in kept for line in lines), once
        assert inject(once, "--uninject")[0] == text


def test_the_kserve_example_is_what_inject_makes_of_it(inject, tool):
    folder = ROOT / "examples" / "kserve"
    watched = (folder / "iris-watched.yaml").read_text()
    assert inject((folder / "iris.yaml").read_text())[0] == watched
    kubeconform(tool, watched)
