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

  // Each block is replaced by its encryption (decryption). Eight at a time cost little more than one.
  void encrypt_blocks(std::span<Block> blocks) const;
  void decrypt_blocks(std::span<Block> blocks) const;

  // The same where each block has its own key: bursts that mix configurations.
  struct Job {
    const BlockCipher* cipher = nullptr;
    Block* block = nullptr;
  };
  static void encrypt_each(std::span<const Job> jobs);
  static void decrypt_each(std::span<const Job> jobs);

 private:
  struct Keys;
  template <bool kEncrypt, class JobAt>
  static void run(size_t count, JobAt job_at);

  std::unique_ptr<Keys> keys_;
};

}  // namespace viaduct::crypto
