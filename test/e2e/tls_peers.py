# SPDX-License-Identifier: Apache-2.0
"""TLS for tests: authorities, directories as Secrets are mounted, the sidecar spoken to by TLS, an upstream that speaks it."""

import os
import ssl
import subprocess
import time

from processes import wait_for
from raw_http import Connection, Proxy, ScriptedUpstream


class Authority:
    """Signs certificates into directories with tls.crt, tls.key and ca.crt."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name, self.pem = folder, name, folder / f"{name}.pem"
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                     "-subj", f"/CN={name}", "-keyout", folder / f"{name}.key", "-out", self.pem)

    @staticmethod
    def openssl(*words):
        subprocess.run(["openssl", *[str(word) for word in words]], check=True, capture_output=True)

    def sign(self, directory, names="DNS:localhost,IP:127.0.0.1"):
        directory.mkdir(parents=True)
        request, extensions = directory / "request.csr", directory / "extensions"
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={directory.name}",
                     "-keyout", directory / "tls.key", "-out", request)
        extensions.write_text(f"subjectAltName={names}\n")
        self.openssl("x509", "-req", "-in", request, "-CA", self.pem, "-CAkey", self.folder / f"{self.name}.key",
                     "-set_serial", str(int.from_bytes(os.urandom(8), "big")), "-days", "2", "-extfile", extensions,
                     "-out", directory / "tls.crt")
        (directory / "ca.crt").write_bytes(self.pem.read_bytes())
        return directory


class Secret:
    """A directory as the kubelet keeps it: the files are links through `..data`, which is swapped."""

    def __init__(self, path):
        self.path = path
        path.mkdir()
        for name in ("tls.crt", "tls.key", "ca.crt"):
            (path / name).symlink_to(f"..data/{name}")

    def hold(self, directory):
        (self.path / "..data_tmp").symlink_to(directory)
        (self.path / "..data_tmp").rename(self.path / "..data")


def seconds_until_another(serial, old, timeout=20):
    """From now until the first handshake began that was shown another certificate than the old one. How long a handshake
    itself takes on a busy machine does not count."""
    start = time.monotonic()
    while True:
        began = time.monotonic() - start
        if serial() != old:
            return began
        if began > timeout:
            raise TimeoutError(f"the new certificate: not seen within {timeout} s")
        time.sleep(.02)


def client_context(ca, own=None, version=None):
    context = ssl.create_default_context(cafile=ca)
    if own:
        context.load_cert_chain(own / "tls.crt", own / "tls.key")
    if version:
        context.minimum_version = context.maximum_version = version
    return context


class TlsProxy(Proxy):
    """The sidecar whose clients speak TLS. It is ready when its metrics are there."""

    def __init__(self, programs, folder, upstream, cert_dir, context, *options):
        self.context = context
        super().__init__(programs, folder, upstream, "--tls.cert-dir", cert_dir, *options)

    def url(self, path):
        # What Proxy waits for goes to the admin port, which speaks HTTP.
        return f"http://127.0.0.1:{self.admin_port}{path}"

    def plain(self, timeout=10):
        return super().connect(timeout)

    def connect(self, timeout=10, receive_bytes=None, context=None):
        plain = super().connect(timeout, receive_bytes)
        wrapped = (context or self.context).wrap_socket(plain.socket, server_hostname="localhost",
                                                        suppress_ragged_eofs=False)
        return Connection(wrapped, timeout)

    def handshakes(self, result, side="server"):
        return self.metric("outrider_tls_handshakes_total", side=side, result=result)

    def counted(self, result, count, side="server"):
        return wait_for(f"{count} {result}", lambda: self.handshakes(result, side) == count, 10)


class TlsUpstream(ScriptedUpstream):
    """A scripted upstream that speaks TLS; `connections` are those whose handshake was good."""

    def __init__(self, script, own, client_ca=None, version=None):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(own / "tls.crt", own / "tls.key")
        if client_ca:
            self.context.load_verify_locations(client_ca)
            self.context.verify_mode = ssl.CERT_REQUIRED
        if version:
            self.context.maximum_version = version
        self.resumed, self.client_names = [], []
        super().__init__(script)
        self.url = self.url.replace("http://", "https://")

    def speak(self, sock, number):
        sock.settimeout(10)
        try:
            wrapped = self.context.wrap_socket(sock, server_side=True, suppress_ragged_eofs=False)
        except OSError:
            self.open.discard(sock)
            sock.close()
            return
        self.resumed.append(wrapped.session_reused)
        self.client_names.append(wrapped.getpeercert())
        super().speak(wrapped, number)
