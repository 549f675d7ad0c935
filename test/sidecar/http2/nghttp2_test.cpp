// SPDX-License-Identifier: Apache-2.0
// nghttp2 as an oracle: both read what the other has written, block by block with one table.
#include <nghttp2/nghttp2.h>

#include <random>
#include <string>
#include <vector>

#include "sidecar/http2/hpack_decoder.h"
#include "sidecar/http2/hpack_encoder.h"
#include "test/support/catch.h"

namespace outrider::http2 {
namespace {

using List = std::vector<std::pair<std::string, std::string>>;

struct Inflater {
  Inflater() { nghttp2_hd_inflate_new(&inflater); }
  ~Inflater() { nghttp2_hd_inflate_del(inflater); }
  // False: it refuses the block.
  bool decode(std::string_view block, List& out) {
    out.clear();
    const auto* at = reinterpret_cast<const std::uint8_t*>(block.data());
    std::size_t left = block.size();
    for (;;) {
      nghttp2_nv nv;
      int flags = 0;
      const auto n = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, at, left, 1);
      if (n < 0) return false;
      at += n;
      left -= static_cast<std::size_t>(n);
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0)
        out.emplace_back(std::string(reinterpret_cast<char*>(nv.name), nv.namelen),
                         std::string(reinterpret_cast<char*>(nv.value), nv.valuelen));
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && left == 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater);
    return true;
  }
  nghttp2_hd_inflater* inflater = nullptr;
};

List random_fields(std::mt19937& random) {
  static constexpr std::string_view names[] = {":status", "content-type", "x-request-id", "cookie",
                                               "accept",  "grpc-status",  "x-model",      "date"};
  List fields;
  for (std::size_t i = 1 + random() % 10; i > 0; --i) {
    std::string value(random() % 50, '\0');
    for (char& c : value) c = static_cast<char>(' ' + random() % 6 * 15);
    fields.emplace_back(names[random() % 8], random() % 4 == 0 ? "same" : value);
  }
  return fields;
}

List list_of(const FieldBlock& block) {
  List list;
  for (const Field& field : block) list.emplace_back(field.name, field.value);
  return list;
}

TEST_CASE("HPACK and nghttp2: nghttp2 reads what our encoder writes") {
  std::mt19937 random(3);
  HpackEncoder encoder;
  Inflater peer;
  for (int i = 0; i < 2000; ++i) {
    if (i % 100 == 50) encoder.set_peer_limit(random() % 4097);
    const List fields = random_fields(random);
    std::string block;
    encoder.begin(block);
    for (const auto& [name, value] : fields) encoder.add({name, value}, block);
    List read;
    REQUIRE(peer.decode(block, read));
    REQUIRE(read == fields);
  }
}

TEST_CASE("HPACK and nghttp2: our decoder reads what nghttp2 writes") {
  std::mt19937 random(5);
  nghttp2_hd_deflater* deflater = nullptr;
  nghttp2_hd_deflate_new(&deflater, 4096);
  HpackDecoder decoder;
  FieldBlock block;
  for (int i = 0; i < 2000; ++i) {
    if (i % 100 == 50) nghttp2_hd_deflate_change_table_size(deflater, random() % 4097);
    const List fields = random_fields(random);
    std::vector<nghttp2_nv> nvs;
    for (const auto& [name, value] : fields)
      nvs.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                     reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(),
                     value.size(), static_cast<std::uint8_t>(random() % 8 == 0)});
    std::string bytes(nghttp2_hd_deflate_bound(deflater, nvs.data(), nvs.size()), '\0');
    const auto n = nghttp2_hd_deflate_hd(deflater, reinterpret_cast<std::uint8_t*>(bytes.data()),
                                         bytes.size(), nvs.data(), nvs.size());
    REQUIRE(n >= 0);
    bytes.resize(static_cast<std::size_t>(n));
    REQUIRE(decoder.decode(bytes, block) == Violation::none);
    REQUIRE(list_of(block) == fields);
  }
  nghttp2_hd_deflate_del(deflater);
}

TEST_CASE("HPACK and nghttp2: behind blocks past our limits both read the next ones alike") {
  std::mt19937 random(7);
  HpackEncoder encoder;
  Inflater peer;
  HpackDecoder decoder;
  FieldBlock fields;
  int refused = 0;
  for (int i = 0; i < 600; ++i) {
    std::string block;
    encoder.begin(block);
    for (int many = i % 3 == 0 ? 30 : 1; many > 0; --many)
      for (const auto& [name, value] : random_fields(random)) encoder.add({name, value}, block);
    List theirs;
    REQUIRE(peer.decode(block, theirs));
    const Violation violation = decoder.decode(block, fields);
    REQUIRE_FALSE(decoder.is_lost());
    REQUIRE((violation == Violation::none) == (theirs.size() <= FieldBlock::fields_max));
    if (violation == Violation::none)
      REQUIRE(list_of(fields) == theirs);
    else
      ++refused;
  }
  CHECK(refused > 100);
}

TEST_CASE("HPACK and nghttp2: of blocks with a broken byte both say the same, or we are stricter") {
  std::mt19937 random(9);
  int refused = 0, taken = 0;
  for (int i = 0; i < 20'000; ++i) {
    HpackEncoder encoder;
    std::string block;
    for (const auto& [name, value] : random_fields(random)) encoder.add({name, value}, block);
    block[random() % block.size()] = static_cast<char>(random());
    if (random() % 2 == 0) block.resize(random() % block.size() + 1);
    Inflater peer;
    HpackDecoder decoder;
    FieldBlock fields;
    List theirs;
    const bool is_theirs = peer.decode(block, theirs);
    const bool is_ours = decoder.decode(block, fields) == Violation::none;
    if (is_ours) {
      REQUIRE(is_theirs);
      REQUIRE(list_of(fields) == theirs);
    }
    is_ours ? ++taken : ++refused;
  }
  CHECK(refused > 1000);
  CHECK(taken > 1000);
}

}  // namespace
}  // namespace outrider::http2
