#include "apps/origin/segment_store.h"

#include <sys/mman.h>

#include <algorithm>
#include <cassert>

namespace viaduct::origin {
namespace {

// A huge page: packets are made of bytes from all over the store, and with small ones each would cost a walk of the
// page tables.
constexpr size_t kAlignment = size_t{2} << 20;

// The store outlives its chunks and drops the last reference itself, when it evicts.
void owner(Chunk*) {}

}  // namespace

SegmentStore::SegmentStore(size_t bytes, uint32_t segment_size, std::pmr::memory_resource* memory)
    : memory_(memory),
      segment_size_(segment_size),
      slots_(std::max<size_t>(bytes / segment_size, 1)),
      bytes_(static_cast<uint8_t*>(memory->allocate(slots_.size() * segment_size, kAlignment))) {
  index_.reserve(slots_.size());
  madvise(bytes_, slots_.size() * segment_size, MADV_HUGEPAGE);  // only advice: without, it works as well
}

SegmentStore::~SegmentStore() {
  for (Slot& slot : slots_) {
    assert(!slot.chunk || slot.chunk->is_unshared());
    if (slot.chunk) slot.chunk->drop();
  }
  memory_->deallocate(bytes_, slots_.size() * segment_size_, kAlignment);
}

Chunk* SegmentStore::find(const SegmentKey& key) {
  const auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  Slot& slot = slots_[found->second];
  slot.was_used = true;
  slot.chunk->hold();
  return &*slot.chunk;
}

MutableBytes SegmentStore::reserve() {
  // Twice around: the first time may only take second chances away.
  for (size_t tried = 0; tried < 2 * slots_.size(); ++tried) {
    reserved_ = hand_;
    hand_ = (hand_ + 1) % slots_.size();
    if (make_free(slots_[reserved_])) return {bytes_of(slots_[reserved_]), segment_size_};
  }
  use_.count_refused();
  return {};
}

// False where the segment is held, or has its second chance.
bool SegmentStore::make_free(Slot& slot) {
  if (!slot.chunk) return true;
  if (!slot.chunk->is_unshared()) return false;
  if (slot.was_used) return slot.was_used = false;
  remove_from_index(slot);
  slot.chunk->drop();
  slot.chunk.reset();
  use_.count_returned();
  evictions_.store(evictions() + 1, std::memory_order_relaxed);
  return true;
}

Chunk* SegmentStore::commit(const SegmentKey& key, uint32_t size) {
  Slot& slot = slots_[reserved_];
  assert(!slot.chunk && !index_.contains(key) && size <= segment_size_);
  slot.chunk.emplace(bytes_of(slot), size, owner);
  slot.key = key;
  slot.is_indexed = true;
  slot.was_used =
      false;  // only who is asked for again has a second chance: one long file does not drive out all others
  index_.emplace(key, static_cast<uint32_t>(reserved_));
  use_.count_taken();
  slot.chunk->hold();
  return &*slot.chunk;
}

void SegmentStore::forget(uint64_t file, uint64_t file_size) {
  const auto segments = static_cast<uint32_t>((file_size + segment_size_ - 1) / segment_size_);
  const auto drop = [this](Slot& slot) {
    remove_from_index(slot);
    slot.was_used = false;
  };
  if (segments < slots_.size()) {
    for (uint32_t i = 0; i < segments; ++i) {
      if (const auto found = index_.find({file, i}); found != index_.end()) drop(slots_[found->second]);
    }
    return;
  }
  for (Slot& slot : slots_) {
    if (slot.is_indexed && slot.key.file == file) drop(slot);
  }
}

void SegmentStore::remove_from_index(Slot& slot) {
  if (slot.is_indexed) index_.erase(slot.key);
  slot.is_indexed = false;
}

uint32_t SegmentStore::held() const {
  return static_cast<uint32_t>(
      std::ranges::count_if(slots_, [](const Slot& slot) { return slot.chunk && !slot.chunk->is_unshared(); }));
}

uint8_t* SegmentStore::bytes_of(const Slot& slot) {
  return bytes_ + static_cast<size_t>(&slot - slots_.data()) * segment_size_;
}

}  // namespace viaduct::origin
