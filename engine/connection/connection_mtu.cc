// Probes of the path MTU, and what routers say of it (RFC 9000 section 14).
#include "engine/connection/connection.h"
#include "engine/connection/packet_part.h"
#include "engine/endpoint/shard.h"
#include "engine/wire/frame_writer.h"

namespace viaduct::quic {
namespace {

// A connection ID that somebody off the path will not guess within the messages that are looked at.
constexpr size_t kUnguessableId = 4;

}  // namespace

// meets RFC 9000 14.2-5 14.3-1
void Connection::restart_mtu_discovery() {
  mtu_.start(kMinInitialDatagram, std::min<size_t>(shard_.config.max_udp_payload, peer_max_payload_));
  recovery_.set_max_datagram_size(mtu_.current());
}

// meets RFC 9000 14.2-1 14.2-3
bool Connection::build_mtu_probe(Packet& packet, SealBatch& batch, Instant now) {
  if (!handshake_confirmed_ || !active_.validated) return false;
  const size_t size = mtu_.next_probe(now);
  if (size == 0 || packet.room() < size) return false;
  constexpr PacketSpace kSpace = PacketSpace::kApplication;
  if (!recovery_.can_record(kSpace) || !recovery_.may_send(size, now)) return false;
  DatagramPlan plan{packet, batch, size};
  PacketPart& part = shard_.parts[0];
  if (!begin_part(part, plan, kSpace)) return false;
  write_ping(part.payload.writer);
  part.mtu_probe = true;
  part.record_eliciting({.length = static_cast<uint32_t>(size), .type = SentFrameType::kMtuProbe});
  end_part(part, plan);
  pad_datagram(part, plan, size);
  finish_datagram({&part, 1}, plan, active_, now);
  mtu_.on_probe_sent();
  return true;
}

void Connection::on_mtu_probe_acked(size_t size) {
  if (mtu_.on_probe_acked(size)) recovery_.set_max_datagram_size(mtu_.current());
}

void Connection::on_mtu_fell() {
  shard_.stats.mtu_reductions.add();
  recovery_.set_max_datagram_size(mtu_.current());
}

// RFC 9000 section 14.2.1: the message is believed where it quotes a connection ID that only the path has seen.
// meets RFC 9000 14.2.1-1 14.2.1-2 14.2.1-3 14.2.1-4 14.2.1-5 14.2.1-6
bool Connection::on_path_mtu(const Path& path, size_t udp_payload, Bytes quoted) {
  const Bytes id = remote_ids_.current().bytes();
  const bool is_quoted = id.size() >= kUnguessableId && quoted.size() > id.size() && (quoted[0] & 0x80) == 0 &&
                         equal(quoted.subspan(1, id.size()), id);
  if (state_ != State::kOpen || path.remote != active_.path.remote || !is_quoted) return false;
  if (mtu_.on_too_big(udp_payload)) on_mtu_fell();
  want_send();
  return true;
}

}  // namespace viaduct::quic
