// An address translator before a host that forgets its mappings now and then.
#pragma once

#include <cstdint>
#include <optional>

#include "base/address.h"

namespace viaduct::sim {

class Nat {
 public:
  explicit Nat(IpAddress inside) : inside_(inside) {}

  IpAddress inside() const { return inside_; }

  // From now on all flows of the host have new ports, or new ports at a new address; what comes for the old ones is
  // dropped.
  void rebind(bool address) {
    ++ports_;
    addresses_ += address ? 1 : 0;
  }

  // Before the first rebinding nothing is changed.
  SocketAddress outward(SocketAddress from) const {
    from.ip.bytes.back() = static_cast<uint8_t>(from.ip.bytes.back() + addresses_);
    from.port = static_cast<uint16_t>(from.port + kPortStep * ports_);
    return from;
  }
  // Where a datagram to this address goes inside; empty where there is no such mapping (any more).
  std::optional<SocketAddress> inward(SocketAddress to) const {
    to.ip.bytes.back() = static_cast<uint8_t>(to.ip.bytes.back() - addresses_);
    to.port = static_cast<uint16_t>(to.port - kPortStep * ports_);
    if (to.ip != inside_ || to.port < kFirstPort || to.port >= kFirstPort + kPortStep) return std::nullopt;
    return to;
  }

  // Hosts behind a Nat use ports of this range.
  static constexpr uint16_t kFirstPort = 1000;
  static constexpr uint16_t kPortStep = 1000;

 private:
  IpAddress inside_;
  unsigned ports_ = 0;
  unsigned addresses_ = 0;
};

}  // namespace viaduct::sim
