#include "crypto-offload/cid_fronts.h"

#include "crypto-offload/aes_ni_blocks.h"

namespace viaduct::crypto::cid_fronts {
namespace {

constexpr auto kLayouts = [] {
  std::array<Layout, kMaxSize + 1> all{};
  for (size_t size = kMinSize; size < all.size(); ++size) {
    Layout& layout = all[size];
    const size_t half = (size + 1) / 2;
    for (size_t i = 0; i < half; ++i) layout.left_mask[i] = layout.right_mask[i] = 0xff;
    if (size % 2 != 0) {
      layout.left_mask[half - 1] = 0xf0;
      layout.right_mask[0] = 0x0f;
    }
    for (size_t pass = 1; pass < layout.tails.size(); ++pass) {
      layout.tails[pass][14] = static_cast<uint8_t>(size);
      layout.tails[pass][15] = static_cast<uint8_t>(pass);
    }
    layout.right_at = static_cast<uint8_t>(size - half);
    for (size_t i = 0; i < layout.join.size(); ++i)
      layout.join[i] = static_cast<uint8_t>(i < layout.right_at ? 0x80 : i - layout.right_at);
  }
  return all;
}();

constexpr auto kFronts = [] {
  std::array<std::array<uint8_t, aes_ni::kBlockSize>, aes_ni::kBlockSize> all{};
  for (size_t length = 0; length < all.size(); ++length) {
    for (size_t i = 0; i < length; ++i) all[length][i] = 0xff;
  }
  return all;
}();

using aes_ni::kBlockSize;
using aes_ni::load;
using aes_ni::store;

// The passes of blocks that are cut into halves.
struct Passes {
  static constexpr size_t kOut = kBlockSize;
  const Request& request;

  // Mixes each target half with the cipher's word on the other one.
  template <size_t kCount>
  VIADUCT_AES [[gnu::always_inline]] void mix(size_t pass, __m128i (&target)[kCount], const __m128i (&source)[kCount],
                                              __m128i mask) const {
    // Without this the compiler keeps round keys from pass to pass, on the stack, where halves are already.
    asm volatile("" ::: "memory");
    __m128i state[kCount];
    const __m128i first = _mm_xor_si128(load(request.layout.tails[pass].data()), round_key(request.encrypt, 0));
#pragma GCC unroll 8
    for (size_t i = 0; i < kCount; ++i) state[i] = _mm_xor_si128(source[i], first);
    aes_ni::run_rounds<kCount, true>(request.encrypt, state);
#pragma GCC unroll 8
    for (size_t i = 0; i < kCount; ++i) target[i] = _mm_xor_si128(target[i], _mm_and_si128(state[i], mask));
  }

  template <size_t kCount>
  VIADUCT_AES void run(const uint8_t* const* in, uint8_t* out) const {
    const Layout& layout = request.layout;
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
    if (request.all_passes) {
      mix<kCount>(1, right, left, right_mask);
      const __m128i join = load(layout.join.data());
#pragma GCC unroll 8
      for (size_t i = 0; i < kCount; ++i) left[i] = _mm_or_si128(left[i], _mm_shuffle_epi8(right[i], join));
    }
    const __m128i wanted = load(request.wanted.data());
#pragma GCC unroll 8
    for (size_t i = 0; i < kCount; ++i) store(out + i * kOut, _mm_and_si128(left[i], wanted));
  }
};

// A block of AES's own length.
struct SinglePass {
  static constexpr size_t kOut = kBlockSize;
  const Request& request;

  template <size_t kCount>
  VIADUCT_AES void run(const uint8_t* const* in, uint8_t* out) const {
    __m128i state[kCount];
    const __m128i first = round_key(request.decrypt, 0), wanted = load(request.wanted.data());
#pragma GCC unroll 8
    for (size_t i = 0; i < kCount; ++i) state[i] = _mm_xor_si128(load(in[i]), first);
    aes_ni::run_rounds<kCount, false>(request.decrypt, state);
#pragma GCC unroll 8
    for (size_t i = 0; i < kCount; ++i) store(out + i * kOut, _mm_and_si128(state[i], wanted));
  }
};

}  // namespace

const Layout& layout_of(size_t size) { return kLayouts[size]; }
const std::array<uint8_t, kBlockSize>& front_of(size_t length) { return kFronts[length]; }

void by_aes_ni(const Request& request, const uint8_t* const* blocks, uint8_t* out, size_t count) {
  request.is_single_pass ? aes_ni::run_blocks(SinglePass{request}, blocks, out, count)
                         : aes_ni::run_blocks(Passes{request}, blocks, out, count);
}

}  // namespace viaduct::crypto::cid_fronts
