// SipHash: a keyed hash for tables whose keys a peer chooses (Aumasson and Bernstein, 2012).
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"

namespace viaduct {

using SipKey = std::array<uint8_t, 16>;

namespace siphash_detail {

inline uint64_t little_endian(const uint8_t* p, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value |= uint64_t{p[i]} << 8 * i;
  return value;
}

struct State {
  uint64_t v0, v1, v2, v3;

  void rounds(int count) {
    for (int i = 0; i < count; ++i) {
      v0 += v1;
      v1 = std::rotl(v1, 13) ^ v0;
      v0 = std::rotl(v0, 32);
      v2 += v3;
      v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3;
      v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1;
      v1 = std::rotl(v1, 17) ^ v2;
      v2 = std::rotl(v2, 32);
    }
  }
};

template <int kPerWord, int kAtEnd>
uint64_t hash(const SipKey& key, Bytes bytes) {
  const uint64_t k0 = little_endian(key.data(), 8);
  const uint64_t k1 = little_endian(key.data() + 8, 8);
  State state{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
  const auto absorb = [&state](uint64_t word) {
    state.v3 ^= word;
    state.rounds(kPerWord);
    state.v0 ^= word;
  };
  const uint8_t* p = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; p += 8, left -= 8) absorb(little_endian(p, 8));
  absorb(little_endian(p, left) | uint64_t{bytes.size() & 0xff} << 56);
  state.v2 ^= 0xff;
  state.rounds(kAtEnd);
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace siphash_detail

// The variant with fewer rounds, for hash tables.
inline uint64_t siphash13(const SipKey& key, Bytes bytes) { return siphash_detail::hash<1, 3>(key, bytes); }

// The one that is also a message authentication code of 64 bits.
inline uint64_t siphash24(const SipKey& key, Bytes bytes) { return siphash_detail::hash<2, 4>(key, bytes); }

// What tables here use.
inline uint64_t siphash(const SipKey& key, Bytes bytes) { return siphash13(key, bytes); }

}  // namespace viaduct
