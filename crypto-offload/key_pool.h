// Memory for what connections keep of their keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "base/pool_use.h"

namespace viaduct::crypto {

// Places of one size in slabs. A place costs its size and nothing more, and an object in it finds its owner without a
// pointer of its own, because slabs are aligned: most connections are idle, and keys are most of what they hold. Grows
// as it has to and keeps what it has. One thread; what is in it goes before it.
class KeyPool {
 public:
  // owner: what owner_of() returns.
  KeyPool(size_t place_size, void* owner) : place_size_((place_size + kUnit - 1) / kUnit * kUnit), owner_(owner) {}
  KeyPool(const KeyPool&) = delete;
  KeyPool& operator=(const KeyPool&) = delete;

  void* take() {
    if (vacant_ == nullptr) grow();
    Vacant* place = vacant_;
    vacant_ = place->next;
    use_.count_taken();
    return place;
  }
  // To the pool that it was taken from.
  static void give_back(void* place) {
    KeyPool& pool = *slab_of(place)->pool;
    pool.vacant_ = new (place) Vacant{pool.vacant_};
    pool.use_.count_returned();
  }
  static void* owner_of(const void* place) { return slab_of(place)->pool->owner_; }

  size_t place_size() const { return place_size_; }
  const PoolUse& use() const { return use_; }

 private:
  static constexpr size_t kSlabSize = 4096;
  static constexpr size_t kUnit = alignof(void*);

  struct Vacant {
    Vacant* next;
  };
  struct Slab {
    KeyPool* pool;
  };
  // Several slabs together, because what aligns one wastes another.
  static constexpr size_t kSlabsTogether = 16;
  struct SlabsFree {
    void operator()(uint8_t* slabs) const { ::operator delete(slabs, std::align_val_t{kSlabSize}); }
  };
  using Slabs = std::unique_ptr<uint8_t, SlabsFree>;

  static Slab* slab_of(const void* place) {
    auto* const bytes = static_cast<uint8_t*>(const_cast<void*>(place));
    return reinterpret_cast<Slab*>(bytes - reinterpret_cast<uintptr_t>(place) % kSlabSize);
  }
  void grow() {
    if (unused_slabs_ == 0) {
      slabs_.emplace_back(
          static_cast<uint8_t*>(::operator new(kSlabsTogether * kSlabSize, std::align_val_t{kSlabSize})));
      unused_slabs_ = kSlabsTogether;
    }
    uint8_t* const memory = slabs_.back().get() + --unused_slabs_ * kSlabSize;
    new (memory) Slab{this};
    for (size_t at = sizeof(Slab); at + place_size_ <= kSlabSize; at += place_size_) {
      vacant_ = new (memory + at) Vacant{vacant_};
    }
  }

  const size_t place_size_;
  void* const owner_;
  Vacant* vacant_ = nullptr;
  std::vector<Slabs> slabs_;
  size_t unused_slabs_ = 0;  // of the last ones
  PoolUse use_;
};

}  // namespace viaduct::crypto
