// ICMP in the balancer: telling senders what is too big, and reading what quotes a server's packet.
#pragma once

#include <cstdint>
#include <optional>

#include "apps/lb/tunnel_headers.h"
#include "base/address.h"
#include "base/bytes.h"

namespace viaduct::lb {

// Turns a packet into the message to its sender that only `mtu` bytes of IP fit (RFC 1191 section 4, RFC 4443 section
// 3.2), in front of as much of it as such a message quotes. It comes from the address that the packet was for. Returns
// the message, without a link-layer header yet.
InnerPacket write_too_big(const InnerPacket& packet, uint16_t mtu);

// Whether the sender wants to be told: IPv4 packets that routers may fragment do not (RFC 792).
bool wants_too_big(const InnerPacket& packet);

// The packet that an ICMP error quotes, as far as it was quoted.
struct QuotedPacket {
  SocketAddress source;  // a server, as its client saw it
  SocketAddress destination;
  Bytes payload;  // of UDP
};
// message: an ICMP error from its IP header on, ip_header bytes of which are that. Empty where its checksum is wrong
// or what it quotes is no UDP.
std::optional<QuotedPacket> read_quoted(const InnerPacket& message, uint16_t ip_header);

// A packet that we sent ourselves and an ICMP error quotes, as far as it was quoted: a client's in a tunnel, or any
// other datagram.
struct QuotedOfOurs {
  bool is_tunnelled = false;
  // Whether the client's UDP header is there, of a packet that can be; otherwise nothing below is but, where there is a
  // UDP header, whose packet it was.
  bool is_enough = false;
  InnerPacket packet;      // the client's, where it was tunnelled
  uint16_t ip_header = 0;  // bytes of its IP header
  uint16_t whole = 0;      // bytes of IP that it had
  size_t overhead = 0;     // that the tunnel had in front of it
  SocketAddress source, destination;
};
// message: as above, to an address of our own. Empty where its checksum is wrong or what it quotes is neither of these.
std::optional<QuotedOfOurs> read_quoted_of_ours(const InnerPacket& message, uint16_t ip_header, uint16_t gue_port);

// The MTU that a message tells for which a packet was too big; empty for any other message, and for routers so old that
// they do not say (RFC 1191 section 4).
std::optional<uint16_t> read_too_big(const InnerPacket& message, uint16_t ip_header);

// Rewrites an ICMP error for a server behind translation: the message goes to `server`, and what it quotes is what
// the server itself sent, from `server` to `translated`. All are of the message's family.
void translate_quoted(const InnerPacket& message, uint16_t ip_header, const SocketAddress& server,
                      const SocketAddress& translated);

}  // namespace viaduct::lb
