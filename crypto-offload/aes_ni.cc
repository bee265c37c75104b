#include "crypto-offload/aes_ni.h"

#include "crypto-offload/aes_ni_blocks.h"
#include "crypto-offload/aes_ni_lanes.h"

namespace viaduct::crypto::aes_ni {
namespace {

VIADUCT_AES inline void set_round_key(Schedule& schedule, size_t round, __m128i value) {
  _mm_store_si128(reinterpret_cast<__m128i*>(schedule.round_keys[round].data()), value);
}

// Each word of the result is the exclusive-or of the words of `key` up to it (FIPS 197 section 5.2).
VIADUCT_AES inline __m128i mix(__m128i key, __m128i word) {
  key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
  key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
  return _mm_xor_si128(key, word);
}

// RotWord, SubWord and the round constant on the last word, spread over all.
template <int kRoundConstant>
VIADUCT_AES inline __m128i rotated(__m128i key) {
  return _mm_shuffle_epi32(_mm_aeskeygenassist_si128(key, kRoundConstant), 0xff);
}

// SubWord alone on the last word, spread over all.
VIADUCT_AES inline __m128i substituted(__m128i key) {
  return _mm_shuffle_epi32(_mm_aeskeygenassist_si128(key, 0), 0xaa);
}

VIADUCT_AES void expand_128(const uint8_t* key, Schedule& out) {
  __m128i k = _mm_loadu_si128(reinterpret_cast<const __m128i*>(key));
  out.rounds = 10;
  set_round_key(out, 0, k);
  set_round_key(out, 1, k = mix(k, rotated<0x01>(k)));
  set_round_key(out, 2, k = mix(k, rotated<0x02>(k)));
  set_round_key(out, 3, k = mix(k, rotated<0x04>(k)));
  set_round_key(out, 4, k = mix(k, rotated<0x08>(k)));
  set_round_key(out, 5, k = mix(k, rotated<0x10>(k)));
  set_round_key(out, 6, k = mix(k, rotated<0x20>(k)));
  set_round_key(out, 7, k = mix(k, rotated<0x40>(k)));
  set_round_key(out, 8, k = mix(k, rotated<0x80>(k)));
  set_round_key(out, 9, k = mix(k, rotated<0x1b>(k)));
  set_round_key(out, 10, mix(k, rotated<0x36>(k)));
}

template <int kRoundConstant>
VIADUCT_AES inline void expand_256_step(Schedule& out, size_t round, __m128i& a, __m128i& b) {
  set_round_key(out, round, a = mix(a, rotated<kRoundConstant>(b)));
  set_round_key(out, round + 1, b = mix(b, substituted(a)));
}

VIADUCT_AES void expand_256(const uint8_t* key, Schedule& out) {
  __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(key));
  __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(key + kBlockSize));
  out.rounds = 14;
  set_round_key(out, 0, a);
  set_round_key(out, 1, b);
  expand_256_step<0x01>(out, 2, a, b);
  expand_256_step<0x02>(out, 4, a, b);
  expand_256_step<0x04>(out, 6, a, b);
  expand_256_step<0x08>(out, 8, a, b);
  expand_256_step<0x10>(out, 10, a, b);
  expand_256_step<0x20>(out, 12, a, b);
  set_round_key(out, 14, mix(a, rotated<0x40>(b)));
}

template <size_t kRounds>
VIADUCT_AES void mask_all(const Lane* lanes, size_t count) {
  if (count == kLanes) return mask_lanes<kLanes, kRounds>(lanes);
  for (; count >= 4; lanes += 4, count -= 4) mask_lanes<4, kRounds>(lanes);
  for (; count >= 2; lanes += 2, count -= 2) mask_lanes<2, kRounds>(lanes);
  if (count == 1) mask_lanes<1, kRounds>(lanes);
}

template <bool kEncrypt>
struct Cipher {
  static constexpr size_t kOut = kBlockSize;
  const Schedule& schedule;

  template <size_t kCount>
  VIADUCT_AES void run(const uint8_t* const* in, uint8_t* out) const {
    __m128i state[kCount];
    const __m128i first = round_key(schedule, 0);
#pragma GCC unroll 8
    for (size_t i = 0; i < kCount; ++i) state[i] = _mm_xor_si128(load(in[i]), first);
    run_rounds<kCount, kEncrypt>(schedule, state);
#pragma GCC unroll 8
    for (size_t i = 0; i < kCount; ++i) store(out + i * kOut, state[i]);
  }
};

}  // namespace

bool usable() {
  static const bool has_aes = __builtin_cpu_supports("aes") && __builtin_cpu_supports("sse4.1");
  return has_aes;
}

void expand(Bytes key, Schedule& schedule) {
  if (key.size() == 16) {
    expand_128(key.data(), schedule);
  } else {
    expand_256(key.data(), schedule);
  }
}

VIADUCT_AES void invert(const Schedule& schedule, Schedule& inverse) {
  inverse.rounds = schedule.rounds;
  set_round_key(inverse, 0, round_key(schedule, schedule.rounds));
  for (uint32_t round = 1; round < schedule.rounds; ++round) {
    set_round_key(inverse, round, _mm_aesimc_si128(round_key(schedule, schedule.rounds - round)));
  }
  set_round_key(inverse, schedule.rounds, round_key(schedule, 0));
}

void encrypt(const Schedule& schedule, const uint8_t* const* in, uint8_t* out, size_t count) {
  run_blocks(Cipher<true>{schedule}, in, out, count);
}

void decrypt(const Schedule& schedule, const uint8_t* const* in, uint8_t* out, size_t count) {
  run_blocks(Cipher<false>{schedule}, in, out, count);
}

void encrypt_to_masks(const Lane* lanes, size_t count) {
  lanes->schedule->rounds == 10 ? mask_all<10>(lanes, count) : mask_all<14>(lanes, count);
}

}  // namespace viaduct::crypto::aes_ni
