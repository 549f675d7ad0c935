// SPDX-License-Identifier: Apache-2.0
// One suite over all documented shapes: what each means, under every Content-Type that servers give
// to JSON, and under each kind that a configuration can say.

#include <string>
#include <vector>

#include "sidecar/monitor/decode/decoder.h"
#include "test/sidecar/monitor/decode/decoding.h"
#include "test/support/catch.h"
#include "test/support/exchanges.h"

namespace outrider::decode {
namespace {

using test::decode_one;
using test::MadeExchange;
using test::posted;

struct Shape {
  const char* name;
  const char* path;
  const char* request;
  const char* answer;
  const char* expected;  // As decoding.h writes it, behind the model's name and version.
};

// Where nothing is configured.
const Shape shapes[] = {
    // Flat
    {"an object of values", "/predict", R"({"area":71.5,"side":"east"})", R"({"rent":1210.5})",
     "| area=71.5 side='east' -> 1210.5"},
    {"an object with nested values", "/predict", R"({"flat":{"area":71.5,"rooms":[3,2]}})",
     R"({"rent":1210.5})", "| flat.area=71.5 flat.rooms.0=3 flat.rooms.1=2 -> 1210.5"},
    {"a bare number", "/predict", R"({"area":1})", "5.5", "| area=1 -> 5.5"},
    {"a bare text", "/predict", R"({"area":1})", R"("cheap")", "| area=1 -> 'cheap'"},
    {"a bare boolean", "/predict", R"({"area":1})", "true", "| area=1 -> 'true'"},
    {"numbers written as texts", "/predict", R"({"area":"71.5","n":"9007199254740993"})",
     R"({"rent":"1210.50"})", "| area=71.5 n='9007199254740993' -> 1210.5"},
    {"a class written as a number's text", "/predict", R"({"area":1})", R"({"label":"07"})",
     "| area=1 -> '07'"},
    {"booleans and missing values in every spelling", "/predict",
     R"({"a":true,"b":"True","c":"FALSE","d":null,"e":"NA","f":"n/a","g":""})", R"({"y":1})",
     "| a='true' b='true' c='false' d=- e=- f=- g=- -> 1"},
    {"one row of lists", "/predict", R"({"area":[71.5,72.5],"n":3})", R"({"rent":9})",
     "| area.0=71.5 area.1=72.5 n=3 -> 9"},
    {"an embedding", "/predict", R"({"embedding":[0.5,0.25,0.125]})",
     R"({"label":"cat","score":0.9})",
     "| embedding.0=0.5 embedding.1=0.25 embedding.2=0.125 -> 'cat'@0.9"},
    // Rows by columns
    {"columns of lists", "/predict", R"({"area":[71.5,99],"side":["east","west"]})",
     R"({"rent":[1210.5,1604]})",
     "| area=71.5 side='east' -> 1210.5 | area=99 side='west' -> 1604"},
    {"columns of lists of one", "/predict", R"({"area":[71.5],"side":["east"]})", R"({"rent":[9]})",
     "| area=71.5 side='east' -> 9"},
    {"columns with a value for all rows", "/predict", R"({"area":[71.5,99],"city":"Rome"})",
     "[1,2]", "| area=71.5 city='Rome' -> 1 | area=99 city='Rome' -> 2"},
    {"one column", "/predict", R"({"text":["good","bad"]})", R"({"label":["pos","neg"]})",
     "| text='good' -> 'pos' | text='bad' -> 'neg'"},
    {"columns answered by columns with scores", "/predict", R"({"a":[1,2],"b":[3,4]})",
     R"({"prediction":[0,1],"probability":[0.7,0.9],"model":"m"})",
     "| a=1 b=3 -> 0@0.7 | a=2 b=4 -> 1@0.9"},
    // Lists
    {"a list of objects", "/predict", R"([{"a":1},{"a":2}])", "[10,20]", "| a=1 -> 10 | a=2 -> 20"},
    {"a list of lists", "/predict", "[[1,2],[3,4]]", "[10,20]",
     "| x0=1 x1=2 -> 10 | x0=3 x1=4 -> 20"},
    {"a list of values that is one row", "/predict", "[1,2,3]", R"({"y":7})",
     "| x0=1 x1=2 x2=3 -> 7"},
    {"a list of values that is rows", "/predict", "[1,2,3]", "[7,8,9]",
     "| x0=1 -> 7 | x0=2 -> 8 | x0=3 -> 9"},
    {"rows under a name of their own", "/predict", R"({"houses":[{"a":1},{"a":2}],"user":"u"})",
     "[7,8]", "| a=1 user='u' -> 7 | a=2 user='u' -> 8"},
    {"a list of objects under data", "/score", R"({"data":[{"a":1},{"a":2}]})",
     R"({"result":[7,8]})", "| a=1 -> 7 | a=2 -> 8"},
    {"a matrix under data", "/score", R"({"data":[[1,2],[3,4]]})", "[7,8]",
     "| x0=1 x1=2 -> 7 | x0=3 x1=4 -> 8"},
    // KServe V1
    {"V1 objects", "/v1/models/m:predict", R"({"instances":[{"a":1},{"a":2}]})",
     R"({"predictions":[7,8]})", "| a=1 -> 7 | a=2 -> 8"},
    {"V1 lists", "/v1/models/m:predict", R"({"instances":[[1,2],[3,4]]})",
     R"({"predictions":[[7],[8]]})", "| x0=1 x1=2 -> 7 | x0=3 x1=4 -> 8"},
    {"V1 values", "/v1/models/m:predict", R"({"instances":["good","bad"]})",
     R"({"predictions":["p","n"]})", "| x0='good' -> 'p' | x0='bad' -> 'n'"},
    {"V1 columns", "/v1/models/m:predict", R"({"instances":{"a":[1,2],"b":[3,4]}})",
     R"({"predictions":[7,8]})", "| a=1 b=3 -> 7 | a=2 b=4 -> 8"},
    {"V1 with a failed row", "/v1/models/m:predict", R"({"instances":[[1],[2],[3]]})",
     R"({"predictions":[7,null,9]})", "| x0=1 -> 7 | x0=2 -> - | x0=3 -> 9"},
    {"V1 with an error in a row", "/v1/models/m:predict", R"({"instances":[[1],[2]]})",
     R"({"predictions":[{"price":7},{"error":"no such street"}]})", "| x0=1 -> 7 | x0=2 -> -"},
    {"V1 probabilities", "/v1/models/m:predict", R"({"instances":[[1],[2]]})",
     R"({"predictions":[[0.2,0.8],[0.9,0.1]]})", "| x0=1 -> '1'@0.8 | x0=2 -> '0'@0.9"},
    // Open Inference
    {"V2 tensors a feature", "/v2/models/m/infer",
     R"({"inputs":[{"name":"a","shape":[2],"datatype":"FP64","data":[1,2]},)"
     R"({"name":"b","shape":[2,1],"datatype":"BYTES","data":["x","y"]}]})",
     R"({"outputs":[{"name":"price","shape":[2,1],"datatype":"FP64","data":[7,8]}]})",
     "| a=1 b='x' -> 7 | a=2 b='y' -> 8"},
    {"V2 with NaN in and out", "/v2/models/m/infer",
     R"({"inputs":[{"name":"a","shape":[2,1],"datatype":"FP64","data":[NaN,2]}]})",
     R"({"outputs":[{"name":"price","shape":[2,1],"datatype":"FP64","data":[NaN,8]}]})",
     "| a=- -> - | a=2 -> 8"},
    {"V2 of a model without batches", "/v2/models/m/infer",
     R"({"inputs":[{"name":"x","shape":[3],"datatype":"FP32","data":[1,2,3]}]})",
     R"({"outputs":[{"name":"y","shape":[1],"datatype":"FP32","data":[7]}]})",
     "| x0=1 x1=2 x2=3 -> 7"},
    {"V2 with an input in shared memory", "/v2/models/m/infer",
     R"({"inputs":[{"name":"a","shape":[2,1],"datatype":"FP32","parameters":{"shared_memory_region":"r","shared_memory_byte_size":8}}]})",
     R"({"outputs":[{"name":"price","shape":[2,1],"datatype":"FP32","data":[7,8]}]})",
     "| a=- -> 7 | a=- -> 8"},
    {"V2 predict beside predict_proba", "/v2/models/m/infer",
     R"({"inputs":[{"name":"p","shape":[2,1],"datatype":"FP32","data":[1,2]}]})",
     R"({"outputs":[{"name":"predict_proba","shape":[2,2],"datatype":"FP64","data":[0.7,0.3,0.1,0.9]},)"
     R"({"name":"predict","shape":[2,1],"datatype":"INT64","data":[0,1]}]})",
     "| p=1 -> '0'@0.7 | p=2 -> '1'@0.9"},
    {"V2 integers that no double holds", "/v2/models/m/infer",
     R"({"inputs":[{"name":"p","shape":[1],"datatype":"INT64","data":[1152921504606846977]}]})",
     R"({"outputs":[{"name":"y","shape":[1],"datatype":"INT64","data":[1152921504606846977]}]})",
     "| p='1152921504606846977' -> '1152921504606846977'"},
    {"Triton's classification with labels", "/v2/models/m/infer",
     R"({"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[1,2,3,4]}]})",
     R"({"outputs":[{"name":"prob","datatype":"BYTES","shape":[2,2],"data":)"
     R"(["0.500000:1:persian: long hair","0.25:0:siamese","0.7:0:siamese","0.2:1:tabby"]}]})",
     "| x0=1 x1=2 -> 'persian: long hair'@0.5 | x0=3 x1=4 -> 'siamese'@0.7"},
    {"Triton's classification without labels", "/v2/models/m/infer",
     R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]})",
     R"({"outputs":[{"name":"prob","datatype":"BYTES","shape":[1,1],"data":["0.833781:1"]}]})",
     "| x0=1 x1=2 -> '1'@0.833781"},
    {"Triton's classification of all classes without batches", "/v2/models/m/infer",
     R"({"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1,2]}]})",
     R"({"outputs":[{"name":"prob","datatype":"BYTES","shape":[2],"data":["0.5:1:cat","0.2:0:dog"]}]})",
     "| x0=1 x1=2 -> 'cat'@0.5"},
    {"Triton's classification without batches", "/v2/models/m/infer",
     R"({"inputs":[{"name":"x","shape":[3],"datatype":"FP32","data":[1,2,3]}]})",
     R"({"outputs":[{"name":"prob","datatype":"BYTES","shape":[2],"data":["0.5:1:cat","0.2:0:dog"]}]})",
     "| x0=1 x1=2 x2=3 -> 'cat'@0.5"},
    // TensorFlow Serving
    {"TF inputs by columns", "/v1/models/m:predict", R"({"inputs":{"a":[1,2],"b":[[3],[4]]}})",
     R"({"outputs":[[7],[8]]})", "| a=1 b=3 -> 7 | a=2 b=4 -> 8"},
    {"TF inputs in rows", "/v1/models/m:predict", R"({"inputs":[[1,2],[3,4]]})",
     R"({"outputs":{"dense":[[7],[8]]}})", "| x0=1 x1=2 -> 7 | x0=3 x1=4 -> 8"},
    {"TF named outputs beside scores", "/v1/models/m:predict", R"({"instances":[[1],[2]]})",
     R"({"predictions":[{"class_name":["a"],"scores":[0.5]},{"class_name":["b"],"scores":[0.75]}]})",
     "| x0=1 -> 'a'@0.5 | x0=2 -> 'b'@0.75"},
    {"TF :classify", "/v1/models/m:classify", R"({"examples":[{"a":1},{"a":2}],"context":{"c":3}})",
     R"({"results":[[["cat",0.25],["dog",0.75]],[["cat",0.9],["dog",0.1]]]})",
     "| a=1 c=3 -> 'dog'@0.75 | a=2 c=3 -> 'cat'@0.9"},
    {"TF :classify of one", "/v1/models/m:classify", R"({"examples":[{"a":1}]})",
     R"({"results":[[["cat",0.25],["dog",0.75]]]})", "| a=1 -> 'dog'@0.75"},
    {"TF :regress", "/v1/models/m:regress", R"({"examples":[{"a":3},{"a":4}]})",
     R"({"results":[3.5,4.0]})", "| a=3 -> 3.5 | a=4 -> 4"},
    {"a canned classifier", "/v1/models/m:predict", R"({"instances":[{"a":1}]})",
     R"({"predictions":[{"class_ids":[1],"classes":["1"],"all_class_ids":[0,1],"all_classes":["0","1"],)"
     R"("logits":[1.5],"logistic":[0.82],"probabilities":[0.18,0.82]}]})",
     "| a=1 -> '1'@0.82"},
    // Vertex AI
    {"Vertex classes and scores", "/v1/endpoints/7:predict",
     R"({"instances":[{"a":"1"},{"a":"2"}]})",
     R"({"predictions":[{"classes":["cat","dog"],"scores":[0.3,0.7]},{"classes":["cat","dog"],"scores":[0.6,0.4]}],)"
     R"("deployedModelId":"123","modelDisplayName":"pets"})",
     "| a=1 -> 'dog'@0.7 | a=2 -> 'cat'@0.6"},
    {"Vertex regression", "/v1/endpoints/7:predict", R"({"instances":[{"a":1}]})",
     R"({"predictions":[{"value":7.5,"lower_bound":6,"upper_bound":9}],"deployedModelId":"1"})",
     "| a=1 -> 7.5"},
    // Seldon
    {"Seldon ndarray", "/api/v1.0/predictions",
     R"({"data":{"names":["a","b"],"ndarray":[[1,2],[3,4]]}})",
     R"({"data":{"names":["no","yes"],"ndarray":[[0.2,0.8],[0.6,0.4]]},"meta":{}})",
     "| a=1 b=2 -> 'yes'@0.8 | a=3 b=4 -> 'no'@0.6"},
    {"Seldon tensor", "/api/v1.0/predictions",
     R"({"data":{"tensor":{"shape":[2,1],"values":[1,2]}}})",
     R"({"data":{"tensor":{"shape":[2,1],"values":[7,8]}}})", "| x0=1 -> 7 | x0=2 -> 8"},
    {"Seldon jsonData", "/api/v1.0/predictions", R"({"jsonData":{"a":1}})",
     R"({"jsonData":{"price":7}})", "| a=1 -> 7"},
    {"Seldon strData", "/api/v1.0/predictions", R"({"strData":"hello"})",
     R"({"strData":"greeting","meta":{}})", "| strData='hello' -> 'greeting'"},
    // MLflow, pandas, Azure
    {"MLflow records", "/invocations",
     R"({"dataframe_records":[{"a":1},{"a":null}],"params":{"t":1}})", R"({"predictions":[7,8]})",
     "| a=1 -> 7 | a=- -> 8"},
    {"MLflow split", "/invocations",
     R"({"dataframe_split":{"columns":["a","b"],"index":[0],"data":[[1,"x"]]}})",
     R"({"predictions":[7]})", "| a=1 b='x' -> 7"},
    {"MLflow inputs as objects", "/invocations", R"({"inputs":[{"a":1},{"a":2}]})",
     R"({"predictions":[7,8]})", "| a=1 -> 7 | a=2 -> 8"},
    {"pandas split", "/predict", R"({"columns":["a","b"],"index":[0,1],"data":[[1,2],[3,4]]})",
     R"({"columns":["price"],"index":[0,1],"data":[[7],[8]]})", "| a=1 b=2 -> 7 | a=3 b=4 -> 8"},
    {"pandas index", "/predict", R"({"0":{"a":1,"b":2},"1":{"a":3,"b":4}})",
     R"({"0":{"price":7},"1":{"price":8}})", "| a=1 b=2 -> 7 | a=3 b=4 -> 8"},
    {"pandas columns", "/predict", R"({"a":{"0":1,"1":3},"b":{"0":2,"1":4}})",
     R"({"price":{"0":7,"1":8}})", "| a=1 b=2 -> 7 | a=3 b=4 -> 8"},
    {"pandas columns, one row", "/predict", R"({"a":{"0":1},"b":{"0":2}})", R"({"0":7})",
     "| a=1 b=2 -> 7"},
    {"pandas index that does not count from 0", "/predict",
     R"({"7":{"a":1,"b":2},"3":{"a":3,"b":4}})", R"({"7":1.5,"3":2.5})",
     "| a=1 b=2 -> 1.5 | a=3 b=4 -> 2.5"},
    {"a frame by columns under a name of its own", "/predict", R"({"df":{"a":[1,2],"b":[3,4]}})",
     "[7,8]", "| a=1 b=3 -> 7 | a=2 b=4 -> 8"},
    {"JSON lines that are called JSON", "/predict", "{\"a\":1}\n{\"a\":2}\n",
     "{\"y\":7}\n{\"y\":8}\n", "| a=1 -> 7 | a=2 -> 8"},
    {"pandas table", "/predict",
     R"({"schema":{"fields":[{"name":"index"},{"name":"a"}],"primaryKey":["index"]},"data":[{"index":0,"a":1},{"index":1,"a":2}]})",
     R"({"schema":{"fields":[],"primaryKey":["index"]},"data":[{"index":0,"price":7},{"index":1,"price":8}]})",
     "| a=1 -> 7 | a=2 -> 8"},
    {"a Series", "/predict", R"([{"a":1},{"a":2}])",
     R"({"name":"price","index":[0,1],"data":[7,8]})", "| a=1 -> 7 | a=2 -> 8"},
    {"Azure input_data", "/score",
     R"({"input_data":{"columns":["a"],"index":[0,1],"data":[[1],[2]]}})", "[7,8]",
     "| a=1 -> 7 | a=2 -> 8"},
    {"Azure Inputs", "/score", R"({"Inputs":{"data":[{"a":1},{"a":2}]},"GlobalParameters":{}})",
     R"({"Results":[7,8]})", "| a=1 -> 7 | a=2 -> 8"},
    {"JSON in a string of JSON", "/score", R"({"data":[[1],[2]]})", R"("{\"result\": [7, 8]}")",
     "| x0=1 -> 7 | x0=2 -> 8"},
    // Answers
    {"a label with its score", "/predict", R"({"a":1})",
     R"({"class":"yes","confidence":0.75,"latency_ms":3})", "| a=1 -> 'yes'@0.75"},
    {"the best of several labels", "/predict", R"({"text":"x"})",
     R"([{"label":"neg","score":0.2},{"label":"pos","score":0.8}])", "| text='x' -> 'pos'@0.8"},
    {"the best of several labels, a row", "/predict", R"({"inputs":["x","y"]})",
     R"([[{"label":"neg","score":0.2},{"label":"pos","score":0.8}],[{"label":"neg","score":0.9},{"label":"pos","score":0.1}]])",
     "| x0='x' -> 'pos'@0.8 | x0='y' -> 'neg'@0.9"},
    {"probabilities by class", "/predict", R"({"a":1})",
     R"({"probabilities":{"cat":0.1,"dog":0.9}})", "| a=1 -> 'dog'@0.9"},
    {"a result in a result", "/predict", R"({"a":1})",
     R"({"result":{"model":"v1","prediction":[7]},"status":"ok"})", "| a=1 -> 7"},
    {"a score alone", "/predict", R"({"a":1})", R"({"score":0.3})", "| a=1 -> 0.3@0.3"},
    {"a date beside the prediction", "/predict", R"({"a":1})",
     R"({"price":7,"at":"2026-01-02T10:00:00"})", "| a=1 -> 7"},
    // What is none
    {"two numbers without a name that says", "/predict", R"({"a":1})", R"({"price":7,"rooms":3})",
     "failed ambiguous_prediction"},
    {"two outputs without a name that says", "/v2/models/m/infer",
     R"({"inputs":[{"name":"a","shape":[1],"datatype":"FP32","data":[1]}]})",
     R"({"outputs":[{"name":"price","shape":[1],"datatype":"FP32","data":[7]},{"name":"risk","shape":[1],"datatype":"FP32","data":[8]}]})",
     "failed ambiguous_prediction"},
    {"two values a row", "/predict", "[[1],[2]]", "[[0.5,7],[0.25,8]]",
     "failed ambiguous_prediction"},
    {"a class and a value", "/predict", R"({"a":1})", R"({"label":"cat","value":3})",
     "failed ambiguous_prediction"},
    {"only a date", "/predict", R"({"a":1})", R"({"at":"2026-01-02"})",
     "failed missing_prediction"},
    {"only what is about the answer", "/predict", R"({"a":1})", R"({"status":"ok","model":"m"})",
     "failed missing_prediction"},
    {"rows that differ", "/v1/models/m:predict", R"({"instances":[1,2,3]})",
     R"({"predictions":[7,8]})", "failed wrong_shape"},
    {"rows that differ, or a vector for one", "/predict", R"({"a":[1,2,3]})", R"({"y":[7,8]})",
     "failed ambiguous_prediction"},
    {"an error by name", "/predict", R"({"wrong":[[1]]})", R"({"error":"Missing 'instances'"})",
     "failed"},
    {"an error in detail", "/predict", R"({"a":1})",
     R"({"detail":[{"loc":["a"],"msg":"no number"}]})", "| a=1 -> -"},
    {"an error by a flag", "/predict", R"({"a":1})",
     R"({"success":false,"message":"no","prediction":0})", "failed"},
    {"errors of an estimate are none", "/predict", R"({"a":1})",
     R"({"prediction":7,"error":0.5,"errors":{"rmse":1}})", "| a=1 -> 7"},
    {"chat", "/openai/v1/chat/completions",
     R"({"model":"m","messages":[{"role":"user","content":"x"}]})",
     R"({"object":"chat.completion","choices":[{"index":0,"message":{"content":"y"}}],"usage":{"total_tokens":7}})",
     "skipped language_model"},
    {"a completion of llama.cpp", "/completion", R"({"prompt":"x"})",
     R"({"content":"y","tokens_predicted":8,"timings":{"prompt_ms":1.5}})",
     "skipped language_model"},
    {"Ollama", "/api/generate", R"({"model":"m","prompt":"x"})",
     R"({"model":"m","response":"y","done":true,"eval_count":7})", "skipped language_model"},
    {"embeddings", "/v1/embeddings", R"({"input":"x"})",
     R"({"object":"list","data":[{"object":"embedding","embedding":[0.1,0.2]}]})",
     "skipped language_model"},
    {"TGI", "/generate", R"({"inputs":"x","parameters":{"max_new_tokens":5}})",
     R"({"generated_text":"y"})", "skipped language_model"},
    {"a message of Anthropic's", "/v1/messages", R"({"model":"m","messages":[]})",
     R"({"type":"message","role":"assistant","content":[{"type":"text","text":"y"}]})",
     "skipped language_model"},
};

MadeExchange made_of(const Shape& shape, const std::string& asked_type,
                     const std::string& told_type) {
  MadeExchange made = posted(shape.path, shape.request, shape.answer);
  const auto field = [](const std::string& type) {
    return type.empty() ? std::string() : "Content-Type: " + type + "\r\n";
  };
  made.request_head =
      "POST " + std::string(shape.path) + " HTTP/1.1\r\nHost: m\r\n" + field(asked_type) + "\r\n";
  made.response_head = "HTTP/1.1 200 OK\r\n" + field(told_type) + "\r\n";
  return made;
}

// "m/unknown | a=1 -> 7" without the names, or what became of it.
std::string rows_of(std::string text) {
  if (text.starts_with("failed ") || text.starts_with("skipped ")) return text;
  return text.substr(text.find(' ') + 1);
}

std::string configured(const char* path, const char* request, const char* answer,
                       const Rules& rules) {
  return rows_of(decode_one(posted(path, request, answer), rules));
}

Rules of_kind(PredictionKind kind) {
  Rules rules;
  rules.prediction_kind = kind;
  return rules;
}

Rules with_prediction(const char* place, const char* score = nullptr) {
  Rules rules;
  rules.prediction = *parse_place(place);
  if (score) rules.score = *parse_place(score);
  return rules;
}

}  // namespace

TEST_CASE("every documented shape means the same under every type that servers give to JSON") {
  for (const Shape& shape : shapes) {
    for (const char* type : {"application/json", "application/json; charset=utf-8", "text/plain",
                             "text/html; charset=utf-8", "application/vnd.api+json",
                             "application/octet-stream", "*/*", ""}) {
      INFO(shape.name << ", " << type);
      CHECK(rows_of(decode_one(made_of(shape, "application/json", type))) == shape.expected);
      CHECK(rows_of(decode_one(made_of(shape, type, "application/json"))) == shape.expected);
    }
  }
}

TEST_CASE("exchanges of all shapes in turn are each read as if alone") {
  Decoder decoder{Rules{}};
  for (int round = 0; round < 2; ++round) {
    for (const Shape& shape : shapes) {
      INFO(shape.name);
      const std::string got =
          test::outcome_of(decoder, made_of(shape, "application/json", "application/json"));
      CHECK(rows_of(got) == shape.expected);
    }
  }
}

TEST_CASE("the configured kind settles what the shape leaves open") {
  const Rules classes = of_kind(PredictionKind::classification),
              values = of_kind(PredictionKind::regression);
  const char* path = "/v1/models/m:predict";
  const char* two = R"({"instances":[[1],[2]]})";
  CHECK(configured(path, two, R"({"predictions":[1,0]})", classes) ==
        "| x0=1 -> '1' | x0=2 -> '0'");
  CHECK(configured(path, two, R"({"predictions":[1.0,0.0]})", classes) ==
        "| x0=1 -> '1' | x0=2 -> '0'");
  CHECK(configured(path, two, R"({"predictions":["1","0"]})", values) == "| x0=1 -> 1 | x0=2 -> 0");
  CHECK(configured(path, two, R"({"predictions":[true,false]})", values) ==
        "| x0=1 -> 1 | x0=2 -> 0");
  CHECK(configured(path, two, R"({"predictions":[[1.5,-2],[0,3]]})", classes) ==
        "| x0=1 -> '0'@1.5 | x0=2 -> '1'@3");
  CHECK(configured(path, two, R"({"predictions":[[0.2,0.8],[0.9,0.1]]})", values) ==
        "failed ambiguous_prediction");
  CHECK(configured(path, two, R"({"predictions":["dear","cheap"]})", values) ==
        "failed wrong_type");
  CHECK(configured("/p", R"({"a":1})", R"({"price":7,"currency":"EUR"})", {}) == "| a=1 -> 7");
  CHECK(configured("/p", R"({"a":1})", R"({"price":7,"mood":"good"})", {}) ==
        "failed ambiguous_prediction");
  CHECK(configured("/p", R"({"a":1})", R"({"price":7,"mood":"good"})", values) == "| a=1 -> 7");
  CHECK(configured("/p", R"({"a":1})", R"({"price":"7.50"})", values) == "| a=1 -> 7.5");
}

TEST_CASE("the configured classes name the places of a vector, and the sides of a threshold") {
  Rules rules = of_kind(PredictionKind::classification);
  rules.classes = {"setosa", "versicolor", "virginica"};
  CHECK(configured("/p", R"({"a":1})", R"({"probabilities":[0.1,0.2,0.7]})", rules) ==
        "| a=1 -> 'virginica'@0.7");
  CHECK(configured("/p", R"({"a":1})", R"({"predictions":[[0.6,0.2,0.2]]})", rules) ==
        "| a=1 -> 'setosa'@0.6");
  rules.classes = {"no", "yes"};
  rules.negative_class = "no";
  rules.positive_class = "yes";
  CHECK(configured("/p", R"({"a":1})", R"({"score":0.7})", rules) == "| a=1 -> 'yes'@0.7");
  CHECK(configured("/p", R"({"a":[1,2]})", R"({"score":[0.7,0.2]})", rules) ==
        "| a=1 -> 'yes'@0.7 | a=2 -> 'no'@0.2");
}

TEST_CASE("a configured score decides alone where no name says what the prediction is") {
  Rules rules;
  rules.score = *parse_place("json:/score");
  CHECK(configured("/p", R"({"a":1})", R"({"score":0.9,"by":"rules 7"})", rules) ==
        "| a=1 -> 0.9@0.9");
  CHECK(configured("/p", R"({"a":1})", R"({"label":"cat","score":0.9})", rules) ==
        "| a=1 -> 'cat'@0.9");
}

TEST_CASE("a pointer leads from the whole body, through lists and tensors") {
  CHECK(configured("/p", R"({"a":1})", R"({"out":{"price":[7],"risk":[0.3]}})",
                   with_prediction("json:/out/price/0")) == "| a=1 -> 7");
  CHECK(configured("/p", R"({"a":[1,2]})", R"({"out":{"price":[7,8],"risk":[3,4]}})",
                   with_prediction("json:/out/price")) == "| a=1 -> 7 | a=2 -> 8");
  CHECK(configured("/p", R"({"a":1})", R"({"a/b":{"m~n":7},"c":8})",
                   with_prediction("json:/a~1b/m~0n")) == "| a=1 -> 7");
  const char* asked = R"({"inputs":[{"name":"a","shape":[2],"datatype":"FP32","data":[1,2]}]})";
  const char* told =
      R"({"outputs":[{"name":"risk","shape":[2],"datatype":"FP32","data":[3,4]},{"name":"price","shape":[2,1],"datatype":"FP32","data":[7,8]}]})";
  CHECK(configured("/v2/models/m/infer", asked, told, with_prediction("json:/outputs/1/data")) ==
        "| a=1 -> 7 | a=2 -> 8");
  CHECK(configured("/v2/models/m/infer", asked, told, with_prediction("json:/outputs/1")) ==
        "| a=1 -> 7 | a=2 -> 8");
  CHECK(configured("/v2/models/m/infer", asked, told, with_prediction("row:/price", "row:/risk")) ==
        "| a=1 -> 7@3 | a=2 -> 8@4");
  CHECK(configured("/v1/models/m:predict", R"({"inputs":{"a":[1,2]}})",
                   R"({"outputs":{"risk":[3,4],"price":[[7],[8]]}})",
                   with_prediction("json:/outputs/price", "json:/outputs/risk")) ==
        "| a=1 -> 7@3 | a=2 -> 8@4");
}

TEST_CASE(
    "a pointer of a row leads from each of them, and so does one that the whole body does not "
    "have") {
  const char* asked = R"({"instances":[[1],[2]]})";
  const char* told = R"({"predictions":[{"price":[7],"risk":[0.3]},{"price":[8],"risk":[0.4]}]})";
  for (const char* place : {"json:/price", "row:/price", "row:/price/0"}) {
    CHECK(configured("/v1/models/m:predict", asked, told, with_prediction(place)) ==
          "| x0=1 -> 7 | x0=2 -> 8");
  }
  CHECK(
      configured("/v1/models/m:predict", asked, told, with_prediction("row:/price", "row:/risk")) ==
      "| x0=1 -> 7@0.3 | x0=2 -> 8@0.4");
  CHECK(configured("/p", "[[1],[2]]", "[[0.5,7],[0.25,8]]", with_prediction("row:/1", "row:/0")) ==
        "| x0=1 -> 7@0.5 | x0=2 -> 8@0.25");
  CHECK(configured("/p", "[[1],[2]]", R"([{"price":7},{"risk":1}])",
                   with_prediction("row:/price")) == "| x0=1 -> 7 | x0=2 -> -");
}

TEST_CASE("a pointer that finds nothing fails by name and counts nothing else") {
  const char* asked = R"({"inputs":[{"name":"a","shape":[2],"datatype":"FP32","data":[1,2]}]})";
  const char* told = R"({"outputs":[{"name":"risk","shape":[2],"datatype":"FP32","data":[3,4]}]})";
  for (const char* place :
       {"json:/outputs/price", "json:/outputs/1/data", "json:/outputs/1", "row:/price",
        "json:/price", "response:/risk", "row:/risk/1", "json:/outputs/00"}) {
    INFO(place);
    CHECK(configured("/v2/models/m/infer", asked, told, with_prediction(place)) ==
          "failed pointer_not_found");
  }
  for (const char* place :
       {"json:/y", "row:/y", "json:/out/price", "json:/price/0", "response:/y"}) {
    INFO(place);
    CHECK(configured("/p", R"({"a":1})", R"({"price":7})", with_prediction(place)) ==
          "failed pointer_not_found");
    CHECK(configured("/p", "[[1],[2]]", R"([{"price":7},{"price":8}])", with_prediction(place)) ==
          "failed pointer_not_found");
  }
}

TEST_CASE("what cannot be read says what was seen and what to write") {
  const auto words = [](const char* request, const char* answer, const Rules& rules) {
    Decoder decoder(rules);
    const MadeExchange made = posted("/p", request, answer);
    const tap::Exchange exchange = made.view();
    REQUIRE_FALSE(decoder.decode(exchange));
    return std::string(decoder.words());
  };
  CHECK(words(R"({"a":1})", R"({"out":{"price":7,"rooms":3}})", {}) ==
        "the prediction could be /out/price or /out/rooms of the answer: write which one, such as "
        "response.prediction: "
        "\"json:/out/price\"");
  CHECK_THAT(words(R"({"a":1})", R"({"price":7})", with_prediction("json:/y")),
             Catch::StartsWith("the answer has nothing at /y"));
  CHECK_THAT(words(R"({"instances":[[1],[2]]})", "[1,2,3]", {}),
             Catch::StartsWith("the answer has rows: 3, the request: 2"));
}

TEST_CASE("features are found by a pointer from the whole body, or from each row") {
  Rules rules;
  rules.features = {{"a0", *parse_place("json:/a/0"), FeatureKind::inferred},
                    {"a1", *parse_place("json:/a/1"), FeatureKind::inferred}};
  CHECK(configured("/p", R"({"a":[5,6]})", R"({"y":7})", rules) == "| a0=5 a1=6 -> 7");
  CHECK(configured("/p", R"({"a":[5,6]})", R"({"y":[7,8]})", rules) ==
        "| a0=5 a1=6 -> 7 | a0=5 a1=6 -> 8");
  rules.features = {{"city", *parse_place("json:/site/city"), FeatureKind::inferred},
                    {"area", *parse_place("row:/area"), FeatureKind::numeric},
                    {"rooms", *parse_place("json:/rooms"), FeatureKind::categorical}};
  CHECK(
      configured(
          "/v1/models/m:predict",
          R"({"site":{"city":"Rome"},"instances":[{"area":"7.5","rooms":2},{"area":8,"rooms":3}]})",
          R"({"predictions":[1,2]})",
          rules) == "| city='Rome' area=7.5 rooms='2' -> 1 | city='Rome' area=8 rooms='3' -> 2");
}

TEST_CASE("a model without batches is one row a request where the configuration says so") {
  const char* asked = R"({"inputs":[{"name":"x","shape":[3],"datatype":"FP32","data":[1,2,3]}]})";
  const char* told =
      R"({"outputs":[{"name":"prob","shape":[3],"datatype":"FP32","data":[0.25,0.5,0.25]}]})";
  CHECK(configured("/v2/models/m/infer", asked, told, {}) ==
        "| x=1 -> 0.25@0.25 | x=2 -> 0.5@0.5 | x=3 -> 0.25@0.25");
  Rules rules;
  rules.features = {{"a", {}, FeatureKind::numeric},
                    {"b", {}, FeatureKind::numeric},
                    {"c", {}, FeatureKind::numeric}};
  CHECK(configured("/v2/models/m/infer", asked, told, rules) == "| a=1 b=2 c=3 -> '1'@0.5");
  rules.features.clear();
  rules.one_row = true;
  CHECK(configured("/v2/models/m/infer", asked, told, rules) == "| x0=1 x1=2 x2=3 -> '1'@0.5");
  CHECK(configured("/p", R"({"instances":[[1],[2]]})", "[1,2]", rules) == "failed wrong_shape");
}

TEST_CASE("images, forms of several parts and other opaque bodies are skipped by name") {
  for (const char* type : {"image/png", "multipart/form-data; boundary=x", "application/x-npy",
                           "audio/wav", "application/octet-stream"}) {
    MadeExchange made = posted("/predict", "\x89PNG", R"({"class":"cat","score":0.9})");
    made.request_head =
        "POST /predict HTTP/1.1\r\nHost: m\r\nContent-Type: " + std::string(type) + "\r\n\r\n";
    INFO(type);
    CHECK(decode_one(made) == "skipped opaque_body");
    // Who says where the prediction is wants it watched without features.
    CHECK(decode_one(made, with_prediction("json:/class", "json:/score")) ==
          "unknown/unknown | -> 'cat'@0.9");
    made.response_body = R"({"error":"no image"})";
    CHECK(decode_one(made) == "unknown/unknown failed");
  }
}

TEST_CASE("an error event of a stream is a failure, and a language model's stream is skipped") {
  const auto streamed = [](const std::string& path, const std::string& events) {
    MadeExchange made = posted(path, R"({"prompt":"x"})", events);
    made.response_head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    return decode_one(made);
  };
  CHECK(streamed("/stream", "data: {\"y\":1}\n\nevent: error\ndata: {\"code\":500}\n\n") ==
        "unknown/unknown failed");
  CHECK(streamed("/v1/chat/completions",
                 "data: {\"error\":{\"code\":400,\"message\":\"no\"}}\n\ndata: [DONE]\n\n") ==
        "unknown/unknown failed");
  CHECK(
      streamed(
          "/any",
          R"(data: {"id":"c","object":"chat.completion.chunk","choices":[],"usage":{"total_tokens":7}})"
          "\n\ndata: [DONE]\n\n") == "skipped language_model");
  CHECK(streamed("/any",
                 "data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":7}}\n\ndata: "
                 "{\"type\":\"message_stop\"}\n\n") == "skipped language_model");
  MadeExchange lines = posted(
      "/x", R"({"prompt":"x"})",
      "{\"response\":\"a\",\"done\":false}\n{\"response\":\"\",\"done\":true,\"eval_count\":7}\n");
  lines.response_head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n";
  CHECK(decode_one(lines) == "skipped language_model");
  // Where the configuration says what counts, it counts.
  CHECK(configured("/v1/completions", R"({"prompt":"x"})",
                   R"({"choices":[{"text":"y"}],"usage":{"total_tokens":7}})",
                   with_prediction("json:/usage/total_tokens")) == "| -> 7");
}

TEST_CASE("what is skipped when it succeeds is skipped when it fails") {
  const auto failing = [](MadeExchange made) {
    made.status = 500;
    made.outcome = tap::Outcome::server_error;
    made.response_head = "HTTP/1.1 500 Error\r\n\r\n";
    return decode_one(made);
  };
  CHECK(failing(posted("/v1/chat/completions", "{}", "oops")) == "skipped language_model");
  MadeExchange image = posted("/predict", "\x89PNG", "oops");
  image.request_head = "POST /predict HTTP/1.1\r\nHost: m\r\nContent-Type: image/png\r\n\r\n";
  CHECK(failing(image) == "skipped opaque_body");
  CHECK(failing(posted("/predict", "{}", "oops")) == "unknown/unknown failed");
}

TEST_CASE("a model's name keeps its colon") {
  MadeExchange made = posted("/v2/models/qwen3:0.6b/infer", R"({"a":1})", R"({"y":7})");
  CHECK(decode_one(made) == "qwen3:0.6b/unknown | a=1 -> 7");
  made = posted("/v1/models/qwen3:0.6b:predict", R"({"instances":[1]})", R"({"predictions":[7]})");
  CHECK(decode_one(made) == "qwen3:0.6b/unknown | x0=1 -> 7");
}

}  // namespace outrider::decode
