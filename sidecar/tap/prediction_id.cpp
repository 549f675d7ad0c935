// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/prediction_id.h"

namespace outrider::tap {
namespace {

std::uint64_t splitmix(std::uint64_t& x) {
  std::uint64_t z = (x += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// `digits` hexadecimal digits of the lowest bits of `value`.
char* put_hex(char* out, std::uint64_t value, int digits) {
  for (int i = digits - 1; i >= 0; --i) *out++ = "0123456789abcdef"[(value >> (4 * i)) & 15];
  return out;
}

}  // namespace

PredictionIdMinter::PredictionIdMinter(std::uint64_t seed_a, std::uint64_t seed_b) {
  state_[0] = splitmix(seed_a);
  state_[1] = splitmix(seed_b) | 1;  // The generator must not start at all zeros.
}

// xoroshiro128+, Blackman and Vigna 2018.
std::uint64_t PredictionIdMinter::random() {
  const auto rotate = [](std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); };
  const std::uint64_t result = state_[0] + state_[1];
  const std::uint64_t t = state_[1] ^ state_[0];
  state_[0] = rotate(state_[0], 24) ^ t ^ (t << 16);
  state_[1] = rotate(t, 37);
  return result;
}

PredictionId PredictionIdMinter::operator()(Time now) {
  const std::uint64_t noise = random();
  const auto ms = static_cast<std::uint64_t>(to_unix_ms(now));
  if (ms > last_ms_) {
    last_ms_ = ms;
    counter_ = static_cast<std::uint32_t>(random() >> 53);
  } else if (++counter_ > 0xfff) {
    ++last_ms_;
    counter_ = 0;
  }
  PredictionId id;
  char* out = id.data();
  out = put_hex(out, last_ms_ >> 16, 8);
  *out++ = '-';
  out = put_hex(out, last_ms_ & 0xffff, 4);
  *out++ = '-';
  out = put_hex(out, 0x7000 | counter_, 4);
  *out++ = '-';
  out = put_hex(out, 0x8000 | (noise >> 50), 4);
  *out++ = '-';
  put_hex(out, noise & 0xffffffffffff, 12);
  return id;
}

}  // namespace outrider::tap
