// The endpoint's memory for received stream bytes.
#pragma once

#include <array>
#include <cstdint>
#include <memory_resource>
#include <vector>

#include "base/bytes.h"
#include "base/pool_use.h"

namespace viaduct::quic {

class Reassembly;

// Memory for one aligned span of one stream: bytes [number * kSize, (number + 1) * kSize).
struct ReceiveBlock {
  static constexpr uint32_t kSize = 2048;

  uint64_t number = 0;
  uint64_t stream = 0;
  Reassembly* owner = nullptr;  // null: the stream is gone, the application still reads
  ReceiveBlock* next_in_bucket = nullptr;
  ReceiveBlock* previous = nullptr;        // of the same owner, in no order
  ReceiveBlock* next = nullptr;            // of the same owner, or of the free ones
  uint32_t held = 0;                       // bytes received that are not consumed; the block is freed at 0
  uint32_t lent = 0;                       // those of them that the application has
  bool has_gaps = false;                   // whether `ahead` means something
  std::array<uint64_t, kSize / 64> ahead;  // a bit per byte that came before bytes in front of it
  alignas(64) std::array<uint8_t, kSize> bytes;
};

// Bytes lent to the application until ReceiveStore::consume(token).
struct LentBytes {
  Bytes bytes;
  uint64_t token = 0;
};

// What a kConsume gives back.
struct Consumed {
  uint64_t stream = 0;  // kWhole: of one that needs no more credit
  uint32_t length = 0;

  static constexpr uint64_t kWhole = ~uint64_t{0};
};

// A fixed number of blocks, found by owner and number in constant time. The blocks that a stream pins depend on the
// offsets it has bytes at, and not on how many pieces they came in: at most one per kSize of its flow control window
// and one more, however sparse its frames are. A connection pins no more than
//   connection window / kSize + 2 * streams with unread bytes.
class ReceiveStore {
 public:
  // A token with this bit names a received packet instead of a block: those are not this store's.
  static constexpr uint64_t kPacketToken = uint64_t{1} << 63;

  // secret: random, so that a peer cannot aim at one bucket.
  ReceiveStore(uint32_t blocks, uint64_t secret, std::pmr::memory_resource* memory = std::pmr::get_default_resource());
  ~ReceiveStore();
  ReceiveStore(const ReceiveStore&) = delete;
  ReceiveStore& operator=(const ReceiveStore&) = delete;

  // A copy, lent already, of a whole stream's bytes: they have no owner, because nothing will be looked for among them.
  // The null token, and counted as refused, where no block is left. At most ReceiveBlock::kSize bytes, and not none.
  uint64_t lend_whole(Bytes data);
  // What a token stands for that lend_whole() gave.
  LentBytes whole(uint64_t token) const;

  // The application used the bytes of an event. The token must be one that was lent, once; whether its connection
  // or stream still exists makes no difference.
  Consumed consume(uint64_t token);

  uint32_t capacity() const { return capacity_; }
  // Blocks left for bytes in order, or for bytes ahead of others. The latter leave some untouched: whatever they pin,
  // what they wait for finds room, is read, and lets them go.
  uint32_t available(bool in_order) const {
    const uint32_t left = capacity_ - use_.used();
    if (in_order) return left;
    return left > reserve() ? left - reserve() : 0;
  }
  const PoolUse& use() const { return use_; }
  void count_refused() { use_.count_refused(); }

 private:
  friend class Reassembly;

  // Two blocks are what a frame of an ordinary packet may need.
  uint32_t reserve() const { return capacity_ < 16 ? 2 : capacity_ / 8; }

  ReceiveBlock* find(const Reassembly* owner, uint64_t number) const;
  ReceiveBlock* take_free(Reassembly* owner, uint64_t stream);
  ReceiveBlock* acquire(Reassembly* owner, uint64_t stream, uint64_t number);
  // Takes the block away from its stream; the application may still have bytes of it.
  void orphan(ReceiveBlock* block);
  void release(ReceiveBlock* block);
  uint64_t lend(ReceiveBlock* block, uint32_t length);
  size_t bucket_of(const Reassembly* owner, uint64_t number) const;

  std::pmr::memory_resource* memory_;
  uint32_t capacity_;
  uint64_t secret_;
  ReceiveBlock* blocks_;
  ReceiveBlock* free_ = nullptr;
  std::pmr::vector<ReceiveBlock*> buckets_;  // a power of two of them
  PoolUse use_;
};

}  // namespace viaduct::quic
