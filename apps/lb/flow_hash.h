// Keyed hashes of flows: by addresses, and by connection IDs.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "base/address.h"
#include "base/bytes.h"
#include "base/siphash.h"
#include "pmd-glue/wire.h"

namespace viaduct::lb {

// Balancers with equal keys compute equal hashes. The sides are told apart: client first, then the service.
class FlowHash {
 public:
  explicit FlowHash(const SipKey& key) : key_(key) {}

  // Of a packet from a client. ip: its IP header; udp: its UDP header.
  uint64_t of_packet(const uint8_t* ip, bool is_v6, const uint8_t* udp) const {
    std::array<uint8_t, 36> bytes;
    const size_t addresses = is_v6 ? 32 : 8;
    std::memcpy(bytes.data(), ip + (is_v6 ? 8 : 12), addresses);
    std::memcpy(bytes.data() + addresses, udp, 4);
    return siphash(key_, {bytes.data(), addresses + 4});
  }
  // The same of addresses, both of one family.
  uint64_t of_addresses(const SocketAddress& client, const SocketAddress& service) const {
    std::array<uint8_t, 36> bytes;
    const bool is_v6 = !client.ip.is_v4();
    const size_t size = is_v6 ? 16 : 4, skipped = 16 - size;
    std::memcpy(bytes.data(), client.ip.bytes.data() + skipped, size);
    std::memcpy(bytes.data() + size, service.ip.bytes.data() + skipped, size);
    net::store_u16(bytes.data() + 2 * size, client.port);
    net::store_u16(bytes.data() + 2 * size + 2, service.port);
    return siphash(key_, {bytes.data(), 2 * size + 4});
  }
  // Of a flow's addresses and the client's source connection ID.
  uint64_t of_scid(uint64_t addresses, Bytes scid) const { return labelled('s', addresses, scid); }
  // Of a destination connection ID at a service, by Service::key.
  uint64_t of_dcid(uint64_t service, Bytes dcid) const { return labelled('d', service, dcid); }

 private:
  uint64_t labelled(uint8_t label, uint64_t number, Bytes id) const {
    std::array<uint8_t, 9 + 255> bytes;
    bytes[0] = label;
    std::memcpy(bytes.data() + 1, &number, sizeof number);
    const size_t size = std::min<size_t>(id.size(), 255);
    if (size > 0) std::memcpy(bytes.data() + 9, id.data(), size);
    return siphash(key_, {bytes.data(), 9 + size});
  }

  SipKey key_;
};

}  // namespace viaduct::lb
