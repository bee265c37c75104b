// How full a pool is: what telemetry shows of each.
#pragma once

#include <atomic>
#include <cstdint>

namespace viaduct {

// Written by the pool's owner alone; read by any thread.
class PoolUse {
 public:
  uint32_t used() const { return used_.load(std::memory_order_relaxed); }
  // The most that were ever used at once.
  uint32_t high_water() const { return high_water_.load(std::memory_order_relaxed); }
  // How often the pool was asked for more than it had.
  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

  void count_taken() {
    const uint32_t now = used() + 1;
    used_.store(now, std::memory_order_relaxed);
    if (now > high_water()) high_water_.store(now, std::memory_order_relaxed);
  }
  void count_returned() { used_.store(used() - 1, std::memory_order_relaxed); }
  void count_refused() { refused_.store(refused() + 1, std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> used_{0};
  std::atomic<uint32_t> high_water_{0};
  std::atomic<uint64_t> refused_{0};
};

}  // namespace viaduct
