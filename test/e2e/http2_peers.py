# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 for tests: frames by hand, nghttpd with files behind the sidecar, curl and h2load."""

import socket
import subprocess

from processes import free_port, wait_for
from raw_http import Proxy

PREFACE_END = b"SM\r\n\r\n"


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name, value):
    """A field of a head, in no table."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


SETTINGS, SETTINGS_ACK = frame(4, 0, 0), frame(4, 1, 0)
PREFACE = b"PRI * HTTP/2.0\r\n\r\n" + PREFACE_END + SETTINGS
# Heads, of the static table but for the host: GET /, POST /; of gRPC's answers.
GET = b"\x82\x84\x86\x41\x01m"
POST = b"\x83\x84\x86\x41\x01m"
GRPC_HEAD = b"\x88" + literal(b"content-type", b"application/grpc")
GRPC_TRAILERS = literal(b"grpc-status", b"0")


def read_frames(connection):
    """(kind, flags, stream) of each frame, as it comes."""
    while True:
        size = connection.exactly(9)
        connection.exactly(int.from_bytes(size[:3], "big"))
        yield size[3], size[4], int.from_bytes(size[5:9], "big")


def grpc_answer(stream, message=b"\0\0\0\0\1m"):
    return frame(1, 4, stream, GRPC_HEAD) + frame(0, 0, stream, message) + frame(1, 5, stream, GRPC_TRAILERS)


class Web(Proxy):
    """nghttpd with some files, behind the proxy; `words` are nghttpd's."""

    def __init__(self, programs, folder, *options, words=(), name="sidecar"):
        self.folder, self.web_port = folder / "files", free_port()
        self.folder.mkdir(parents=True)
        (self.folder / "index.html").write_text("hello")
        (self.folder / "big").write_bytes(bytes(range(256)) * 8192)
        # Of more streams than the proxy allows: with fewer a second SETTINGS frame would say so, and h2spec would take it
        # for the acknowledgement of its own.
        programs.start(f"{name}-nghttpd", ["nghttpd", "--no-tls", "-m", "1000", "-a", "127.0.0.1", "-d", self.folder, *words,
                                           str(self.web_port)])
        # Before the proxy is asked for anything: it would count what it cannot pass on.
        wait_for("nghttpd", lambda: socket.create_connection(("127.0.0.1", self.web_port), 1).close() is None, 10)
        super().__init__(programs, folder, f"h2c://127.0.0.1:{self.web_port}", *options, name=name)


def curl(proxy, path, *words, version="--http2-prior-knowledge"):
    return subprocess.run(["curl", "-sS", version, "-m", "10", *words, proxy.url(path)], capture_output=True, timeout=20)


def h2load(url, requests, connections, streams, *words):
    """Whether all succeeded, and what it said."""
    said = subprocess.run(["h2load", "-n", str(requests), "-c", str(connections), "-m", str(streams), *words, url],
                          capture_output=True, text=True, timeout=120).stdout
    return f"{requests} succeeded, 0 failed, 0 errored, 0 timeout" in said, said
