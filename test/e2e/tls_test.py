# SPDX-License-Identifier: Apache-2.0
"""TLS on the data path, both sides of it, with the peers that people have: curl, openssl, Python."""

import hashlib
import json
import os
import socket
import ssl
import subprocess
import time

import pytest
from processes import wait_for
from raw_http import Load, Proxy, ScriptedUpstream, answer, echo, sidecar_binary
from tls_peers import Authority, Secret, TlsProxy, TlsUpstream, client_context, seconds_until_another

URI = "spiffe://cluster.local/ns/shop/sa/web"
POST = b"POST /predict HTTP/1.1\r\nHost: m\r\nContent-Length: %d\r\n\r\n%s"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Directories: server, second (another server's), web and batch (clients); a stranger's authority."""
    folder = tmp_path_factory.mktemp("tls")
    ca, stranger = Authority(folder), Authority(folder, "stranger")
    return {"ca": ca.pem, "strangers": stranger.pem, "server": ca.sign(folder / "server"), "second": ca.sign(folder / "second"),
            "elsewhere": ca.sign(folder / "elsewhere", "DNS:elsewhere.example"),
            "web": ca.sign(folder / "web", f"URI:{URI}"), "batch": ca.sign(folder / "batch", "DNS:batch.shop"),
            "stranger": stranger.sign(folder / "strangers", f"URI:{URI}")}


@pytest.fixture
def upstream():
    with ScriptedUpstream(echo) as made:
        yield made


@pytest.fixture
def proxy(programs, tmp_path, upstream, keys):
    return TlsProxy(programs, tmp_path, upstream.url, keys["server"], client_context(keys["ca"]))


def post(connection, body=b'{"a": 1}'):
    connection.send(POST % (len(body), body))
    head, got = connection.message()
    assert head.startswith(b"HTTP/1.1 200")
    return got


def plain_sidecar(programs, tmp_path, upstream_url, *options):
    return Proxy(programs, tmp_path, upstream_url, *options)


def test_curl_keeps_a_connection_alive_over_either_version(proxy, keys):
    for version in ("1.2", "1.3"):
        address = f"https://localhost:{proxy.port}/predict"
        got = subprocess.run(["curl", "-sv", f"--tlsv{version}", "--tls-max", version, "--cacert", keys["ca"], "--resolve",
                              f"localhost:{proxy.port}:127.0.0.1", "-d", "x=1", address, address], capture_output=True, text=True, timeout=20)
        assert got.returncode == 0 and got.stdout == "x=1x=1", got.stderr
        assert f"TLSv{version}" in got.stderr and "ALPN: server accepted http/1.1" in got.stderr
        assert "Re-using existing connection" in got.stderr
    proxy.counted("success", 2)


@pytest.mark.parametrize("version", ["1_2", "1_3"])
def test_openssl_s_client_resumes_its_session(proxy, keys, tmp_path, version):
    session = tmp_path / "session.pem"

    def connect(*words):
        return subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port}", f"-tls{version}", "-CAfile", keys["ca"], "-alpn", "h2,http/1.1",
             "-verify_hostname", "localhost", "-verify_return_error", "-ign_eof", *words],
            input="GET /-/healthy HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n", capture_output=True, text=True, timeout=20)

    first = connect("-sess_out", session)
    assert first.returncode == 0 and "HTTP/1.1 200 OK" in first.stdout and "New, TLSv" in first.stdout
    assert "ALPN protocol: http/1.1" in first.stdout and "Verify return code: 0 (ok)" in first.stdout
    again = connect("-sess_in", session)
    assert again.returncode == 0 and "Reused, TLSv" in again.stdout and "HTTP/1.1 200 OK" in again.stdout


@pytest.mark.parametrize("offered, chosen", [
    ("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ("ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305")])
def test_the_servers_order_of_ciphers_counts_unless_a_client_wants_chacha20_first(proxy, offered, chosen):
    said = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port}", "-tls1_2", "-cipher", offered],
                          input="", capture_output=True, text=True, timeout=20).stdout
    assert f"Cipher is {chosen}" in said


def test_pipelined_requests_and_large_bodies_pass_both_ways(proxy):
    connection = proxy.connect()
    connection.send(b"".join(POST % (7, b"body-%02d" % i) for i in range(50)))
    assert [connection.message()[1] for _ in range(50)] == [b"body-%02d" % i for i in range(50)]
    body = os.urandom(8 << 20)
    # The echo reads all before it answers, and Python's SSL objects bear no second thread.
    connection.send(POST % (len(body), body))
    head, got = connection.message()
    assert hashlib.sha256(got).digest() == hashlib.sha256(body).digest() and head.startswith(b"HTTP/1.1 200")
    connection.close()


def test_a_client_that_reads_slowly_gets_all_and_holds_little(programs, tmp_path, keys):
    large = os.urandom(8 << 20)

    def script(connection, _number):
        connection.socket.settimeout(60)  # Of all that is sent.
        connection.message()
        connection.send(answer(large))

    with ScriptedUpstream(script) as upstream:
        proxy = TlsProxy(programs, tmp_path, upstream.url, keys["server"], client_context(keys["ca"]))
        connection = proxy.connect(timeout=30, receive_bytes=8192)
        before = proxy.memory_bytes()
        connection.send(POST % (1, b"x"))
        connection.until(b"\r\n\r\n")
        time.sleep(.3)
        assert proxy.memory_bytes() - before < 2 << 20
        assert hashlib.sha256(connection.exactly(len(large))).digest() == hashlib.sha256(large).digest()
        connection.close()


def test_an_answer_that_ends_with_the_connection_ends_with_close_notify_and_a_broken_one_does_not(programs, tmp_path, keys):
    def script(connection, number):
        connection.message()
        if number == 0:
            connection.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it")
        else:
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")

    with ScriptedUpstream(script) as upstream:
        proxy = TlsProxy(programs, tmp_path, upstream.url, keys["server"], client_context(keys["ca"]))
        connection = proxy.connect()
        connection.send(POST % (1, b"x"))
        assert connection.rest().endswith(b"all of it")  # An end without close_notify would raise.
        connection = proxy.connect()
        connection.send(POST % (1, b"x"))
        with pytest.raises(ssl.SSLError):
            connection.rest()


def test_plain_http_is_told_that_the_port_speaks_tls_and_noise_is_closed_both_counted(proxy):
    connection = proxy.plain()
    connection.send(b"GET / HTTP/1.1\r\nHost: m\r\n\r\n")
    head, body = connection.message()
    assert head.startswith(b"HTTP/1.1 400") and json.loads(body)["error"] == "plain_http"
    proxy.counted("plain_http", 1)
    connection = proxy.plain()
    connection.send(b"\x00" * 64)
    connection.rest()
    proxy.counted("protocol_error", 1)
    assert post(proxy.connect()) == b'{"a": 1}'


def test_a_client_of_another_protocol_or_an_old_version_is_refused_by_reason(proxy, keys):
    context = client_context(keys["ca"])
    context.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError):
        proxy.connect(context=context)
    proxy.counted("no_application_protocol", 1)
    old = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port}", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
                         input="", capture_output=True, text=True, timeout=20)
    assert old.returncode != 0
    proxy.counted("no_common_version", 1)


def test_a_handshake_that_does_not_come_ends_at_the_head_timeout(programs, tmp_path, upstream, keys):
    proxy = TlsProxy(programs, tmp_path, upstream.url, keys["server"], client_context(keys["ca"]), "--proxy.head-timeout", "500ms")
    idle, half, left = proxy.plain(), proxy.plain(), proxy.plain()
    half.send(b"\x16\x03\x01\x02\x00\x01\x00")
    left.close()
    begun = time.monotonic()
    for connection in (idle, half):
        assert connection.rest() == b""
    assert .3 < time.monotonic() - begun < 5
    proxy.counted("timeout", 2)
    proxy.counted("closed", 1)
    # Once it is over, the connection may rest longer than that.
    connection = proxy.connect()
    time.sleep(1)
    assert post(connection) == b'{"a": 1}'


def test_clients_are_let_in_by_certificate_and_name(programs, tmp_path, upstream, keys):
    proxy = TlsProxy(programs, tmp_path, upstream.url, keys["server"], client_context(keys["ca"]),
                     "--tls.require-client-certificate", "--tls.client-name", URI, "--tls.client-name", "other.shop")

    def answer_to(own):
        try:
            return post(proxy.connect(context=client_context(keys["ca"], own)))
        except (OSError, EOFError):
            return None

    assert answer_to(keys["web"]) == b'{"a": 1}'
    proxy.counted("success", 1)
    for own, result in ((None, "certificate_missing"), (keys["batch"], "certificate_name"), (keys["stranger"], "certificate_untrusted")):
        assert answer_to(own) is None
        proxy.counted(result, 1)
    assert upstream.accepted == 1


def served_serial(proxy, ca):
    connection = proxy.connect(context=client_context(ca))
    serial = connection.socket.getpeercert()["serialNumber"]
    connection.close()
    return serial


def test_a_certificate_swapped_under_load_is_served_within_a_second_and_no_request_fails(programs, tmp_path, upstream, keys):
    secret = Secret(tmp_path / "secret")
    secret.hold(keys["server"])
    proxy = TlsProxy(programs, tmp_path, upstream.url, secret.path, client_context(keys["ca"]))
    with Load(proxy, clients=4) as kept, Load(proxy, clients=4, keep_alive=False, pause=.002) as fresh:
        for reloads, held in enumerate(("second", "server", "second"), 1):
            old = served_serial(proxy, keys["ca"])
            secret.hold(keys[held])
            assert seconds_until_another(lambda: served_serial(proxy, keys["ca"]), old) < 1
            wait_for("its count", lambda: proxy.metric("outrider_tls_reloads_total", result="success") == reloads, 5)
    assert kept.bad == [] and fresh.bad == [] and kept.refused == fresh.refused == 0
    assert kept.good > 100 and fresh.good > 50


def test_a_pair_that_does_not_match_is_counted_and_the_old_one_stays(programs, tmp_path, upstream, keys):
    folder = tmp_path / "pair"
    folder.mkdir()
    for name in ("tls.crt", "tls.key"):
        (folder / name).write_bytes((keys["server"] / name).read_bytes())
    proxy = TlsProxy(programs, tmp_path, upstream.url, folder, client_context(keys["ca"]))
    first = served_serial(proxy, keys["ca"])
    expiry = proxy.metric("outrider_tls_certificate_expiry_timestamp_seconds", side="server")
    assert 1.9 * 86400 < expiry - time.time() < 2.1 * 86400
    (folder / "tls.key").write_bytes((keys["second"] / "tls.key").read_bytes())
    wait_for("the failure", lambda: proxy.metric("outrider_tls_reloads_total", result="failure") >= 1, 5)
    assert served_serial(proxy, keys["ca"]) == first and "is not the key of the first certificate" in programs.log("sidecar")
    (folder / "tls.crt").write_bytes((keys["second"] / "tls.crt").read_bytes())
    wait_for("the new one", lambda: served_serial(proxy, keys["ca"]) != first, 5)


def test_no_request_fails_when_the_monitor_is_killed_under_tls(proxy):
    with Load(proxy, clients=8) as load:
        for _ in range(3):
            wait_for("a monitor", proxy.monitor_id, 10)
            good = load.good
            assert proxy.kill_monitor()
            wait_for("requests without it", lambda: load.good > good + 50, 10)
    assert load.bad == [] and load.refused == 0


def test_what_cannot_be_is_refused_at_the_start(programs, tmp_path, keys):
    def error_of(*options):
        ended = subprocess.run([sidecar_binary(), "--data.dir", tmp_path / "d", *options], capture_output=True, text=True, timeout=20)
        assert ended.returncode != 0
        return ended.stderr + ended.stdout

    plain, over_tls = ("--upstream", "http://127.0.0.1:9"), ("--upstream", "https://127.0.0.1:9")
    assert "tls.crt: No such file" in error_of(*plain, "--tls.cert-dir", tmp_path)
    assert "need tls.cert-dir" in error_of(*plain, "--tls.client-name", "x")
    assert "needs tls.require-client-certificate" in error_of(*plain, "--tls.cert-dir", keys["server"], "--tls.client-name", "x")
    assert "need an upstream of https://" in error_of(*plain, "--upstream.tls-ca", keys["ca"])
    assert "none.pem: No such file" in error_of(*over_tls, "--upstream.tls-ca", tmp_path / "none.pem")


# ---- Towards the upstream ----


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_https_upstream_is_spoken_to_and_its_connections_are_kept(programs, tmp_path, keys, version):
    with TlsUpstream(echo, keys["server"], version=version) as upstream:
        proxy = plain_sidecar(programs, tmp_path, upstream.url, "--upstream.tls-ca", str(keys["ca"]))
        body = os.urandom(5 << 20)
        for sent in (b"x", body, b"y" * 70_000):
            assert proxy.post(sent)[2] == sent
        assert upstream.accepted == 1
        assert proxy.metric("outrider_tls_handshakes_total", side="client", result="success") == 1


def test_a_session_with_the_upstream_is_resumed(programs, tmp_path, keys):
    def once(connection, _number):
        connection.message()
        connection.send(answer(b"{}", fields=b"Connection: close\r\n"))

    with TlsUpstream(once, keys["server"]) as upstream:
        proxy = plain_sidecar(programs, tmp_path, upstream.url, "--upstream.tls-ca", str(keys["ca"]))
        for _ in range(4):
            assert proxy.post()[0] == 200
        assert upstream.resumed == [False, True, True, True]


def test_an_upstream_whose_certificate_is_not_its_own_gets_no_request(programs, tmp_path, keys):
    for own, ca, result in (("elsewhere", "ca", "certificate_name"), ("server", "strangers", "certificate_untrusted")):
        with TlsUpstream(echo, keys[own]) as upstream:
            proxy = plain_sidecar(programs, tmp_path / own, upstream.url, "--upstream.tls-ca", str(keys[ca]))
            status, head, body = proxy.post()
            assert status == 503 and json.loads(body)["error"] == "upstream_unreachable"
            assert result in json.loads(body)["message"] and "upstream.tls-ca" in json.loads(body)["message"]
            assert proxy.metric("outrider_tls_handshakes_total", side="client", result=result) == 1
            assert upstream.resumed == []
            proxy.process.terminate()
            proxy.process.wait(20)
    with TlsUpstream(echo, keys["elsewhere"]) as upstream:
        proxy = plain_sidecar(programs, tmp_path, upstream.url, "--upstream.tls-ca", str(keys["ca"]),
                              "--upstream.tls-server-name", "elsewhere.example")
        assert proxy.post()[0] == 200


def test_an_upstream_that_asks_for_a_certificate_is_shown_ours(programs, tmp_path, keys):
    with TlsUpstream(echo, keys["server"], client_ca=keys["ca"]) as upstream:
        proxy = plain_sidecar(programs, tmp_path, upstream.url, "--upstream.tls-cert-dir", str(keys["web"]))
        assert proxy.post(b"x")[2] == b"x"
        assert upstream.client_names[0]["subjectAltName"] == (("URI", URI),)
        assert proxy.metric("outrider_tls_certificate_expiry_timestamp_seconds", side="client") > time.time()


def test_an_upstream_that_does_not_shake_hands_fails_within_the_connect_timeout(programs, tmp_path, keys):
    def silent(connection, _number):
        connection.rest()

    with ScriptedUpstream(silent) as upstream:
        proxy = plain_sidecar(programs, tmp_path, upstream.url.replace("http:", "https:"), "--upstream.tls-ca", str(keys["ca"]),
                              "--upstream.connect-timeout", "300ms")
        status, _, body = proxy.post()
        assert status == 503 and json.loads(body)["error"] == "upstream_connect_timeout"
        assert proxy.metric("outrider_tls_handshakes_total", side="client", result="timeout") == 1


def test_an_upstream_that_is_not_there_is_no_handshake(programs, tmp_path, keys):
    proxy = plain_sidecar(programs, tmp_path, "https://127.0.0.1:9", "--upstream.tls-ca", str(keys["ca"]))
    assert proxy.post()[0] == 503
    assert proxy.metric("outrider_upstream_connect_failures_total") == 1
    assert proxy.metric("outrider_tls_handshakes_total", side="client") == 0


def test_an_upstream_that_says_its_end_behind_an_answer_is_not_asked_again_on_that_connection(programs, tmp_path, keys):
    def one_answer(connection, _number):
        connection.message()
        connection.send(answer(b"{}"))
        try:
            connection.socket.unwrap()  # close_notify; the TCP connection stays.
        except OSError:
            pass

    with TlsUpstream(one_answer, keys["server"]) as upstream:
        proxy = plain_sidecar(programs, tmp_path, upstream.url, "--upstream.tls-ca", str(keys["ca"]))
        for _ in range(10):
            assert proxy.get()[0] == 200  # A safe request, which is sent again where that end comes late.
        assert upstream.accepted == 10


def test_an_upstream_that_is_cut_off_within_an_endless_answer_leaves_it_incomplete(programs, tmp_path, keys):
    def cut(connection, _number):
        connection.message()
        connection.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\npart of it")
        connection.socket.shutdown(socket.SHUT_RDWR)  # Without close_notify.

    with TlsUpstream(cut, keys["server"]) as upstream:
        proxy = plain_sidecar(programs, tmp_path, upstream.url, "--upstream.tls-ca", str(keys["ca"]))
        connection = proxy.connect()
        connection.send(POST % (1, b"x"))
        with pytest.raises(ConnectionResetError):
            connection.rest()


def test_tls_on_both_sides_passes_what_plain_passes(programs, tmp_path, keys):
    with TlsUpstream(echo, keys["server"]) as upstream:
        proxy = TlsProxy(programs, tmp_path, upstream.url, keys["server"], client_context(keys["ca"]),
                         "--upstream.tls-ca", str(keys["ca"]))
        with Load(proxy, clients=16, body=os.urandom(50_000)) as load:
            wait_for("answers", lambda: load.good > 500, 30)
        assert load.bad == [] and load.refused == 0
