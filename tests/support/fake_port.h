// Packets and ports without a network, for tests of what runs between receiving and sending.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/packet.h"

namespace viaduct::test {

// Packets with room for 2,000 bytes. Any thread.
class FakePool {
 public:
  explicit FakePool(size_t count) : packets_(count), rooms_(count) {
    for (Packet& packet : packets_) free_.push_back(&packet);
  }

  size_t take(std::span<Packet*> burst) {
    const std::lock_guard lock(mutex_);
    const size_t count = std::min(burst.size(), free_.size());
    for (Packet*& packet : burst.first(count)) {
      packet = free_.back();
      free_.pop_back();
      std::vector<uint8_t>& room = rooms_[static_cast<size_t>(packet - packets_.data())];
      room.assign(kHeadroom + 2'000, 0);
      *packet = Packet{.buffer = room.data(), .capacity = kHeadroom + 2'000, .offset = kHeadroom, .path = {}};
    }
    return count;
  }
  Packet* take() {
    Packet* packet = nullptr;
    take(std::span(&packet, 1));
    return packet;
  }
  void give_back(std::span<Packet* const> burst) {
    const std::lock_guard lock(mutex_);
    free_.insert(free_.end(), burst.begin(), burst.end());
  }
  // Packets that somebody holds.
  size_t used() const {
    const std::lock_guard lock(mutex_);
    return packets_.size() - free_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Packet> packets_;
  std::vector<std::vector<uint8_t>> rooms_;
  std::vector<Packet*> free_;
};

// A port on one thread: what is to be received is queued by the test, waiting is noted and does not happen.
class FakePort {
 public:
  explicit FakePort(FakePool& pool) : pool_(pool) {}
  ~FakePort() {
    for (Packet* packet : arriving) release(std::span(&packet, 1));
  }

  // The packet of one byte will be received.
  void deliver(uint8_t byte) {
    Packet* packet = pool_.take();
    packet->length = 1;
    packet->data()[0] = byte;
    arriving.push_back(packet);
  }

  size_t receive(std::span<Packet*> burst) {
    const size_t count = std::min(burst.size(), arriving.size());
    std::copy_n(arriving.begin(), count, burst.begin());
    arriving.erase(arriving.begin(), arriving.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }
  size_t allocate(std::span<Packet*> burst) { return pool_.take(burst); }
  size_t send(std::span<Packet*> burst) {
    ++send_calls;
    const size_t count = std::min(burst.size(), send_room);
    for (Packet* packet : burst.first(count)) sent.push_back(packet->length > 0 ? packet->data()[0] : 0);
    send_room -= count;
    release(burst.first(count));
    return count;
  }
  void release(std::span<Packet*> burst) { pool_.give_back(burst); }
  void wait(Instant deadline) { waits.push_back(deadline); }
  void wake() { ++wakes; }

  std::deque<Packet*> arriving;
  size_t send_room = SIZE_MAX;  // packets that send() still takes
  size_t send_calls = 0;
  std::vector<uint8_t> sent;  // the first byte of each packet
  std::vector<Instant> waits;
  size_t wakes = 0;

 private:
  FakePool& pool_;
};

// A port whose wait() sleeps. The deadline is of MonotonicClock.
class SleepingPort : public FakePort {
 public:
  using FakePort::FakePort;

  void wait(Instant deadline) {
    // A sleep that nobody ends is a lost wake-up: it ends by itself, and the test fails.
    const Instant limit = MonotonicClock::now() + Duration::seconds(20);
    std::unique_lock lock(mutex_);
    const auto sleep = std::chrono::nanoseconds((std::min(deadline, limit) - MonotonicClock::now()).ns());
    woken_.wait_for(lock, sleep, [this] { return wake_pending_; });
    if (!wake_pending_ && limit < deadline) overslept = true;
    wake_pending_ = false;
  }
  void wake() {
    const std::lock_guard lock(mutex_);
    wake_pending_ = true;
    woken_.notify_one();
  }

  bool overslept = false;

 private:
  std::mutex mutex_;
  std::condition_variable woken_;
  bool wake_pending_ = false;
};

// Time that the test sets.
struct FakeClock {
  const Instant* time;
  Instant now() const { return *time; }
};

}  // namespace viaduct::test
