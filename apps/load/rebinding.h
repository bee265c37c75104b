// Gives connections another UDP port in the middle of their life, as a NAT does that forgot them.
#pragma once

#include <cstdint>
#include <vector>

#include "apps/load/config.h"
#include "base/packet.h"

namespace viaduct::load {

// The endpoint keeps the port that a connection began with; the wire sees the newest. A port that was given up is given
// out again after all others.
class Rebinding {
 public:
  Rebinding() : shown_(1 << 16), meant_(1 << 16) {
    for (uint32_t port = 0; port < shown_.size(); ++port) shown_[port] = meant_[port] = static_cast<uint16_t>(port);
  }

  // `port` < kFirstMovedPort is shown as another one from now on.
  void move(uint16_t port) {
    const uint16_t fresh = next_;
    next_ = next_ == kLastPort ? kFirstMovedPort : static_cast<uint16_t>(next_ + 1);
    // Whoever is still shown as it is shown as itself again.
    const uint16_t before = meant_[fresh];
    if (shown_[before] == fresh) shown_[before] = before;
    shown_[port] = fresh;
    meant_[fresh] = port;
  }

  void to_wire(Packet& packet) const { packet.path.local.port = shown_[packet.path.local.port]; }
  void from_wire(Packet& packet) const { packet.path.local.port = meant_[packet.path.local.port]; }

 private:
  std::vector<uint16_t> shown_, meant_;
  uint16_t next_ = kFirstMovedPort;
};

}  // namespace viaduct::load
