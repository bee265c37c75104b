#include "crypto-offload/aes_ni.h"

#include "crypto-offload/aes_ni_lanes.h"

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

template <size_t kRounds>
VIADUCT_AES void mask_all(const Lane* lanes, size_t count) {
  if (count == kLanes) return mask_lanes<kLanes, kRounds>(lanes);
  for (; count >= 4; lanes += 4, count -= 4) mask_lanes<4, kRounds>(lanes);
  for (; count >= 2; lanes += 2, count -= 2) mask_lanes<2, kRounds>(lanes);
  if (count == 1) mask_lanes<1, kRounds>(lanes);
}

// Blocks of one AES-128 key, in registers.
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

// The passes of blocks that are cut into halves.
struct Unmix {
  static constexpr size_t kOut = 2 * kBlockSize;
  const Schedule& schedule;
  const HalvesLayout& layout;
  bool all_passes;

  // Mixes each target half with the cipher's word on the other one.
  template <size_t kCount>
  VIADUCT_AES [[gnu::always_inline]] void mix(size_t pass, __m128i (&target)[kCount], const __m128i (&source)[kCount],
                                              __m128i mask) const {
    // Without this the compiler keeps round keys from pass to pass, on the stack, where halves are already.
    asm volatile("" ::: "memory");
    __m128i state[kCount];
    const __m128i first = _mm_xor_si128(load(layout.tails[pass].data()), round_key(schedule, 0));
#pragma GCC unroll 8
    for (size_t i = 0; i < kCount; ++i) state[i] = _mm_xor_si128(source[i], first);
    run_rounds<kCount, true>(schedule, state);
#pragma GCC unroll 8
    for (size_t i = 0; i < kCount; ++i) target[i] = _mm_xor_si128(target[i], _mm_and_si128(state[i], mask));
  }

  template <size_t kCount>
  VIADUCT_AES void run(const uint8_t* const* in, uint8_t* out) const {
    __m128i left[kCount], right[kCount];
    const __m128i left_mask = load(layout.left_mask.data()), right_mask = load(layout.right_mask.data());
#pragma GCC unroll 8
    for (size_t i = 0; i < kCount; ++i) {
      left[i] = _mm_and_si128(load(in[i]), left_mask);
      right[i] = _mm_and_si128(load(in[i] + layout.right_at), right_mask);
    }
    mix<kCount>(4, left, right, left_mask);
    mix<kCount>(3, right, left, right_mask);
    mix<kCount>(2, left, right, left_mask);
    if (all_passes) mix<kCount>(1, right, left, right_mask);
#pragma GCC unroll 8
    for (size_t i = 0; i < kCount; ++i) {
      store(out + i * kOut, left[i]);
      store(out + i * kOut + kBlockSize, right[i]);
    }
  }
};

// All lanes at a time; what is left over fills them up with itself, which takes no longer than what is left alone.
template <class Work>
void run_blocks(const Work& work, const uint8_t* const* in, uint8_t* out, size_t count) {
  for (; count >= kLanes; in += kLanes, out += kLanes * Work::kOut, count -= kLanes) work.template run<kLanes>(in, out);
  if (count == 0) return;
  if (count == 1) return work.template run<1>(in, out);
  const uint8_t* filled[kLanes];
  uint8_t results[kLanes * Work::kOut];
  for (size_t i = 0; i < kLanes; ++i) filled[i] = in[i < count ? i : 0];
  count > kLanes / 2 ? work.template run<kLanes>(filled, results) : work.template run<kLanes / 2>(filled, results);
  std::memcpy(out, results, count * Work::kOut);
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

void encrypt(const Schedule& schedule, const uint8_t* const* in, uint8_t* out, size_t count) {
  run_blocks(Cipher<true>{schedule}, in, out, count);
}

void decrypt(const Schedule& schedule, const uint8_t* const* in, uint8_t* out, size_t count) {
  run_blocks(Cipher<false>{schedule}, in, out, count);
}

void encrypt_to_masks(const Lane* lanes, size_t count) {
  lanes->schedule->rounds == 10 ? mask_all<10>(lanes, count) : mask_all<14>(lanes, count);
}

void unmix(const Schedule& schedule, const HalvesLayout& layout, const uint8_t* const* in, uint8_t* out, size_t count,
           bool all_passes) {
  run_blocks(Unmix{schedule, layout, all_passes}, in, out, count);
}

}  // namespace viaduct::crypto::aes_ni
