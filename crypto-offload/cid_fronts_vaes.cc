// The same as cid_fronts.cc, four blocks to a vector.
#include <cstring>

#include "crypto-offload/aes_ni_lanes.h"
#include "crypto-offload/cid_fronts.h"
#include "crypto-offload/vaes_gcm.h"
#include "crypto-offload/vaes_ghash.h"

namespace viaduct::crypto::cid_fronts {
namespace {

using Vector = __m512i;
using aes_ni::kBlockSize;

constexpr size_t kPerVector = sizeof(Vector) / kBlockSize;
// Vectors that are worked on together: the rounds of one wait for each other, those of four keep the units busy.
constexpr size_t kMostVectors = 4;
constexpr size_t kMostBlocks = kMostVectors * kPerVector;

VIADUCT_VAES_INLINE Vector repeated(const std::array<uint8_t, kBlockSize>& block) {
  return _mm512_broadcast_i32x4(aes_ni::load(block.data()));
}
VIADUCT_VAES_INLINE Vector gathered(const uint8_t* const* blocks, size_t at) {
  Vector vector = _mm512_castsi128_si512(aes_ni::load(blocks[0] + at));
  vector = _mm512_inserti32x4(vector, aes_ni::load(blocks[1] + at), 1);
  vector = _mm512_inserti32x4(vector, aes_ni::load(blocks[2] + at), 2);
  return _mm512_inserti32x4(vector, aes_ni::load(blocks[3] + at), 3);
}

template <size_t kCount, bool kEncrypt>
VIADUCT_VAES_INLINE void run_rounds(const aes_ni::Schedule& schedule, Vector (&state)[kCount]) {
#pragma GCC unroll 16
  for (size_t round = 1; round < 10; ++round) {
    const Vector key = repeated(schedule.round_keys[round]);
#pragma GCC unroll 4
    for (Vector& vector : state)
      vector = kEncrypt ? _mm512_aesenc_epi128(vector, key) : _mm512_aesdec_epi128(vector, key);
  }
  const Vector last = repeated(schedule.round_keys[10]);
#pragma GCC unroll 4
  for (Vector& vector : state)
    vector = kEncrypt ? _mm512_aesenclast_epi128(vector, last) : _mm512_aesdeclast_epi128(vector, last);
}

// Mixes each target half with the cipher's word on the other one.
template <size_t kCount>
VIADUCT_VAES_INLINE void mix(const Request& request, size_t pass, Vector (&target)[kCount],
                             const Vector (&source)[kCount], Vector mask) {
  constexpr int kXorWithAnd = 0x78;  // a ^ (b & c)
  Vector state[kCount];
  const Vector first = _mm512_xor_si512(repeated(request.layout.tails[pass]), repeated(request.encrypt.round_keys[0]));
#pragma GCC unroll 4
  for (size_t i = 0; i < kCount; ++i) state[i] = _mm512_xor_si512(source[i], first);
  run_rounds<kCount, true>(request.encrypt, state);
#pragma GCC unroll 4
  for (size_t i = 0; i < kCount; ++i) target[i] = _mm512_ternarylogic_epi64(target[i], state[i], mask, kXorWithAnd);
}

template <size_t kCount>
VIADUCT_VAES void four_passes(const Request& request, const uint8_t* const* blocks, uint8_t* out) {
  const Layout& layout = request.layout;
  const Vector left_mask = repeated(layout.left_mask), right_mask = repeated(layout.right_mask);
  Vector left[kCount], right[kCount];
#pragma GCC unroll 4
  for (size_t i = 0; i < kCount; ++i) {
    left[i] = _mm512_and_si512(gathered(blocks + i * kPerVector, 0), left_mask);
    right[i] = _mm512_and_si512(gathered(blocks + i * kPerVector, layout.right_at), right_mask);
  }
  mix<kCount>(request, 4, left, right, left_mask);
  mix<kCount>(request, 3, right, left, right_mask);
  mix<kCount>(request, 2, left, right, left_mask);
  if (request.all_passes) {
    mix<kCount>(request, 1, right, left, right_mask);
    const Vector join = repeated(layout.join);
#pragma GCC unroll 4
    for (size_t i = 0; i < kCount; ++i) left[i] = _mm512_or_si512(left[i], _mm512_shuffle_epi8(right[i], join));
  }
  const Vector wanted = repeated(request.wanted);
#pragma GCC unroll 4
  for (size_t i = 0; i < kCount; ++i) _mm512_storeu_si512(out + i * sizeof(Vector), _mm512_and_si512(left[i], wanted));
}

template <size_t kCount>
VIADUCT_VAES void single_pass(const Request& request, const uint8_t* const* blocks, uint8_t* out) {
  const Vector first = repeated(request.decrypt.round_keys[0]), wanted = repeated(request.wanted);
  Vector state[kCount];
#pragma GCC unroll 4
  for (size_t i = 0; i < kCount; ++i) state[i] = _mm512_xor_si512(gathered(blocks + i * kPerVector, 0), first);
  run_rounds<kCount, false>(request.decrypt, state);
#pragma GCC unroll 4
  for (size_t i = 0; i < kCount; ++i) _mm512_storeu_si512(out + i * sizeof(Vector), _mm512_and_si512(state[i], wanted));
}

template <size_t kCount>
void run(const Request& request, const uint8_t* const* blocks, uint8_t* out) {
  request.is_single_pass ? single_pass<kCount>(request, blocks, out) : four_passes<kCount>(request, blocks, out);
}

}  // namespace

bool has_vaes() { return vaes_gcm::usable(); }

// What is left over fills vectors up with itself.
void by_vaes(const Request& request, const uint8_t* const* blocks, uint8_t* out, size_t count) {
  for (; count >= kMostBlocks; blocks += kMostBlocks, out += kMostBlocks * kBlockSize, count -= kMostBlocks)
    run<kMostVectors>(request, blocks, out);
  if (count == 0) return;
  const uint8_t* filled[kMostBlocks];
  uint8_t results[kMostBlocks * kBlockSize];
  for (size_t i = 0; i < kMostBlocks; ++i) filled[i] = blocks[i < count ? i : 0];
  if (count <= kPerVector)
    run<1>(request, filled, results);
  else if (count <= 2 * kPerVector)
    run<2>(request, filled, results);
  else
    run<kMostVectors>(request, filled, results);
  std::memcpy(out, results, count * kBlockSize);
}

}  // namespace viaduct::crypto::cid_fronts
