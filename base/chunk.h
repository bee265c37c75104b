// Bytes to send: immutable, shared, counted.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

namespace viaduct {

// Immutable bytes with an owner. Whoever holds a reference may read them; dropping the last one
// calls the owner back. The engine takes no references of its own: a write command keeps the
// application's until the engine says that the write is released, or drops it where that was asked for.
class Chunk {
 public:
  // Called once, by the thread that dropped the last reference.
  using Owner = void (*)(Chunk*);

  Chunk(const uint8_t* data, uint32_t size, Owner owner) : data_(data), size_(size), owner_(owner) {}
  Chunk(const Chunk&) = delete;
  Chunk& operator=(const Chunk&) = delete;

  const uint8_t* data() const { return data_; }
  uint32_t size() const { return size_; }
  std::span<const uint8_t> bytes() const { return {data_, size_}; }

  void hold() { references_.fetch_add(1, std::memory_order_relaxed); }
  void drop() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) owner_(this);
  }
  // True while nobody but its first holder has it: what a cache may evict.
  bool is_unshared() const { return references_.load(std::memory_order_acquire) == 1; }

 private:
  const uint8_t* data_;
  uint32_t size_;
  std::atomic<uint32_t> references_{1};
  Owner owner_;
};

}  // namespace viaduct
