#include "engine/stream/receive_store.h"

#include <bit>
#include <cassert>
#include <cstring>
#include <new>

#include "base/poison.h"
#include "engine/stream/reassembly.h"

namespace viaduct::quic {
namespace {

constexpr unsigned kTokenLengthShift = 32;

}  // namespace

ReceiveStore::ReceiveStore(uint32_t blocks, uint64_t secret, std::pmr::memory_resource* memory)
    : memory_(memory),
      capacity_(blocks),
      secret_(secret | 1),
      blocks_(
          static_cast<ReceiveBlock*>(memory->allocate(size_t{blocks} * sizeof(ReceiveBlock), alignof(ReceiveBlock)))),
      buckets_(std::bit_ceil(size_t{blocks} + 1), nullptr, memory) {
  for (uint32_t i = blocks; i > 0; --i) {
    ReceiveBlock* block = new (blocks_ + i - 1) ReceiveBlock;
    block->next = free_;
    free_ = block;
    poison(block->bytes.data(), block->bytes.size());
  }
}

ReceiveStore::~ReceiveStore() {
  for (uint32_t i = 0; i < capacity_; ++i) unpoison(blocks_[i].bytes.data(), blocks_[i].bytes.size());
  memory_->deallocate(blocks_, size_t{capacity_} * sizeof(ReceiveBlock), alignof(ReceiveBlock));
}

size_t ReceiveStore::bucket_of(const Reassembly* owner, uint64_t number) const {
  uint64_t hash = (reinterpret_cast<uintptr_t>(owner) ^ std::rotl(number * 0x9e3779b97f4a7c15, 32)) + secret_;
  hash = (hash ^ hash >> 32) * secret_;
  return (hash ^ hash >> 29) & (buckets_.size() - 1);
}

ReceiveBlock* ReceiveStore::find(const Reassembly* owner, uint64_t number) const {
  ReceiveBlock* block = buckets_[bucket_of(owner, number)];
  while (block && (block->owner != owner || block->number != number)) block = block->next_in_bucket;
  return block;
}

ReceiveBlock* ReceiveStore::take_free(Reassembly* owner, uint64_t stream) {
  ReceiveBlock* block = free_;
  free_ = block->next;
  use_.count_taken();
  unpoison(block->bytes.data(), block->bytes.size());
  block->stream = stream;
  block->owner = owner;
  block->held = block->lent = 0;
  return block;
}

uint64_t ReceiveStore::lend_whole(Bytes data) {
  assert(!data.empty() && data.size() <= ReceiveBlock::kSize);
  if (!free_) {
    count_refused();
    return 0;
  }
  ReceiveBlock* block = take_free(nullptr, Consumed::kWhole);
  std::memcpy(block->bytes.data(), data.data(), data.size());
  block->held = static_cast<uint32_t>(data.size());
  return lend(block, block->held);
}

LentBytes ReceiveStore::whole(uint64_t token) const {
  const ReceiveBlock& block = blocks_[static_cast<uint32_t>(token)];
  return {.bytes = {block.bytes.data(), token >> kTokenLengthShift}, .token = token};
}

ReceiveBlock* ReceiveStore::acquire(Reassembly* owner, uint64_t stream, uint64_t number) {
  ReceiveBlock* block = take_free(owner, stream);
  block->number = number;
  block->has_gaps = false;

  ReceiveBlock*& bucket = buckets_[bucket_of(owner, number)];
  block->next_in_bucket = bucket;
  bucket = block;

  block->previous = nullptr;
  block->next = owner->blocks_;
  if (block->next) block->next->previous = block;
  owner->blocks_ = block;
  return block;
}

void ReceiveStore::orphan(ReceiveBlock* block) {
  ReceiveBlock** link = &buckets_[bucket_of(block->owner, block->number)];
  while (*link != block) link = &(*link)->next_in_bucket;
  *link = block->next_in_bucket;

  (block->previous ? block->previous->next : block->owner->blocks_) = block->next;
  if (block->next) block->next->previous = block->previous;
  if (block->owner->current_ == block) block->owner->current_ = nullptr;
  block->owner = nullptr;
}

void ReceiveStore::release(ReceiveBlock* block) {
  if (block->owner) orphan(block);
  poison(block->bytes.data(), block->bytes.size());
  block->next = free_;
  free_ = block;
  use_.count_returned();
}

uint64_t ReceiveStore::lend(ReceiveBlock* block, uint32_t length) {
  block->lent += length;
  return uint64_t{length} << kTokenLengthShift | static_cast<uint64_t>(block - blocks_);
}

Consumed ReceiveStore::consume(uint64_t token) {
  const auto index = static_cast<uint32_t>(token);
  const auto length = static_cast<uint32_t>(token >> kTokenLengthShift);
  assert(!(token & kPacketToken) && index < capacity_ && blocks_[index].lent >= length);
  ReceiveBlock* block = blocks_ + index;
  const Consumed consumed{.stream = block->stream, .length = length};
  block->lent -= length;
  block->held -= length;
  if (block->held == 0) release(block);
  return consumed;
}

}  // namespace viaduct::quic
