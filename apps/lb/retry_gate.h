// Retry on behalf of the servers (draft-ietf-quic-retry-offload, shared state): clients show that their address is
// theirs before a server hears of them. The one place of the balancer that reads more than the invariants.
#pragma once

#include <cstdint>
#include <optional>

#include "apps/lb/configuration.h"
#include "apps/lb/tunnel_headers.h"
#include "base/random.h"
#include "crypto-offload/retry_offload.h"

namespace viaduct::lb {

// What a first packet has to be known by. Spans point into the datagram.
struct InitialView {
  uint32_t version = 0;
  Bytes dcid;
  Bytes scid;
  Bytes token;
};

// The Initial packet at the front of a datagram, of a version whose Retry we can write and large enough to be answered
// (RFC 9000 section 14.1); empty for anything else.
std::optional<InitialView> read_initial(Bytes datagram);

// One worker's.
class RetryGate {
 public:
  RetryGate(const RetryConfig& config, Random random);

  // Other keys and another life from now on. seconds: as below. Tokens of the keys before are taken for their life.
  void change(const RetryConfig& config, uint64_t seconds);
  // Whether the packet brings a token of ours back. seconds: POSIX time.
  crypto::RetryOffloadState check(const InitialView& initial, const SocketAddress& client, uint64_t seconds) const;

  // Turns the packet into a Retry to its client, from the service that it was for; without a link-layer header yet.
  // Empty where the key has made all tokens that it may.
  std::optional<InnerPacket> answer(Packet& packet, const InnerPacket& inner, uint16_t ip_header,
                                    const InitialView& initial, const SocketAddress& client,
                                    const SocketAddress& service, uint64_t seconds);

 private:
  crypto::RetryOffload offload_;
  uint64_t lifetime_;  // seconds
  Random random_;
};

}  // namespace viaduct::lb
