#include "flowsteer/nonce_sequence.h"

#include <algorithm>
#include <limits>

namespace viaduct::flowsteer {
namespace {

constexpr size_t kMaxCounterBytes = 8;

constexpr uint64_t low_bits(unsigned bits) {
  return bits >= 64 ? std::numeric_limits<uint64_t>::max() : (uint64_t{1} << bits) - 1;
}

}  // namespace

NonceSequence::NonceSequence(const SipKey& secret, size_t length, unsigned part, unsigned parts, uint64_t limit,
                             Random& random)
    : secret_(secret), length_(length), half_bits_(static_cast<unsigned>(std::min(length, kMaxCounterBytes)) * 4) {
  size_ = low_bits(2 * half_bits_) / parts;
  first_ = size_ * part;
  position_ = random.below(size_);
  remaining_ = std::min(size_, limit);
}

bool NonceSequence::next(Random& random, uint8_t* out) {
  if (remaining_ == 0) return false;
  --remaining_;
  const size_t counted = std::min(length_, kMaxCounterBytes);
  ByteWriter writer({out, length_});
  writer.big_endian(permute(first_ + position_), counted);
  random.fill({writer.position(), writer.remaining()});
  position_ = position_ + 1 == size_ ? 0 : position_ + 1;
  return true;
}

// Four Feistel rounds over two halves of half_bits_: a bijection whatever the round function is.
uint64_t NonceSequence::permute(uint64_t value) const {
  uint64_t left = value >> half_bits_;
  uint64_t right = value & low_bits(half_bits_);
  for (uint8_t round = 0; round < 4; ++round) {
    std::array<uint8_t, 5> input;
    ByteWriter writer(input);
    writer.u8(round);
    writer.u32(static_cast<uint32_t>(right));
    left ^= siphash24(secret_, input) & low_bits(half_bits_);
    std::swap(left, right);
  }
  return left << half_bits_ | right;
}

}  // namespace viaduct::flowsteer
