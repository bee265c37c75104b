// GHASH (NIST SP 800-38D section 6.4) on vectors of four blocks, for AES-GCM by VAES. Included by its code alone.
//
// Blocks are in the order of integers, which is the reflected one of the standard. Constant time.
#pragma once

#include <immintrin.h>

#include <cstdint>

#define VIADUCT_VAES [[gnu::target("aes,pclmul,bmi2,avx512f,avx512bw,avx512dq,avx512vl,vaes,vpclmulqdq")]]
#define VIADUCT_VAES_INLINE VIADUCT_VAES [[gnu::always_inline]] inline

namespace viaduct::crypto::vaes_gcm {

using Vector = __m512i;

VIADUCT_VAES_INLINE Vector load(const void* p) { return _mm512_loadu_si512(p); }
VIADUCT_VAES_INLINE Vector xor2(Vector a, Vector b) { return _mm512_xor_si512(a, b); }
VIADUCT_VAES_INLINE Vector xor3(Vector a, Vector b, Vector c) { return _mm512_ternarylogic_epi64(a, b, c, 0x96); }
VIADUCT_VAES_INLINE Vector widen(__m128i block) { return _mm512_zextsi128_si512(block); }

// Between the order of bytes and that of integers.
VIADUCT_VAES_INLINE __m128i reverse_order() {
  return _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
VIADUCT_VAES_INLINE Vector reversed(Vector blocks) {
  return _mm512_shuffle_epi8(blocks, _mm512_broadcast_i32x4(reverse_order()));
}
VIADUCT_VAES_INLINE __m128i reversed(__m128i block) { return _mm_shuffle_epi8(block, reverse_order()); }
VIADUCT_VAES_INLINE Vector halves_swapped(Vector blocks) { return _mm512_shuffle_epi32(blocks, _MM_PERM_BADC); }

// x^128 + x^127 + x^126 + x^121 + 1 without its highest term, reflected: for a reduction by halves.
VIADUCT_VAES_INLINE Vector polynomial() {
  return _mm512_broadcast_i32x4(_mm_set_epi64x(static_cast<long long>(0xc200000000000000), 1));
}

// Sums of products that are not reduced yet.
struct Products {
  Vector low;
  Vector middle;
  Vector high;
};

VIADUCT_VAES_INLINE void clear(Products& sums) { sums.low = sums.middle = sums.high = _mm512_setzero_si512(); }

VIADUCT_VAES_INLINE void add_product(Products& sums, Vector a, Vector b) {
  sums.low = xor2(sums.low, _mm512_clmulepi64_epi128(a, b, 0x00));
  sums.high = xor2(sums.high, _mm512_clmulepi64_epi128(a, b, 0x11));
  sums.middle = xor3(sums.middle, _mm512_clmulepi64_epi128(a, b, 0x01), _mm512_clmulepi64_epi128(a, b, 0x10));
}

VIADUCT_VAES_INLINE void add_products(Products& sums, Vector a, Vector b, Vector c, Vector d) {
  sums.low = xor3(sums.low, _mm512_clmulepi64_epi128(a, b, 0x00), _mm512_clmulepi64_epi128(c, d, 0x00));
  sums.high = xor3(sums.high, _mm512_clmulepi64_epi128(a, b, 0x11), _mm512_clmulepi64_epi128(c, d, 0x11));
  sums.middle = xor3(sums.middle, _mm512_clmulepi64_epi128(a, b, 0x01), _mm512_clmulepi64_epi128(a, b, 0x10));
  sums.middle = xor3(sums.middle, _mm512_clmulepi64_epi128(c, d, 0x01), _mm512_clmulepi64_epi128(c, d, 0x10));
}

// Folds the lower half into the middle, and that into the upper half.
VIADUCT_VAES_INLINE Vector reduce(const Products& sums) {
  const Vector middle =
      xor3(sums.middle, halves_swapped(sums.low), _mm512_clmulepi64_epi128(polynomial(), sums.low, 1));
  return xor3(sums.high, halves_swapped(middle), _mm512_clmulepi64_epi128(polynomial(), middle, 1));
}

VIADUCT_VAES_INLINE Vector multiply(Vector a, Vector b) {
  Products product;
  clear(product);
  add_product(product, a, b);
  return reduce(product);
}

// The exclusive-or of the four blocks.
VIADUCT_VAES_INLINE __m128i across(Vector blocks) {
  const __m256i two = _mm256_xor_si256(_mm512_castsi512_si256(blocks), _mm512_extracti64x4_epi64(blocks, 1));
  return _mm_xor_si128(_mm256_castsi256_si128(two), _mm256_extracti128_si256(two, 1));
}

}  // namespace viaduct::crypto::vaes_gcm
