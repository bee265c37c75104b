// The frames of RFC 9000 section 19 and the DATAGRAM of RFC 9221: what they hold, and how they are parsed.
// Nothing here allocates; byte fields point into the packet.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "engine/recovery/packet_space.h"
#include "engine/wire/frame_type.h"
#include "engine/wire/packet_header.h"
#include "engine/wire/stateless_reset.h"
#include "engine/wire/transport_error.h"

namespace viaduct::quic {

// Streams of one kind that there can be (RFC 9000 section 4.6).
inline constexpr uint64_t kMaxStreamCount = uint64_t{1} << 60;

using PathData = std::array<uint8_t, 8>;

struct EcnCounts {
  uint64_t ect0 = 0;
  uint64_t ect1 = 0;
  uint64_t ce = 0;
  bool operator==(const EcnCounts&) const = default;
};

struct PaddingFrame {
  uint64_t count;  // neighbours are taken together
};
struct AckFrame {
  uint64_t largest;
  uint64_t delay;        // as on the wire: to be shifted by the sender's ack_delay_exponent
  uint64_t first_range;  // packets below largest that the first range holds
  uint64_t range_count;  // ranges after the first
  Bytes encoded_ranges;  // those; read them by AckRangeReader
  bool has_ecn;
  EcnCounts ecn;
};
struct ResetStreamFrame {
  uint64_t stream;
  uint64_t error;
  uint64_t final_size;
  uint64_t reliable_size;  // <= final_size: bytes that are delivered all the same
};
struct StopSendingFrame {
  uint64_t stream;
  uint64_t error;
};
struct CryptoFrame {
  uint64_t offset;
  Bytes data;
};
struct NewTokenFrame {
  Bytes token;  // not empty
};
struct StreamFrame {
  uint64_t stream;
  uint64_t offset;  // offset + data.size() <= kMaxVarint
  Bytes data;
  bool fin;
};
struct MaxDataFrame {
  uint64_t limit;
};
struct MaxStreamDataFrame {
  uint64_t stream;
  uint64_t limit;
};
struct MaxStreamsFrame {
  bool unidirectional;
  uint64_t limit;  // <= kMaxStreamCount
};
struct DataBlockedFrame {
  uint64_t limit;
};
struct StreamDataBlockedFrame {
  uint64_t stream;
  uint64_t limit;
};
struct StreamsBlockedFrame {
  bool unidirectional;
  uint64_t limit;  // <= kMaxStreamCount
};
struct NewConnectionIdFrame {
  uint64_t sequence;
  uint64_t retire_prior_to;  // <= sequence
  ConnectionId id;           // 1 to 20 bytes
  StatelessResetToken token;
};
struct RetireConnectionIdFrame {
  uint64_t sequence;
};
struct PathChallengeFrame {
  PathData data;
};
struct PathResponseFrame {
  PathData data;
};
struct ConnectionCloseFrame {
  bool application;
  uint64_t error;
  uint64_t frame_type;  // of the frame that caused it; 0 for the application's
  Bytes reason;         // UTF-8, if the peer is kind
};
// draft-ietf-quic-ack-frequency section 4.
struct AckFrequencyFrame {
  uint64_t sequence;
  uint64_t threshold;     // an acknowledgement for more than so many ack-eliciting packets
  uint64_t max_delay_us;  // microseconds
  uint64_t reordering;    // 0: packets out of order are no reason for an acknowledgement at once
};
struct DatagramFrame {
  Bytes data;
  uint64_t frame_size;  // all of it, as max_datagram_frame_size counts
};

// One frame; `type` says which member holds.
struct Frame {
  FrameType type = FrameType::kPadding;
  uint64_t wire_type = 0;  // with its flags, as errors quote it
  union {
    PaddingFrame padding;
    AckFrame ack;
    ResetStreamFrame reset_stream;
    StopSendingFrame stop_sending;
    CryptoFrame crypto;
    NewTokenFrame new_token;
    StreamFrame stream;
    MaxDataFrame max_data;
    MaxStreamDataFrame max_stream_data;
    MaxStreamsFrame max_streams;
    DataBlockedFrame data_blocked;
    StreamDataBlockedFrame stream_data_blocked;
    StreamsBlockedFrame streams_blocked;
    NewConnectionIdFrame new_connection_id;
    RetireConnectionIdFrame retire_connection_id;
    PathChallengeFrame path_challenge;
    PathResponseFrame path_response;
    ConnectionCloseFrame connection_close;
    DatagramFrame datagram;
    AckFrequencyFrame ack_frequency;
  };

  Frame() : padding{} {}
};

// Reads the frame at the front of a packet's payload, which is not empty, and checks all that a frame shows by
// itself: its encoding and bounds (FRAME_ENCODING_ERROR), that it may stand in such a packet and that `sender` may
// send it (PROTOCOL_VIOLATION). After an error the reader's place means nothing.
//
// A packet without any frame is the caller's to refuse (PROTOCOL_VIOLATION, RFC 9000 section 12.4).
TransportError parse_frame(ByteReader& payload, PacketType packet, Role sender, Frame& frame);

// The ranges of an ACK frame that was parsed, from the largest down; disjoint and not adjacent.
class AckRangeReader {
 public:
  explicit AckRangeReader(const AckFrame& ack)
      : encoded_(ack.encoded_ranges), next_{ack.largest - ack.first_range, ack.largest}, left_(ack.range_count + 1) {}

  // False after the last.
  bool next(PacketRange& range) {
    if (left_ == 0) return false;
    range = next_;
    if (--left_ > 0) {
      next_.largest = range.smallest - encoded_.varint() - 2;
      next_.smallest = next_.largest - encoded_.varint();
    }
    return true;
  }

 private:
  ByteReader encoded_;
  PacketRange next_;
  uint64_t left_;
};

}  // namespace viaduct::quic
