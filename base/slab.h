// Pools of memory: blocks for bytes that are copied in, and chunks for bytes that are made here and sent.
#pragma once

#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <vector>

#include "base/bytes.h"
#include "base/chunk.h"
#include "base/poison.h"
#include "base/pool_use.h"

namespace viaduct {

// A fixed number of blocks of one size, allocated once. One thread, but use() is for all.
class BytePool {
 public:
  // block_size in bytes; a multiple of 64 keeps blocks on cache lines of their own.
  BytePool(uint32_t block_count, uint32_t block_size,
           std::pmr::memory_resource* memory = std::pmr::get_default_resource())
      : memory_(memory),
        capacity_(block_count),
        block_size_(block_size),
        bytes_(static_cast<uint8_t*>(memory->allocate(size(), kAlignment))),
        free_(memory) {
    free_.reserve(block_count);
    for (uint32_t index = block_count; index > 0; --index) free_.push_back(index - 1);
    poison(bytes_, size());
  }
  ~BytePool() {
    unpoison(bytes_, size());
    memory_->deallocate(bytes_, size(), kAlignment);
  }
  BytePool(const BytePool&) = delete;
  BytePool& operator=(const BytePool&) = delete;

  // A block of block_size() bytes; null, and counted as refused, where all are used.
  uint8_t* acquire() {
    if (free_.empty()) {
      use_.count_refused();
      return nullptr;
    }
    uint8_t* block = bytes_ + size_t{free_.back()} * block_size_;
    free_.pop_back();
    unpoison(block, block_size_);
    use_.count_taken();
    return block;
  }
  // Any address inside a block that was acquired gives that block back.
  void release(const uint8_t* block) {
    const size_t index = static_cast<size_t>(block - bytes_) / block_size_;
    assert(index < capacity_ && free_.size() < capacity_);
    poison(bytes_ + index * block_size_, block_size_);
    free_.push_back(static_cast<uint32_t>(index));
    use_.count_returned();
  }

  uint32_t block_size() const { return block_size_; }
  uint32_t capacity() const { return capacity_; }
  const PoolUse& use() const { return use_; }
  uint32_t used() const { return use_.used(); }
  uint32_t high_water() const { return use_.high_water(); }
  uint64_t refused() const { return use_.refused(); }

 private:
  static constexpr size_t kAlignment = 64;
  size_t size() const { return size_t{capacity_} * block_size_; }

  std::pmr::memory_resource* memory_;
  uint32_t capacity_;
  uint32_t block_size_;
  uint8_t* bytes_;
  std::pmr::vector<uint32_t> free_;
  PoolUse use_;
};

class ChunkPool;

// A chunk with room of its own to write in. Its holder writes before it passes the chunk on, or behind what it
// passed on; size() is the whole room.
class alignas(64) PooledChunk : public Chunk {
 public:
  MutableBytes room() { return room_; }

 private:
  friend class ChunkPool;
  PooledChunk(ChunkPool* pool, MutableBytes room, Owner owner)
      : Chunk(room.data(), static_cast<uint32_t>(room.size()), owner), pool_(pool), room_(room) {}

  ChunkPool* pool_;
  PooledChunk* next_ = nullptr;
  MutableBytes room_;
};

// A fixed number of small chunks, allocated once. One thread acquires; the last reference may be dropped by any
// thread. All chunks must be back before the pool is destroyed.
class ChunkPool {
 public:
  ChunkPool(uint32_t chunk_count, uint32_t room, std::pmr::memory_resource* memory = std::pmr::get_default_resource())
      : memory_(memory), capacity_(chunk_count), room_(room), used_(chunk_count) {
    chunks_ = static_cast<PooledChunk*>(memory->allocate(capacity_ * sizeof(PooledChunk), alignof(PooledChunk)));
    bytes_ = static_cast<uint8_t*>(memory->allocate(size_t{capacity_} * room_, alignof(PooledChunk)));
    for (uint32_t i = capacity_; i > 0; --i) {
      const MutableBytes own{bytes_ + size_t{i - 1} * room_, room_};
      (new (chunks_ + i - 1) PooledChunk(this, own, &ChunkPool::take_back))->drop();
    }
    unused_ = returned_.exchange(nullptr, std::memory_order_acquire);
  }
  ~ChunkPool() {
    assert(used() == 0);
    unpoison(bytes_, size_t{capacity_} * room_);
    memory_->deallocate(bytes_, size_t{capacity_} * room_, alignof(PooledChunk));
    memory_->deallocate(chunks_, capacity_ * sizeof(PooledChunk), alignof(PooledChunk));
  }
  ChunkPool(const ChunkPool&) = delete;
  ChunkPool& operator=(const ChunkPool&) = delete;

  // A chunk with one reference, the caller's; null, and counted as refused, where all are used.
  PooledChunk* acquire() {
    // What came back is warm; what was never used would be fetched from memory.
    if (!warm_ && returned_.load(std::memory_order_relaxed))
      warm_ = returned_.exchange(nullptr, std::memory_order_acquire);
    PooledChunk*& from = warm_ ? warm_ : unused_;
    if (!from) {
      refused_.store(refused() + 1, std::memory_order_relaxed);
      return nullptr;
    }
    PooledChunk* chunk = from;
    from = chunk->next_;
    unpoison(chunk->room_.data(), chunk->room_.size());
    chunk->hold();
    const uint32_t now = used_.fetch_add(1, std::memory_order_relaxed) + 1;
    if (now > high_water()) high_water_.store(now, std::memory_order_relaxed);
    return chunk;
  }

  uint32_t room() const { return room_; }
  uint32_t capacity() const { return capacity_; }
  uint32_t used() const { return used_.load(std::memory_order_relaxed); }
  uint32_t high_water() const { return high_water_.load(std::memory_order_relaxed); }
  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  // Any thread. The owner takes the whole stack at once, so no push can mistake an old top for a new one.
  static void take_back(Chunk* dropped) {
    auto* chunk = static_cast<PooledChunk*>(dropped);
    ChunkPool& pool = *chunk->pool_;
    poison(chunk->room_.data(), chunk->room_.size());
    pool.used_.fetch_sub(1, std::memory_order_relaxed);
    chunk->next_ = pool.returned_.load(std::memory_order_relaxed);
    while (!pool.returned_.compare_exchange_weak(chunk->next_, chunk, std::memory_order_release,
                                                 std::memory_order_relaxed)) {
    }
  }

  std::pmr::memory_resource* memory_;
  uint32_t capacity_;
  uint32_t room_;
  PooledChunk* chunks_;
  uint8_t* bytes_;
  PooledChunk* warm_ = nullptr;    // the acquiring thread's, as is the next
  PooledChunk* unused_ = nullptr;  // what was never acquired
  std::atomic<uint32_t> high_water_{0};
  std::atomic<uint64_t> refused_{0};
  alignas(64) std::atomic<PooledChunk*> returned_{nullptr};
  std::atomic<uint32_t> used_;
};

}  // namespace viaduct
