// The bounded memory that files' bytes are served from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/chunk.h"
#include "base/pool_use.h"

namespace viaduct::origin {

// Which part of which version of a file.
struct SegmentKey {
  uint64_t file = 0;   // of one version: a changed file has another
  uint32_t index = 0;  // bytes [index * segment_size, …)
  bool operator==(const SegmentKey&) const = default;
};

// A fixed number of segments of a fixed size. A segment that somebody holds is never touched; of the others, those not
// asked for lately make room first (a clock: being asked for again gives a second chance). One thread, the loader's;
// the chunks it hands out are read and dropped by any.
class SegmentStore {
 public:
  SegmentStore(size_t bytes, uint32_t segment_size,
               std::pmr::memory_resource* memory = std::pmr::get_default_resource());
  ~SegmentStore();
  SegmentStore(const SegmentStore&) = delete;
  SegmentStore& operator=(const SegmentStore&) = delete;

  // The segment, with a reference that is now the caller's; null where it is not here.
  Chunk* find(const SegmentKey& key);

  // Room of segment_size() bytes to load a segment into; what was there is evicted. Empty, and counted as refused,
  // where everything is held. Ends with commit() or another reserve(), before anything else is called.
  MutableBytes reserve();
  // What was loaded into the room is now that segment, `size` bytes of it; with a reference for the caller. The key is
  // not in the store.
  Chunk* commit(const SegmentKey& key, uint32_t size);

  // The file's segments will not be asked for any more: they make room first.
  void forget(uint64_t file, uint64_t file_size);

  uint32_t segment_size() const { return segment_size_; }
  uint32_t capacity() const { return static_cast<uint32_t>(slots_.size()); }
  // Segments that are in the store, whether or not somebody holds them.
  const PoolUse& use() const { return use_; }
  // Segments that somebody besides the store holds. Walks all.
  uint32_t held() const;
  uint64_t evictions() const { return evictions_.load(std::memory_order_relaxed); }

 private:
  struct Slot {
    std::optional<Chunk> chunk;
    SegmentKey key;
    bool is_indexed = false;
    bool was_used = false;
  };
  struct KeyHash {
    size_t operator()(const SegmentKey& key) const { return (key.file * 0x9e3779b97f4a7c15) ^ key.index; }
  };

  bool make_free(Slot& slot);
  void remove_from_index(Slot& slot);
  uint8_t* bytes_of(const Slot& slot);

  std::pmr::memory_resource* memory_;
  uint32_t segment_size_;
  std::vector<Slot> slots_;
  uint8_t* bytes_;
  std::unordered_map<SegmentKey, uint32_t, KeyHash> index_;
  size_t hand_ = 0;
  size_t reserved_ = 0;
  PoolUse use_;
  std::atomic<uint64_t> evictions_{0};
};

}  // namespace viaduct::origin
