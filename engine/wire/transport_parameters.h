// Transport parameters (RFC 9000 section 18, RFC 9221, RFC 9287, RFC 9368): what each end tells the other in the
// TLS handshake.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/address.h"
#include "base/bytes.h"
#include "engine/wire/packet_header.h"
#include "engine/wire/role.h"
#include "engine/wire/stateless_reset.h"
#include "engine/wire/transport_error.h"

namespace viaduct::quic {

// RFC 9000 section 18.2. An address with port 0 is not offered.
struct PreferredAddress {
  SocketAddress v4;
  SocketAddress v6;
  ConnectionId id;  // sequence number 1
  StatelessResetToken token{};
  bool operator==(const PreferredAddress&) const = default;
};

// RFC 9368 section 3. More available versions than fit are dropped from the end: none of ours is named so late.
struct VersionInformation {
  static constexpr size_t kMaxAvailable = 16;
  uint32_t chosen = 0;
  std::array<uint32_t, kMaxAvailable> available{};
  size_t available_count = 0;
  bool operator==(const VersionInformation&) const = default;
};

// Defaults are what an absent parameter means.
struct TransportParameters {
  // The handshake's own connection IDs (RFC 9000 section 7.3).
  std::optional<ConnectionId> original_destination_connection_id;  // server only
  std::optional<ConnectionId> initial_source_connection_id;
  std::optional<ConnectionId> retry_source_connection_id;    // server only
  std::optional<StatelessResetToken> stateless_reset_token;  // server only
  std::optional<PreferredAddress> preferred_address;         // server only
  std::optional<VersionInformation> version_information;

  uint64_t max_idle_timeout = 0;                     // milliseconds; 0: none
  uint64_t max_udp_payload_size = 65527;             // bytes, at least 1200
  uint64_t initial_max_data = 0;                     // bytes
  uint64_t initial_max_stream_data_bidi_local = 0;   // bytes, on streams that the sender of this opens
  uint64_t initial_max_stream_data_bidi_remote = 0;  // bytes, on streams that its receiver opens
  uint64_t initial_max_stream_data_uni = 0;          // bytes
  uint64_t initial_max_streams_bidi = 0;             // up to 2^60
  uint64_t initial_max_streams_uni = 0;              // up to 2^60
  uint64_t ack_delay_exponent = 3;                   // up to 20
  uint64_t max_ack_delay = 25;                       // milliseconds, below 2^14
  uint64_t active_connection_id_limit = 2;           // at least 2
  uint64_t max_datagram_frame_size = 0;              // bytes of a whole DATAGRAM frame; 0: none accepted
  std::optional<uint64_t> min_ack_delay;  // microseconds, up to max_ack_delay; absent: no ACK_FREQUENCY frames
  bool disable_active_migration = false;
  bool grease_quic_bit = false;
  bool reset_stream_at = false;  // by its number or by the one of older drafts; both are sent

  bool operator==(const TransportParameters&) const = default;
};

// What encoding any parameters of ours takes at most.
inline constexpr size_t kMaxEncodedTransportParameters = 512;

// Encodes what `sender` may send, leaving out what equals its default. grease: a random number, of which a reserved
// parameter is made (RFC 9000 section 18.1). The number of bytes written to `out`; 0 where they do not fit.
size_t encode_transport_parameters(const TransportParameters& parameters, Role sender, uint64_t grease,
                                   MutableBytes out);

// Reads what `sender` sent, with all checks that need nothing but the bytes: TRANSPORT_PARAMETER_ERROR for a
// parameter that is malformed, out of bounds, repeated, or not the sender's to send, and for more than 128. Unknown
// ones are skipped. Whether the connection IDs are the handshake's, and the version, is the connection's to check.
TransportError decode_transport_parameters(Bytes encoded, Role sender, TransportParameters& parameters);

}  // namespace viaduct::quic
