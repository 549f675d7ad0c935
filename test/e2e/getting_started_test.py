# SPDX-License-Identifier: Apache-2.0
"""The newcomer's path: the very commands of docs/getting-started.md lead to a drift alert."""

import os
import re
import signal
import subprocess
import time

import pytest
from conftest import ROOT
from processes import free_port

PORTS = ("8080", "9500", "9501", "9090")
LIMIT_SECONDS = 600


def commands():
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs" / "getting-started.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 7
    return "\n".join(blocks)


@pytest.mark.long
@pytest.mark.timeout(LIMIT_SECONDS + 60)
def test_the_commands_of_getting_started_lead_to_a_drift_alert_within_ten_minutes(tmp_path):
    # The page's ports, folder and example, moved to where this test may write and listen.
    script = commands().replace("scripts/install run && scripts/build\n", "").replace("/tmp/rent", str(tmp_path / "rent"))
    script = script.replace("cd examples/getting-started", f"cd {tmp_path}/example")
    script = script.replace('--model.config', '--proxy.listen-address 127.0.0.1:9500 --web.listen-address 127.0.0.1:9501 --model.config')
    subprocess.run(["cp", "-r", ROOT / "examples" / "getting-started", tmp_path / "example"], check=True)
    for name in ("prometheus.yml", "requirements.txt"):
        file = tmp_path / "example" / name
        file.write_text(file.read_text().replace("../../", f"{ROOT}/").replace("../", f"{ROOT}/examples/"))
    ports = {port: str(free_port()) for port in PORTS}
    for file in (tmp_path / "example" / "prometheus.yml",):
        file.write_text(re.sub(r"\b(9501)\b", lambda m: ports[m[1]], file.read_text()))
    script = re.sub(r"\b(" + "|".join(PORTS) + r")\b", lambda m: ports[m[1]], script)
    script = script.replace(f"uvicorn model:app --port {ports['8080']}", f"uvicorn model:app --host 127.0.0.1 --port {ports['8080']}")

    began = time.monotonic()
    log = tmp_path / "said.log"
    with open(log, "w") as out:
        shell = subprocess.Popen(["bash", "-eu", "-c", script], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            shell.wait(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(f"no alert within {LIMIT_SECONDS} s:\n{log.read_text()[-3000:]}")
        finally:
            os.killpg(shell.pid, signal.SIGTERM)  # What the page starts in the background, too.
            shell.wait(timeout=30)
    said = log.read_text()
    assert shell.returncode == 0, said[-3000:]
    assert re.search(r"x-prediction-id", said, re.IGNORECASE) and "FeatureDrift" in said
    psi = {m[1]: float(m[2]) for m in re.finditer(r'feature="([^"]+)".*?=> ([-0-9.e]+)', said)}
    assert psi["area"] > 0.1 and abs(psi["district"]) < 0.1, said[-3000:]
    print(f"from the build to the alert: {time.monotonic() - began:.0f} s")
