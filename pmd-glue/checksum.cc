#include "pmd-glue/checksum.h"

#include <immintrin.h>

#include <bit>

namespace viaduct::net {
namespace {

uint64_t load64(const uint8_t* p) {
  uint64_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

constexpr uint16_t big_endian(uint16_t value) {
  return std::endian::native == std::endian::little ? std::byteswap(value) : value;
}

}  // namespace

namespace {

// The front of `bytes`, in steps of 64; takes it off. As below, four words at a time.
[[gnu::target("avx2")]] uint64_t add_wide(Bytes& bytes) {
  const __m256i mask = _mm256_set1_epi64x(0xffffffff);
  __m256i low0{}, low1{}, high0{}, high1{};
  for (; bytes.size() >= 64; bytes = bytes.subspan(64)) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes.data()));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes.data() + 32));
    low0 = _mm256_add_epi64(low0, _mm256_and_si256(a, mask));
    low1 = _mm256_add_epi64(low1, _mm256_and_si256(b, mask));
    high0 = _mm256_add_epi64(high0, _mm256_srli_epi64(a, 32));
    high1 = _mm256_add_epi64(high1, _mm256_srli_epi64(b, 32));
  }
  alignas(32) uint64_t sums[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(sums),
                     _mm256_add_epi64(_mm256_add_epi64(low0, low1), _mm256_add_epi64(high0, high1)));
  return sums[0] + sums[1] + sums[2] + sums[3];
}

const bool has_avx2 = __builtin_cpu_supports("avx2");

}  // namespace

// Halves of 64-bit words into separate 64-bit sums: no carry to chase, and four of them to keep the adders busy. 2^32
// words would have to be added for one to overflow.
uint64_t checksum_add(uint64_t sum, Bytes bytes) {
  if (has_avx2 && bytes.size() >= 64) sum += add_wide(bytes);
  const uint8_t* p = bytes.data();
  size_t left = bytes.size();
  uint64_t low0 = 0, low1 = 0, high0 = 0, high1 = 0;
  for (; left >= 32; left -= 32, p += 32) {
    const uint64_t a = load64(p), b = load64(p + 8), c = load64(p + 16), d = load64(p + 24);
    low0 += (a & 0xffffffff) + (b & 0xffffffff);
    high0 += (a >> 32) + (b >> 32);
    low1 += (c & 0xffffffff) + (d & 0xffffffff);
    high1 += (c >> 32) + (d >> 32);
  }
  for (; left >= 8; left -= 8, p += 8) {
    const uint64_t a = load64(p);
    low0 += a & 0xffffffff;
    high0 += a >> 32;
  }
  if (left > 0) {
    uint64_t tail = 0;  // the missing bytes of the last word count as zero
    std::memcpy(&tail, p, left);
    low1 += tail & 0xffffffff;
    high1 += tail >> 32;
  }
  return sum + low0 + low1 + high0 + high1;
}

uint64_t pseudo_header_sum(Bytes addresses, uint8_t protocol, uint16_t length) {
  return checksum_add(0, addresses) + big_endian(protocol) + big_endian(length);
}

}  // namespace viaduct::net
