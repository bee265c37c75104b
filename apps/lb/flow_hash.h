// Keyed hashes of flows: by addresses, and by connection IDs.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "base/address.h"
#include "base/bytes.h"
#include "base/siphash.h"
#include "pmd-glue/wire.h"

namespace viaduct::lb {

// Balancers with equal keys compute equal hashes of addresses. The sides are told apart: client first, then the
// service.
//
// Nearly all that is hashed has a length that is known here, so that hashing it takes neither loops nor copies.
class FlowHash {
 public:
  explicit FlowHash(const SipKey& key) : key_(key) {}

  // Of a packet from a client. ip: its IP header; udp: its UDP header.
  uint64_t of_packet(const uint8_t* ip, bool is_v6, const uint8_t* udp) const {
    return is_v6 ? of_tuple<32>(ip + 8, udp) : of_tuple<8>(ip + 12, udp);
  }
  // The same of addresses, both of one family.
  uint64_t of_addresses(const SocketAddress& client, const SocketAddress& service) const {
    std::array<uint8_t, 36> bytes;
    const size_t size = !client.ip.is_v4() ? 16 : 4, skipped = 16 - size;
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
  static constexpr size_t kWord = sizeof(uint64_t);

  static uint64_t load(const uint8_t* p) {
    uint64_t word;
    std::memcpy(&word, p, sizeof word);
    return word;
  }
  // Up to 8 bytes; two of one length that differ give different words.
  static uint64_t load_short(Bytes bytes) {
    const uint8_t* p = bytes.data();
    const size_t size = bytes.size();
    if (size == kWord) return load(p);
    if (size >= 4) {
      uint32_t front, back;
      std::memcpy(&front, p, sizeof front);
      std::memcpy(&back, p + size - sizeof back, sizeof back);
      return front | uint64_t{back} << 32;
    }
    return size == 0 ? 0 : p[0] | uint64_t{p[size / 2]} << 8 | uint64_t{p[size - 1]} << 16;
  }

  template <size_t kAddresses>
  [[gnu::flatten]] uint64_t of_tuple(const uint8_t* addresses, const uint8_t* ports) const {
    std::array<uint8_t, kAddresses + 4> bytes;
    std::memcpy(bytes.data(), addresses, kAddresses);
    std::memcpy(bytes.data() + kAddresses, ports, 4);
    return siphash(key_, bytes);
  }
  template <size_t kWords>
  [[gnu::flatten]] uint64_t of_words(const std::array<uint64_t, kWords>& words, uint16_t label) const {
    std::array<uint8_t, kWords * kWord + sizeof label> bytes;
    std::memcpy(bytes.data(), words.data(), kWords * kWord);
    std::memcpy(bytes.data() + kWords * kWord, &label, sizeof label);
    return siphash(key_, bytes);
  }

  // What is hashed of an ID up to 24 bytes long has its length in it: its last bytes may stand there twice.
  uint64_t labelled(uint8_t label, uint64_t number, Bytes id) const {
    const uint8_t* p = id.data();
    const size_t size = id.size();
    const auto end = static_cast<uint16_t>(label | size << 8);
    if (size <= kWord) return of_words<2>({number, load_short(id)}, end);
    if (size <= 2 * kWord) return of_words<3>({number, load(p), load(p + size - kWord)}, end);
    if (size <= 3 * kWord) return of_words<4>({number, load(p), load(p + kWord), load(p + size - kWord)}, end);
    std::array<uint8_t, kWord + 255 + sizeof end> bytes;
    const size_t kept = std::min<size_t>(size, 255);
    std::memcpy(bytes.data(), &number, kWord);
    std::memcpy(bytes.data() + kWord, p, kept);
    std::memcpy(bytes.data() + kWord + kept, &end, sizeof end);
    return siphash(key_, {bytes.data(), kWord + kept + sizeof end});
  }

  SipKey key_;
};

}  // namespace viaduct::lb
