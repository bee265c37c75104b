// A pool of packets on one NUMA node.
#pragma once

#include <atomic>
#include <expected>
#include <memory>
#include <string>

#include "pmd-glue/device.h"

struct rte_mempool;

namespace viaduct::net {

class PacketPool {
 public:
  // data_room: bytes for a frame, headroom not counted.
  static std::expected<std::shared_ptr<PacketPool>, std::string> make(unsigned packets, uint16_t data_room, int node);
  explicit PacketPool(rte_mempool* mempool) : mempool_(mempool) {}
  ~PacketPool();
  PacketPool(const PacketPool&) = delete;
  PacketPool& operator=(const PacketPool&) = delete;

  rte_mempool* mempool() { return mempool_; }
  PoolGauge gauge() const;
  // Any worker: an allocation that was not met in full.
  void note_refused() { refused_.fetch_add(1, std::memory_order_relaxed); }
  // Any worker, now and then: counting what is in use takes a microsecond.
  void sample() const;

  // Bytes of memory that one packet takes with its bookkeeping.
  static size_t bytes_for(uint16_t data_room);
  // What each thread keeps for itself at most.
  static constexpr unsigned kCache = 256;

 private:
  rte_mempool* mempool_;
  mutable std::atomic<uint64_t> high_water_{0};
  std::atomic<uint64_t> refused_{0};
};

}  // namespace viaduct::net
