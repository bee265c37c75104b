// Random numbers that repeat when seeded alike: what connection IDs, nonces and jitter are drawn from.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/chacha20.h"

namespace viaduct {

// A cryptographic generator: ChaCha20 whose key is replaced from its own output at every refill, and
// whose output is wiped once drawn, so that its memory tells nothing about what was drawn before.
// The same seed gives the same bytes for ever. One thread.
class Random {
 public:
  static constexpr size_t kSeedSize = 32;

  explicit Random(std::span<const uint8_t, kSeedSize> seed);
  // For tests and simulations: whoever knows the number knows all that is drawn.
  static Random from_seed(uint64_t seed);
  // Seeded by the kernel. Blocks only where the kernel's own generator is not ready yet, early at boot; ends the
  // program where there is no such generator, because nothing safe can be done without one.
  static Random from_system();

  void fill(MutableBytes out);
  uint64_t u64();
  uint32_t u32() { return static_cast<uint32_t>(u64()); }
  // One bit, for a sixty-fourth of what the word costs that it is from: for what is decided for each packet.
  bool bit();
  // Uniform in [0, n). n > 0.
  uint64_t below(uint64_t n);

 private:
  void refill();

  ChaCha20Key key_;
  std::array<uint8_t, 480> output_{};
  size_t drawn_ = output_.size();
  uint64_t bits_ = 1;  // below the highest one that is set: bits to give away
};

}  // namespace viaduct
