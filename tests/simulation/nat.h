// An address translator before a host that forgets its mappings now and then.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/instant.h"

namespace viaduct::sim {

// From this moment on all flows of the host have new ports, or new ports at a new address; datagrams to the old ones
// are dropped.
struct Rebinding {
  Instant at;
  bool address = false;
};

class Nat {
 public:
  Nat(IpAddress inside, std::vector<Rebinding> rebindings) : inside_(inside), rebindings_(std::move(rebindings)) {}

  IpAddress inside() const { return inside_; }

  // Before the first rebinding nothing is changed.
  SocketAddress outward(SocketAddress from, Instant now) const {
    const Shift shift = shift_at(now);
    from.ip.bytes.back() = static_cast<uint8_t>(from.ip.bytes.back() + shift.address);
    from.port = static_cast<uint16_t>(from.port + kPortStep * shift.port);
    return from;
  }
  // Where a datagram to this address goes inside; empty where there is no such mapping (any more).
  std::optional<SocketAddress> inward(SocketAddress to, Instant now) const {
    const Shift shift = shift_at(now);
    to.ip.bytes.back() = static_cast<uint8_t>(to.ip.bytes.back() - shift.address);
    to.port = static_cast<uint16_t>(to.port - kPortStep * shift.port);
    if (to.ip != inside_ || to.port < kFirstPort || to.port >= kFirstPort + kPortStep) return std::nullopt;
    return to;
  }

  // Hosts behind a Nat use ports of this range.
  static constexpr uint16_t kFirstPort = 1000;
  static constexpr uint16_t kPortStep = 1000;

 private:
  struct Shift {
    unsigned port = 0;
    unsigned address = 0;
  };
  Shift shift_at(Instant now) const {
    Shift shift;
    for (const Rebinding& rebinding : rebindings_) {
      if (rebinding.at > now) continue;
      ++shift.port;
      shift.address += rebinding.address ? 1 : 0;
    }
    return shift;
  }

  IpAddress inside_;
  std::vector<Rebinding> rebindings_;
};

}  // namespace viaduct::sim
