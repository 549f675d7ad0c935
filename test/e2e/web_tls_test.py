# SPDX-License-Identifier: Apache-2.0
"""TLS on the admin, label, agent and predictor ports, with the peers that people have: curl, openssl, Python,
Prometheus, and the programs among themselves."""

import hashlib
import json
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from processes import Prometheus, free_port, http, wait_for
from raw_http import ScriptedUpstream, echo
from stack import Metrics
from tls_peers import Authority, Secret, client_context, seconds_until_another

PROMETHEUS = "spiffe://cluster.local/ns/monitoring/sa/prometheus"
AGENT = "spiffe://cluster.local/ns/shop/sa/agent"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Directories: server and second (of ports), prometheus, agent, batch (clients); a stranger's authority."""
    folder = tmp_path_factory.mktemp("tls")
    ca, stranger = Authority(folder), Authority(folder, "stranger")
    return {"ca": ca.pem, "server": ca.sign(folder / "server"), "second": ca.sign(folder / "second"),
            "prometheus": ca.sign(folder / "prometheus", f"URI:{PROMETHEUS}"), "agent": ca.sign(folder / "agent", f"URI:{AGENT}"),
            "batch": ca.sign(folder / "batch", "DNS:batch.shop"), "strangers": stranger.pem,
            "stranger": stranger.sign(folder / "strangers", f"URI:{PROMETHEUS}")}


class Site:
    """A program whose port speaks TLS, and Python as its client."""

    def __init__(self, programs, name, command, port, context):
        self.port, self.url, self.context = port, f"https://localhost:{port}", context
        self.process = programs.start(name, command)
        wait_for(f"{name}", lambda: self.get("/-/ready")[0] == 200, 30)

    def send(self, method, path, body=None, headers=None, context=None):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=20, context=context or self.context) as got:
                return got.status, got.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def get(self, path, **rest):
        return self.send("GET", path, **rest)

    def metrics(self):
        return Metrics(self.get("/metrics")[1])

    def handshakes(self, result, port):
        return self.metrics().sum("outrider_tls_handshakes_total", result=result, side="server", port=port)


def start_sidecar(programs, binaries, folder, upstream, keys, *options, own=None, name="sidecar"):
    admin = free_port()
    return Site(programs, name, [
        binaries / "outrider-sidecar", "--upstream", upstream, "--proxy.listen-address", f"127.0.0.1:{free_port()}",
        "--web.listen-address", f"127.0.0.1:{admin}", "--web.tls-cert-dir", keys["server"], "--data.dir", folder / name,
        *options], admin, client_context(keys["ca"], own))


def start_agent(programs, binaries, folder, keys, *options, cert_dir=None, own=None):
    port = free_port()
    return Site(programs, "agent", [binaries / "outrider-agent", "--web.listen-address", f"127.0.0.1:{port}", "--data.dir",
                                    folder / "agent", "--web.tls-cert-dir", cert_dir or keys["server"], *options],
                port, client_context(keys["ca"], own))


@pytest.fixture
def upstream():
    with ScriptedUpstream(echo) as made:
        yield made


@pytest.fixture
def sidecar(programs, binaries, tmp_path, upstream, keys):
    return start_sidecar(programs, binaries, tmp_path, upstream.url, keys)


def test_curl_reads_the_metrics_over_either_version_on_one_connection(sidecar, keys):
    for version in ("1.2", "1.3"):
        address = f"{sidecar.url}/metrics"
        got = subprocess.run(["curl", "-sv", f"--tlsv{version}", "--tls-max", version, "--cacert", keys["ca"], "--resolve",
                              f"localhost:{sidecar.port}:127.0.0.1", address, address], capture_output=True, text=True, timeout=20)
        assert got.returncode == 0 and got.stdout.count("outrider_build_info{") == 2, got.stderr
        assert f"TLSv{version}" in got.stderr and "ALPN: server accepted http/1.1" in got.stderr
        assert "Re-using existing connection" in got.stderr
    old = subprocess.run(["curl", "-s", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", "--cacert", keys["ca"],
                          f"{sidecar.url}/metrics"], timeout=20, check=False)
    assert old.returncode == 35 and sidecar.handshakes("no_common_version", "admin") == 1


@pytest.mark.parametrize("version", ["1_2", "1_3"])
def test_openssl_s_client_verifies_and_resumes(sidecar, keys, tmp_path, version):
    session = tmp_path / "session.pem"

    def connect(*words):
        return subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{sidecar.port}", f"-tls{version}", "-CAfile", keys["ca"], "-alpn",
             "h2,http/1.1", "-verify_hostname", "localhost", "-verify_return_error", "-ign_eof", *words],
            input="GET /-/healthy HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n", capture_output=True, text=True, timeout=20)

    first = connect("-sess_out", session)
    assert first.returncode == 0 and "HTTP/1.1 200 OK" in first.stdout and "New, TLSv" in first.stdout
    assert "Verify return code: 0 (ok)" in first.stdout
    again = connect("-sess_in", session)
    assert again.returncode == 0 and "Reused, TLSv" in again.stdout and "HTTP/1.1 200 OK" in again.stdout


def test_a_plain_client_is_told_what_the_port_speaks(sidecar):
    status, _, text = http("GET", f"http://localhost:{sidecar.port}/metrics")
    assert status == 400 and json.loads(text) == {"error": "plain_http", "message": "this port speaks TLS; use https://"}
    assert sidecar.handshakes("plain_http", "admin") == 1


def test_a_sidecar_tells_of_all_its_ports_in_one_family(programs, binaries, tmp_path, upstream, keys):
    labels = free_port()
    site = start_sidecar(programs, binaries, tmp_path, upstream.url, keys, "--tls.cert-dir", keys["second"],
                         "--labels.listen-address", f"127.0.0.1:{labels}")
    with socket.create_connection(("localhost", labels)) as plain, \
            client_context(keys["ca"]).wrap_socket(plain, server_hostname="localhost") as secure:
        secure.sendall(b"POST /api/v1/labels HTTP/1.1\r\nHost: m\r\nContent-Length: 22\r\n\r\n" + b'{"id": "a","label": 1}')
        assert secure.recv(100).startswith(b"HTTP/1.1 200")
    text = site.get("/metrics")[1]
    assert text.count("# TYPE outrider_tls_handshakes_total counter") == 1
    metrics = Metrics(text)
    assert metrics.sum("outrider_tls_handshakes_total", port="labels", result="success") == 1
    assert metrics.by("outrider_tls_handshakes_total", "port").keys() == {"proxy", "admin", "labels"}
    for port in ("proxy", "admin", "labels"):
        ends = metrics.sum("outrider_tls_certificate_expiry_timestamp_seconds", port=port, side="server")
        assert 1.9 * 86400 < ends - time.time() < 2.1 * 86400


def test_prometheus_scrapes_all_programs_by_its_tls_config(programs, binaries, tmp_path, upstream, keys):
    rules = ["--web.tls-require-client-certificate", "--web.tls-client-name", PROMETHEUS]
    (tmp_path / "seed.csv").write_text("size,price\n1000,50\n1500,75\n2000,100\n2500,125\n")
    subprocess.run([binaries / "outrider-predictor", "train", "--data", tmp_path / "seed.csv", "--target", "price", "--algorithm",
                    "ols", "--name", "m", "--registry", tmp_path / "registry", "--promote"], check=True, capture_output=True, timeout=60)
    port = free_port()
    sites = {"sidecar": start_sidecar(programs, binaries, tmp_path, upstream.url, keys, *rules, own=keys["prometheus"]),
             "agent": start_agent(programs, binaries, tmp_path, keys, *rules, own=keys["prometheus"]),
             "predictor": Site(programs, "predictor", [
                 binaries / "outrider-predictor", "serve", "--registry", tmp_path / "registry", "--name", "m", "--web.listen-address",
                 f"127.0.0.1:{port}", "--web.tls-cert-dir", keys["server"], *rules], port, client_context(keys["ca"], keys["prometheus"]))}

    def job(name, site, ca, own):
        return {"job_name": name, "scheme": "https", "scrape_interval": "500ms", "static_configs": [{"targets": [f"localhost:{site.port}"]}],
                "tls_config": {"ca_file": str(ca), "cert_file": str(own / "tls.crt"), "key_file": str(own / "tls.key")}}

    scrapes = [job(name, site, keys["ca"], keys["prometheus"]) for name, site in sites.items()]
    scrapes += [job("batch", sites["sidecar"], keys["ca"], keys["batch"]), job("distrusts", sites["sidecar"], keys["strangers"], keys["prometheus"])]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": scrapes}))
    web = free_port()
    programs.start("prometheus", ["prometheus", f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
                                  f"--web.listen-address=127.0.0.1:{web}"])
    prometheus = Prometheus(f"http://127.0.0.1:{web}")
    up = {"sidecar": 1, "agent": 1, "predictor": 1, "batch": 0, "distrusts": 0}
    wait_for("all scrapes", lambda: {labels["job"]: value for labels, value in prometheus.query("up")} == up, 60)
    wait_for("the count of refusals", lambda: {
        (labels["port"], labels["result"]) for labels, value in
        prometheus.query('outrider_tls_handshakes_total{job=~"sidecar|agent|predictor"} > 0')} >= {
            ("admin", "success"), ("agent", "success"), ("predictor", "success"), ("admin", "certificate_name"),
            ("admin", "refused_by_peer")}, 20)
    assert sites["predictor"].send("POST", "/predict", {"size": 1800})[0] == 200
    with pytest.raises((OSError, ssl.SSLError)):
        sites["agent"].get("/metrics", context=client_context(keys["ca"]))


class Load:
    """Clients that ask for /-/healthy until told to stop, each request on a new connection or all on one."""

    def __init__(self, site, clients, keep_alive):
        self.site, self.keep_alive, self.good, self.bad = site, keep_alive, 0, []
        self.stopping, self.lock = threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(clients)]

    def connect(self):
        return self.site.context.wrap_socket(socket.create_connection(("localhost", self.site.port), 10), server_hostname="localhost")

    def run(self):
        secure = None
        while not self.stopping.is_set():
            try:
                secure = secure or self.connect()
                secure.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: m\r\n\r\n")
                got = b""
                while not got.endswith(b"healthy\n"):
                    more = secure.recv(4096)
                    if not more:
                        raise EOFError(got)
                    got += more
                with self.lock:
                    self.good += 1
                if not self.keep_alive:
                    secure.close()
                    secure = None
            except (OSError, EOFError) as error:
                with self.lock:
                    self.bad.append(repr(error))
                secure = None

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def test_a_certificate_swapped_under_load_is_served_within_a_second_and_no_request_fails(programs, binaries, tmp_path, keys):
    secret = Secret(tmp_path / "secret")
    secret.hold(keys["server"])
    agent = start_agent(programs, binaries, tmp_path, keys, cert_dir=secret.path)

    def serial():
        with agent.context.wrap_socket(socket.create_connection(("localhost", agent.port), 10), server_hostname="localhost") as secure:
            return secure.getpeercert()["serialNumber"]

    with Load(agent, 4, True) as kept, Load(agent, 4, False) as fresh:
        for reloads, held in enumerate(("second", "server", "second"), 1):
            old = serial()
            secret.hold(keys[held])
            assert seconds_until_another(serial, old) < 1
            wait_for("its count", lambda: agent.metrics().sum("outrider_tls_reloads_total", port="agent", result="success") == reloads, 5)
    assert kept.bad == [] and fresh.bad == []
    assert kept.good > 100 and fresh.good > 50


def test_a_certificates_name_gives_a_role_and_limits(programs, binaries, tmp_path, keys):
    tokens = tmp_path / "tokens.yaml"
    tokens.write_text(json.dumps({"tokens": [
        {"name": "scraper", "san": PROMETHEUS, "roles": ["read"]},
        {"name": "shop", "san": "Batch.Shop", "roles": ["read", "write"], "namespaces": ["shop"]},
        {"name": "boss", "sha256": hashlib.sha256(b"boss-secret").hexdigest(), "roles": ["administer"]}]}))
    agent = start_agent(programs, binaries, tmp_path, keys, "--web.tokens-file", tokens, "--web.tls-require-client-certificate",
                        own=keys["prometheus"])
    alerts = {name: {"version": "4", "status": "firing", "alerts": [
        {"status": "firing", "labels": {"alertname": "ModelRequestsFailing", "model_name": "house", "namespace": name}, "annotations": {},
         "startsAt": "2026-01-31T12:00:00Z", "endsAt": "0001-01-01T00:00:00Z"}]} for name in ("shop", "bank")}
    batch, other = client_context(keys["ca"], keys["batch"]), client_context(keys["ca"], keys["agent"])
    assert agent.get("/metrics")[0] == 200
    status, text = agent.send("POST", "/api/v1/alerts", alerts["shop"])
    assert status == 403 and "the certificate scraper has read" in text
    assert agent.send("POST", "/api/v1/alerts", alerts["shop"], context=batch)[0] == 200
    status, text = agent.send("POST", "/api/v1/alerts", alerts["bank"], context=batch)
    assert status == 403 and "out_of_scope" in text
    status, text = agent.get("/api/v1/incidents", context=other)
    assert status == 401 and f"none of the names of the client's certificate: {AGENT}" in text
    assert agent.get("/api/v1/incidents", context=other, headers={"Authorization": "Bearer boss-secret"})[0] == 200
    # A session that is resumed is still of the same certificate.
    with socket.create_connection(("localhost", agent.port)) as plain, batch.wrap_socket(plain, server_hostname="localhost") as first:
        first.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        while first.recv(4096):
            pass
        session = first.session
    with socket.create_connection(("localhost", agent.port)) as plain, \
            batch.wrap_socket(plain, server_hostname="localhost", session=session) as again:
        again.sendall(b"GET /api/v1/incidents HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = b""
        while got := again.recv(4096):
            answer += got
        assert again.session_reused and answer.startswith(b"HTTP/1.1 200") and b'"shop"' in answer


def test_silent_connections_keep_nobody_out(sidecar):
    silent = [socket.create_connection(("localhost", sidecar.port)) for _ in range(700)]
    for _ in range(5):
        started = time.monotonic()
        assert sidecar.get("/-/healthy")[0] == 200
        assert time.monotonic() - started < 2
    for one in silent:
        one.close()


def test_a_body_that_is_too_large_is_refused_in_words_and_not_by_a_reset(sidecar):
    status, text = sidecar.send("POST", "/api/v1/labels", b"x" * (9 << 20))
    assert status == 413 and json.loads(text)["error"] == "body_too_large"


def test_what_cannot_be_is_refused_at_the_start(binaries, tmp_path, keys):
    def error_of(*options):
        ended = subprocess.run([binaries / "outrider-agent", "--data.dir", tmp_path / "d", "--web.listen-address", "127.0.0.1:0", *options],
                               capture_output=True, text=True, timeout=20, check=False)
        assert ended.returncode != 0
        return ended.stderr + ended.stdout

    assert "tls.crt: No such file" in error_of("--web.tls-cert-dir", tmp_path)
    assert "need web.tls-cert-dir" in error_of("--web.tls-client-name", "x")
    assert "needs web.tls-require-client-certificate" in error_of("--web.tls-cert-dir", keys["server"], "--web.tls-client-name", "x")


# ---- The programs among themselves ----


@pytest.mark.parametrize("sidecars", ["https://localhost:{port}", "dns+https://localhost:{port}"])
def test_labels_pass_from_the_agent_to_a_sidecar_that_asks_for_a_certificate(programs, binaries, tmp_path, upstream, keys, sidecars):
    rules = ["--web.tls-require-client-certificate", "--web.tls-client-name", AGENT]
    sidecar = start_sidecar(programs, binaries, tmp_path, upstream.url, keys, *rules, own=keys["agent"])
    agent = start_agent(programs, binaries, tmp_path, keys, "--labels.sidecars", sidecars.format(port=sidecar.port),
                        "--labels.tls-cert-dir", keys["agent"])
    status, text = agent.send("POST", "/api/v1/labels", {"id": "a", "label": 1, "prediction": 1, "model_version": "v1"})
    assert status == 200 and json.loads(text)["results"][0]["result"] == "joined", text
    assert sidecar.metrics().sum("outrider_labels_total", result="joined") == 1


def test_an_agent_without_a_certificate_says_which_sidecar_did_not_answer(programs, binaries, tmp_path, upstream, keys):
    sidecar = start_sidecar(programs, binaries, tmp_path, upstream.url, keys, "--web.tls-require-client-certificate", own=keys["agent"])
    agent = start_agent(programs, binaries, tmp_path, keys, "--labels.sidecars", sidecar.url, "--labels.tls-ca", keys["ca"])
    status, text = agent.send("POST", "/api/v1/labels", {"id": "a", "label": 1})
    assert status == 503 and f"localhost:{sidecar.port}" in text


class SecurePrometheus:
    """Answers every query with nothing, over TLS; keeps who asked, and with which Authorization."""

    def __init__(self, keys):
        self.asked = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                names = [value for _, value in self.connection.getpeercert()["subjectAltName"]]
                outer.asked.append((names, self.headers["Authorization"]))
                body = b'{"status": "success", "data": {"resultType": "vector", "result": []}}'
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(keys["server"] / "tls.crt", keys["server"] / "tls.key")
        context.load_verify_locations(keys["ca"])
        context.verify_mode = ssl.CERT_REQUIRED
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def test_the_agent_asks_a_prometheus_that_wants_a_certificate_and_a_token_which_may_change(programs, binaries, tmp_path, keys):
    prometheus = SecurePrometheus(keys)
    token = tmp_path / "token"
    token.write_text("first\n")
    agent = start_agent(programs, binaries, tmp_path, keys, "--prometheus.url", prometheus.url, "--prometheus.tls-cert-dir", keys["agent"],
                        "--prometheus.bearer-token-file", token)

    def alert(name):
        return {"version": "4", "status": "firing", "receiver": "r", "groupKey": name, "groupLabels": {}, "commonLabels": {},
                "commonAnnotations": {}, "externalURL": "", "alerts": [{
                    "status": "firing", "labels": {"alertname": "ModelAccuracyDropped", "model_name": name}, "annotations": {},
                    "startsAt": "2026-01-01T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "fingerprint": name, "generatorURL": ""}]}

    assert agent.send("POST", "/api/v1/alerts", alert("a"))[0] == 200
    wait_for("a question", lambda: ([AGENT], "Bearer first") in prometheus.asked, 20)
    token.write_text("second\n")
    assert agent.send("POST", "/api/v1/alerts", alert("b"))[0] == 200
    wait_for("a question with the new token", lambda: ([AGENT], "Bearer second") in prometheus.asked, 20)
    prometheus.server.shutdown()


def test_the_sidecar_scrapes_a_model_server_over_tls(programs, binaries, tmp_path, upstream, keys):
    scraped = start_agent(programs, binaries, tmp_path, keys)
    sidecar = start_sidecar(programs, binaries, tmp_path, upstream.url, keys, "--scrape.target", scraped.url, "--scrape.tls-ca", keys["ca"],
                            "--scrape.interval", "300ms")
    wait_for("what was scraped", lambda: "outrider_agent_" in sidecar.get("/metrics")[1], 20)


def test_an_import_shows_its_certificate(programs, binaries, tmp_path, upstream, keys):
    sidecar = start_sidecar(programs, binaries, tmp_path, upstream.url, keys, "--web.tls-require-client-certificate", own=keys["agent"])
    (tmp_path / "labels.csv").write_text("id,label\na,1\nb,2\n")

    def imported(*options):
        return subprocess.run([binaries / "outrider", "labels", "import", "--url", sidecar.url, "--from", tmp_path / "labels.csv", "--id", "id",
                               "--label", "label", "--ca-file", keys["ca"], "--retry-for", "0s", *options], capture_output=True, text=True,
                              timeout=60, check=False)

    shown = imported("--certificate-file", keys["batch"] / "tls.crt", "--key-file", keys["batch"] / "tls.key")
    assert sidecar.metrics().sum("outrider_tls_handshakes_total", result="success", port="admin") > 1, shown.stderr
    refused = imported()
    assert refused.returncode != 0 and "certificate required" in refused.stderr, refused.stderr
