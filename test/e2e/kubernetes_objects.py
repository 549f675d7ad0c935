# SPDX-License-Identifier: Apache-2.0
"""Kubernetes objects as tests look at them: find, take apart, check, and run their containers' programs here."""

import re
import subprocess

from processes import free_port, http, http_json


def find(objects, kind, name=None):
    found = [o for o in objects if o["kind"] == kind and name in (None, o["metadata"]["name"])]
    assert len(found) == 1, f"{kind} {name or ''}: {[o['metadata']['name'] for o in objects if o['kind'] == kind]}"
    return found[0]


def pod_specs(objects):
    """(name, pod spec) of every object that has one."""
    for o in objects:
        if o["kind"] == "Pod":
            yield o["metadata"]["name"], o["spec"]
        elif "template" in o.get("spec", {}):
            yield o["metadata"]["name"], o["spec"]["template"]["spec"]


def container(objects, name):
    found = [c for _, spec in pod_specs(objects) for c in spec.get("initContainers", []) + spec["containers"]
             if c["name"] == name]
    assert len(found) == 1, f"containers named {name}: {len(found)}"
    return found[0]


def arguments(c):
    """{option: value} of a container's arguments, written `--option=value` or as two words."""
    found, words = {}, iter(c["args"])
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            found[name] = value if equals or name in ("promote", "force") else next(words)
    return found


def assert_restricted(name, spec):
    """The checks of the restricted Pod Security Standard, and a read-only root file system."""
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        assert not spec.get(field), f"{name}: {field}"
    allowed = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    for volume in spec.get("volumes", []):
        assert set(volume) - {"name"} <= allowed, f"{name}: volume {volume}"
    pod = spec.get("securityContext", {})
    for c in spec.get("initContainers", []) + spec["containers"]:
        own = c.get("securityContext", {})
        where = f"{name}/{c['name']}"
        assert own.get("allowPrivilegeEscalation") is False, where
        assert not own.get("privileged"), where
        assert own.get("readOnlyRootFilesystem") is True, where
        assert own["capabilities"] == {"drop": ["ALL"]}, where
        assert own.get("runAsNonRoot", pod.get("runAsNonRoot")) is True, where
        assert own.get("runAsUser", pod.get("runAsUser", 1)) != 0, where
        profile = own.get("seccompProfile", pod.get("seccompProfile", {}))
        assert profile.get("type") in ("RuntimeDefault", "Localhost"), where
        assert not any("hostPort" in p for p in c.get("ports", [])), where


def kubeconform(tool, text):
    """Every object of a YAML stream has a schema, and fulfils it."""
    done = subprocess.run([tool("kubeconform"), "-strict", "-summary", "-schema-location",
                           str(tool("schemas")) + "/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json", "-"],
                          input=text, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Skipped: 0" in done.stdout, done.stdout


def _config_map(objects, name):
    return next(o["data"] for o in objects if o["kind"] == "ConfigMap" and o["metadata"]["name"] == name)


class _Pod:
    """A pod's containers run on this machine: volumes are folders, and container ports free loopback ports."""

    def __init__(self, objects, binaries, folder, spec, claims=()):
        self.binaries, self.spec, self.ports = binaries, spec, {}
        self.volumes = {name: folder / name for name in [v["name"] for v in spec["volumes"]] + list(claims)}
        for path in self.volumes.values():
            path.mkdir(parents=True)
        for volume in spec["volumes"]:
            for key, text in (_config_map(objects, volume["configMap"]["name"]) if "configMap" in volume else {}).items():
                (self.volumes[volume["name"]] / key).write_text(text)

    def port(self, number):
        return self.ports.setdefault(int(number), free_port())

    def command(self, c, program):
        """The container's command, with mounted paths and listening ports exchanged for ones of here."""
        words = [str(self.binaries / f"outrider-{program}")]
        for word in c["args"]:
            for mount in sorted(c["volumeMounts"], key=lambda m: -len(m["mountPath"])):
                word = re.sub(rf"(?<==){re.escape(mount['mountPath'])}(?=/|$)", str(self.volumes[mount["name"]]), word)
            word = re.sub(r"(0\.0\.0\.0|127\.0\.0\.1):(\d+)", lambda m: f"127.0.0.1:{self.port(m[2])}", word)
            words.append(word)
        return words


def run_with_arguments(objects, binaries, programs, folder):
    """Runs the demo model's pod and the agent's; asks a prediction through the sidecar, and labels it."""
    model = _Pod(objects, binaries, folder / "model", find(objects, "Deployment")["spec"]["template"]["spec"])
    containers = {c["name"]: c for c in model.spec["initContainers"] + model.spec["containers"]}
    train = programs.start("train", model.command(containers["train"], "predictor"))
    assert train.wait(60) == 0, programs.log("train")
    again = programs.start("again", model.command(containers["train"], "predictor"))
    assert again.wait(60) == 0, "a pod's init containers may run again in the same pod:\n" + programs.log("again")
    programs.running.pop("train"), programs.running.pop("again")
    programs.start("predictor", model.command(containers["predictor"], "predictor"))
    programs.wait_until_ready("predictor", f"http://127.0.0.1:{model.port(8080)}/-/ready")
    programs.start("sidecar", model.command(containers["outrider-sidecar"], "sidecar"))
    proxy, admin = [p["containerPort"] for p in containers["outrider-sidecar"]["ports"]]
    programs.wait_until_ready("sidecar", f"http://127.0.0.1:{model.port(admin)}/-/ready")
    status, headers, text = http("GET", f"http://127.0.0.1:{model.port(proxy)}/predict?size=1800&bedrooms=3")
    assert status == 200 and headers["X-Prediction-Id"], text

    stateful = find(objects, "StatefulSet")["spec"]
    claims = [c["metadata"]["name"] for c in stateful.get("volumeClaimTemplates", [])]
    agent = _Pod(objects, binaries, folder / "agent", stateful["template"]["spec"], claims)
    command = agent.command(agent.spec["containers"][0], "agent")
    # The Service's name does not resolve here; its one pod's address does.
    command = [f"--labels.sidecars=http://127.0.0.1:{model.port(admin)}" if "labels.sidecars" in word else word
               for word in command]
    programs.start("agent", command)
    programs.wait_until_ready("agent", f"http://127.0.0.1:{agent.port(9510)}/-/ready")
    if any("labels.sidecars" in word for word in command):
        label = {"id": headers["X-Prediction-Id"], "label": 91.5}
        answer = http_json("POST", f"http://127.0.0.1:{agent.port(9510)}/api/v1/labels", label)
        assert answer["results"][0]["result"] in ("joined", "early"), answer
