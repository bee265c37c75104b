// A server that wants to see our address first (RFC 9000 section 17.2.5), and the tokens that spare us that.
#include "crypto-offload/key_schedule.h"
#include "engine/connection/connection.h"
#include "engine/endpoint/server_memory.h"
#include "engine/endpoint/shard.h"
#include "engine/wire/frame_writer.h"

namespace viaduct::quic {
namespace {

// A longer token would leave an Initial of the least size no room for CRYPTO.
constexpr size_t kMaxRetryToken = 900;

}  // namespace

void Connection::receive_retry(Bytes packet, const PacketHeader& header, DatagramOutcome& outcome, Instant now) {
  // meets RFC 9000 17.2.5-1 17.2.5.1-2 17.2.5.2-1 17.2.5.2-2 17.2.5.2-3 17.2.5.2-4
  // Once, and only as the server's first word (sections 17.2.5.1 and 17.2.5.2).
  const bool is_first_answer = role_ == Role::kClient && handshake_ && !handshake_->peer_scid_known &&
                               !handshake_->retry_scid && header.version == version_;
  const bool is_usable = is_first_answer && !header.token.empty() && header.token.size() <= kMaxRetryToken &&
                         !equal(header.scid, original_dcid_.bytes()) &&
                         crypto::verify_retry(version_, original_dcid_.bytes(), packet);
  if (!is_usable) {
    shard_.stats.packets_malformed.add();
    outcome.malformed = true;
    return;
  }
  // meets RFC 9000 8.1.2-1 17.2.5.1-3 17.2.5.2-5 17.2.5.3-1
  shard_.stats.retries_received.add();
  outcome.processed = true;
  handshake_->retry_scid = initial_dcid_ = ConnectionId(header.scid);
  handshake_->token.assign(header.token.begin(), header.token.end());
  remote_ids_.start(initial_dcid_);
  handshake_->initial = initial_keys(role_, version_, initial_dcid_.bytes(), shard_.services.protector);
  recovery_.on_retry(now, *this);
  want_send();
}

// For our next connection to this server.
// meets RFC 9000 8.1.3-2 8.1.3-8
void Connection::apply_new_token(const NewTokenFrame& frame) {
  if (memory_) memory_->keep_token(server_name_, version_, frame.token);
}

// A server's: a new token says what is known by now.
void Connection::tell_of_path() {
  if (role_ != Role::kServer || !handshake_confirmed_ || !shard_.config.careful_resume) return;
  token_due_ = shard_.config.new_token_life > Duration();
  want_send();
}

// What the client's next connection may bring along, made for the address that it has now.
bool Connection::write_token_frame(ByteWriter& writer, Instant now) {
  const PathKnowledge path = shard_.config.careful_resume ? recovery_.path_knowledge() : PathKnowledge();
  AddressTokens::Room room;
  return write_new_token(
      writer, shard_.tokens().make_new(active_.path.remote.ip, version_, path, now, shard_.services.random, room));
}

}  // namespace viaduct::quic
