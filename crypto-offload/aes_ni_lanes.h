// Blocks that each have a key of their own, for code that finds the keys and has them in registers.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "crypto-offload/aes_ni.h"

#define VIADUCT_AES [[gnu::target("aes,sse4.1")]]

namespace viaduct::crypto::aes_ni {

VIADUCT_AES inline __m128i load(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
VIADUCT_AES inline void store(uint8_t* p, __m128i block) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), block); }
VIADUCT_AES inline void store_mask(uint8_t* p, __m128i block) {
  const int front = _mm_cvtsi128_si32(block);
  std::memcpy(p, &front, sizeof front);
  p[4] = static_cast<uint8_t>(_mm_extract_epi8(block, 4));
}

// The instructions of one block depend on each other, those of the lanes do not: eight lanes keep the unit busy. Where
// each has its own key, round keys are memory operands, because eight schedules fit no register file.
template <size_t kCount, size_t kRounds>
VIADUCT_AES inline void mask_lanes(const Lane* lanes) {
  const __m128i* keys[kCount];
  __m128i state[kCount];
#pragma GCC unroll 8
  for (size_t i = 0; i < kCount; ++i) {
    keys[i] = reinterpret_cast<const __m128i*>(lanes[i].schedule->round_keys.data());
    state[i] = _mm_xor_si128(load(lanes[i].in), keys[i][0]);
  }
#pragma GCC unroll 16
  for (size_t round = 1; round < kRounds; ++round) {
#pragma GCC unroll 8
    for (size_t i = 0; i < kCount; ++i) state[i] = _mm_aesenc_si128(state[i], keys[i][round]);
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < kCount; ++i) store_mask(lanes[i].out, _mm_aesenclast_si128(state[i], keys[i][kRounds]));
}

}  // namespace viaduct::crypto::aes_ni
