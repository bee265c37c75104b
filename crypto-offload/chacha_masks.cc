#include "crypto-offload/chacha_masks.h"

#include <cstring>

namespace viaduct::crypto::chacha {
namespace {

// One word of the state of eight blocks. The compiler splits it where the CPU's vectors are shorter.
using Words = uint32_t __attribute__((vector_size(32)));

#define VIADUCT_INLINE [[gnu::always_inline]] inline

template <int kBits>
VIADUCT_INLINE void rotate(Words& x) {
  x = x << kBits | x >> (32 - kBits);
}

VIADUCT_INLINE void quarter_round(Words& a, Words& b, Words& c, Words& d) {
  a += b, d ^= a, rotate<16>(d);
  c += d, b ^= c, rotate<12>(b);
  a += b, d ^= a, rotate<8>(d);
  c += d, b ^= c, rotate<7>(b);
}

uint32_t load(const uint8_t* bytes) {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof word);  // little-endian, as everything that this project runs on
  return word;
}

// The first two words of the key stream are all that a mask needs of a block.
VIADUCT_INLINE void run(const Lane* lanes, size_t count) {
  static constexpr uint32_t kConstants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  Words state[16];
  for (size_t i = 0; i < kLanes; ++i) {
    const Lane& lane = lanes[i < count ? i : 0];
    for (size_t word = 0; word < 4; ++word) state[word][i] = kConstants[word];
    for (size_t word = 0; word < 8; ++word) state[4 + word][i] = load(lane.key + 4 * word);
    for (size_t word = 0; word < 4; ++word) state[12 + word][i] = load(lane.sample + 4 * word);
  }
  Words x[16];
  for (size_t word = 0; word < 16; ++word) x[word] = state[word];
  for (int round = 0; round < 10; ++round) {
    quarter_round(x[0], x[4], x[8], x[12]);
    quarter_round(x[1], x[5], x[9], x[13]);
    quarter_round(x[2], x[6], x[10], x[14]);
    quarter_round(x[3], x[7], x[11], x[15]);
    quarter_round(x[0], x[5], x[10], x[15]);
    quarter_round(x[1], x[6], x[11], x[12]);
    quarter_round(x[2], x[7], x[8], x[13]);
    quarter_round(x[3], x[4], x[9], x[14]);
  }
  x[0] += state[0];
  x[1] += state[1];
  for (size_t i = 0; i < count; ++i) {
    const uint32_t words[2] = {x[0][i], x[1][i]};
    std::memcpy(lanes[i].mask, words, 5);
  }
}

[[gnu::target("avx2")]] void run_avx2(const Lane* lanes, size_t count) { run(lanes, count); }
void run_portable(const Lane* lanes, size_t count) { run(lanes, count); }

}  // namespace

void masks(const Lane* lanes, size_t count) {
  static const bool has_avx2 = __builtin_cpu_supports("avx2");
  has_avx2 ? run_avx2(lanes, count) : run_portable(lanes, count);
}

}  // namespace viaduct::crypto::chacha
