# SPDX-License-Identifier: Apache-2.0
"""gRPC's own interoperability cases, by grpc-go's client and server, through the proxy: without TLS, with it on both sides."""

import concurrent.futures
import subprocess

import pytest
from processes import free_port, wait_for
from raw_http import Proxy
from tls_peers import Authority, TlsProxy, client_context

# Of grpc's doc/interop-test-descriptions.md, all that need neither a cloud's credentials nor a load balancer.
CASES = ("empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream", "cancel_after_begin",
         "cancel_after_first_response", "timeout_on_sleeping_server", "custom_metadata", "status_code_and_message",
         "special_status_message", "unimplemented_method", "unimplemented_service")


def listens(port):
    return subprocess.run(["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"], capture_output=True).returncode == 0


@pytest.mark.parametrize("transport", ["h2c", "tls"])
def test_every_interoperability_case_passes_through_the_proxy(programs, tmp_path, tool, transport):
    client, server, port = tool("grpc-interop-client"), tool("grpc-interop-server"), free_port()
    words, options = [], []
    if transport == "tls":
        ca = Authority(tmp_path)
        own = ca.sign(tmp_path / "own")
        options = ["-use_tls", "-tls_cert_file", own / "tls.crt", "-tls_key_file", own / "tls.key"]
        words = ["-use_tls", "-use_test_ca", "-ca_file", ca.pem, "-server_host_override", "localhost"]
    programs.start("interop", [server, "-port", str(port), *options])
    wait_for("the server", lambda: listens(port), 20)
    proxy = (Proxy(programs, tmp_path, f"h2c://127.0.0.1:{port}") if transport == "h2c" else
             TlsProxy(programs, tmp_path, f"https://127.0.0.1:{port}", own, client_context(ca.pem), "--upstream.tls-ca", str(ca.pem)))

    def run(case):
        done = subprocess.run([client, "-server_host", "127.0.0.1", "-server_port", str(proxy.port), "-test_case", case, *words],
                              capture_output=True, text=True, timeout=60)
        return None if done.returncode == 0 else f"{case}: {done.stderr.strip()[-400:]}"
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        failed = [said for said in pool.map(run, CASES) if said]
    assert not failed, "\n".join(failed)
    wait_for("nothing is in flight", lambda: proxy.metric("outrider_requests_in_flight") == 0, 10)
    assert proxy.metric("outrider_grpc_requests_total", grpc_code="UNIMPLEMENTED") == 2
    assert proxy.metric("outrider_grpc_requests_total") >= len(CASES)
