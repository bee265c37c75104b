// What is remembered of a packet that was sent: when, how big, and which frames it carried.
#pragma once

#include <cstdint>
#include <span>

#include "base/instant.h"
#include "base/packet.h"
#include "engine/congestion/delivery.h"
#include "engine/recovery/packet_space.h"

namespace viaduct::quic {

// What of a frame its sender must remember to act on its acknowledgement or loss. PADDING and PING need no record.
enum class SentFrameType : uint8_t {
  kAck,                 // offset: Largest Acknowledged of the frame; its acknowledgement trims AckRanges
  kCrypto,              // offset, length; the packet's space tells the level
  kStream,              // id, offset, length, fin
  kResetStream,         // id
  kStopSending,         // id
  kMaxData,             // offset: the limit
  kMaxStreamData,       // id; offset: the limit
  kMaxStreamsBidi,      // offset: the limit
  kMaxStreamsUni,       // offset: the limit
  kDataBlocked,         // offset: the limit
  kStreamDataBlocked,   // id; offset: the limit
  kStreamsBlockedBidi,  // offset: the limit
  kStreamsBlockedUni,   // offset: the limit
  kNewToken,            // id: whatever the sender uses to find it
  kNewConnectionId,     // offset: sequence number
  kRetireConnectionId,  // offset: sequence number
  kHandshakeDone,
  kDatagram,       // length; id: whatever the sender uses to find it
  kPathChallenge,  // id: which
  kMtuProbe,       // length: the size probed
  kAckFrequency,   // offset: sequence number
};

struct SentFrame {
  uint64_t id = 0;
  uint64_t offset = 0;
  uint32_t length = 0;
  SentFrameType type = SentFrameType::kAck;
  bool fin = false;
  bool operator==(const SentFrame&) const = default;
};
static_assert(sizeof(SentFrame) == 24);

struct SentPacket {
  Instant sent_time;
  uint32_t size = 0;           // bytes of UDP payload, below 65536
  bool ack_eliciting = false;  // RFC 9002 section 2
  bool in_flight = false;      // ack-eliciting or with PADDING: counts for congestion control
  bool mtu_probe = false;      // its loss says nothing about congestion (RFC 9000 section 14.4)
  Ecn ecn = Ecn::kNotEct;
  bool has_delivery = false;  // Recovery's own, as is the next
  DeliverySnapshot delivery = {};
};
static_assert(sizeof(SentPacket) == 48);

// Told what became of packets in flight. It must not call back into what calls it. The frames are valid during the
// call.
class PacketFateObserver {
 public:
  // Acknowledged for the first time. That may come after packet_lost() of the same packet: the loss was spurious,
  // and what waits for retransmission need not be sent again.
  virtual void packet_acked(PacketSpace space, uint64_t number, const SentPacket& packet,
                            std::span<const SentFrame> frames) = 0;
  // Declared lost: what the frames carried is to be sent again, as far as it is still wanted.
  virtual void packet_lost(PacketSpace space, uint64_t number, const SentPacket& packet,
                           std::span<const SentFrame> frames) = 0;
  // Still in flight, but a probe is due: what the frames carried is the best content of the probe
  // (RFC 9002 section 6.2.4). To be treated as if lost.
  virtual void packet_probed(PacketSpace space, uint64_t number, const SentPacket& packet,
                             std::span<const SentFrame> frames) = 0;

 protected:
  ~PacketFateObserver() = default;
};

}  // namespace viaduct::quic
