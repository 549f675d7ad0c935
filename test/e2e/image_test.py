# SPDX-License-Identifier: Apache-2.0
"""The images of scripts/image, run by podman as a cluster would run them: no root, no capabilities, a root file system
that cannot be written, and a folder for the data."""

import json
import os
import re
import subprocess

import pytest
from conftest import ROOT
from processes import Programs, free_port, http, wait_for

pytestmark = pytest.mark.timeout(300)

PROGRAMS = {"agent": {"outrider-agent", "outrider"}, "sidecar": {"outrider-sidecar", "outrider-monitor"},
            "predictor": {"outrider-predictor"}}
NAMES = tuple(PROGRAMS)
VERSION = re.search(r"project\(outrider VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
HOUSE_SALES = "size,bedrooms,price\n" + "".join(f"{size},{size // 500},{size * 100 + 5000}\n" for size in range(600, 3000, 20))
# What the chart's security contexts ask for. The limits only lower: podman's own may be above what this machine allows.
RESTRICTED = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host",
              "--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096"]


def output(*words):
    return subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True).stdout


def package_of(library):
    """The Debian package of a shared library; dpkg knows some files by a path without /usr."""
    path = os.path.realpath(library)
    found = subprocess.run(["dpkg", "-S", path, path.removeprefix("/usr")], capture_output=True, text=True).stdout
    return found.partition(":")[0]


def test_the_packages_of_an_image_are_those_that_the_programs_call():
    called = set()
    for program in sorted(set.union(*PROGRAMS.values())):
        path = ROOT / "build" / "bin" / program
        needed = set(re.findall(r"\(NEEDED\).*\[(.+)\]", output("readelf", "-d", path)))
        places = dict(re.findall(r"^\s*(\S+) => (\S+)", output("ldd", path), re.M))
        called |= {package_of(places[name]) for name in needed if name in places}
    listed = set(output(ROOT / "scripts" / "install", "--print", "image").split())
    assert called == listed - {"binutils", "ca-certificates"}, "scripts/install's list named image"


def podman(*words, check=True, timeout=120):
    run = subprocess.run([ROOT / "scripts" / "image", "--podman", *map(str, words)], capture_output=True, text=True, timeout=timeout)
    if check and run.returncode != 0:
        raise AssertionError(f"podman {' '.join(map(str, words))}: {run.stderr[-2000:]}")
    return run


def image(name):
    return f"localhost/outrider-{name}:{VERSION}"


@pytest.fixture(scope="module")
def revision():
    """This checkout's commit; the images must be of it."""
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    for name in NAMES:
        found = podman("image", "inspect", "--format", '{{index .Labels "org.opencontainers.image.revision"}}', image(name), check=False)
        if found.stdout.strip() != commit:
            pytest.fail(f"{image(name)} is not of commit {commit[:12]} ({found.stdout.strip()[:12] or found.stderr}): run scripts/image")
    return commit


@pytest.fixture
def container(tmp_path, revision):
    """Runs one container: container("agent", arguments…). It is stopped when the test ends, and must end by itself."""
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 65532, 65532)
    names = []
    with Programs(tmp_path / "logs") as programs:
        def start(name, *arguments, ready):
            names.append(f"outrider-test-{os.getpid()}-{name}")
            programs.start(name, [ROOT / "scripts" / "image", "--podman", "run", "--rm", "--name", names[-1], *RESTRICTED,
                                  f"--volume={data}:/var/lib/outrider", image(name), *arguments])
            programs.wait_until_ready(name, ready, 60)
            return programs.running[name]

        try:
            yield start
        finally:
            for name in names:
                podman("rm", "--force", "--ignore", "--time", "5", name, check=False)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_it_says_its_version_and_commit(name, revision):
    run = podman("run", "--rm", *RESTRICTED, image(name), "--version")
    assert run.stdout.strip() == f"outrider-{name}, version {VERSION} (revision {revision[:12]})"


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_it_is_small_labelled_and_nobodys(name, revision):
    about = json.loads(podman("image", "inspect", image(name)).stdout)[0]
    assert about["Config"]["User"] == "65532:65532"
    assert about["Config"]["Entrypoint"] == [f"/usr/bin/outrider-{name}"]
    labels = about["Labels"]
    assert labels["org.opencontainers.image.title"] == f"outrider-{name}"
    assert labels["org.opencontainers.image.version"] == VERSION
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.description"]
    assert about["Size"] < 50e6


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_it_holds_its_programs_their_libraries_and_their_licences_only(name, revision, tmp_path):
    made = podman("create", image(name)).stdout.strip()
    try:
        with open(tmp_path / "files", "wb") as listing:
            export = subprocess.Popen([ROOT / "scripts" / "image", "--podman", "export", made], stdout=subprocess.PIPE)
            subprocess.run(["tar", "-tv", "--numeric-owner"], stdin=export.stdout, stdout=listing, check=True)
            assert export.wait() == 0
    finally:
        podman("rm", made)
    rows = [line.split(maxsplit=5) for line in (tmp_path / "files").read_text().splitlines()]
    programs = {row[5] for row in rows if row[5].startswith(("usr/bin/", "usr/sbin/", "bin/", "sbin/")) and row[0][0] == "-"}
    assert programs == {f"usr/bin/{program}" for program in PROGRAMS[name]}
    libraries = [row[5] for row in rows if ".so" in row[5]]
    assert libraries and "usr/lib/x86_64-linux-gnu/libc.so.6" in libraries
    licences = [row[5] for row in rows if row[5].endswith("/copyright")]
    assert len(licences) == sum(row[5].startswith("var/lib/dpkg/status.d/") and row[0][0] == "-" for row in rows) > 5
    # Nothing that the program could change but its data and /tmp; nothing that gives rights.
    ours = {row[5].strip("/") for row in rows if row[1] != "0/0"}
    assert ours == {"var/lib/outrider"}
    writable = {row[5].strip("/") for row in rows if row[0][8] == "w" and row[0][0] != "l"}
    assert writable <= {"tmp", "dev", "proc", "sys", "run"}, writable
    assert not [row for row in rows if "s" in row[0].lower()[1:]]


@pytest.mark.long
def test_the_agent_runs_restricted_and_ends_when_asked(container, revision):
    port = free_port()
    process = container("agent", f"--web.listen-address=127.0.0.1:{port}", "--data.dir=/var/lib/outrider",
                        ready=f"http://127.0.0.1:{port}/-/ready")
    _, _, metrics = http("GET", f"http://127.0.0.1:{port}/metrics")
    info = next(line for line in metrics.splitlines() if line.startswith("outrider_build_info{"))
    assert f'version="{VERSION}"' in info and f'revision="{revision[:12]}"' in info
    podman("stop", "--time", "20", f"outrider-test-{os.getpid()}-agent")
    assert process.wait(20) == 0


@pytest.mark.long
def test_the_predictor_and_its_sidecar_run_restricted(container, tmp_path, revision):
    (tmp_path / "data" / "sales.csv").write_text(HOUSE_SALES)
    podman("run", "--rm", *RESTRICTED, f"--volume={tmp_path / 'data'}:/var/lib/outrider",
           image("predictor"), "train", "--data=/var/lib/outrider/sales.csv", "--target=price", "--algorithm=ols", "--name=house-price",
           "--registry=/var/lib/outrider/registry", "--promote")
    model, proxy, admin = free_port(), free_port(), free_port()
    container("predictor", "serve", "--registry=/var/lib/outrider/registry", "--name=house-price",
              f"--web.listen-address=127.0.0.1:{model}", ready=f"http://127.0.0.1:{model}/-/ready")
    process = container("sidecar", f"--upstream=http://127.0.0.1:{model}", f"--proxy.listen-address=127.0.0.1:{proxy}",
                        f"--web.listen-address=127.0.0.1:{admin}", "--data.dir=/var/lib/outrider",
                        ready=f"http://127.0.0.1:{admin}/-/ready")
    status, headers, text = http("GET", f"http://127.0.0.1:{proxy}/predict?size=1800&bedrooms=3")
    assert status == 200 and "price" in text and headers["X-Prediction-Id"], text

    def predictions():
        lines = http("GET", f"http://127.0.0.1:{admin}/metrics")[2].splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("outrider_predictions_total{"))

    wait_for("the prediction in the sidecar's metrics", lambda: predictions() == 1, 20)
    podman("stop", "--time", "20", f"outrider-test-{os.getpid()}-sidecar")
    assert process.wait(20) == 0
