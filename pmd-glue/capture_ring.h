// Copies of frames on their way from a worker to the thread that writes them to a file.
#pragma once

#include <atomic>
#include <cstdint>
#include <ctime>
#include <memory>
#include <span>

#include "base/packet.h"

namespace viaduct::net {

// A ring of fixed slots; what finds none free is counted as dropped.
class CaptureRing {
 public:
  enum Direction : uint8_t { kInbound = 1, kOutbound = 2 };  // as pcapng numbers them
  static constexpr uint32_t kSlotBytes = 2048;

  struct Slot {
    uint64_t time_ns;   // since 1970
    uint32_t length;    // of the frame
    uint32_t captured;  // bytes of it in data
    Direction direction;
    uint8_t data[kSlotBytes];
  };

  CaptureRing(uint32_t slots, uint32_t snap_length);

  // The worker's. One time stamp for the burst.
  void copy(std::span<Packet* const> burst, Direction direction);
  // The writer's: the oldest slot or null; pop() gives it back.
  const Slot* front() const;
  void pop() { head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }
  // Before a capture starts on a ring that an earlier one left.
  void restart(uint32_t snap_length);

 private:
  std::unique_ptr<Slot[]> slots_;
  const uint64_t size_;
  std::atomic<uint32_t> snap_length_;
  std::atomic<uint64_t> dropped_{0};
  alignas(64) std::atomic<uint64_t> tail_{0};
  alignas(64) std::atomic<uint64_t> head_{0};
};

}  // namespace viaduct::net
