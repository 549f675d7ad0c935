// SPDX-License-Identifier: Apache-2.0
#include <random>
#include <string>

#include "sidecar/http2/hpack_decoder.h"
#include "sidecar/http2/hpack_encoder.h"
#include "test/support/catch.h"

namespace outrider::http2 {
namespace {

std::string text_of(const FieldBlock& block) {
  std::string text;
  for (const Field& field : block)
    text += std::string(field.is_secret ? "!" : "") + std::string(field.name) + "=" +
            std::string(field.value) + "\n";
  return text;
}

struct Decoding {
  std::string decode(std::string_view bytes) {
    const Violation v = decoder.decode(bytes, block);
    return v == Violation::none ? text_of(block) : std::string(to_string(v));
  }
  HpackDecoder decoder;
  FieldBlock block;
};

std::string hex(std::string_view digits) {
  std::string out;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    out += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
  return out;
}

TEST_CASE("HPACK: the requests of RFC 7541, C.3 and C.4, are decoded with their table") {
  for (const bool is_huffman : {false, true}) {
    Decoding peer;
    CHECK(peer.decode(hex(is_huffman ? "828684418cf1e3c2e5f23a6ba0ab90f4ff"
                                     : "828684410f7777772e6578616d706c652e636f6d")) ==
          ":method=GET\n:scheme=http\n:path=/\n:authority=www.example.com\n");
    CHECK(peer.decoder.table().size() == 57);
    CHECK(
        peer.decode(
            hex(is_huffman ? "828684be5886a8eb10649cbf" : "828684be58086e6f2d6361636865")) ==
        ":method=GET\n:scheme=http\n:path=/\n:authority=www.example.com\ncache-control=no-cache\n");
    CHECK(peer.decoder.table().size() == 110);
    CHECK(peer.decode(hex(is_huffman
                              ? "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"
                              : "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565")) ==
          ":method=GET\n:scheme=https\n:path=/index.html\n:authority=www.example.com\n"
          "custom-key=custom-value\n");
    CHECK(peer.decoder.table().size() == 164);
  }
}

TEST_CASE("HPACK: a literal that must not be indexed is told so, and is never put into the table") {
  Decoding peer;
  CHECK(peer.decode(hex("100870617373776f726406736563726574")) == "!password=secret\n");
  CHECK(peer.decoder.table().count() == 0);
  HpackEncoder encoder;
  std::string out;
  encoder.add({"password", "secret", true}, out);
  encoder.add({"authorization", "Bearer x"}, out);
  CHECK(encoder.table().count() == 0);
  CHECK(peer.decode(out) == "!password=secret\n!authorization=Bearer x\n");
}

TEST_CASE("HPACK: what is cut off, out of range or out of place is refused") {
  const auto refused = [](std::string_view digits) { return Decoding().decode(hex(digits)); };
  CHECK(refused("80") == "bad_compression");  // Index 0.
  CHECK(refused("be") == "bad_compression");  // Of an empty dynamic table.
  CHECK(refused("7f") == "bad_compression");  // An integer without its end.
  CHECK(refused("ffffffffffffff7f") == "bad_compression");
  CHECK(refused("0005") == "bad_compression");    // A name of five bytes that are not there.
  CHECK(refused("000161") == "bad_compression");  // No value.
  CHECK(refused("3fe21f") == "bad_compression");  // A table of 4097 bytes.
  CHECK(refused("202020") == "bad_compression");  // Three changes of the size.
  CHECK(refused("8220") == "bad_compression");    // A change behind a field.
  CHECK(refused("2020").empty());
}

TEST_CASE("HPACK: a block of more than 100 fields, or of more than 64 KiB, ends the decoding") {
  CHECK(Decoding().decode(std::string(100, '\x82')).size() == 100 * 12);
  CHECK(Decoding().decode(std::string(101, '\x82')) == "too_many_fields");
  HpackEncoder encoder;
  std::string out;
  for (int i = 0; i < 17; ++i) encoder.add({"x", std::string(4000, 'a')}, out);
  CHECK(Decoding().decode(out) == "head_too_large");
  // A bomb: one entry of nearly 4 KiB, and a byte for each further copy of it.
  std::string bomb = hex("40") + hex("0161") + hex("7f9f1e") + std::string(3998, 'b');
  Decoding peer;
  REQUIRE(peer.decode(bomb).size() == 4001);
  CHECK(peer.decode(std::string(90, '\xbe')) == "head_too_large");
}

TEST_CASE(
    "HPACK: behind a block past its limits the table is in step, and the next block is read") {
  HpackEncoder encoder;
  Decoding peer;
  const auto block = [&encoder](const std::vector<Field>& fields) {
    std::string out;
    encoder.begin(out);
    for (const Field& field : fields) encoder.add(field, out);
    return out;
  };
  const std::string large(4000, 'a'), huge(70'000, 'b');
  const std::vector<std::vector<Field>> past{
      std::vector<Field>(101, {"x-new", "1"}),
      std::vector<Field>(17, {"x", large}),
      {{"x-before", "1"}, {"x-huge", huge}, {"x-behind", "2"}}};
  for (const std::vector<Field>& fields : past) {
    CAPTURE(fields.size());
    peer.decode(block({{"x-known", "yes"}}));
    CHECK(peer.decode(block(fields)) ==
          (fields.size() == 101 ? "too_many_fields" : "head_too_large"));
    CHECK_FALSE(peer.decoder.is_lost());
    CHECK(peer.decode(block({{"x-known", "yes"}, {"x-behind", "2"}})) ==
          "x-known=yes\nx-behind=2\n");
    CHECK(peer.decoder.table().size() == encoder.table().size());
  }
  // A literal that is larger than all there is room for empties the table, as any that is too
  // large for it does; and so it is where the text is of Huffman's code.
  const auto with_length = [](std::string prefix, std::size_t n) {
    prefix += '\x7f';
    for (n -= 127; n >= 128; n >>= 7) prefix += static_cast<char>(n & 127 | 128);
    return prefix + static_cast<char>(n);
  };
  Decoding other;
  other.decode(hex("40") + hex("0161") + hex("0162"));
  CHECK(other.decode(with_length(hex("40") + hex("0163"), huge.size()) + huge) == "head_too_large");
  CHECK_FALSE(other.decoder.is_lost());
  CHECK(other.decoder.table().count() == 0);
}

TEST_CASE("HPACK: a bomb is followed for 1 MiB of text, and then its table is lost") {
  Decoding peer;
  peer.decode(hex("40") + hex("0161") + hex("7f9f1e") + std::string(3998, 'b'));
  CHECK(peer.decode(std::string(200, '\xbe')) == "head_too_large");
  CHECK_FALSE(peer.decoder.is_lost());
  CHECK(peer.decode(std::string(400, '\xbe')) == "head_too_large");
  CHECK(peer.decoder.is_lost());
}

TEST_CASE("HPACK: entries leave the table from its end, also when its size is lowered") {
  DynamicTable table;
  for (int i = 0; i < 500; ++i) table.insert("name", "value-" + std::to_string(1000 + i));
  CHECK(table.count() == 4096 / (4 + 10 + 32));
  CHECK(table.at(0).value == "value-1499");
  CHECK(table.at(table.count() - 1).value == "value-" + std::to_string(1500 - table.count()));
  table.set_limit(100);
  CHECK(table.count() == 2);
  CHECK(table.at(1).value == "value-1498");
  table.insert("too", std::string(100, 'x'));
  CHECK(table.count() == 0);
}

TEST_CASE("HPACK: what the encoder writes is what the decoder reads, whatever the table's size") {
  std::mt19937 random(11);
  HpackEncoder encoder;
  Decoding peer;
  for (int block = 0; block < 3000; ++block) {
    if (random() % 50 == 0) {
      encoder.set_peer_limit(random() % 5000);
      if (random() % 2 == 0) encoder.set_peer_limit(random() % 5000);
    }
    std::string expected, out;
    encoder.begin(out);
    for (std::size_t i = random() % 12; i > 0; --i) {
      static constexpr std::string_view names[] = {":path",        "grpc-timeout", "x-a", "accept",
                                                   "content-type", "user-agent",   "x-b", "te"};
      const std::string name(names[random() % 8]);
      const std::string value(random() % 60, static_cast<char>('a' + random() % 4));
      const bool is_secret = random() % 16 == 0;
      encoder.add({name, value, is_secret}, out);
      expected += (is_secret ? "!" : "") + name + "=" + value + "\n";
    }
    REQUIRE(peer.decode(out) == expected);
    REQUIRE(peer.decoder.table().size() <= encoder.table().limit());
    REQUIRE(peer.decoder.table().size() == encoder.table().size());
  }
}

TEST_CASE("HPACK: a peer without a table gets blocks that need none") {
  HpackEncoder encoder;
  encoder.set_peer_limit(0);
  Decoding peer;
  for (int i = 0; i < 3; ++i) {
    std::string out;
    encoder.begin(out);
    encoder.add({"x-model", "house"}, out);
    CHECK(peer.decode(out) == "x-model=house\n");
    CHECK(peer.decoder.table().count() == 0);
    CHECK((out[0] == '\x20') == (i == 0));
  }
}

TEST_CASE("HPACK: a warm block of a gRPC call takes few bytes") {
  HpackEncoder encoder;
  std::string out;
  for (int call = 0; call < 2; ++call) {
    out.clear();
    encoder.begin(out);
    for (const Field& field :
         {Field{":method", "POST"}, Field{":scheme", "http"},
          Field{":path", "/inference.GRPCInferenceService/ModelInfer"},
          Field{":authority", "model:8001"}, Field{"te", "trailers"},
          Field{"content-type", "application/grpc"}, Field{"user-agent", "grpc-python/1.85.0"}})
      encoder.add(field, out);
  }
  CHECK(out.size() == 7);
}

}  // namespace
}  // namespace outrider::http2
