# SPDX-License-Identifier: Apache-2.0
"""gRPC without stubs: a server whose methods say what they were told, and calls of them. Messages are bytes."""

import concurrent.futures
import struct
import threading

import grpc

SERVICE = "test.Echo"
BIG = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20),
       ("grpc.max_metadata_size", 256 << 10), ("grpc.absolute_max_metadata_size", 256 << 10)]


def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def infer_message(values, is_request, model=b"house-price"):
    """ModelInferRequest or ModelInferResponse of Open Inference with one row, raw."""
    tensor = field(1, b"input-0" if is_request else b"price") + field(2, b"FP32") + field(3, varint(1) + varint(len(values)))
    raw = struct.pack(f"<{len(values)}f", *values)
    return field(1, model) + field(2, b"1") + field(5, tensor) + field(7 if is_request else 6, raw)


class Servicer(grpc.GenericRpcHandler):
    """Unary: the message back. Metadata that begin with `x-` come back as initial and as trailing ones."""

    def __init__(self):
        self.waiting, self.cancelled, self.hold, self.seen = threading.Event(), threading.Event(), threading.Event(), []
        self.methods = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "ServerStream": grpc.unary_stream_rpc_method_handler(self.server_stream),
            "ClientStream": grpc.stream_unary_rpc_method_handler(self.client_stream),
            "Both": grpc.stream_stream_rpc_method_handler(self.both),
            "Fails": grpc.unary_unary_rpc_method_handler(self.fails),
            "Trailers": grpc.unary_unary_rpc_method_handler(self.trailers),
            "Waits": grpc.unary_unary_rpc_method_handler(self.waits),
            "Slow": grpc.unary_unary_rpc_method_handler(self.slow),
            "ModelInfer": grpc.unary_unary_rpc_method_handler(lambda _message, _context: infer_message([7.5], False))}

    def service(self, details):
        self.seen.append(dict(details.invocation_metadata))
        return self.methods.get(details.method.rpartition("/")[2])

    @staticmethod
    def unary(message, context):
        back = [pair for pair in context.invocation_metadata() if pair[0].startswith("x-")]
        context.send_initial_metadata(back)
        context.set_trailing_metadata([("t-" + name, value) for name, value in back])
        return message

    @staticmethod
    def server_stream(message, _context):
        for i in range(int(message)):
            yield b"%d" % i

    @staticmethod
    def client_stream(messages, _context):
        return b"+".join(messages)

    @staticmethod
    def both(messages, _context):
        for message in messages:
            yield message * 2

    @staticmethod
    def fails(message, context):
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no such column: " + message.decode())

    @staticmethod
    def trailers(message, context):
        context.set_trailing_metadata([(f"t-{i}", "v" * 4000) for i in range(int(message) // 4000)])
        context.abort(grpc.StatusCode.INTERNAL, "long")

    def waits(self, message, context):
        if not context.add_callback(self.cancelled.set):  # it was over before
            self.cancelled.set()
        self.waiting.set()
        self.hold.wait(20)
        return message

    @staticmethod
    def slow(message, _context):
        threading.Event().wait(.3)
        return message


class GrpcServer:
    def __init__(self, port=0, options=(), credentials=None):
        self.servicer = Servicer()
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(80), options=[*BIG, ("grpc.so_reuseport", 0), *options])
        self.server.add_generic_rpc_handlers((self.servicer,))
        address = f"127.0.0.1:{port}"
        self.port = self.server.add_secure_port(address, credentials) if credentials else self.server.add_insecure_port(address)
        self.url = f"{'https' if credentials else 'h2c'}://127.0.0.1:{self.port}"
        self.server.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.servicer.hold.set()
        self.server.stop(None).wait(10)


class Calls:
    """A client of the server above, through whatever listens at the port."""

    def __init__(self, port, options=(), credentials=None, host="127.0.0.1"):
        options = [*BIG, ("grpc.use_local_subchannel_pool", 1), *options]
        target = f"{host}:{port}"
        self.channel = (grpc.secure_channel(target, credentials, options) if credentials else grpc.insecure_channel(target, options))

    def method(self, name, service=SERVICE):
        shape = {"ServerStream": self.channel.unary_stream, "ClientStream": self.channel.stream_unary,
                 "Both": self.channel.stream_stream}.get(name, self.channel.unary_unary)
        return shape(f"/{service}/{name}")

    def __call__(self, name, message, timeout=10, **more):
        return self.method(name)(message, timeout=timeout, **more)

    def error(self, name, message, **more):
        """The grpc.RpcError that it ends with."""
        try:
            self(name, message, **more)
        except grpc.RpcError as error:
            return error
        raise AssertionError(f"{name} did not fail")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()
