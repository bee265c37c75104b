// A network device: a DPDK port with its queues and its packet pool, from a driver named in the configuration.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pmd-glue/device_config.h"

namespace viaduct::net {

class FramePort;

// A pool's packets: how many there are, are in use now, were in use at most (as sampled), and how many were
// asked for in vain.
struct PoolGauge {
  uint64_t capacity = 0;
  uint64_t used = 0;
  uint64_t high_water = 0;
  uint64_t refused = 0;
};

struct LinkState {
  bool up = false;
  uint32_t speed_mbps = 0;  // 0: unknown
};

// The driver's counters, since the device was opened.
struct DeviceStatistics {
  uint64_t rx_packets = 0, tx_packets = 0, rx_bytes = 0, tx_bytes = 0;
  uint64_t rx_missed = 0;  // dropped by the device for want of descriptors
  uint64_t rx_errors = 0, tx_errors = 0;
  uint64_t rx_no_buffer = 0;  // dropped by the driver for want of packets in the pool
};

class Device {
 public:
  struct Core;  // for this folder's own files
  // Opens and starts the device with all its queues. The EAL must be running. Control thread. The error is one
  // sentence for the operator, with a hint.
  static std::expected<Device, std::string> open(const DeviceConfig& config);
  // Two ring devices, joined like the ends of a cable: queue i of each sends to queue i of the other. Both share one
  // packet pool.
  static std::expected<std::pair<Device, Device>, std::string> open_cable(const DeviceConfig& config);
  Device(Device&&) noexcept;
  Device& operator=(Device&&) noexcept;
  // Stops and closes it. No worker may be using a queue, and no packet may be held.
  ~Device();

  // Bytes of EAL memory that a device so configured takes, roughly.
  static size_t memory_needed(const DeviceConfig& config);

  // The port of one queue, index < queues(); the same object at every call.
  FramePort& queue(unsigned index);
  unsigned queues() const;

  const std::string& name() const;  // "af_packet:veth0"
  const MacAddress& mac() const;
  uint16_t mtu() const;  // bytes of IP
  uint16_t port_id() const;
  int numa_node() const;  // -1: unknown
  LinkState link() const;
  PoolGauge pool() const;
  DeviceStatistics statistics() const;
  // All of the driver's extended statistics, as name and value.
  std::vector<std::pair<std::string, uint64_t>> extended_statistics() const;

 private:
  explicit Device(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace viaduct::net
