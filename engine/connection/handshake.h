// What a connection needs only until its handshake is over: TLS, CRYPTO streams, and the keys of the first two levels.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/instant.h"
#include "base/packet.h"
#include "crypto-offload/tls_session.h"
#include "engine/app_channel.h"
#include "engine/connection/crypto_scramble.h"
#include "engine/connection/packet_keys.h"
#include "engine/recovery/packet_space.h"
#include "engine/stream/crypto_stream.h"
#include "engine/stream/stream_resources.h"
#include "engine/wire/transport_parameters.h"

namespace viaduct::quic {

// A datagram, from `offset` on, whose keys are not known yet.
struct DeferredDatagram {
  Packet* packet = nullptr;
  uint16_t offset = 0;
};

struct Handshake {
  // Datagrams that may wait: a server's whole first flight, or what a client sends behind its Finished. RFC 9001
  // section 5.7 lets us keep some.
  static constexpr size_t kMaxDeferred = 12;

  explicit Handshake(StreamResources& streams)
      : crypto{CryptoStream(streams.received, streams.ranges), CryptoStream(streams.received, streams.ranges),
               CryptoStream(streams.received, streams.ranges)} {}

  LevelKeys& keys(PacketSpace space) { return space == PacketSpace::kInitial ? initial : handshake; }
  CryptoStream& stream(PacketSpace space) { return crypto[index_of(space)]; }

  std::unique_ptr<crypto::TlsSession> tls;
  std::array<CryptoStream, kPacketSpaces> crypto;
  LevelKeys initial;
  LevelKeys first_initial;  // of the version that the client began with, where another was agreed on
  LevelKeys handshake;
  LevelKeys early;                         // 0-RTT: a client writes, a server reads
  Instant early_until = Instant::never();  // server: when its keys go, once 1-RTT packets come
  bool may_lead = false;                   // server: its parameters may follow from the client's, and so its version
  bool initial_discarded = false;
  bool handshake_discarded = false;
  uint64_t first_one_rtt = 0;  // no packet of ours below this number is a 1-RTT packet; known at completion

  ConnectionId peer_scid;  // of the peer's long headers
  bool peer_scid_known = false;
  std::optional<ConnectionId> retry_scid;              // client: of the Retry that it followed
  std::vector<CryptoPiece> scrambled;                  // client: of its ClientHello, still to be sent
  std::vector<uint8_t> token;                          // client: for its Initials
  std::optional<TransportParameters> peer_parameters;  // not authentic before completion
  std::optional<TransportParameters> remembered;       // client: what its 0-RTT packets go by

  std::array<DeferredDatagram, kMaxDeferred> deferred;
  size_t deferred_count = 0;
};

// What a TLS session calls its connection, and back.
constexpr uint64_t owner_of(ConnectionHandle handle) { return uint64_t{handle.generation} << 32 | handle.index; }
constexpr ConnectionHandle handle_of_owner(uint64_t owner) {
  return {static_cast<uint32_t>(owner), static_cast<uint32_t>(owner >> 32)};
}

// The level of CRYPTO that a packet number space carries, and back.
constexpr crypto::EncryptionLevel level_of(PacketSpace space) {
  if (space == PacketSpace::kInitial) return crypto::EncryptionLevel::kInitial;
  return space == PacketSpace::kHandshake ? crypto::EncryptionLevel::kHandshake : crypto::EncryptionLevel::kOneRtt;
}
constexpr PacketSpace space_of(crypto::EncryptionLevel level) {
  if (level == crypto::EncryptionLevel::kInitial) return PacketSpace::kInitial;
  return level == crypto::EncryptionLevel::kHandshake ? PacketSpace::kHandshake : PacketSpace::kApplication;
}

}  // namespace viaduct::quic
