// Connection IDs between a connection and its shard's index.
#include "engine/connection/connection.h"
#include "engine/endpoint/shard.h"

namespace viaduct::quic {

// As many as the peer keeps, up to our own bound (RFC 9000 section 5.1.1).
// meets RFC 9000 5.1.1-3 5.1.1-6 5.1.1-7 9.5-5
void Connection::issue_ids() {
  while (local_ids_.wants_more() && shard_.may_mint()) {
    const auto id = shard_.mint_id(*this);
    if (!id) return;
    local_ids_.add(*id);
  }
}

// The shard finds us by the reset token of the ID that we send to (RFC 9000 section 10.3.1).
// meets RFC 9000 10.3.1-2
void Connection::update_reset_token() {
  const StatelessResetToken* token = remote_ids_.current_token();
  const ConnectionId wanted = token ? ConnectionId(*token) : ConnectionId();
  if (wanted == registered_token_) return;
  if (!registered_token_.empty()) shard_.reset_tokens.erase(registered_token_);
  registered_token_ = {};
  if (!wanted.empty() && shard_.reset_tokens.insert(wanted, shard_.index_of(*this))) registered_token_ = wanted;
}

}  // namespace viaduct::quic
