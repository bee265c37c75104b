// Everything that two endpoints send, as frames before it is sealed and as datagrams after.
#pragma once

#include <functional>
#include <vector>

#include "engine/wire/frames.h"
#include "engine/wire/packet_header.h"
#include "flowsteer/invariants.h"
#include "tests/engine/endpoint/two_endpoints.h"

namespace viaduct::quic::test {

// A packet on its way into the cipher.
struct Sealed {
  Role sender;
  PacketType type;
  uint8_t first_octet;
  std::vector<uint8_t> payload;
  uint32_t number = 0;  // its low bytes, as they are sent

  // Calls see(frame) for each frame, up to one that breaks a rule for frames in its packet, which is told in `error`.
  void for_each_frame(const std::function<void(const Frame&)>& see, TransportError* error = nullptr) const {
    ByteReader reader(payload);
    Frame frame;
    while (!reader.empty()) {
      if (const TransportError fault = parse_frame(reader, type, sender, frame)) {
        if (error != nullptr) *error = fault;
        return;
      }
      see(frame);
    }
  }
  bool has(FrameType type_wanted) const {
    bool found = false;
    for_each_frame([&](const Frame& frame) { found |= frame.type == type_wanted; });
    return found;
  }
};

inline PacketType type_of_header(Bytes header) {
  if ((header[0] & 0x80) == 0) return PacketType::kOneRtt;
  return packet_type(kVersion1, header[0] >> 4);
}

inline uint32_t number_of(Bytes header) {
  ByteReader reader(header.last((header[0] & kPacketNumberSizeBits) + 1u));
  uint32_t number = 0;
  while (!reader.empty()) number = number << 8 | reader.u8();
  return number;
}

// Takes the tampering of both sides; `meddle` may change a packet that was noted.
class Watch {
 public:
  using Meddle = std::function<void(Role sender, MutableBytes header, MutableBytes payload)>;

  explicit Watch(TwoEndpoints& pair) {
    for (const Role role : {Role::kClient, Role::kServer}) {
      Side& side = role == Role::kClient ? pair.client : pair.server;
      side.set_tamper([this, role](MutableBytes header, MutableBytes payload) {
        packets.push_back(
            {role, type_of_header(header), header[0], {payload.begin(), payload.end()}, number_of(header)});
        if (meddle) meddle(role, header, payload);
      });
    }
    pair.record = true;
  }

  std::vector<Sealed> packets;
  Meddle meddle;
};

// The headers of a datagram's packets that have long ones, and of the first short one.
inline std::vector<PacketHeader> headers_of(const Datagram& datagram, size_t short_dcid_size) {
  std::vector<PacketHeader> headers;
  for (Bytes rest(datagram.bytes); !rest.empty();) {
    const auto header = parse_packet_header(rest, short_dcid_size);
    if (!header) break;
    headers.push_back(*header);
    rest = rest.subspan(header->size);
  }
  return headers;
}

}  // namespace viaduct::quic::test
