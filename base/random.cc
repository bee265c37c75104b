#include "base/random.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace viaduct {
namespace {

constexpr uint32_t kBlocksPerRefill = 8;

uint32_t little_endian(const uint8_t* p) {
  return uint32_t{p[0]} | uint32_t{p[1]} << 8 | uint32_t{p[2]} << 16 | uint32_t{p[3]} << 24;
}

void store(uint8_t* out, const ChaCha20Block& block, size_t first_word) {
  for (size_t i = first_word; i < block.size(); ++i) {
    for (int shift = 0; shift < 32; shift += 8) *out++ = static_cast<uint8_t>(block[i] >> shift);
  }
}

}  // namespace

Random::Random(std::span<const uint8_t, kSeedSize> seed) {
  for (size_t i = 0; i < key_.size(); ++i) key_[i] = little_endian(&seed[4 * i]);
}

Random Random::from_seed(uint64_t seed) {
  std::array<uint8_t, kSeedSize> bytes{};
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<uint8_t>(seed >> 8 * i);
  return Random(bytes);
}

Random Random::from_system() {
  std::array<uint8_t, kSeedSize> seed;
  ssize_t size;
  do {
    size = getrandom(seed.data(), seed.size(), 0);
  } while (size < 0 && errno == EINTR);
  if (size != static_cast<ssize_t>(seed.size())) {
    std::perror("getrandom");
    std::abort();
  }
  return Random(seed);
}

// The first half of the first block becomes the next key, the rest is output.
void Random::refill() {
  static_assert(sizeof output_ == kBlocksPerRefill * 64 - 32);
  const ChaCha20Key key = key_;
  const ChaCha20Block first = chacha20_block(key, 0, {});
  std::copy_n(first.begin(), key_.size(), key_.begin());
  store(output_.data(), first, key_.size());
  for (uint32_t i = 1; i < kBlocksPerRefill; ++i) {
    store(output_.data() + 64 * i - 32, chacha20_block(key, i, {}), 0);
  }
  drawn_ = 0;
}

void Random::fill(MutableBytes out) {
  while (!out.empty()) {
    if (drawn_ == output_.size()) refill();
    const size_t size = std::min(out.size(), output_.size() - drawn_);
    std::memcpy(out.data(), output_.data() + drawn_, size);
    std::memset(output_.data() + drawn_, 0, size);
    drawn_ += size;
    out = out.subspan(size);
  }
}

uint64_t Random::u64() {
  std::array<uint8_t, 8> bytes;
  fill(bytes);
  return little_endian(bytes.data()) | uint64_t{little_endian(bytes.data() + 4)} << 32;
}

bool Random::bit() {
  const bool is_last = bits_ == 1;
  const uint64_t word = is_last ? u64() : bits_;
  // A whole word gives one bit at once and 63 later, below a mark.
  bits_ = is_last ? word >> 1 | uint64_t{1} << 63 : word >> 1;
  return (word & 1) != 0;
}

// The lowest 2^64 mod n values are drawn again, so that what is left is a multiple of n.
uint64_t Random::below(uint64_t n) {
  const uint64_t skipped = (0 - n) % n;
  uint64_t value;
  do {
    value = u64();
  } while (value < skipped);
  return value % n;
}

}  // namespace viaduct
