#include "engine/endpoint/stateless_replies.h"

#include <algorithm>
#include <cstring>

#include "engine/wire/packet_header.h"

namespace viaduct::quic {

ResetTokens::ResetTokens(const std::array<uint8_t, 32>& key) {
  std::memcpy(low_.data(), key.data(), low_.size());
  std::memcpy(high_.data(), key.data() + low_.size(), high_.size());
}

// meets RFC 9000 10.3.2-1 10.3.2-2 10.3.2-5
StatelessResetToken ResetTokens::token_for(Bytes connection_id) const {
  StatelessResetToken token;
  ByteWriter writer(token);
  writer.u64(siphash24(low_, connection_id));
  writer.u64(siphash24(high_, connection_id));
  return token;
}

StatelessReplies::Reply* StatelessReplies::add_reply(const Path& path, size_t length) {
  if (count_ == kSlots || length > kMaxSize) return nullptr;
  Reply& reply = slots_[(first_ + count_++) % kSlots];
  reply.path = path;
  reply.length = static_cast<uint16_t>(length);
  return &reply;
}

bool StatelessReplies::add(const Path& path, Bytes packet) {
  Reply* reply = add_reply(path, packet.size());
  if (reply) std::ranges::copy(packet, reply->bytes.begin());
  return reply != nullptr;
}

// meets RFC 9000 5.2.2-1 5.2.2-2 5.2.2-3 17.2.1-7
bool StatelessReplies::answer_version(const Packet& datagram, Bytes dcid, Bytes scid, std::span<const uint32_t> spoken,
                                      Random& random, Instant now) {
  if (datagram.length < kMinInitialDatagram || !versions_.take(now)) return false;
  // One version that does not exist keeps clients from relying on a fixed list (RFC 9000 section 6.3).
  std::array<uint32_t, kSupportedVersions.size() + 1> room;
  room[0] = greased_version(random.u32());
  std::ranges::copy(spoken, room.begin() + 1);
  const auto versions = std::span<const uint32_t>(room).first(1 + spoken.size());
  Reply* reply = add_reply(datagram.path, version_negotiation_size(dcid.size(), scid.size(), versions.size()));
  if (!reply) return false;
  ByteWriter writer(reply->bytes);
  write_version_negotiation(writer, dcid, scid, versions, static_cast<uint8_t>(random.u32()));
  return true;
}

bool StatelessReplies::answer_reset(const Packet& datagram, const StatelessResetToken& token, Random& random,
                                    Instant now) {
  const size_t size = stateless_reset_size(datagram.length);
  if (size == 0 || !resets_.take(now)) return false;
  Reply* reply = add_reply(datagram.path, size);
  if (!reply) return false;
  const MutableBytes bytes(reply->bytes.data(), size);
  random.fill(bytes);
  write_stateless_reset(bytes, token);
  return true;
}

void StatelessReplies::take(Packet& packet) {
  const Reply& reply = slots_[first_];
  packet.path = reply.path;
  packet.length = reply.length;
  packet.ecn = Ecn::kNotEct;
  std::memcpy(packet.data(), reply.bytes.data(), reply.length);
  first_ = (first_ + 1) % kSlots;
  --count_;
}

}  // namespace viaduct::quic
