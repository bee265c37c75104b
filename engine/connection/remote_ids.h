// The connection IDs that a peer gave us (RFC 9000 section 5.1.2).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "engine/wire/stateless_reset.h"
#include "engine/wire/transport_error.h"
#include "flowsteer/connection_id.h"

namespace viaduct::quic {

class RemoteIds {
 public:
  static constexpr size_t kMax = 8;
  // RETIRE_CONNECTION_ID frames that may wait or be in flight; a peer that makes us owe more is refused
  // (RFC 9000 section 5.1.2 asks for at least twice the limit).
  static constexpr size_t kMaxRetiring = 4 * kMax;

  // limit: the active_connection_id_limit that we announced, 2..kMax.
  explicit RemoteIds(uint64_t limit) : limit_(static_cast<uint8_t>(limit)) {}

  // The peer's first, from its long header; a client may replace what it made up by what the server chose.
  void start(const flowsteer::ConnectionId& id);
  // The stateless_reset_token of the server's transport parameters.
  void set_first_token(const StatelessResetToken& token);

  // NEW_CONNECTION_ID (RFC 9000 section 19.15). retire_prior_to <= sequence was checked with the frame.
  TransportError on_new_id(uint64_t sequence, uint64_t retire_prior_to, Bytes id, const StatelessResetToken& token);

  // What packets carry as their destination.
  const flowsteer::ConnectionId& current() const { return ids_[current_].id; }
  uint64_t current_sequence() const { return ids_[current_].sequence; }

  // --- an ID for each path (RFC 9000 section 9.5) ---
  // One that no path had before is a path's from now on; its sequence number, empty where there is none. A peer that
  // has chosen an ID of no length is called by that everywhere.
  std::optional<uint64_t> reserve();
  bool has_fresh() const { return fresh() != count_; }
  // Null where it was retired.
  const flowsteer::ConnectionId* find(uint64_t sequence) const;
  // Packets carry it from now on. False where it was retired.
  bool use(uint64_t sequence);
  // A path is done with its ID, which is retired unless it is the one in use.
  void release(uint64_t sequence);

  // The stateless reset token of the ID in use; null where it has none. Those of other IDs mean nothing to us
  // (RFC 9000 section 10.3.1).
  const StatelessResetToken* current_token() const {
    return ids_[current_].has_token ? &ids_[current_].token : nullptr;
  }

  // Sequence numbers whose RETIRE_CONNECTION_ID is to be sent.
  bool next_to_retire(uint64_t& sequence) const;
  void on_retirement_sent(uint64_t sequence);
  void on_retirement_lost(uint64_t sequence);
  void on_retirement_acknowledged(uint64_t sequence);

 private:
  struct Id {
    flowsteer::ConnectionId id;
    bool has_token = false;
    bool is_taken = false;  // by a path, now or before
    uint64_t sequence = 0;
    StatelessResetToken token{};
  };
  struct Retirement {
    uint64_t sequence = 0;
    bool waiting = false;  // not in flight
  };

  bool is_new(uint64_t sequence);
  size_t fresh() const;  // the place of the lowest that is not taken; count_ for none
  size_t place_of(uint64_t sequence) const;
  bool retire(uint64_t sequence);
  TransportError retire_prior_to(uint64_t sequence);
  Retirement* find_retirement(uint64_t sequence);
  void remove(size_t place);

  std::array<Id, kMax + 1> ids_{};  // one more, while what a frame retires makes room
  std::array<Retirement, kMaxRetiring> retiring_{};
  uint64_t retired_prior_to_ = 0;
  uint64_t highest_seen_ = 0;  // sequence number
  uint64_t seen_ = 1;          // bit n: highest_seen_ - n was given to us
  uint8_t count_ = 0;
  uint8_t current_ = 0;
  uint8_t retiring_count_ = 0;
  uint8_t limit_;
};

}  // namespace viaduct::quic
