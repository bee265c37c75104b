// The connection IDs that we gave a peer (RFC 9000 section 5.1.1).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "engine/wire/transport_error.h"
#include "flowsteer/connection_id.h"

namespace viaduct::quic {

// Sequence 0 is the one of the handshake. The peer learns of the others by NEW_CONNECTION_ID; each counts as
// active from its making until the peer retires it.
class LocalIds {
 public:
  static constexpr size_t kMax = 8;

  struct Id {
    flowsteer::ConnectionId id;
    uint64_t sequence = 0;
    bool announce = false;  // NEW_CONNECTION_ID is to be sent, for the first time or again
  };

  // Our first one.
  void start(const flowsteer::ConnectionId& id);
  // The peer's active_connection_id_limit, or ours where that is lower: how many are to be active.
  void set_target(uint64_t peer_limit, uint64_t own_limit);

  // True while another ID is to be made and add()ed.
  bool wants_more() const { return count_ < target_; }
  void add(const flowsteer::ConnectionId& id);
  // The same for one that the peer learns of by a transport parameter.
  void add_told(const flowsteer::ConnectionId& id);

  // RETIRE_CONNECTION_ID in a packet that came to `used` (RFC 9000 section 19.16). Fills `retired` where an ID is
  // no longer active; empty for one that was retired before.
  TransportError on_retire(uint64_t sequence, Bytes used, std::optional<flowsteer::ConnectionId>& retired);

  bool has_announcement() const;
  // The next one to announce; null where all are.
  Id* next_to_announce();
  void on_announcement_lost(uint64_t sequence);

  // The sequence number of an active one; kNone for others.
  static constexpr uint64_t kNone = ~uint64_t{0};
  uint64_t sequence_of(Bytes id) const;

  const Id* begin() const { return ids_.data(); }
  const Id* end() const { return ids_.data() + count_; }
  size_t size() const { return count_; }

 private:
  std::array<Id, kMax> ids_{};
  uint64_t next_sequence_ = 0;
  uint8_t count_ = 0;
  uint8_t target_ = 1;
};

}  // namespace viaduct::quic
