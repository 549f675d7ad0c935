# SPDX-License-Identifier: Apache-2.0
"""Writes grpc.txt, grpc_streams.txt and scorer.bin: what real protobuf writes, and what is to be read of it.

    pip install 'tritonclient[grpc]' grpcio-tools numpy
    python make_grpc.py

A line of grpc.txt: what it is, path, grpc-encoding, request and response in hexadecimal (bodies with their frames), what
decoding.h's describe() says of it; fields are separated by tabs. Of grpc_streams.txt the last fields are one for each
observation.
"""

import gzip
import pathlib
import struct
import sys
import tempfile

import numpy as np
from grpc_tools import protoc
from tritonclient import grpc as triton
from tritonclient.grpc import service_pb2 as oip
from tritonclient.utils import serialize_byte_tensor

HERE = pathlib.Path(__file__).parent
INFER = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
TF = "/tensorflow.serving.PredictionService/"


def compiled(name):
    """The module that protoc makes of NAME.proto."""
    folder = tempfile.mkdtemp()
    include = pathlib.Path(protoc.__file__).parent / "_proto"
    assert protoc.main(["protoc", f"-I{HERE}", f"-I{include}", f"--python_out={folder}", f"{name}.proto"]) == 0
    sys.path.insert(0, folder)
    return __import__(f"{name}_pb2")


def framed(message, packed=False):
    content = message if isinstance(message, bytes) else message.SerializeToString()
    content = gzip.compress(content, mtime=0) if packed else content
    return struct.pack(">BI", packed, len(content)) + content


class Corpus:
    def __init__(self):
        self.calls, self.streams = [], []

    def call(self, what, path, request, answer, expected, packed=False):
        self.calls.append((what, path, "gzip" if packed else "-", framed(request, packed).hex(), framed(answer, packed).hex(), expected))

    def stream(self, what, requests, answers, *expected, packed=False):
        bodies = [b"".join(framed(message, packed) for message in side).hex() for side in (requests, answers)]
        self.streams.append((what, STREAM, "gzip" if packed else "-", *bodies, *expected))

    def write(self):
        for name, lines in (("grpc.txt", self.calls), ("grpc_streams.txt", self.streams)):
            (HERE / name).write_text("".join("\t".join(line) + "\n" for line in lines))


def raw_request(model, inputs, id="", version="", parameters=None):
    """As tritonclient[grpc] sends it: always raw."""
    tensors = []
    for name, datatype, values in inputs:
        tensor = triton.InferInput(name, values.shape, datatype)
        tensor.set_data_from_numpy(values)
        tensors.append(tensor)
    request = oip.ModelInferRequest(model_name=model, model_version=version, id=id)
    for tensor in tensors:
        request.inputs.extend([tensor._get_tensor()])
        content = tensor._get_content()
        if content is not None:
            request.raw_input_contents.extend([content])
    for key, value in (parameters or {}).items():
        kind = {bool: "bool_param", int: "int64_param", str: "string_param", float: "double_param"}[type(value)]
        setattr(request.parameters[key], kind, value)
    return request


def tensor(kind, name, datatype, shape, **contents):
    """Of InferInputTensor or InferOutputTensor, with typed contents."""
    made = kind(name=name, datatype=datatype, shape=shape)
    for key, values in contents.items():
        getattr(made.contents, key).extend(values)
    return made


def typed_request(model, *tensors, **fields):
    return oip.ModelInferRequest(model_name=model, inputs=[tensor(oip.ModelInferRequest.InferInputTensor, *t[:3], **t[3]) for t in tensors], **fields)


def typed_answer(model, *tensors, **fields):
    return oip.ModelInferResponse(model_name=model, outputs=[tensor(oip.ModelInferResponse.InferOutputTensor, *t[:3], **t[3]) for t in tensors],
                                  **fields)


def raw_answer(model, *outputs, **fields):
    answer = oip.ModelInferResponse(model_name=model, **fields)
    for name, datatype, shape, content in outputs:
        answer.outputs.add(name=name, datatype=datatype, shape=shape)
        answer.raw_output_contents.append(content)
    return answer


def one_price(value=90.5, model="house", version="3", **fields):
    return raw_answer(model, ("price", "FP32", [1], np.float32(value).tobytes()), model_version=version, **fields)


def open_inference(corpus):
    two = np.array([[1800, 3], [950.5, 2]], dtype=np.float32)
    corpus.call("raw FP32, a matrix", INFER, raw_request("house", [("x", "FP32", two)], id="7"),
                raw_answer("house", ("price", "FP32", [2, 1], np.array([90.5, 60], np.float32).tobytes()), model_version="3", id="7"),
                "house/3 [7] | x0=1800 x1=3 -> 90.5 | x0=950.5 x1=2 -> 60")
    corpus.call("raw inputs by name, of different types", INFER,
                raw_request("house", [("size", "FP64", np.array([1800.25])), ("rooms", "INT8", np.array([3], np.int8)),
                                      ("city", "BYTES", np.array(["Rome"], np.object_)), ("new", "BOOL", np.array([True]))]),
                one_price(), "house/3 | size=1800.25 rooms=3 city='Rome' new='true' -> 90.5")
    bf16 = raw_request("house", [("a", "FP16", np.array([[1.5, -2]], np.float16))])
    bf16.inputs.add(name="b", datatype="BF16", shape=[1, 1])
    bf16.raw_input_contents.append(struct.pack("<H", 0x4060))
    corpus.call("FP16 and BF16", INFER, bf16, one_price(), "house/3 | a.0=1.5 a.1=-2 b=3.5 -> 90.5")
    ints = [("i8", "INT8", [1], {"int_contents": [-7]}), ("i16", "INT16", [1], {"int_contents": [-300]}),
            ("i32", "INT32", [1], {"int_contents": [-70000]}), ("i64", "INT64", [1], {"int64_contents": [2**53 + 1]}),
            ("u8", "UINT8", [1], {"uint_contents": [200]}), ("u32", "UINT32", [1], {"uint_contents": [2**32 - 1]}),
            ("u64", "UINT64", [1], {"uint64_contents": [2**64 - 1]}), ("b", "BOOL", [1], {"bool_contents": [False]}),
            ("f", "FP32", [1], {"fp32_contents": [0.5]}), ("d", "FP64", [1], {"fp64_contents": [0.1]}),
            ("t", "BYTES", [1], {"bytes_contents": ["Köln".encode()]})]
    corpus.call("typed contents of every kind", INFER, typed_request("house", *ints),
                typed_answer("house", ("price", "FP64", [1], {"fp64_contents": [90.1]}), model_version="3"),
                "house/3 | i8=-7 i16=-300 i32=-70000 i64='9007199254740993' u8=200 u32=4294967295 u64='18446744073709551615' "
                "b='false' f=0.5 d=0.1 t='Köln' -> 90.1")
    empty = one_price()
    empty.outputs[0].contents.SetInParent()
    corpus.call("empty contents beside raw ones, as MLServer leaves them", INFER, raw_request("house", [("x", "FP32", two[:1])]), empty,
                "house/3 | x0=1800 x1=3 -> 90.5")
    mixed = typed_request("house", ("a", "FP32", [1], {"fp32_contents": [1.0]}), ("b", "FP32", [1], {}))
    mixed.raw_input_contents.append(np.float32(2).tobytes())
    corpus.call("typed and raw contents mixed", INFER, mixed, one_price(), "house/3 | a=1 b=2 -> 90.5")
    corpus.call("a typed request with a raw answer and no version, as KServe's server gives it", INFER,
                typed_request("house", ("x", "FP32", [1, 2], {"fp32_contents": [1800, 3]})), one_price(version=""),
                "house/unknown | x0=1800 x1=3 -> 90.5")
    corpus.call("the version that was asked for, where the answer has none", INFER,
                typed_request("house", ("x", "FP32", [1, 1], {"fp32_contents": [1]}), model_version="9"), one_price(version=""),
                "house/9 | x=1 -> 90.5")
    told = raw_request("house", [("x", "FP32", two[:1])])
    told.inputs[0].parameters["binary_data_size"].int64_param = 8000
    corpus.call("HTTP's size told along, as KServe's SDK does", INFER, told, one_price(), "house/3 | x0=1800 x1=3 -> 90.5")
    shared = raw_request("house", [("a", "FP32", np.array([1], np.float32))])
    shared.inputs.add(name="b", datatype="FP32", shape=[1]).parameters["shared_memory_region"].string_param = "region"
    corpus.call("an input in shared memory", INFER, shared, one_price(), "house/3 | a=1 b=- -> 90.5")
    elsewhere = oip.ModelInferResponse(model_name="house")
    elsewhere.outputs.add(name="price", datatype="FP32", shape=[1]).parameters["shared_memory_region"].string_param = "region"
    corpus.call("an output in shared memory", INFER, raw_request("house", [("x", "FP32", two[:1])]), elsewhere, "failed missing_prediction")
    classes = serialize_byte_tensor(np.array([b"0.9:1:cat", b"0.1:0:dog"], np.object_)).item()
    corpus.call("Triton's classification extension", INFER, raw_request("pets", [("x", "FP32", two[:1])]),
                raw_answer("pets", ("OUT", "BYTES", [1, 2], classes), model_version="1"), "pets/1 | x0=1800 x1=3 -> 'cat'@0.9")
    labels = raw_answer("pets", ("label", "BYTES", [2], serialize_byte_tensor(np.array([b"cat", b"dog"], np.object_)).item()),
                        ("probabilities", "FP32", [2, 2], np.array([[.75, .25], [.5, .5]], np.float32).tobytes()))
    corpus.call("labels and probabilities", INFER, raw_request("pets", [("x", "FP32", two)]), labels,
                "pets/unknown | x0=1800 x1=3 -> 'cat'@0.75 | x0=950.5 x1=2 -> 'dog'@0.5")
    corpus.call("packed by gzip, each message for itself", INFER, raw_request("house", [("x", "FP32", two[:1])], id="8"), one_price(id="8"),
                "house/3 [8] | x0=1800 x1=3 -> 90.5", packed=True)
    corpus.call("NaN among the values", INFER, raw_request("house", [("x", "FP32", np.array([[np.nan, 3]], np.float32))]), one_price(),
                "house/3 | x0=- x1=3 -> 90.5")
    corpus.call("a prediction that is NaN", INFER, raw_request("house", [("x", "FP32", two[:1])]), one_price(np.nan),
                "house/3 | x0=1800 x1=3 -> -")
    wide = np.arange(20, dtype=np.float32).reshape(1, 20)
    corpus.call("20 features", INFER, raw_request("house", [("x", "FP32", wide)], id="9"), one_price(id="9"),
                "house/3 [9] |" + "".join(f" x{i}={i}" for i in range(20)) + " -> 90.5")
    corpus.call("shape and values differ", INFER, typed_request("house", ("x", "FP32", [1, 3], {"fp32_contents": [1, 2]})), one_price(),
                "failed wrong_shape")
    fewer = raw_request("house", [("a", "FP32", two[:1]), ("b", "FP32", two[:1])])
    del fewer.raw_input_contents[1]
    corpus.call("fewer raw contents than tensors", INFER, fewer, one_price(), "failed wrong_shape")
    both = raw_request("house", [("x", "FP32", two[:1])])
    both.inputs[0].contents.fp32_contents.extend([1, 2])
    corpus.call("a tensor with values in both places", INFER, both, one_price(), "failed wrong_shape")
    bytes_ = raw_request("pets", [("image", "BYTES", np.array([b"\xff\xd8"], np.object_))])
    corpus.call("bytes that are no text", INFER, bytes_, one_price(model="pets"), "pets/3 | image=- -> 90.5")


def streamed(answer=None, error=""):
    return oip.ModelStreamInferResponse(infer_response=answer, error_message=error)


def final(id):
    answer = oip.ModelInferResponse(model_name="house", id=id)
    answer.parameters["triton_final_response"].bool_param = True
    return answer


def streams(corpus):
    def ask(value, id=""):
        return raw_request("house", [("x", "FP32", np.array([[value]], np.float32))], id=id)

    corpus.stream("one of each", [ask(1, "a")], [streamed(one_price(10, id="a"))], "house/3 [a] | x=1 -> 10")
    corpus.stream("answers by id, in another order", [ask(1, "a"), ask(2, "b"), ask(3, "c")],
                  [streamed(one_price(30, id="c")), streamed(one_price(10, id="a")), streamed(one_price(20, id="b"))],
                  "house/3 [a] | x=1 -> 10", "house/3 [b] | x=2 -> 20", "house/3 [c] | x=3 -> 30")
    corpus.stream("answers in order, without ids", [ask(1), ask(2)], [streamed(one_price(10)), streamed(one_price(20))],
                  "house/3 | x=1 -> 10", "house/3 | x=2 -> 20")
    corpus.stream("a decoupled model: the last answer with outputs counts", [ask(1, "a"), ask(2, "b")],
                  [streamed(one_price(11, id="a")), streamed(one_price(20, id="b")), streamed(one_price(12, id="a")), streamed(final("a")),
                   streamed(final("b"))],
                  "house/3 [a] | x=1 -> 12", "house/3 [b] | x=2 -> 20")
    corpus.stream("an error for one of two", [ask(1), ask(2)], [streamed(one_price(10)), streamed(error="out of memory")],
                  "house/3 | x=1 -> 10", "house/unknown failed")
    corpus.stream("fewer answers than requests, and no ids", [ask(1), ask(2), ask(3)], [streamed(one_price(10)), streamed(one_price(20))],
                  "failed wrong_shape", "failed wrong_shape", "failed wrong_shape")
    corpus.stream("a request that was not answered", [ask(1, "a"), ask(2, "b")], [streamed(one_price(20, id="b"))],
                  "failed wrong_shape", "house/3 [b] | x=2 -> 20")
    corpus.stream("two requests of one id", [ask(1, "a"), ask(2, "a")], [streamed(one_price(10, id="a")), streamed(one_price(20, id="a"))],
                  "house/3 [a] | x=1 -> 10", "house/3 [a] | x=2 -> 20")
    corpus.stream("packed by gzip", [ask(1, "a"), ask(2, "b")], [streamed(one_price(20, id="b")), streamed(one_price(10, id="a"))],
                  "house/3 [a] | x=1 -> 10", "house/3 [b] | x=2 -> 20", packed=True)


def tf_serving(corpus):
    tf = compiled("tf_serving")

    def spec(version=None):
        made = tf.ModelSpec(name="house", signature_name="serving_default")
        if version is not None:
            made.version.value = version
        return made

    def array(dtype, shape, **values):
        made = tf.TensorProto(dtype=dtype, **values)
        made.tensor_shape.SetInParent()
        for size in shape:
            made.tensor_shape.dim.add(size=size)
        return made

    def predict(what, inputs, outputs, expected, version=4):
        corpus.call(what, TF + "Predict", tf.PredictRequest(model_spec=spec(), inputs=inputs),
                    tf.PredictResponse(model_spec=spec(version), outputs=outputs), expected)

    price = {"price": array(1, [1, 1], float_val=[90.5])}
    predict("TF tensor_content", {"x": array(1, [2, 2], tensor_content=np.array([1, 2, 3, 4], np.float32).tobytes())},
            {"price": array(2, [2, 1], tensor_content=np.array([10., 20.]).tobytes())}, "house/4 | x0=1 x1=2 -> 10 | x0=3 x1=4 -> 20")
    predict("TF values of every kind, by name",
            {"f": array(1, [1], float_val=[0.5]), "d": array(2, [1], double_val=[0.1]), "i32": array(3, [1], int_val=[-70000]),
             "u8": array(4, [1], int_val=[200]), "i16": array(5, [1], int_val=[-300]), "i8": array(6, [1], int_val=[-7]),
             "s": array(7, [1], string_val=["Köln".encode()]), "i64": array(9, [1], int64_val=[-5]), "b": array(10, [1], bool_val=[True]),
             "bf": array(14, [1], half_val=[0x4060]), "u16": array(17, [1], int_val=[60000]), "h": array(19, [1], half_val=[0x3e00]),
             "u32": array(22, [1], uint32_val=[2**32 - 1]), "u64": array(23, [1], uint64_val=[2**63 + 1])}, price,
            "house/4 | b='true' bf=3.5 d=0.1 f=0.5 h=1.5 i16=-300 i32=-70000 i64=-5 i8=-7 s='Köln' u16=60000 u32=4294967295 u64='9223372036854775809'"
            " u8=200 -> 90.5")
    predict("TF: the last value repeats", {"x": array(1, [1, 4], float_val=[1, 2])}, price, "house/4 | x0=1 x1=2 x2=2 x3=2 -> 90.5")
    predict("TF: no value at all is zeros", {"x": array(3, [1, 3])}, price, "house/4 | x0=0 x1=0 x2=0 -> 90.5")
    predict("TF: the last text repeats", {"a": array(7, [2], string_val=[b"red"]), "b": array(1, [2], float_val=[1, 2])},
            {"price": array(1, [2], float_val=[7])}, "house/4 | a='red' b=1 -> 7 | a='red' b=2 -> 7")
    predict("TF: an input without extents is every row's", {"rate": array(1, [], float_val=[0.5]), "x": array(1, [2, 1], float_val=[1, 2])},
            {"price": array(1, [2], float_val=[3, 4])}, "house/4 | rate=0.5 x=1 -> 3 | rate=0.5 x=2 -> 4")
    predict("TF: labels and probabilities, as a canned classifier answers", {"x": array(1, [1, 1], float_val=[1])},
            {"class_ids": array(9, [1, 1], int64_val=[1]), "classes": array(7, [1, 1], string_val=[b"1"]),
             "logits": array(1, [1, 2], float_val=[-1, 1]), "probabilities": array(1, [1, 2], float_val=[.25, .75])},
            "house/4 | x=1 -> '1'@0.75")
    predict("TF: all classes with their scores", {"x": array(1, [1, 1], float_val=[1])},
            {"classes": array(7, [1, 3], string_val=[b"a", b"b", b"c"]), "scores": array(1, [1, 3], float_val=[.25, .5, .25])},
            "house/4 | x=1 -> 'b'@0.5")
    predict("TF: a version is not always told", {"x": array(1, [1, 1], float_val=[1])}, price, "house/unknown | x=1 -> 90.5", version=None)
    predict("TF: more values than the shape has", {"x": array(1, [1, 1], float_val=[1, 2])}, price, "failed wrong_shape")
    predict("TF: complex numbers", {"x": array(8, [1, 1])}, price, "failed unsupported_format")

    def example(**features):
        made = tf.Example()
        for name, values in features.items():
            values = values if isinstance(values, list) else [values]
            kind = {bytes: "bytes_list", float: "float_list", int: "int64_list"}[type(values[0])] if values else "float_list"
            getattr(made.features.feature[name], kind).SetInParent()
            getattr(made.features.feature[name], kind).value.extend(values)
        return made

    def regress(what, input, values, expected):
        result = tf.RegressionResult(regressions=[tf.Regression(value=value) for value in values])
        corpus.call(what, TF + "Regress", tf.ClassificationRequest(model_spec=spec(), input=input),
                    tf.RegressionResponse(model_spec=spec(4), result=result), expected)

    both = [example(size=1800.5, rooms=3, city=b"Rome"), example(size=950.0, rooms=2, city=b"Oslo")]
    regress("TF Regress", tf.Input(example_list=tf.ExampleList(examples=both)), [90.5, 0],
            "house/4 | city='Rome' rooms=3 size=1800.5 -> 90.5 | city='Oslo' rooms=2 size=950 -> 0")
    regress("TF Regress with a context",
            tf.Input(example_list_with_context=tf.ExampleListWithContext(examples=both, context=example(day=5))), [1, 2],
            "house/4 | city='Rome' rooms=3 size=1800.5 day=5 -> 1 | city='Oslo' rooms=2 size=950 day=5 -> 2")
    regress("TF Regress of a feature with several values, and of one without",
            tf.Input(example_list=tf.ExampleList(examples=[example(e=[.5, .25], n=[])])), [1], "house/4 | e.0=0.5 e.1=0.25 n=- -> 1")
    classes = tf.Classifications(classes=[tf.Class(label="cat", score=.25), tf.Class(label="dog", score=.75)])
    corpus.call("TF Classify", TF + "Classify",
                tf.ClassificationRequest(model_spec=spec(), input=tf.Input(example_list=tf.ExampleList(examples=both[:1]))),
                tf.ClassificationResponse(model_spec=spec(4), result=tf.ClassificationResult(classifications=[classes])),
                "house/4 | city='Rome' rooms=3 size=1800.5 -> 'dog'@0.75")


def scorer(corpus):
    """A service of the user's own: its descriptors, and one call."""
    shop = compiled("scorer")
    assert protoc.main(["protoc", f"-I{HERE}", "--include_imports", f"--descriptor_set_out={HERE / 'scorer.bin'}", "scorer.proto"]) == 0
    order = shop.Order(order_id="A-17", amount=99.5, items=3, channel=shop.WEB, customer=shop.Customer(age=41), embedding=[.5, .25])
    corpus.call("a service of the user's own", "/shop.Scorer/Score", order,
                shop.Verdict(model="v7", fraud=shop.Fraud(probability=.75, label="fraud")), "skipped not_matched")


if __name__ == "__main__":
    corpus = Corpus()
    open_inference(corpus)
    streams(corpus)
    tf_serving(corpus)
    scorer(corpus)
    corpus.write()
