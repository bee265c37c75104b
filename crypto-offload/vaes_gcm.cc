// How the stream of a packet lies in vectors of four blocks:
//
//   | 0 0 A A | T T T T | ... | T T T L |      A: associated data, T: text, L: lengths, 0: nothing
//
// It ends with a vector, because powers of the hash key are counted from the end; blocks of nothing in front do not
// change the hash. The cipher runs over all blocks, with counters so that the last A has the one that encrypts the tag.
// Full vectors of text take a path of their own; the others are loaded, stored and hashed under masks.
#include "crypto-offload/vaes_gcm.h"

#include <immintrin.h>
#include <openssl/crypto.h>

#include <cstring>

#include "crypto-offload/aes_ni.h"

#define VIADUCT_VAES [[gnu::target("aes,pclmul,bmi2,avx512f,avx512bw,avx512dq,avx512vl,vaes,vpclmulqdq")]]
#define VIADUCT_VAES_INLINE VIADUCT_VAES [[gnu::always_inline]] inline

namespace viaduct::crypto::vaes_gcm {
namespace {

using Vector = __m512i;

constexpr ptrdiff_t kBlock = 16;
constexpr ptrdiff_t kVector = 64;
constexpr ptrdiff_t kBlocksOfVector = kVector / kBlock;
// Vectors that are encrypted together: the rounds of one wait for each other, those of four keep the units busy.
constexpr size_t kStep = 4;
// Vectors between two reductions of the hash, a multiple of kStep.
constexpr size_t kPowerVectors = kPowers / kBlocksOfVector;

VIADUCT_VAES_INLINE Vector load(const void* p) { return _mm512_loadu_si512(p); }
VIADUCT_VAES_INLINE Vector load(uintptr_t p) { return load(reinterpret_cast<const void*>(p)); }
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

// --- GHASH (NIST SP 800-38D section 6.4) on blocks in the order of integers, which is the reflected one of the
// standard.

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

// --- Counter mode.

VIADUCT_VAES_INLINE Vector round_key(const Schedule& schedule, size_t round) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(schedule.round_keys[round].data())));
}

// `counters`: the first vector's, their last words as integers.
template <size_t kRounds, size_t kCount>
VIADUCT_VAES_INLINE void make_keystream(const Schedule& schedule, Vector counters, Vector (&state)[kCount]) {
  const Vector order = _mm512_broadcast_i32x4(_mm_set_epi8(12, 13, 14, 15, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
  const Vector next = _mm512_broadcast_i32x4(_mm_set_epi32(kBlocksOfVector, 0, 0, 0));
  const Vector first = round_key(schedule, 0);
#pragma GCC unroll 4
  for (Vector& vector : state) {
    vector = xor2(_mm512_shuffle_epi8(counters, order), first);
    counters = _mm512_add_epi32(counters, next);
  }
#pragma GCC unroll 16
  for (size_t round = 1; round < kRounds; ++round) {
    const Vector key = round_key(schedule, round);
#pragma GCC unroll 4
    for (Vector& vector : state) vector = _mm512_aesenc_epi128(vector, key);
  }
  const Vector last = round_key(schedule, kRounds);
#pragma GCC unroll 4
  for (Vector& vector : state) vector = _mm512_aesenclast_epi128(vector, last);
}

using StoredKeystream = std::array<uint8_t, kStep * kVector>;

template <size_t kRounds, size_t kCount>
VIADUCT_VAES_INLINE void store_keystream(const Schedule& schedule, Vector counters, StoredKeystream& out) {
  Vector state[kCount];
  make_keystream<kRounds, kCount>(schedule, counters, state);
#pragma GCC unroll 4
  for (size_t i = 0; i < kCount; ++i) _mm512_storeu_si512(out.data() + i * kVector, state[i]);
}

template <size_t kRounds>
VIADUCT_VAES_INLINE void store_keystream(const Schedule& schedule, Vector counters, size_t count,
                                         StoredKeystream& out) {
  if (count == 4) return store_keystream<kRounds, 4>(schedule, counters, out);
  if (count == 3) return store_keystream<kRounds, 3>(schedule, counters, out);
  if (count == 2) return store_keystream<kRounds, 2>(schedule, counters, out);
  store_keystream<kRounds, 1>(schedule, counters, out);
}

// --- The stream. Places in it are counted in bytes from its first vector on.

// Bytes of memory that belong to a part of the stream.
struct Piece {
  uintptr_t origin;  // where the stream's place 0 would be in memory
  ptrdiff_t begin;
  ptrdiff_t end;
};

inline Piece piece_at(const void* memory, ptrdiff_t begin, size_t size) {
  return {reinterpret_cast<uintptr_t>(memory) - static_cast<uintptr_t>(begin), begin,
          begin + static_cast<ptrdiff_t>(size)};
}

struct Stream {
  explicit Stream(Bytes associated_data, size_t text_size) {
    const size_t header_blocks = associated_data.size() <= kBlock ? 1 : (associated_data.size() + kBlock - 1) / kBlock;
    const size_t blocks = header_blocks + (text_size + kBlock - 1) / kBlock + 1;
    vectors = (blocks + kBlocksOfVector - 1) / kBlocksOfVector;
    const auto front = static_cast<ptrdiff_t>(vectors * kBlocksOfVector - blocks) * kBlock;
    header = piece_at(associated_data.data(), front, associated_data.size());
    text_begin = front + static_cast<ptrdiff_t>(header_blocks) * kBlock;
    text_end = text_begin + static_cast<ptrdiff_t>(text_size);
  }

  size_t vectors;
  Piece header;
  ptrdiff_t text_begin;
  ptrdiff_t text_end;
  Piece in[kSealSpans + 1];  // ends with one that is never reached
  uintptr_t out = 0;         // where the stream's place 0 would be
};
constexpr Piece kNoPiece = {0, PTRDIFF_MAX, PTRDIFF_MAX};

VIADUCT_VAES_INLINE uint64_t low_bits(ptrdiff_t count) {
  if (count <= 0) return 0;
  return _bzhi_u64(~uint64_t{0}, count < kVector ? static_cast<unsigned>(count) : 64);
}
// The bytes of the vector at `at` that are between two places.
VIADUCT_VAES_INLINE __mmask64 bytes_between(ptrdiff_t begin, ptrdiff_t end, ptrdiff_t at) {
  return low_bits(end - at) & ~low_bits(begin - at);
}
// What of the vector at `at` is in the piece, over the rest of `under`. Bytes outside are not touched.
VIADUCT_VAES_INLINE Vector load_part(Vector under, const Piece& piece, ptrdiff_t at) {
  const __mmask64 bytes = bytes_between(piece.begin, piece.end, at);
  return _mm512_mask_loadu_epi8(under, bytes, reinterpret_cast<const void*>(piece.origin + static_cast<uintptr_t>(at)));
}

// A packet on its way. Inlined into one function per kind of packet, so that all of it is in registers.
template <size_t kRounds, bool kSeal>
struct Pass {
  const Schedule& schedule;
  const Stream& stream;
  StoredKeystream& stored;
  const Piece* piece = stream.in;  // the first that does not end before `at`
  ptrdiff_t at = 0;
  Vector counters;
  Products sums;
  Vector carried = _mm512_setzero_si512();  // the hash up to the last reduction, for the next block
  __m128i tag_mask = _mm_setzero_si128();

  // Four vectors of text in one piece.
  VIADUCT_VAES_INLINE void whole_step(const uint8_t* power) {
    Vector data[kStep];
    make_keystream<kRounds, kStep>(schedule, counters, data);
#pragma GCC unroll 4
    for (size_t i = 0; i < kStep; ++i) {
      const auto place = static_cast<uintptr_t>(at) + i * kVector;
      const Vector in = load(piece->origin + place);
      const Vector out = xor2(data[i], in);
      _mm512_storeu_si512(reinterpret_cast<void*>(stream.out + place), out);
      data[i] = reversed(kSeal ? out : in);
    }
    data[0] = xor2(data[0], carried);
    add_products(sums, data[0], load(power), data[1], load(power + kVector));
    add_products(sums, data[2], load(power + 2 * kVector), data[3], load(power + 3 * kVector));
  }

  // One to four vectors that hold other things than text, too, or text of several pieces.
  VIADUCT_VAES_INLINE void mixed_step(const uint8_t* power, size_t count) {
    store_keystream<kRounds>(schedule, counters, count, stored);
    const ptrdiff_t tag_block = stream.text_begin - kBlock;
    const ptrdiff_t end = at + static_cast<ptrdiff_t>(count) * kVector;
    if (tag_block >= at && tag_block < end)
      tag_mask = _mm_loadu_si128(reinterpret_cast<const __m128i*>(stored.data() + (tag_block - at)));
    for (ptrdiff_t place = at; place < end; place += kVector, power += kVector) {
      const Vector in = gathered(place);
      const Vector out = xor2(in, load(stored.data() + (place - at)));
      const __mmask64 text = bytes_between(stream.text_begin, stream.text_end, place);
      _mm512_mask_storeu_epi8(reinterpret_cast<void*>(stream.out + static_cast<uintptr_t>(place)), text, out);
      Vector hashed = kSeal ? _mm512_maskz_mov_epi8(text, out) : in;
      if (place < stream.text_begin) hashed = load_part(hashed, stream.header, place);
      add_product(sums, xor3(reversed(hashed), carried, lengths(place)), load(power));
      carried = _mm512_setzero_si512();
    }
  }

  VIADUCT_VAES_INLINE Vector gathered(ptrdiff_t place) const {
    Vector in = _mm512_setzero_si512();
    for (const Piece* part = piece; part->begin < place + kVector; ++part) in = load_part(in, *part, place);
    return in;
  }

  // The last block of the stream.
  VIADUCT_VAES_INLINE Vector lengths(ptrdiff_t place) const {
    if (place + kVector < static_cast<ptrdiff_t>(stream.vectors) * kVector) return _mm512_setzero_si512();
    const __m128i block =
        _mm_set_epi64x((stream.header.end - stream.header.begin) * 8, (stream.text_end - stream.text_begin) * 8);
    return _mm512_inserti32x4(_mm512_setzero_si512(), block, 3);
  }

  // Returns the tag.
  VIADUCT_VAES_INLINE __m128i run() {
    clear(sums);
    const uint8_t* const powers_begin = schedule.powers.front().data();
    const uint8_t* const powers_end = powers_begin + sizeof schedule.powers;
    const uint8_t* power = powers_end - ((stream.vectors - 1) % kPowerVectors + 1) * kVector;
    size_t count = (stream.vectors - 1) % kStep + 1;
    for (size_t left = stream.vectors;;) {
      while (piece->end <= at) ++piece;
      const auto size = static_cast<ptrdiff_t>(count) * kVector;
      if (count == kStep && piece->begin <= at && piece->end >= at + size) {
        whole_step(power);
      } else {
        mixed_step(power, count);
      }
      left -= count;
      if (left == 0) break;
      carried = _mm512_setzero_si512();
      at += size;
      power += size;
      if (power == powers_end) {
        carried = widen(across(reduce(sums)));
        clear(sums);
        power = powers_begin;
      }
      counters = _mm512_add_epi32(counters, _mm512_maskz_set1_epi32(0x8888, static_cast<int>(count * kBlocksOfVector)));
      count = kStep;
    }
    return _mm_xor_si128(reversed(across(reduce(sums))), tag_mask);
  }
};

// The counters of the stream's first vector: 1 in the block before the text.
VIADUCT_VAES_INLINE Vector first_counters(const Nonce& nonce, const Stream& stream) {
  const __m128i block = _mm_maskz_loadu_epi8((1 << kIvSize) - 1, nonce.data());
  const Vector lanes = _mm512_set_epi32(3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0);
  const Vector first = _mm512_set1_epi32(static_cast<int>(2 - stream.text_begin / kBlock));
  return _mm512_mask_add_epi32(_mm512_broadcast_i32x4(block), 0x8888, lanes, first);
}

template <size_t kRounds, bool kSeal>
VIADUCT_VAES void run(const Schedule& schedule, const Nonce& nonce, const Stream& stream, uint8_t* tag) {
  alignas(64) StoredKeystream stored;
  Pass<kRounds, kSeal> pass{schedule, stream, stored, stream.in, 0, first_counters(nonce, stream), {}, {}, {}};
  _mm_storeu_si128(reinterpret_cast<__m128i*>(tag), pass.run());
  // Whoever has it reads what it encrypted.
#pragma GCC unroll 4
  for (size_t i = 0; i < kStep; ++i) _mm512_store_si512(stored.data() + i * kVector, _mm512_setzero_si512());
  asm volatile("" ::"r"(stored.data()) : "memory");
}

// The hash key, in the order of integers, times x.
VIADUCT_VAES __m128i times_x(__m128i key) {
  const __m128i carries = _mm_srai_epi32(_mm_shuffle_epi32(key, _MM_SHUFFLE(3, 1, 0, 3)), 31);
  const __m128i taken = _mm_and_si128(carries, _mm_set_epi64x(static_cast<long long>(0xc200000000000001), 1));
  return _mm_xor_si128(_mm_add_epi64(key, key), taken);
}

VIADUCT_VAES void expand_powers(__m128i hash_key, uint8_t* out) {
  Vector powers[kPowerVectors];  // the last one has the lowest
  const Vector first = _mm512_broadcast_i32x4(times_x(reversed(hash_key)));
  const Vector square = multiply(first, first);
  const Vector low = _mm512_mask_blend_epi64(0x30, first, square);  // the upper half: second power, first
  powers[7] = _mm512_shuffle_i64x2(multiply(low, square), low, 0xee);
  powers[6] = multiply(powers[7], _mm512_shuffle_i64x2(powers[7], powers[7], 0));
  const Vector eighth = _mm512_shuffle_i64x2(powers[6], powers[6], 0);
  powers[5] = multiply(powers[7], eighth);
  powers[4] = multiply(powers[6], eighth);
  const Vector sixteenth = _mm512_shuffle_i64x2(powers[4], powers[4], 0);
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) powers[i] = multiply(powers[i + 4], sixteenth);
#pragma GCC unroll 8
  for (size_t i = 0; i < kPowerVectors; ++i) _mm512_storeu_si512(out + i * kVector, powers[i]);
}

VIADUCT_VAES __m128i encrypted_zeros(const aes_ni::Schedule& keys) {
  const auto* round_keys = reinterpret_cast<const __m128i*>(keys.round_keys.data());
  __m128i block = round_keys[0];
  for (uint32_t round = 1; round < keys.rounds; ++round) block = _mm_aesenc_si128(block, round_keys[round]);
  return _mm_aesenclast_si128(block, round_keys[keys.rounds]);
}

}  // namespace

bool usable() {
  static const bool has_all = aes_ni::usable() && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("bmi2") &&
                              __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                              __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                              __builtin_cpu_supports("vaes") && __builtin_cpu_supports("vpclmulqdq");
  return has_all;
}

VIADUCT_VAES void expand(Aead aead, const uint8_t* key, Schedule& schedule) {
  aes_ni::Schedule keys;
  aes_ni::expand({key, key_size(aead)}, keys);
  schedule.round_keys = keys.round_keys;
  expand_powers(encrypted_zeros(keys), schedule.powers.front().data());
  OPENSSL_cleanse(&keys, sizeof keys);
}

void seal(Aead aead, const Schedule& schedule, const Nonce& nonce, Bytes associated_data,
          std::span<const Bytes, kSealSpans> in, uint8_t* out) {
  const size_t size = in[0].size() + in[1].size() + in[2].size();
  Stream stream(associated_data, size);
  Piece* piece = stream.in;
  ptrdiff_t begin = stream.text_begin;
  for (const Bytes span : in) {
    if (span.empty()) continue;
    *piece++ = piece_at(span.data(), begin, span.size());
    begin += static_cast<ptrdiff_t>(span.size());
  }
  *piece = kNoPiece;
  stream.out = piece_at(out, stream.text_begin, size).origin;
  aead == Aead::kAes128Gcm ? run<10, true>(schedule, nonce, stream, out + size)
                           : run<14, true>(schedule, nonce, stream, out + size);
}

void open(Aead aead, const Schedule& schedule, const Nonce& nonce, Bytes associated_data, MutableBytes text,
          uint8_t* tag) {
  Stream stream(associated_data, text.size());
  Piece* piece = stream.in;
  if (!text.empty()) *piece++ = piece_at(text.data(), stream.text_begin, text.size());
  *piece = kNoPiece;
  stream.out = piece_at(text.data(), stream.text_begin, text.size()).origin;
  aead == Aead::kAes128Gcm ? run<10, false>(schedule, nonce, stream, tag)
                           : run<14, false>(schedule, nonce, stream, tag);
}

}  // namespace viaduct::crypto::vaes_gcm
