#include "engine/recovery/block_pool.h"

namespace viaduct::quic {

BlockPool::BlockPool(size_t blocks) : blocks_(std::make_unique_for_overwrite<Block[]>(blocks)), capacity_(blocks) {}

void* BlockPool::take() {
  Block* block = free_;
  if (block != nullptr) {
    free_ = block->next_free;
  } else if (untouched_ < capacity_) {
    block = &blocks_[untouched_++];
  } else {
    ++refused_;
    return nullptr;
  }
  if (++used_ > high_water_) high_water_ = used_;
  return block->bytes;
}

void BlockPool::give(void* memory) {
  Block* block = static_cast<Block*>(memory);
  block->next_free = free_;
  free_ = block;
  --used_;
}

}  // namespace viaduct::quic
