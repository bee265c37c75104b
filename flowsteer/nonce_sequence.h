// Nonces that never repeat and do not look like a sequence.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/random.h"
#include "base/siphash.h"

namespace viaduct::flowsteer {

// A counter sent through a keyed permutation of its range (draft-ietf-quic-load-balancers-21 section 5.4: a nonce is
// used once; the draft recommends a counter that starts at a random value). Nonces longer than 8 bytes continue with
// random bytes. Workers that share a configuration share the secret and take a part of the range each, so their
// nonces differ too. One thread.
class NonceSequence {
 public:
  // length: bytes, 4..18. part < parts <= 64. limit: how many nonces to give at most, where the part is longer.
  NonceSequence(const SipKey& secret, size_t length, unsigned part, unsigned parts, uint64_t limit, Random& random);

  size_t length() const { return length_; }
  // How many are left.
  uint64_t remaining() const { return remaining_; }
  // Writes length() bytes to out; false, with nothing written, where all were given.
  bool next(Random& random, uint8_t* out);

 private:
  uint64_t permute(uint64_t value) const;

  SipKey secret_;
  size_t length_;
  unsigned half_bits_;  // of the counter, which has 4 to 8 bytes
  uint64_t first_;      // of our part
  uint64_t size_;       // of our part
  uint64_t position_;   // within our part: a random start, then round
  uint64_t remaining_;
};

}  // namespace viaduct::flowsteer
