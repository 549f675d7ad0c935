// SPDX-License-Identifier: Apache-2.0
#include "base/remote_write/codec/snappy_block.h"

#include <snappy.h>

#include "base/core/text.h"

namespace outrider::remote_write {
namespace {

// One copy of three bytes makes at most 64: no valid block grows by more. A declared length past it
// is a lie, and believing it would allocate for nothing.
constexpr std::size_t expansion_max = 22;
constexpr std::size_t head_bytes_max = 64;

}  // namespace

std::string compress_snappy(std::string_view message) {
  std::string block;
  snappy::Compress(message.data(), message.size(), &block);
  return block;
}

Result<std::size_t> snappy_declared_bytes(std::string_view block) {
  std::size_t declared = 0;
  if (!snappy::GetUncompressedLength(block.data(), block.size(), &declared)) {
    return fail("bad_snappy",
                "the body does not begin with the length of a snappy block; compress it in "
                "snappy's block format, not the framed one");
  }
  return declared;
}

Result<std::string_view> decompress_snappy(std::string_view block, std::size_t bytes_max,
                                           std::string& buffer) {
  const auto declared = snappy_declared_bytes(block);
  if (!declared) return fail(declared);
  if (*declared > bytes_max) {
    return fail("too_large", "the body declares " + format_bytes(*declared) +
                                 " decompressed, more than the limit of " +
                                 format_bytes(bytes_max) + "; send fewer samples a request");
  }
  if (*declared > block.size() * expansion_max + head_bytes_max) {
    return fail("bad_snappy", "the body declares " + format_bytes(*declared) +
                                  " decompressed but " + format_bytes(block.size()) +
                                  " cannot hold that; it is damaged or no snappy block");
  }
  if (buffer.size() < *declared) buffer.resize(*declared);
  if (!snappy::RawUncompress(block.data(), block.size(), buffer.data())) {
    return fail("bad_snappy", "the body is a damaged snappy block of " +
                                  format_bytes(block.size()) +
                                  "; compress it in snappy's block format");
  }
  return std::string_view(buffer.data(), *declared);
}

}  // namespace outrider::remote_write
