// The memory that an endpoint's connections remember packets with: blocks made once, drawn and returned by one worker.
#pragma once

#include <cstdint>
#include <memory_resource>

#include "base/slab.h"

namespace viaduct::quic {

class BlockPool : public BytePool {
 public:
  static constexpr uint32_t kBlockSize = 2048;

  // It must outlive whatever draws from it.
  explicit BlockPool(uint32_t blocks, std::pmr::memory_resource* memory = std::pmr::get_default_resource())
      : BytePool(blocks, kBlockSize, memory) {}

  uint32_t available() const { return capacity() - used(); }
};

}  // namespace viaduct::quic
