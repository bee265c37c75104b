// One packet of a datagram while it is built.
#pragma once

#include <array>
#include <cstdint>

#include "crypto-offload/packet_protector.h"
#include "engine/connection/seal_batch.h"
#include "engine/recovery/packet_space.h"
#include "engine/recovery/sent_packet.h"
#include "engine/recovery/sent_packets.h"
#include "engine/wire/packet_header.h"

namespace viaduct::quic {

struct PacketPart {
  PacketSpace space = PacketSpace::kApplication;
  uint8_t* start = nullptr;  // its first byte
  HeaderLayout layout;
  uint64_t number = 0;
  PayloadWriter payload;
  size_t frame_count = 0;
  bool ack_eliciting = false;
  bool padded = false;
  bool mtu_probe = false;
  std::array<SentFrame, SentPackets::kMaxFrames> frames;

  bool is_full() const { return frame_count == frames.size(); }
  // Notes a frame that must be acted on when the packet is acknowledged or lost.
  void record(const SentFrame& frame) { frames[frame_count++] = frame; }
  void record_eliciting(const SentFrame& frame) {
    record(frame);
    ack_eliciting = true;
  }
  bool is_empty() const { return payload.size() == 0; }
  // With its tag.
  size_t size() const { return layout.size + payload.size() + crypto::kTagSize; }
  void pad(size_t bytes) {
    payload.extend(bytes);
    payload.writer.fill(0, bytes);
    padded = true;
  }
};

// A datagram while packets are put into it.
// meets RFC 9000 12.2-3
struct DatagramPlan {
  Packet& packet;
  SealBatch& batch;
  size_t limit;                        // bytes that it may have
  const ConnectionId* dcid = nullptr;  // 1-RTT: in place of the one in use
  size_t used = 0;                     // by finished parts
  size_t scratch_used = 0;
};

}  // namespace viaduct::quic
