// How large datagrams may be on the path: one probe of the largest size, then halfway down (RFC 9000 section 14.3).
#include "engine/connection/connection.h"
#include "engine/connection/packet_part.h"
#include "engine/endpoint/shard.h"
#include "engine/wire/frame_writer.h"

namespace viaduct::quic {
namespace {

constexpr uint8_t kMaxProbes = 3;     // of one size (RFC 8899 section 5.1.2)
constexpr size_t kWorthProbing = 32;  // bytes more than what is known to pass

}  // namespace

// meets RFC 9000 14.2-5 14.3-1
void Connection::restart_mtu_discovery() {
  mtu_ = kMinInitialDatagram;
  recovery_.set_max_datagram_size(mtu_);
  const size_t largest = std::min<size_t>(shard_.config.max_udp_payload, peer_max_payload_);
  probe_size_ = largest >= mtu_ + kWorthProbing ? largest : 0;
  probe_failures_ = 0;
  probe_in_flight_ = false;
}

// meets RFC 9000 14.2-1 14.2-3
bool Connection::build_mtu_probe(Packet& packet, SealBatch& batch, Instant now) {
  if (probe_size_ == 0 || probe_in_flight_ || !active_.validated || packet.room() < probe_size_) return false;
  constexpr PacketSpace kSpace = PacketSpace::kApplication;
  if (!recovery_.can_record(kSpace) || !recovery_.may_send(probe_size_, now)) return false;
  DatagramPlan plan{packet, batch, probe_size_};
  PacketPart& part = shard_.parts[0];
  if (!begin_part(part, plan, kSpace)) return false;
  write_ping(part.payload.writer);
  part.mtu_probe = true;
  part.record_eliciting({.length = static_cast<uint32_t>(probe_size_), .type = SentFrameType::kMtuProbe});
  end_part(part, plan);
  pad_datagram(part, plan, probe_size_);
  finish_datagram({&part, 1}, plan, active_, now);
  probe_in_flight_ = true;
  return true;
}

void Connection::on_mtu_probe_acked(size_t size) {
  probe_in_flight_ = false;
  if (size <= mtu_ || size != probe_size_) return;
  mtu_ = size;
  probe_size_ = 0;
  recovery_.set_max_datagram_size(mtu_);
}

void Connection::on_mtu_probe_lost(size_t size) {
  probe_in_flight_ = false;
  if (size != probe_size_ || ++probe_failures_ < kMaxProbes) return;
  probe_failures_ = 0;
  probe_size_ = (mtu_ + probe_size_) / 2;
  if (probe_size_ < mtu_ + kWorthProbing) probe_size_ = 0;
}

}  // namespace viaduct::quic
