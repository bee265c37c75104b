// Blocks of one AES-128 key, several at a time.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "crypto-offload/aes_ni_lanes.h"

namespace viaduct::crypto::aes_ni {

VIADUCT_AES inline __m128i round_key(const Schedule& schedule, size_t round) {
  return _mm_load_si128(reinterpret_cast<const __m128i*>(schedule.round_keys[round].data()));
}

// In registers.
template <size_t kCount, bool kEncrypt>
VIADUCT_AES [[gnu::always_inline]] inline void run_rounds(const Schedule& schedule, __m128i (&state)[kCount]) {
#pragma GCC unroll 16
  for (size_t round = 1; round < 10; ++round) {
    const __m128i key = round_key(schedule, round);
#pragma GCC unroll 8
    for (__m128i& lane : state) lane = kEncrypt ? _mm_aesenc_si128(lane, key) : _mm_aesdec_si128(lane, key);
  }
  const __m128i last = round_key(schedule, 10);
#pragma GCC unroll 8
  for (__m128i& lane : state) lane = kEncrypt ? _mm_aesenclast_si128(lane, last) : _mm_aesdeclast_si128(lane, last);
}

// All lanes at a time; what is left over fills them up with itself, which takes no longer than what is left alone.
template <class Work>
void run_blocks(const Work& work, const uint8_t* const* in, uint8_t* out, size_t count) {
  for (; count >= kLanes; in += kLanes, out += kLanes * Work::kOut, count -= kLanes) work.template run<kLanes>(in, out);
  if (count == 0) return;
  if (count == 1) return work.template run<1>(in, out);
  if (count == kLanes / 2) return work.template run<kLanes / 2>(in, out);
  const uint8_t* filled[kLanes];
  uint8_t results[kLanes * Work::kOut];
  for (size_t i = 0; i < kLanes; ++i) filled[i] = in[i < count ? i : 0];
  count > kLanes / 2 ? work.template run<kLanes>(filled, results) : work.template run<kLanes / 2>(filled, results);
  std::memcpy(out, results, count * Work::kOut);
}

}  // namespace viaduct::crypto::aes_ni
