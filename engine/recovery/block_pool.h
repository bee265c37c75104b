// The memory that an endpoint's connections remember packets with: equal blocks, made once, drawn and returned by
// one worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace viaduct::quic {

class BlockPool {
 public:
  static constexpr size_t kBlockSize = 2048;

  // Room for `blocks` blocks, allocated here and never again. It must outlive whatever draws from it.
  explicit BlockPool(size_t blocks);

  // kBlockSize bytes aligned to 64, their content undefined; null when all are taken (counted as refused).
  void* take();
  // Gives back what take() returned.
  void give(void* block);

  size_t capacity() const { return capacity_; }
  size_t available() const { return capacity_ - used_; }
  size_t used() const { return used_; }
  size_t high_water() const { return high_water_; }
  uint64_t refused() const { return refused_; }

 private:
  struct alignas(64) Block {
    union {
      Block* next_free;
      std::byte bytes[kBlockSize];
    };
  };

  std::unique_ptr<Block[]> blocks_;
  Block* free_ = nullptr;  // returned blocks, the last returned first: it is the one still in the cache
  size_t untouched_ = 0;   // blocks from here on were never taken
  size_t capacity_ = 0;
  size_t used_ = 0;
  size_t high_water_ = 0;
  uint64_t refused_ = 0;
};

}  // namespace viaduct::quic
