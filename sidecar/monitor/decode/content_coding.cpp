// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/content_coding.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>

#include "base/core/text.h"

namespace outrider::decode {

struct Unpacker::Contexts {
  z_stream gzip{};
  z_stream deflate{};
  z_stream raw{};  // Deflate without zlib's wrapper.
  bool gzip_ready = false;
  bool deflate_ready = false;
  bool raw_ready = false;
  std::string plain[2];  // Two, so that stacked codings read one and write the other.
  int turn = 0;

  ~Contexts() {
    if (gzip_ready) inflateEnd(&gzip);
    if (deflate_ready) inflateEnd(&deflate);
    if (raw_ready) inflateEnd(&raw);
  }
};

namespace {

constexpr std::size_t first_guess_bytes = 16 << 10;
constexpr std::size_t codings_max = 4;

// Where a body is unpacked to. Of a buffer that earlier bodies made large only so much is used as a
// new one would have: zstd takes another way when a frame fits at once, and must not judge a broken
// body by what came before it.
class Output {
 public:
  Output(std::string& buffer, std::size_t bytes_max) : buffer_(buffer), bytes_max_(bytes_max) {
    grow();
  }

  // False when the limit is reached.
  bool grow() {
    if (size_ >= bytes_max_) return false;
    size_ = std::min(bytes_max_, std::max(first_guess_bytes, size_ * 2));
    if (buffer_.size() < size_) buffer_.resize(size_);
    return true;
  }

  char* bytes() { return buffer_.data(); }
  std::size_t size() const { return size_; }

 private:
  std::string& buffer_;
  const std::size_t bytes_max_;
  std::size_t size_ = 0;
};

Decoded<std::string_view> unpack_zlib(z_stream& stream, std::string_view body, Output out) {
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  stream.avail_in = static_cast<uInt>(body.size());
  std::size_t written = 0;
  while (true) {
    stream.next_out = reinterpret_cast<Bytef*>(out.bytes() + written);
    stream.avail_out = static_cast<uInt>(out.size() - written);
    const int status = inflate(&stream, Z_NO_FLUSH);
    written = out.size() - stream.avail_out;
    if (status == Z_STREAM_END) {
      if (stream.avail_in == 0) break;
      // gzip allows several members one after another.
      if (inflateReset(&stream) != Z_OK) return failed(FailReason::invalid_encoding);
      continue;
    }
    if (status != Z_OK && status != Z_BUF_ERROR) return failed(FailReason::invalid_encoding);
    if (stream.avail_out > 0) return failed(FailReason::invalid_encoding);  // Input cut short.
    if (!out.grow()) return failed(FailReason::unpacked_too_large);
  }
  return std::string_view(out.bytes(), written);
}

// A context each: a used one keeps the buffers of larger frames, and lets broken ones pass into
// them that a new one refuses.
Decoded<std::string_view> unpack_zstd(std::string_view body, Output out) {
  constexpr int window_log_max = 23;  // 8 MiB, what RFC 9659 requires of a decoder.
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(),
                                                                     &ZSTD_freeDCtx);
  if (!context) return failed(FailReason::invalid_encoding);
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, window_log_max);
  ZSTD_inBuffer in{body.data(), body.size(), 0};
  std::size_t written = 0;
  while (true) {
    ZSTD_outBuffer to{out.bytes(), out.size(), written};
    const std::size_t hint = ZSTD_decompressStream(context.get(), &to, &in);
    written = to.pos;
    if (ZSTD_isError(hint)) return failed(FailReason::invalid_encoding);
    if (hint == 0 && in.pos == in.size) break;
    if (to.pos < to.size && in.pos == in.size) return failed(FailReason::invalid_encoding);
    if (to.pos == to.size && !out.grow()) return failed(FailReason::unpacked_too_large);
  }
  return std::string_view(out.bytes(), written);
}

// RFC 1950: method 8, and the two bytes are a multiple of 31.
bool has_zlib_header(std::string_view body) {
  if (body.size() < 2) return false;
  const auto first = static_cast<unsigned char>(body[0]);
  const auto second = static_cast<unsigned char>(body[1]);
  return (first & 15) == 8 && (first * 256 + second) % 31 == 0;
}

bool ready(z_stream& stream, bool& is_ready, int window_bits) {
  if (is_ready) return inflateReset(&stream) == Z_OK;
  is_ready = inflateInit2(&stream, window_bits) == Z_OK;
  return is_ready;
}

}  // namespace

Unpacker::Unpacker(std::size_t bytes_max)
    : bytes_max_(bytes_max), contexts_(std::make_unique<Contexts>()) {}
Unpacker::~Unpacker() = default;
Unpacker::Unpacker(Unpacker&&) noexcept = default;
Unpacker& Unpacker::operator=(Unpacker&&) noexcept = default;

Decoded<std::string_view> Unpacker::unpack(std::string_view codings, std::string_view body) {
  if (codings.empty()) return body;
  const auto list = split(codings, ',');
  if (list.size() > codings_max) return failed(FailReason::unsupported_encoding);
  // They were applied in the order in which they are listed.
  for (auto coding = list.rbegin(); coding != list.rend(); ++coding) {
    const auto plain = unpack_one(trim(*coding), body);
    if (!plain) return plain;
    body = *plain;
  }
  return body;
}

Decoded<std::string_view> Unpacker::unpack_one(std::string_view coding, std::string_view body) {
  if (coding.empty() || iequals_ascii(coding, "identity")) return body;
  if (body.empty()) return body;  // An empty body was not packed at all (HEAD, 204, some servers).
  Contexts& c = *contexts_;
  std::string& buffer = c.plain[c.turn ^= 1];
  // A buffer that one large body made large is not kept.
  if (buffer.size() > (1 << 20)) std::string().swap(buffer);
  if (iequals_ascii(coding, "gzip") || iequals_ascii(coding, "x-gzip")) {
    constexpr int gzip_window_bits = 15 + 16;
    if (!ready(c.gzip, c.gzip_ready, gzip_window_bits)) return failed(FailReason::invalid_encoding);
    return unpack_zlib(c.gzip, body, {buffer, bytes_max_});
  }
  if (iequals_ascii(coding, "deflate")) {
    // RFC 9110 means zlib's format by it; some senders leave its wrapper out, and clients put up
    // with that.
    z_stream& stream = has_zlib_header(body) ? c.deflate : c.raw;
    bool& is_ready = has_zlib_header(body) ? c.deflate_ready : c.raw_ready;
    const int window_bits = has_zlib_header(body) ? 15 : -15;
    if (!ready(stream, is_ready, window_bits)) return failed(FailReason::invalid_encoding);
    return unpack_zlib(stream, body, {buffer, bytes_max_});
  }
  if (iequals_ascii(coding, "zstd")) return unpack_zstd(body, {buffer, bytes_max_});
  return failed(FailReason::unsupported_encoding);
}

}  // namespace outrider::decode
