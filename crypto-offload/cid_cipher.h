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

  // A block of another length than AES's, 5 to 19 bytes, as two halves that share the middle octet where it is odd
  // (section 5.4.2): left has its high nibble, right its low one. Zeros follow each half.
  struct Halves {
    Block left{};
    Block right{};
  };
  struct HalvesJob {
    const BlockCipher* cipher = nullptr;
    Halves* halves = nullptr;
    uint8_t size = 0;  // of the whole block
  };
  // Takes back what the passes 4, 3 and 2 did to each, which makes the left halves plain; with all_passes also pass 1,
  // for the right ones.
  static void unmix_each(std::span<const HalvesJob> jobs, bool all_passes);

 private:
  struct Keys;
  static void unmix(const HalvesJob& job, bool all_passes);
  template <bool kEncrypt, class JobAt>
  static void run(size_t count, JobAt job_at);

  std::unique_ptr<Keys> keys_;
};

}  // namespace viaduct::crypto
