// The block cipher of connection IDs: AES-128 on single blocks, in bursts (QUIC-LB draft, section 5.4).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"

namespace viaduct::crypto {

using Block = std::array<uint8_t, 16>;

// One AES-128 key. Immutable after construction, so one object serves all workers. Key material is
// wiped when it goes. Constant time on CPUs with AES-NI; elsewhere OpenSSL's table code does the work.
class BlockCipher {
 public:
  static constexpr size_t kKeySize = 16;

  enum class Code : uint8_t { kBest, kPortable };

  // key: kKeySize bytes. kPortable keeps to OpenSSL's code where the CPU has better.
  explicit BlockCipher(Bytes key, Code code = Code::kBest);
  ~BlockCipher();
  BlockCipher(BlockCipher&&) noexcept;
  BlockCipher& operator=(BlockCipher&&) noexcept;

  // Blocks from anywhere, one after the other to `out`; blocks[i] may be out + i. Eight at a time cost little more than
  // one.
  void encrypt(std::span<const uint8_t* const> blocks, Block* out) const;
  void decrypt(std::span<const uint8_t* const> blocks, Block* out) const;

  // A block of another length than AES's, 5 to 19 bytes, as two halves that share the middle octet where it is odd
  // (section 5.4.2): left has its high nibble, right its low one. Zeros follow each half.
  struct Halves {
    Block left;
    Block right;
  };
  // How far beyond the start of such a block bytes are read, whatever they are.
  static constexpr size_t kHalvesRoom = 25;
  // Takes back what the passes 4, 3 and 2 did to each block of `size` bytes, which makes the left halves plain; with
  // all_passes also pass 1, for the right ones.
  void unmix(std::span<const uint8_t* const> blocks, size_t size, bool all_passes, Halves* out) const;

 private:
  struct Keys;

  std::unique_ptr<Keys> keys_;
};

}  // namespace viaduct::crypto
