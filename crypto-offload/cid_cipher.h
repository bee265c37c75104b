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

  // The best that the CPU has and that agrees with OpenSSL's on it; or OpenSSL's, or one for instructions of a CPU.
  enum class Code : uint8_t { kBest, kPortable, kAesNi, kVaes };

  // key: kKeySize bytes. code: the CPU has it.
  explicit BlockCipher(Bytes key, Code code = Code::kBest);
  ~BlockCipher();
  BlockCipher(BlockCipher&&) noexcept;
  BlockCipher& operator=(BlockCipher&&) noexcept;

  // Blocks from anywhere, one after the other to `out`; blocks[i] may be out + i. Eight at a time cost little more than
  // one.
  void encrypt(std::span<const uint8_t* const> blocks, Block* out) const;
  void decrypt(std::span<const uint8_t* const> blocks, Block* out) const;

  // The first `length` bytes, at most 15, of what blocks of `size` bytes, 5 to 19, were before they were encrypted by
  // the draft's single pass or its four (section 5.4), with zeros behind them: 16 bytes for each block to `out`.
  // kReadable bytes are read of a block, whatever they are.
  static constexpr size_t kReadable = 25;
  void decrypt_fronts(std::span<const uint8_t* const> blocks, size_t size, size_t length, uint8_t* out) const;

 private:
  struct Keys;

  std::unique_ptr<Keys> keys_;
};

}  // namespace viaduct::crypto
