# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 and gRPC to a model server behind TLS: `--upstream https://`, by ALPN."""

import concurrent.futures
import subprocess
import threading

import grpc
import pytest
from grpc_peers import Calls, GrpcServer, infer_message
from processes import free_port, wait_for
from raw_http import Proxy, echo
from tls_peers import Authority, Secret, TlsProxy, TlsUpstream, client_context, seconds_until_another


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    ca, stranger = Authority(folder), Authority(folder, "stranger")
    return {"ca": ca.pem, "stranger": stranger.pem, **{name: ca.sign(folder / name) for name in ("proxy", "proxy2", "server")}}


def pair(directory):
    return (directory / "tls.key").read_bytes(), (directory / "tls.crt").read_bytes()


def tls_server(keys, client_ca=None, **more):
    return GrpcServer(credentials=grpc.ssl_server_credentials([pair(keys["server"])], client_ca and client_ca.read_bytes(), bool(client_ca)),
                      **more)


@pytest.fixture
def server(keys):
    with tls_server(keys) as made:
        yield made


def trusts(keys):
    return ("--upstream.tls-ca", str(keys["ca"]))


def speaks_tls(keys):
    return grpc.ssl_channel_credentials(keys["ca"].read_bytes())


def curl(url, *words):
    return subprocess.run(["curl", "-sS", "-m", "10", *words, url], capture_output=True, timeout=20)


def check_all_shapes(calls):
    assert calls("Unary", bytes(1 << 20)) == bytes(1 << 20)
    assert list(calls("ServerStream", b"300")) == [b"%d" % i for i in range(300)]
    assert calls("ClientStream", iter([b"a", b"b", b"c"])) == b"a+b+c"
    assert list(calls("Both", iter([b"1", b"2"] * 50))) == [b"11", b"22"] * 50
    assert calls.error("Fails", b"age").code() == grpc.StatusCode.INVALID_ARGUMENT
    assert sum(len(v) for k, v in calls.error("Trailers", b"60000").trailing_metadata() if k.startswith("t-")) == 60000


def test_calls_of_all_shapes_pass_to_a_server_behind_tls_and_are_analysed(programs, tmp_path, keys, server):
    proxy = Proxy(programs, tmp_path, server.url, *trusts(keys))
    with Calls(proxy.port) as calls:
        check_all_shapes(calls)
        infer = calls.method("ModelInfer", "inference.GRPCInferenceService")
        for i in range(20):
            infer(infer_message([float(i), 2.0, 3.0], True), timeout=10)
    wait_for("predictions", lambda: proxy.metric("outrider_predictions_total", model_name="house-price", model_version="1") == 20, 10)
    assert proxy.metric("outrider_tls_handshakes_total", side="client", result="success") == 1
    assert proxy.metric("outrider_grpc_requests_total", grpc_code="OK") == 24


def test_calls_pass_with_tls_on_both_sides_and_certificates_of_both(programs, tmp_path, keys):
    with tls_server(keys, client_ca=keys["ca"]) as server:
        proxy = TlsProxy(programs, tmp_path, server.url, keys["proxy"], client_context(keys["ca"]), "--upstream.tls-cert-dir",
                         str(keys["proxy"]))
        with Calls(proxy.port, credentials=speaks_tls(keys), host="localhost") as calls:
            check_all_shapes(calls)
        assert proxy.handshakes("success") == proxy.handshakes("success", "client") == 1


def test_a_server_that_is_not_trusted_gets_no_call(programs, tmp_path, keys, server):
    proxy = Proxy(programs, tmp_path, server.url, "--upstream.tls-ca", str(keys["stranger"]))
    with Calls(proxy.port) as calls:
        error = calls.error("Unary", b"m")
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert "certificate_untrusted" in error.details() and "upstream.tls-ca" in error.details()
    assert server.servicer.seen == []


@pytest.mark.parametrize("offers", [None, ["http/1.1"]], ids=["no ALPN", "http/1.1"])
def test_calls_to_a_server_that_speaks_http1_behind_tls_say_so_and_http1_goes_on(programs, tmp_path, keys, offers):
    with TlsUpstream(echo, keys["server"]) as upstream:
        if offers:
            upstream.context.set_alpn_protocols(offers)
        proxy = Proxy(programs, tmp_path, upstream.url, *trusts(keys))
        with Calls(proxy.port) as calls:
            error = calls.error("Unary", b"m")
            assert error.code() == grpc.StatusCode.UNIMPLEMENTED
            assert "http1_only" in error.details() and "ALPN" in error.details()
        assert curl(proxy.url("/x"), "--http2-prior-knowledge", "-w", "%{http_code}").stdout.endswith(b"505")
        assert proxy.post(b"x")[2] == b"x"
        assert proxy.metric("outrider_requests_in_flight") == 0


def test_a_client_that_offers_both_gets_http1_and_one_that_offers_h2_alone_gets_it(programs, tmp_path, keys):
    port, folder = free_port(), tmp_path / "files"
    folder.mkdir()
    (folder / "index.html").write_text("hello")
    programs.start("nghttpd", ["nghttpd", "-a", "127.0.0.1", "-d", folder, str(port), keys["server"] / "tls.key", keys["server"] / "tls.crt"])
    proxy = TlsProxy(programs, tmp_path, f"https://127.0.0.1:{port}", keys["proxy"], client_context(keys["ca"]), *trusts(keys))
    to = ["--cacert", keys["ca"], "--resolve", f"localhost:{proxy.port}:127.0.0.1"]
    nghttp = ["nghttp", f"https://localhost:{proxy.port}/"]  # Offers h2 alone.
    wait_for("nghttpd", lambda: subprocess.run(nghttp, capture_output=True, timeout=20).stdout == b"hello", 10)
    ready = curl(f"https://localhost:{proxy.port}/-/ready", "-v", "--http2", *to)
    assert b"server accepted http/1.1" in ready.stderr
    got = subprocess.run(["h2load", "-n", "2000", "-c", "8", "-m", "8", "--npn-list=h2", f"https://127.0.0.1:{proxy.port}/index.html"],
                         capture_output=True, text=True, timeout=60)
    assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in got.stdout, got.stdout


def test_an_upstream_that_does_not_shake_hands_fails_calls_within_the_connect_timeout(programs, tmp_path, keys):
    release = threading.Event()

    class Silent(TlsUpstream):
        def speak(self, sock, number):
            release.wait(10)
            sock.close()
    with Silent(echo, keys["server"]) as upstream:
        proxy = Proxy(programs, tmp_path, upstream.url, *trusts(keys), "--upstream.connect-timeout", "300ms")
        with Calls(proxy.port) as calls:
            error = calls.error("Unary", b"m")
        release.set()
        assert error.code() == grpc.StatusCode.UNAVAILABLE and "upstream.connect-timeout" in error.details()
        assert proxy.metric("outrider_tls_handshakes_total", side="client", result="timeout") == 1


def test_a_certificate_that_both_sides_are_shown_is_swapped_under_calls_and_none_fails(programs, tmp_path, keys):
    """Clients come anew all the time, so that both sides shake hands before and after; streams that are open go on."""
    secret = Secret(tmp_path / "secret")
    secret.hold(keys["proxy"])
    # The upstream keeps its certificate: grpcio's servers crash now and then where theirs is swapped under load.
    with GrpcServer(credentials=grpc.ssl_server_credentials([pair(keys["server"])])) as server:
        proxy = TlsProxy(programs, tmp_path, server.url, secret.path, client_context(keys["ca"]), *trusts(keys))
        done, failed, over = [], [], threading.Event()

        def client(lasts):
            while not over.is_set():
                with Calls(proxy.port, credentials=speaks_tls(keys), host="localhost") as calls:
                    while not over.is_set():
                        try:
                            assert calls("Unary", b"m") == b"m"
                            done.append(1)
                        except grpc.RpcError as error:
                            failed.append(error)
                        if not lasts:
                            break

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for i in range(8):
                pool.submit(client, i < 4)
            try:
                for held in ("proxy2", "proxy", "proxy2"):
                    wait_for("calls", lambda at=len(done): len(done) > at + 50, 20)
                    old = served_serial(proxy)
                    secret.hold(keys[held])
                    assert seconds_until_another(lambda: served_serial(proxy), old) < 1
                wait_for("calls", lambda at=len(done): len(done) > at + 50, 20)
            finally:
                over.set()
        assert not failed
        assert proxy.metric("outrider_tls_reloads_total", result="success") == 3
        assert proxy.handshakes("success", "client") > 20
        wait_for("all are counted", lambda: proxy.metric("outrider_grpc_requests_total", grpc_code="OK") == len(done), 10)


def served_serial(proxy):
    connection = proxy.connect()
    serial = connection.socket.getpeercert()["serialNumber"]
    connection.close()
    return serial
