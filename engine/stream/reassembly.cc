#include "engine/stream/reassembly.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace viaduct::quic {
namespace {

constexpr uint64_t kBlock = ReceiveBlock::kSize;

// A word of `ahead` with bits [begin, end) of the block that lie in word `word`.
uint64_t mask_of(uint64_t word, uint64_t begin, uint64_t end) {
  const uint64_t first = std::max(begin, word * 64) - word * 64;
  const uint64_t last = std::min(end, word * 64 + 64) - word * 64;
  const uint64_t below_last = last == 64 ? ~uint64_t{0} : (uint64_t{1} << last) - 1;
  return below_last & ~((uint64_t{1} << first) - 1);
}

// Bits set in [begin, end).
uint32_t count_marked(const ReceiveBlock& block, uint64_t begin, uint64_t end) {
  int count = 0;
  for (uint64_t word = begin / 64; word * 64 < end; ++word) {
    count += std::popcount(block.ahead[word] & mask_of(word, begin, end));
  }
  return static_cast<uint32_t>(count);
}

void mark(ReceiveBlock& block, uint64_t begin, uint64_t end) {
  for (uint64_t word = begin / 64; word * 64 < end; ++word) block.ahead[word] |= mask_of(word, begin, end);
}

// The first unset bit from `begin` on, or kSize.
uint64_t end_of_marked(const ReceiveBlock& block, uint64_t begin) {
  uint64_t at = begin;
  while (at < kBlock) {
    const uint64_t unset = ~block.ahead[at / 64] >> at % 64;
    if (unset != 0) return at + static_cast<uint64_t>(std::countr_zero(unset));
    at = (at / 64 + 1) * 64;
  }
  return kBlock;
}

}  // namespace

// Bytes that are new to the stream lie in [begin, end).
bool Reassembly::has_room(const ReceiveStore& store, uint64_t begin, uint64_t end) const {
  const uint32_t available = store.available(begin == contiguous_);
  const uint64_t blocks = (end - 1) / kBlock - begin / kBlock + 1;
  if (available >= blocks) return true;
  uint64_t missing = 0;
  for (uint64_t number = begin / kBlock; number <= (end - 1) / kBlock; ++number) {
    if (!store.find(this, number)) ++missing;
  }
  return missing <= available;
}

bool Reassembly::insert(ReceiveStore& store, uint64_t offset, Bytes data) {
  const uint64_t end = offset + data.size();
  const uint64_t begin = std::max(offset, contiguous_);
  if (begin >= end) return true;
  if (!has_room(store, begin, end)) {
    store.count_refused();
    return false;
  }
  const bool in_order = begin == contiguous_;
  for (uint64_t at = begin; at < end;) {
    const uint64_t stop = std::min(end, (at / kBlock + 1) * kBlock);
    insert_in_block(store, at, data.subspan(at - offset, stop - at), in_order);
    at = stop;
  }
  if (in_order) {
    contiguous_ = end;
    if (ahead_ > 0) advance(store);
  }
  return true;
}

ReceiveBlock* Reassembly::block_at(ReceiveStore& store, uint64_t number) {
  if (!current_ || current_->number != number) current_ = store.find(this, number);
  return current_;
}

void Reassembly::insert_in_block(ReceiveStore& store, uint64_t offset, Bytes data, bool in_order) {
  ReceiveBlock* block = block_at(store, offset / kBlock);
  if (!block) block = current_ = store.acquire(this, stream_, offset / kBlock);
  const uint64_t begin = offset % kBlock;
  const uint64_t end = begin + data.size();
  std::memcpy(block->bytes.data() + begin, data.data(), data.size());

  const uint32_t repeated = block->has_gaps ? count_marked(*block, begin, end) : 0;
  const auto added = static_cast<uint32_t>(data.size()) - repeated;
  block->held += added;
  if (in_order) {
    ahead_ -= repeated;
    return;
  }
  ahead_ += added;
  if (!block->has_gaps) block->ahead.fill(0);
  block->has_gaps = true;
  mark(*block, begin, end);
}

// Goes over what had come early and has its place now.
void Reassembly::advance(ReceiveStore& store) {
  for (;;) {
    const ReceiveBlock* block = block_at(store, contiguous_ / kBlock);
    if (!block || !block->has_gaps) return;
    const uint64_t begin = contiguous_ % kBlock;
    const uint64_t end = end_of_marked(*block, begin);
    contiguous_ += end - begin;
    ahead_ -= end - begin;
    if (end < kBlock) return;
  }
}

bool Reassembly::insert_whole(ReceiveStore& store, Bytes data) {
  whole_ = store.lend_whole(data);
  if (whole_ == 0) return false;
  contiguous_ = data.size();
  return true;
}

LentBytes Reassembly::read(ReceiveStore& store) {
  if (!has_readable()) return {};
  if (whole_ != 0) {
    delivered_ = contiguous_;
    return store.whole(std::exchange(whole_, 0));
  }
  ReceiveBlock* block = block_at(store, delivered_ / kBlock);
  const uint64_t begin = delivered_ % kBlock;
  const uint64_t length = std::min(contiguous_ - delivered_, kBlock - begin);
  delivered_ += length;
  return {.bytes = {block->bytes.data() + begin, length}, .token = store.lend(block, static_cast<uint32_t>(length))};
}

void Reassembly::discard(ReceiveStore& store) {
  if (whole_ != 0) store.consume(std::exchange(whole_, 0));
  while (ReceiveBlock* block = blocks_) {
    store.orphan(block);
    block->held = block->lent;
    if (block->held == 0) store.release(block);
  }
}

}  // namespace viaduct::quic
