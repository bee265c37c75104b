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

#include <algorithm>

#include "crypto-offload/aes_ni.h"
#include "crypto-offload/vaes_ghash.h"

namespace viaduct::crypto::vaes_gcm {
namespace {

constexpr ptrdiff_t kBlock = 16;
constexpr ptrdiff_t kVector = 64;
constexpr ptrdiff_t kBlocksOfVector = kVector / kBlock;
// Vectors that are encrypted together: the rounds of one wait for each other, those of four keep the units busy.
constexpr size_t kStep = 4;
// Vectors between two reductions of the hash, a multiple of kStep.
constexpr size_t kPowerVectors = kPowers / kBlocksOfVector;

// --- Counter mode.

// Written out, because GCC makes a load and a shuffle of it, and shuffles compete with the hash.
VIADUCT_VAES_INLINE Vector round_key(const Schedule& schedule, size_t round) {
  Vector key;
  asm("vbroadcasti32x4 %1, %0" : "=v"(key) : "m"(schedule.round_keys[round]));
  return key;
}

// `counters`: the first vector's, their last words as integers; those of the vector after these when it returns.
template <size_t kCount>
VIADUCT_VAES_INLINE void begin_rounds(const Schedule& schedule, Vector& counters, Vector (&state)[kCount]) {
  const Vector order = _mm512_broadcast_i32x4(_mm_set_epi8(12, 13, 14, 15, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
  const Vector next = _mm512_broadcast_i32x4(_mm_set_epi32(kBlocksOfVector, 0, 0, 0));
  const Vector key = round_key(schedule, 0);
#pragma GCC unroll 4
  for (Vector& vector : state) {
    vector = xor2(_mm512_shuffle_epi8(counters, order), key);
    counters = _mm512_add_epi32(counters, next);
  }
}

template <size_t kCount>
VIADUCT_VAES_INLINE void run_round(const Schedule& schedule, size_t round, Vector (&state)[kCount]) {
  const Vector key = round_key(schedule, round);
#pragma GCC unroll 4
  for (Vector& vector : state) vector = _mm512_aesenc_epi128(vector, key);
}

template <size_t kCount>
VIADUCT_VAES_INLINE void end_rounds(const Schedule& schedule, size_t round, Vector (&state)[kCount]) {
  const Vector key = round_key(schedule, round);
#pragma GCC unroll 4
  for (Vector& vector : state) vector = _mm512_aesenclast_epi128(vector, key);
}

// A step: vectors on their way, in memory where they are looked at one by one.
using StoredStep = std::array<uint8_t, kStep * kVector>;

template <size_t kRounds, size_t kCount>
VIADUCT_VAES_INLINE void store_keystream(const Schedule& schedule, Vector& counters, uint8_t* out) {
  Vector state[kCount];
  begin_rounds(schedule, counters, state);
#pragma GCC unroll 16
  for (size_t round = 1; round < kRounds; ++round) run_round(schedule, round, state);
  end_rounds(schedule, kRounds, state);
#pragma GCC unroll 4
  for (size_t i = 0; i < kCount; ++i) _mm512_storeu_si512(out + i * kVector, state[i]);
}

template <size_t kRounds>
VIADUCT_VAES_INLINE void store_keystream(const Schedule& schedule, Vector& counters, size_t count, uint8_t* out) {
  if (count == 4) return store_keystream<kRounds, 4>(schedule, counters, out);
  if (count == 3) return store_keystream<kRounds, 3>(schedule, counters, out);
  if (count == 2) return store_keystream<kRounds, 2>(schedule, counters, out);
  store_keystream<kRounds, 1>(schedule, counters, out);
}

// The keystream of a step while the step before it is hashed. Both have their units of the CPU to themselves, but only
// so far as their instructions stand side by side.
template <size_t kRounds>
VIADUCT_VAES_INLINE void make_keystream(const Schedule& schedule, Vector& counters, Vector (&state)[kStep],
                                        const Vector (&hashed)[kStep], const uint8_t* power, Products& sums) {
  begin_rounds(schedule, counters, state);
#pragma GCC unroll 16
  for (size_t round = 1; round < kRounds; ++round) {
    run_round(schedule, round, state);
    if (round == 3) add_products(sums, hashed[0], load(power), hashed[1], load(power + kVector));
    if (round == 6) add_products(sums, hashed[2], load(power + 2 * kVector), hashed[3], load(power + 3 * kVector));
  }
  end_rounds(schedule, kRounds, state);
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

// What is at a place of the stream. Pointers into nothing are not made on the way, only where bytes are there.
inline uint8_t* memory_at(uintptr_t origin, ptrdiff_t place) {
  return reinterpret_cast<uint8_t*>(origin + static_cast<uintptr_t>(place));  // NOLINT(performance-no-int-to-ptr)
}

constexpr Piece kNoPiece = {0, PTRDIFF_MAX, PTRDIFF_MAX};

using Pieces = std::array<Piece, kSealSpans + 1>;  // ends with kNoPiece

// Puts the text's spans at their places, from `begin` on. Empty ones do not count.
inline void place_text(std::span<const Bytes> text, ptrdiff_t begin, Pieces& pieces) {
  Piece* piece = pieces.data();
  for (const Bytes span : text) {
    if (span.empty()) continue;
    *piece = piece_at(span.data(), begin, span.size());
    begin = piece++->end;
  }
  *piece = kNoPiece;
}

// Where everything is.
struct Stream {
  Stream(Bytes associated_data, size_t text_size, uint8_t* to) {
    const size_t header_blocks = associated_data.size() <= kBlock ? 1 : (associated_data.size() + kBlock - 1) / kBlock;
    const size_t blocks = header_blocks + (text_size + kBlock - 1) / kBlock + 1;
    vectors = (blocks + kBlocksOfVector - 1) / kBlocksOfVector;
    const auto front = static_cast<ptrdiff_t>(vectors * kBlocksOfVector - blocks) * kBlock;
    header = piece_at(associated_data.data(), front, associated_data.size());
    text_begin = front + static_cast<ptrdiff_t>(header_blocks) * kBlock;
    text_end = text_begin + static_cast<ptrdiff_t>(text_size);
    out = piece_at(to, text_begin, text_size).origin;
  }

  size_t vectors;
  Piece header;
  ptrdiff_t text_begin;
  ptrdiff_t text_end;
  uintptr_t out;  // where the stream's place 0 would be
};

// The bytes of the vector at `at` that are in the piece, which begins before the vector's end and does not end before
// it.
VIADUCT_VAES_INLINE __mmask64 bytes_of(const Piece& piece, ptrdiff_t at) {
  const auto first = static_cast<unsigned>(std::max<ptrdiff_t>(piece.begin - at, 0));
  const auto count = static_cast<unsigned>(std::min<ptrdiff_t>(piece.end - at, kVector));
  return _bzhi_u64(~uint64_t{0} << first, count);
}
// Under a mask. Bytes outside are not touched.
VIADUCT_VAES_INLINE Vector load_part(Vector under, __mmask64 bytes, const Piece& piece, ptrdiff_t at) {
  return _mm512_mask_loadu_epi8(under, bytes, memory_at(piece.origin, at));
}

// A vector of text that is in one piece. Returns what of it is hashed.
template <bool kSeal>
VIADUCT_VAES_INLINE Vector whole_vector(const Piece& piece, const Stream& stream, ptrdiff_t at, Vector keystream) {
  const Vector in = load(memory_at(piece.origin, at));
  const Vector out = xor2(keystream, in);
  _mm512_storeu_si512(memory_at(stream.out, at), out);
  return reversed(kSeal ? out : in);
}

// One that holds other things than text, too, or text of several pieces.
template <bool kSeal>
VIADUCT_VAES_INLINE Vector mixed_vector(const Piece* piece, const Stream& stream, ptrdiff_t at, Vector keystream) {
  Vector in = _mm512_setzero_si512();
  __mmask64 text = 0;
  for (; piece->begin < at + kVector; ++piece) {
    const __mmask64 bytes = bytes_of(*piece, at);
    in = load_part(in, bytes, *piece, at);
    text |= bytes;
  }
  const Vector out = xor2(in, keystream);
  _mm512_mask_storeu_epi8(memory_at(stream.out, at), text, out);
  return reversed(kSeal ? _mm512_maskz_mov_epi8(text, out) : in);
}

// The last block of the stream.
VIADUCT_VAES_INLINE Vector lengths(const Stream& stream) {
  const __m128i block =
      _mm_set_epi64x((stream.header.end - stream.header.begin) * 8, (stream.text_end - stream.text_begin) * 8);
  return _mm512_inserti32x4(_mm512_setzero_si512(), block, kBlocksOfVector - 1);
}

VIADUCT_VAES_INLINE bool is_in(const Piece& piece, ptrdiff_t at, ptrdiff_t size) {
  return piece.begin <= at && piece.end >= at + size;
}

// Vectors of any kind, whose keystream is stored; what is hashed of them takes its place.
template <bool kSeal>
VIADUCT_VAES_INLINE void mixed_step(const Stream& stream, const Piece*& piece, ptrdiff_t begin, ptrdiff_t end,
                                    uint8_t* stored) {
  uint8_t* vector = stored;
  for (ptrdiff_t at = begin; at < end; at += kVector, vector += kVector) {
    while (piece->end <= at) ++piece;
    const Vector keystream = load(vector);
    const Vector hashed = is_in(*piece, at, kVector) ? whole_vector<kSeal>(*piece, stream, at, keystream)
                                                     : mixed_vector<kSeal>(piece, stream, at, keystream);
    _mm512_storeu_si512(vector, hashed);
  }
  for (ptrdiff_t at = begin; at < std::min(end, stream.header.end); at += kVector, stored += kVector) {
    const Vector header = load_part(_mm512_setzero_si512(), bytes_of(stream.header, at), stream.header, at);
    _mm512_storeu_si512(stored, xor2(load(stored), reversed(header)));
  }
}

VIADUCT_VAES_INLINE void load_step(const StoredStep& stored, Vector (&out)[kStep]) {
#pragma GCC unroll 4
  for (size_t i = 0; i < kStep; ++i) out[i] = load(stored.data() + i * kVector);
}

// The counters of the stream's first vector: 1 in the block before the text.
VIADUCT_VAES_INLINE Vector first_counters(const Nonce& nonce, const Stream& stream) {
  const __m128i block = _mm_maskz_loadu_epi8((1 << kIvSize) - 1, nonce.data());
  const Vector lanes = _mm512_set_epi32(3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0);
  const Vector first = _mm512_set1_epi32(2 - static_cast<int>(static_cast<size_t>(stream.text_begin) / kBlock));
  return _mm512_mask_add_epi32(_mm512_broadcast_i32x4(block), 0x8888, lanes, first);
}

template <size_t kRounds, bool kSeal>
VIADUCT_VAES void run(const Schedule& schedule, const Nonce& nonce, Bytes associated_data, std::span<const Bytes> text,
                      size_t text_size, uint8_t* to, uint8_t* tag) {
  alignas(64) StoredStep stored;
  const Stream stream(associated_data, text_size, to);
  Pieces pieces;
  place_text(text, stream.text_begin, pieces);
  const Piece* piece = pieces.data();  // the first that does not end before `at`
  const uint8_t* const powers_begin = schedule.powers.front().data();
  const uint8_t* const powers_end = powers_begin + sizeof schedule.powers;
  const ptrdiff_t end = static_cast<ptrdiff_t>(stream.vectors) * kVector;
  const ptrdiff_t tag_block = stream.text_begin - kBlock;
  Products sums;
  clear(sums);

  // The first step takes what the others, of four vectors, leave; vectors of zeros before it make it as long as they.
  const size_t first_count = (stream.vectors - 1) % kStep + 1;
  Vector counters = first_counters(nonce, stream);
  uint8_t* const first_stored = stored.data() + (kStep - first_count) * kVector;
#pragma GCC unroll 4
  for (size_t i = 0; i < kStep - 1; ++i) _mm512_store_si512(stored.data() + i * kVector, _mm512_setzero_si512());
  store_keystream<kRounds>(schedule, counters, first_count, first_stored);
  __m128i tag_mask = _mm_setzero_si128();
  if (tag_block < static_cast<ptrdiff_t>(first_count) * kVector)
    tag_mask = _mm_loadu_si128(reinterpret_cast<const __m128i*>(first_stored + tag_block));
  mixed_step<kSeal>(stream, piece, 0, static_cast<ptrdiff_t>(first_count) * kVector, first_stored);
  Vector hashed[kStep];
  load_step(stored, hashed);
  const uint8_t* power = powers_end - ((stream.vectors - 1) / kStep % (kPowerVectors / kStep) + 1) * kStep * kVector;

  for (ptrdiff_t at = static_cast<ptrdiff_t>(first_count) * kVector; at < end; at += kStep * kVector) {
    Vector state[kStep];
    make_keystream<kRounds>(schedule, counters, state, hashed, power, sums);
    power += kStep * kVector;
    Vector carried = _mm512_setzero_si512();  // the hash so far, for the next block, where powers begin anew
    if (power == powers_end) {
      carried = widen(across(reduce(sums)));
      clear(sums);
      power = powers_begin;
    }
    while (piece->end <= at) ++piece;
    if (is_in(*piece, at, kStep * kVector)) {
#pragma GCC unroll 4
      for (size_t i = 0; i < kStep; ++i)
        hashed[i] = whole_vector<kSeal>(*piece, stream, at + static_cast<ptrdiff_t>(i) * kVector, state[i]);
    } else {
#pragma GCC unroll 4
      for (size_t i = 0; i < kStep; ++i) _mm512_storeu_si512(stored.data() + i * kVector, state[i]);
      if (tag_block >= at && tag_block < at + static_cast<ptrdiff_t>(kStep) * kVector)
        tag_mask = _mm_loadu_si128(reinterpret_cast<const __m128i*>(stored.data() + (tag_block - at)));
      mixed_step<kSeal>(stream, piece, at, at + static_cast<ptrdiff_t>(kStep) * kVector, stored.data());
      load_step(stored, hashed);
    }
    hashed[0] = xor2(hashed[0], carried);
  }

  hashed[kStep - 1] = xor2(hashed[kStep - 1], lengths(stream));
  add_products(sums, hashed[0], load(power), hashed[1], load(power + kVector));
  add_products(sums, hashed[2], load(power + 2 * kVector), hashed[3], load(power + 3 * kVector));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(tag), _mm_xor_si128(reversed(across(reduce(sums))), tag_mask));
  // Whoever has a keystream reads what it encrypted.
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
  aead == Aead::kAes128Gcm ? run<10, true>(schedule, nonce, associated_data, in, size, out, out + size)
                           : run<14, true>(schedule, nonce, associated_data, in, size, out, out + size);
}

void open(Aead aead, const Schedule& schedule, const Nonce& nonce, Bytes associated_data, MutableBytes text,
          uint8_t* tag) {
  const Bytes in = text;
  aead == Aead::kAes128Gcm ? run<10, false>(schedule, nonce, associated_data, {&in, 1}, in.size(), text.data(), tag)
                           : run<14, false>(schedule, nonce, associated_data, {&in, 1}, in.size(), text.data(), tag);
}

}  // namespace viaduct::crypto::vaes_gcm
