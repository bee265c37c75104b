#include "pmd-glue/capture_ring.h"

#include <algorithm>
#include <cstring>

namespace viaduct::net {
namespace {

uint64_t wall_clock_ns() {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

}  // namespace

CaptureRing::CaptureRing(uint32_t slots, uint32_t snap_length)
    : slots_(std::make_unique_for_overwrite<Slot[]>(std::max(slots, 1u))), size_(std::max(slots, 1u)) {
  restart(snap_length);
}

void CaptureRing::restart(uint32_t snap_length) {
  while (front()) pop();
  snap_length_ = std::clamp(snap_length, 1u, kSlotBytes);
  dropped_ = 0;
}

void CaptureRing::copy(std::span<Packet* const> burst, Direction direction) {
  const uint64_t now = wall_clock_ns();
  const uint32_t snap_length = snap_length_.load(std::memory_order_relaxed);
  uint64_t tail = tail_.load(std::memory_order_relaxed);
  const uint64_t free_until = head_.load(std::memory_order_acquire) + size_;
  for (const Packet* packet : burst) {
    if (tail == free_until) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      continue;
    }
    Slot& slot = slots_[tail % size_];
    slot.time_ns = now;
    slot.length = packet->length;
    slot.captured = std::min<uint32_t>(packet->length, snap_length);
    slot.direction = direction;
    std::memcpy(slot.data, packet->data(), slot.captured);
    ++tail;
  }
  tail_.store(tail, std::memory_order_release);
}

const CaptureRing::Slot* CaptureRing::front() const {
  const uint64_t head = head_.load(std::memory_order_relaxed);
  return head == tail_.load(std::memory_order_acquire) ? nullptr : &slots_[head % size_];
}

}  // namespace viaduct::net
