// Clients that must prove their address first: Retry, and what becomes of bad tokens (RFC 9000 section 8.1).
#include "crypto-offload/key_schedule.h"
#include "engine/endpoint/shard.h"
#include "engine/verdicts.h"
#include "engine/wire/frame_writer.h"

namespace viaduct::quic {

bool Shard::wants_retry() const {
  // Without tokens, the limits of what is half open have to do.
  if (!tokens_.can_make_retry()) return false;
  if (config.retry == RetryPolicy::kUnderLoad) return handshakes.used() >= config.retry_half_open;
  return config.retry == RetryPolicy::kAlways;
}

// No state is kept and nothing is decrypted: this is what a flood of first packets costs.
// meets RFC 9000 17.2.5.1-1 17.2.5.1-4
Verdict Shard::send_retry(const Packet& datagram, const PacketHeader& header, Instant now) {
  if (!replies_.has_room()) return kRetryUnanswered;  // before a key is used for it
  const ConnectionId scid = *mint();
  AddressTokens::Room room;
  const Bytes token =
      tokens_.make_retry(datagram.path.remote, header.version, header.dcid, scid.bytes(), now, services.random, room);
  std::array<uint8_t, StatelessReplies::kMaxSize> packet;
  ByteWriter writer(packet);
  write_retry(writer, header.version, header.scid, scid.bytes(), token, static_cast<uint8_t>(services.random.u32()));
  writer.bytes(crypto::retry_integrity_tag(header.version, header.dcid, writer.written()));
  replies_.add(datagram.path, writer.written());
  stats.retries_sent.add();
  return kRetrySent;
}

// A client follows one Retry only, so that there is no way on for it; it is told at once (section 8.1.2).
void Shard::refuse_token(const Packet& datagram, const PacketHeader& header, const LevelKeys& keys) {
  std::array<uint8_t, StatelessReplies::kMaxSize> packet;
  std::array<uint8_t, 64> payload;
  ByteWriter frames(payload);
  write_connection_close(frames, {ErrorCode::kInvalidToken, 0, "bad Retry token"});
  ByteWriter writer(packet);
  const LongHeader fields{.version = header.version, .dcid = header.scid, .scid = header.dcid, .token = {}};
  const HeaderLayout layout = write_long_header(writer, fields, 0, 1);
  const size_t size = layout.size + frames.size() + crypto::kTagSize;
  set_packet_length(packet.data(), layout, size);
  crypto::SealJob seal{.key = keys.write.get(),
                       .associated_data = Bytes(packet).first(layout.size),
                       .in = {frames.written(), {}, {}},
                       .out = packet.data() + layout.size};
  services.protector.seal({&seal, 1});
  crypto::MaskJob mask{keys.write_header.get(), packet.data() + layout.packet_number_offset + kSampleOffset, {}};
  services.protector.header_masks({&mask, 1});
  apply_mask(packet.data(), packet.data() + layout.packet_number_offset, 1, mask.mask);
  replies_.add(datagram.path, Bytes(packet).first(size));
}

}  // namespace viaduct::quic
