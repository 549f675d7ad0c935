# SPDX-License-Identifier: Apache-2.0
"""testssl.sh, which people's security teams run, against the ports that speak TLS: it finds no weakness."""

import json
import subprocess

import pytest
from raw_http import ScriptedUpstream, echo
from tls_peers import Authority, TlsProxy, client_context

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

# What is no matter of the port: of the certificate that the test made for itself, its life of two days and that no list of revoked
# ones is named; of web pages, fields that the model server would have to send; of the machine, what its OpenSSL cannot try.
NOT_OF_THE_PORT = {"cert_revocation", "cert_notAfter", "cert_expirationStatus", "cert_extlifeSpan", "cert_trust", "DNS_CAArecord",
                   "HSTS", "security_headers", "engine_problem"}


def test_testssl_finds_no_weakness_of_the_proxys_port(programs, tmp_path):
    ca, found = Authority(tmp_path), tmp_path / "found.json"
    own = ca.sign(tmp_path / "own")
    with ScriptedUpstream(echo) as upstream:
        proxy = TlsProxy(programs, tmp_path, upstream.url, own, client_context(ca.pem))
        said = subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "batch", "--add-ca", ca.pem, "--ip", "127.0.0.1",
                               "--jsonfile", found, f"localhost:{proxy.port}"], capture_output=True, text=True, timeout=800)
    rows = json.loads(found.read_text())
    assert len(rows) > 100, said.stdout[-2000:]
    weak = [row for row in rows if row["severity"] not in ("OK", "INFO", "DEBUG") and row["id"] not in NOT_OF_THE_PORT]
    assert not weak, "\n".join(f"{row['severity']} {row['id']}: {row['finding']}" for row in weak)
