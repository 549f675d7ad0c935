# SPDX-License-Identifier: Apache-2.0
"""Remote write over TLS: nginx, with certificates of an authority made here, stands before the recording receiver."""

import re
import socket
import subprocess

import pytest
from processes import free_port, wait_for
from stack import Sidecar
from write_recorder import Recorder


class Authority:
    """Signs certificates. `pem(name)` and `key(name)` are files of its folder."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                     "-subj", f"/CN={folder.name}", "-keyout", self.key("ca"), "-out", self.pem("ca"))

    def pem(self, name):
        return self.folder / f"{name}.pem"

    def key(self, name):
        return self.folder / f"{name}.key"

    def openssl(self, *words):
        subprocess.run(["openssl", *[str(word) for word in words]], check=True, capture_output=True)

    def sign(self, name, names):
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                     "-keyout", self.key(name), "-out", self.folder / f"{name}.csr")
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names}\n")
        self.openssl("x509", "-req", "-in", self.folder / f"{name}.csr", "-CA", self.pem("ca"), "-CAkey",
                     self.key("ca"), "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", self.pem(name))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("tls") / "ours")
    made.sign("server", "IP:127.0.0.1,DNS:localhost")
    made.sign("elsewhere", "DNS:elsewhere.example")
    made.sign("client", "DNS:sidecar")
    return made


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("tls") / "strangers")
    made.sign("client", "DNS:stranger")
    return made


SERVER = """
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    {more}
    location /open/ {{ proxy_pass http://127.0.0.1:{upstream}/; }}
    location /basic/ {{ auth_basic receiver; auth_basic_user_file {folder}/users; proxy_pass http://127.0.0.1:{upstream}/; }}
    location /bearer/ {{
      if ($http_authorization != "Bearer the-token") {{ return 401; }}
      proxy_pass http://127.0.0.1:{upstream}/;
    }}
  }}
"""


class Receiver:
    """nginx with three servers: a good certificate, one of another host, and one that wants ours."""

    def __init__(self, programs, authority, folder, recorder):
        folder.mkdir()
        (folder / "users").write_text("writer:{PLAIN}the-password\n")
        self.recorder, self.ports = recorder, {}
        servers = ""
        wants = f"ssl_client_certificate {authority.pem('ca')}; ssl_verify_client on;"
        for what, name, more in (("good", "server", ""), ("elsewhere", "elsewhere", ""), ("wants", "server", wants)):
            self.ports[what] = free_port()
            servers += SERVER.format(port=self.ports[what], certificate=authority.pem(name), key=authority.key(name),
                                     more=more, upstream=recorder.port, folder=folder)
        paths = "".join(f"  {kind}_temp_path {folder}/{kind};\n"
                        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        configuration = folder / "nginx.conf"
        configuration.write_text(f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr warn;\n"
                                 f"events {{}}\nhttp {{\n  access_log off;\n{paths}{servers}}}\n")
        process = programs.start("nginx", ["nginx", "-p", folder, "-c", configuration, "-e", "stderr"])

        def listens():
            assert process.poll() is None, programs.log_path("nginx").read_text()
            with socket.create_connection(("127.0.0.1", self.ports["wants"]), timeout=1):
                return True

        wait_for("nginx", listens, 10)

    def url(self, server, path="open"):
        return f"https://127.0.0.1:{self.ports[server]}/{path}/api/v1/write"


@pytest.fixture
def receiver(programs, authority, tmp_path):
    with Recorder() as recorder:
        yield Receiver(programs, authority, tmp_path / "nginx", recorder)


@pytest.fixture
def sidecar(programs, binaries, tmp_path):
    def start(url, *options):
        return Sidecar(programs, binaries, "http://127.0.0.1:9", tmp_path / "data", options=[
            "--remote-write.url", url, "--remote-write.interval", "500ms", "--remote-write.flush-deadline", "0s",
            *[str(option) for option in options]])

    return start


def is_refused(sidecar, programs, receiver, words):
    """Nothing arrives, it is counted, nothing is lost, and the log says why and what to look at."""
    wait_for("the refusal", lambda: sidecar.metrics().sum("outrider_remote_write_tls_failures_total") >= 2, 10)
    metrics = sidecar.metrics()
    assert metrics.sum("outrider_remote_write_samples_total") == 0
    assert metrics.sum("outrider_remote_write_samples_retried_total") > 0
    assert metrics.sum("outrider_remote_write_samples_failed_total") == 0
    assert metrics.sum("outrider_remote_write_samples_pending") > 0
    log = programs.log_path("sidecar").read_text()
    assert re.search(words, log), log
    assert "remote-write.tls-ca-file" in log
    assert receiver.recorder.requests == []


def test_a_certificate_of_the_authority_that_is_named_is_taken_with_basic_authentication(
        sidecar, receiver, authority, tmp_path):
    (tmp_path / "password").write_text("the-password\n")
    started = sidecar(receiver.url("good", "basic"), "--remote-write.tls-ca-file", authority.pem("ca"),
                      "--remote-write.basic-auth-user", "writer", "--remote-write.basic-auth-password-file",
                      tmp_path / "password")
    receiver.recorder.wait_for_series("outrider_build_info", job="outrider-sidecar")
    assert {request.version for request in receiver.recorder.requests} == {2}
    assert started.metrics().sum("outrider_remote_write_tls_failures_total") == 0
    # A password that is changed under way is refused by the receiver, not by us: counted by its status.
    (tmp_path / "password").write_text("another")
    wait_for("the refusal", lambda: started.metrics().sum(
        "outrider_remote_write_samples_failed_total", reason="401") > 0, 10)


def test_the_agent_shows_its_certificate_and_a_token(programs, binaries, receiver, authority, tmp_path):
    (tmp_path / "token").write_text("the-token\n")
    programs.start("agent", [
        binaries / "outrider-agent", "--web.listen-address", "127.0.0.1:0", "--data.dir", tmp_path / "agent",
        "--remote-write.url", receiver.url("wants", "bearer"), "--remote-write.interval", "500ms",
        "--remote-write.tls-ca-file", authority.pem("ca"), "--remote-write.tls-certificate-file",
        authority.pem("client"), "--remote-write.tls-key-file", authority.key("client"),
        "--remote-write.bearer-token-file", tmp_path / "token"])
    receiver.recorder.wait_for_series("outrider_agent_incidents_open", job="outrider-agent")


def test_an_authority_that_nobody_named_is_refused(sidecar, programs, receiver, stranger):
    started = sidecar(receiver.url("good"), "--remote-write.tls-ca-file", stranger.pem("ca"))
    is_refused(started, programs, receiver, "unable to get local issuer|self.signed|verify failed")


def test_the_systems_authorities_do_not_know_ours_unless_asked_not_to_look(sidecar, programs, receiver):
    started = sidecar(receiver.url("good"))
    is_refused(started, programs, receiver, "unable to get local issuer|self.signed|verify failed")
    started.stop()
    started.command.append("--no-remote-write.tls-verify")
    started.start()
    receiver.recorder.wait_for_series("outrider_build_info", job="outrider-sidecar")


def test_a_certificate_of_another_host_is_refused(sidecar, programs, receiver, authority):
    started = sidecar(receiver.url("elsewhere"), "--remote-write.tls-ca-file", authority.pem("ca"))
    is_refused(started, programs, receiver, "subject name|127.0.0.1' does not match|certificate subject")


@pytest.mark.parametrize("ours", ["none", "a stranger's"])
def test_a_receiver_that_wants_another_certificate_of_ours_says_so(
        sidecar, programs, receiver, authority, stranger, ours):
    options = [] if ours == "none" else ["--remote-write.tls-certificate-file", stranger.pem("client"),
                                         "--remote-write.tls-key-file", stranger.key("client")]
    started = sidecar(receiver.url("wants"), "--remote-write.tls-ca-file", authority.pem("ca"), *options)
    # nginx takes the connection and answers 400: what a receiver refuses so is given up, and counted.
    wait_for("the refusal", lambda: started.metrics().sum(
        "outrider_remote_write_samples_failed_total", reason="400") > 0, 10)
    assert re.search("SSL certificate", programs.log_path("sidecar").read_text())
    assert receiver.recorder.requests == []


@pytest.mark.parametrize("options, words", [
    (["--remote-write.tls-ca-file", "none.pem"], "remote-write.tls-ca-file: none.pem"),
    (["--remote-write.tls-ca-file", "text"], "remote-write.tls-ca-file=text: expected PEM"),
    (["--remote-write.tls-key-file", "text"], "remote-write.tls-key-file needs remote-write.tls-certificate-file"),
    (["--remote-write.basic-auth-password-file", "text"],
     "remote-write.basic-auth-password-file needs remote-write.basic-auth-user")])
def test_files_that_cannot_be_right_are_refused_at_the_start(binaries, tmp_path, options, words):
    (tmp_path / "text").write_text("no certificate\n")
    done = subprocess.run([binaries / "outrider-agent", "--web.listen-address", "127.0.0.1:0", "--data.dir",
                           tmp_path / "agent", "--remote-write.url", "https://127.0.0.1:1/", *options],
                          cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0
    assert words in done.stdout + done.stderr
