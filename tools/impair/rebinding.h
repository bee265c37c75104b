// An address translator that forgets its mappings when told to: NAT rebinding.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "base/address.h"
#include "base/random.h"

namespace viaduct::impair {

// Nothing is changed before the first rebind(). After it each flow of the inside has a new port (and, if so told, a new
// address of its network of 256), and what comes for an old one goes nowhere.
class Rebinding {
 public:
  explicit Rebinding(uint64_t seed) : random_(Random::from_seed(seed)) {}

  void rebind(bool address);
  // How a flow of the inside shows itself.
  SocketAddress outward(const SocketAddress& inside);
  // Where a datagram for `outside` goes; empty where there is no such flow (any more).
  std::optional<SocketAddress> inward(const SocketAddress& outside) const;

  // Flows that are remembered; a further one takes the place of the oldest.
  static constexpr size_t kMaxFlows = 1024;

 private:
  struct Flow {
    SocketAddress inside, outside;
  };
  SocketAddress draw(SocketAddress inside);

  Random random_;
  bool is_active_ = false;
  bool changes_address_ = false;
  uint8_t host_ = 0;  // last octet of the addresses of the present binding
  std::deque<Flow> flows_;
};

}  // namespace viaduct::impair
