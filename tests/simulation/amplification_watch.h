// Watches from outside that a server sends no more than three times what it got to an address that has not shown that
// it receives (RFC 9000 section 8.1).
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tests/simulation/datagram.h"

namespace viaduct::sim {

// An address counts as validated once a packet came from it that only who received the server's can send. Whether the
// server could read that packet is not known here, so the check is on the lenient side where packets are corrupted.
class AmplificationWatch {
 public:
  explicit AmplificationWatch(IpAddress server) : server_(server) {}

  void sent(const Datagram& datagram);
  void delivered(const Datagram& datagram);
  // The first violation, or empty.
  const std::string& violation() const { return violation_; }

 private:
  struct Peer {
    uint64_t received = 0;  // by the server
    uint64_t sent = 0;
    bool validated = false;
  };

  const IpAddress server_;
  std::map<SocketAddress, Peer> peers_;
  std::string violation_;
};

}  // namespace viaduct::sim
