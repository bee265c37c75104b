// A packet port on the simulated network, and the pool of its packets.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "base/instant.h"
#include "base/packet.h"
#include "base/packet_port.h"
#include "tests/simulation/simulation.h"

namespace viaduct::sim {

// The packets of one host. Bytes of a free packet are overwritten and poisoned, so that whoever still reads them is
// found; a packet that comes back twice, or with references, fails the test.
class SimPool {
 public:
  static constexpr uint16_t kCapacity = kHeadroom + 1500;

  explicit SimPool(size_t packets);
  ~SimPool();
  SimPool(const SimPool&) = delete;
  SimPool& operator=(const SimPool&) = delete;

  // An empty packet; null where there is none.
  Packet* take();
  void give_back(Packet* packet);

  // Its packets need not come back: their holder goes without a word, as in a crash.
  void abandon() { abandoned_ = true; }

  size_t outstanding() const { return packets_.size() - free_.size(); }
  size_t high_water() const { return high_water_; }
  uint64_t refused() const { return refused_; }

 private:
  using Buffer = std::array<uint8_t, kCapacity>;

  std::unique_ptr<Buffer[]> buffers_;
  std::vector<Packet> packets_;
  std::vector<bool> is_free_;
  std::vector<Packet*> free_;
  size_t high_water_ = 0;
  uint64_t refused_ = 0;
  bool abandoned_ = false;
};

// One queue of a host's port: one worker's.
class SimPort {
 public:
  static constexpr size_t kReceiveQueue = 1024;

  SimPort(Simulation& simulation, SimPool& pool) : simulation_(simulation), pool_(pool) {}

  // --- PacketPort ---
  size_t receive(std::span<Packet*> burst);
  size_t allocate(std::span<Packet*> burst);
  size_t send(std::span<Packet*> burst);
  void release(std::span<Packet*> burst);
  void wait(Instant deadline) { wake_at_ = deadline; }
  void wake() { wake_at_ = simulation_.now(); }

  // --- the network's side ---
  void deliver(Datagram datagram);
  Instant wake_at() const { return wake_at_; }
  // Called before each round: unless it waits, the worker runs again at once.
  void clear_wake() { wake_at_ = simulation_.now(); }
  uint64_t received() const { return received_; }
  uint64_t received_bytes() const { return received_bytes_; }
  uint64_t sent() const { return sent_; }
  uint64_t sent_bytes() const { return sent_bytes_; }
  // Datagrams that found the queue full or the pool empty.
  uint64_t overrun() const { return overrun_; }

 private:
  Simulation& simulation_;
  SimPool& pool_;
  std::deque<Datagram> queue_;
  Instant wake_at_;
  uint64_t received_ = 0;
  uint64_t received_bytes_ = 0;
  uint64_t sent_ = 0;
  uint64_t sent_bytes_ = 0;
  uint64_t overrun_ = 0;
};
static_assert(PacketPort<SimPort>);

// What a worker loop takes for a clock.
struct VirtualClock {
  const Simulation* simulation;
  Instant now() const { return simulation->now(); }
};

}  // namespace viaduct::sim
