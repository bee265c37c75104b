// The inside of a UdpPort.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "pmd-glue/icmp.h"
#include "pmd-glue/udp_headers.h"
#include "pmd-glue/udp_port.h"

namespace viaduct::net {

// Headers of the paths that were sent to last. A copied neighbour address is good while the table's epoch stays.
class HeaderCache {
 public:
  struct Line {
    Path path;
    uint32_t epoch = 0;
    UdpHeaders headers;
  };
  Line& line_of(const Path& path) {
    uint64_t low;
    std::memcpy(&low, path.remote.ip.bytes.data() + 8, 8);
    const uint64_t mixed = (low ^ uint64_t{path.remote.port} << 48 ^ uint64_t{path.local.port} << 16) * kOdd;
    return lines_[mixed >> (64 - kBits)];
  }

 private:
  static constexpr unsigned kBits = 8;
  static constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;
  std::array<Line, 1 << kBits> lines_;
};

struct UdpPort::State {
  explicit State(const IpInterfaceConfig& config) : echo_limit(config.echo_per_second) {
    waiting.reserve(config.pending);
  }

  struct Waiting {
    Packet* packet;
    IpAddress next_hop;
    Instant until;  // then it is dropped
  };

  HeaderCache headers;
  bool was_refused = false;      // the device took less than it was offered: it is full, or was
  std::vector<Waiting> waiting;  // packets for neighbours whose address is being asked for; capacity is the bound
  uint32_t waiting_epoch = 0;    // of the table when they were last looked at
  Instant waiting_check = Instant::never();
  EchoLimit echo_limit;
  uint64_t path_mtu_cursor = 0;
  bool announced = false;
  // Answers made of this burst's frames, and frames to give back.
  std::array<Packet*, 2 * kBurst> answers;
  size_t answer_count = 0;
  std::array<Packet*, 2 * kBurst> finished;
  size_t finished_count = 0;
};

// A counter that this worker alone writes.
inline void bump(std::atomic<uint64_t>& counter, uint64_t n = 1) {
  counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

}  // namespace viaduct::net
