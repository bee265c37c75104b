#include "crypto-offload/aes_ni.h"

#include <immintrin.h>

#include <cstring>

#define VIADUCT_AES [[gnu::target("aes,sse4.1")]]

namespace viaduct::crypto::aes_ni {
namespace {

VIADUCT_AES inline __m128i round_key(const Schedule& schedule, size_t round) {
  return _mm_load_si128(reinterpret_cast<const __m128i*>(schedule.round_keys[round].data()));
}

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

enum class Operation : uint8_t { kEncrypt, kDecrypt, kMask };

template <Operation kOperation>
VIADUCT_AES inline void store(uint8_t* out, __m128i block) {
  if constexpr (kOperation == Operation::kMask) {
    const int front = _mm_cvtsi128_si32(block);
    std::memcpy(out, &front, sizeof front);
    out[4] = static_cast<uint8_t>(_mm_extract_epi8(block, 4));
  } else {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), block);
  }
}

// The instructions of one block depend on each other, those of the lanes do not: eight lanes keep the
// unit busy. Round keys are memory operands, because eight schedules fit no register file.
template <size_t kCount, size_t kRounds, Operation kOperation>
VIADUCT_AES inline void run(const Lane* lanes) {
  constexpr bool kEncrypt = kOperation != Operation::kDecrypt;
  const __m128i* keys[kCount];
  __m128i state[kCount];
#pragma GCC unroll 8
  for (size_t i = 0; i < kCount; ++i) {
    keys[i] = reinterpret_cast<const __m128i*>(lanes[i].schedule->round_keys.data());
    state[i] = _mm_xor_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(lanes[i].in)), keys[i][0]);
  }
#pragma GCC unroll 16
  for (size_t round = 1; round < kRounds; ++round) {
#pragma GCC unroll 8
    for (size_t i = 0; i < kCount; ++i) {
      state[i] = kEncrypt ? _mm_aesenc_si128(state[i], keys[i][round]) : _mm_aesdec_si128(state[i], keys[i][round]);
    }
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < kCount; ++i) {
    const __m128i last = keys[i][kRounds];
    state[i] = kEncrypt ? _mm_aesenclast_si128(state[i], last) : _mm_aesdeclast_si128(state[i], last);
    store<kOperation>(lanes[i].out, state[i]);
  }
}

template <size_t kRounds, Operation kOperation>
VIADUCT_AES void run_all(const Lane* lanes, size_t count) {
  if (count == kLanes) return run<kLanes, kRounds, kOperation>(lanes);
  if (count >= 4) {
    run<4, kRounds, kOperation>(lanes);
    lanes += 4;
    count -= 4;
  }
  if (count >= 2) {
    run<2, kRounds, kOperation>(lanes);
    lanes += 2;
    count -= 2;
  }
  if (count == 1) run<1, kRounds, kOperation>(lanes);
}

template <Operation kOperation>
void run_any(const Lane* lanes, size_t count) {
  lanes->schedule->rounds == 10 ? run_all<10, kOperation>(lanes, count) : run_all<14, kOperation>(lanes, count);
}

VIADUCT_AES inline __m128i load(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }

// Mixes each target half with the cipher's word on the other one.
template <size_t kCount>
VIADUCT_AES inline void mix_halves(const HalvesLane* lanes, uint8_t pass, uint8_t* HalvesLane::* target,
                                   uint8_t* HalvesLane::* source, const uint8_t* HalvesLane::* mask) {
  __m128i state[kCount];
  const __m128i* keys[kCount];
#pragma GCC unroll 8
  for (size_t i = 0; i < kCount; ++i) {
    keys[i] = reinterpret_cast<const __m128i*>(lanes[i].schedule->round_keys.data());
    // What the half is expanded with: the block's size and the pass, in the last two bytes.
    const __m128i tail = _mm_slli_si128(_mm_cvtsi32_si128(lanes[i].size | pass << 8), 14);
    state[i] = _mm_xor_si128(_mm_xor_si128(load(lanes[i].*source), tail), keys[i][0]);
  }
#pragma GCC unroll 16
  for (size_t round = 1; round < 10; ++round) {
#pragma GCC unroll 8
    for (size_t i = 0; i < kCount; ++i) state[i] = _mm_aesenc_si128(state[i], keys[i][round]);
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < kCount; ++i) {
    const __m128i word = _mm_and_si128(_mm_aesenclast_si128(state[i], keys[i][10]), load(lanes[i].*mask));
    store<Operation::kEncrypt>(lanes[i].*target, _mm_xor_si128(load(lanes[i].*target), word));
  }
}

template <size_t kCount>
VIADUCT_AES void unmix_lanes(const HalvesLane* lanes, bool all_passes) {
  mix_halves<kCount>(lanes, 4, &HalvesLane::left, &HalvesLane::right, &HalvesLane::left_mask);
  mix_halves<kCount>(lanes, 3, &HalvesLane::right, &HalvesLane::left, &HalvesLane::right_mask);
  mix_halves<kCount>(lanes, 2, &HalvesLane::left, &HalvesLane::right, &HalvesLane::left_mask);
  if (all_passes) mix_halves<kCount>(lanes, 1, &HalvesLane::right, &HalvesLane::left, &HalvesLane::right_mask);
}

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

void encrypt(const Lane* lanes, size_t count) { run_any<Operation::kEncrypt>(lanes, count); }
void decrypt(const Lane* lanes, size_t count) { run_any<Operation::kDecrypt>(lanes, count); }
void encrypt_to_masks(const Lane* lanes, size_t count) { run_any<Operation::kMask>(lanes, count); }

void unmix(const HalvesLane* lanes, size_t count, bool all_passes) {
  if (count == kLanes) return unmix_lanes<kLanes>(lanes, all_passes);
  for (; count >= 2; lanes += 2, count -= 2) unmix_lanes<2>(lanes, all_passes);
  if (count == 1) unmix_lanes<1>(lanes, all_passes);
}

}  // namespace viaduct::crypto::aes_ni
