// Answers to datagrams that belong to no connection: Version Negotiation, stateless reset, Retry and refusals.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/packet.h"
#include "base/random.h"
#include "base/siphash.h"
#include "engine/endpoint/rate_limit.h"
#include "engine/wire/stateless_reset.h"
#include "flowsteer/connection_id.h"

namespace viaduct::quic {

// Makes the tokens of our connection IDs: the same for the same key, so that a server that lost its state still
// knows them (RFC 9000 section 10.3.2).
class ResetTokens {
 public:
  explicit ResetTokens(const std::array<uint8_t, 32>& key);
  StatelessResetToken token_for(Bytes connection_id) const;

 private:
  SipKey low_;
  SipKey high_;
};

// What waits to be sent, bounded in number and in rate; each answer is smaller than what it answers.
class StatelessReplies {
 public:
  // Two IDs of 255 bytes, three versions and what stands around them.
  static constexpr size_t kMaxSize = 544;

  explicit StatelessReplies(unsigned per_second) : versions_(per_second), resets_(per_second) {}

  // Answers a long header of an unknown version (RFC 9000 section 6.1). False where the datagram is too small to be a
  // first one of any version, or there is no room or rate.
  // spoken: our versions, two at most.
  bool answer_version(const Packet& datagram, Bytes dcid, Bytes scid, std::span<const uint32_t> spoken, Random& random,
                      Instant now);
  // Answers a packet for a connection that is not known (RFC 9000 section 10.3).
  bool answer_reset(const Packet& datagram, const StatelessResetToken& token, Random& random, Instant now);

  bool has_room() const { return count_ < kSlots; }
  // Answers with a packet that is made already; false where there is no room.
  bool add(const Path& path, Bytes packet);

  bool empty() const { return count_ == 0; }
  // Writes the next one into an empty packet.
  void take(Packet& packet);

 private:
  static constexpr size_t kSlots = 64;
  struct Reply {
    Path path;
    uint16_t length = 0;
    std::array<uint8_t, kMaxSize> bytes;
  };
  Reply* add_reply(const Path& path, size_t length);

  std::array<Reply, kSlots> slots_;
  size_t first_ = 0;
  size_t count_ = 0;
  RateLimit versions_;
  RateLimit resets_;
};

}  // namespace viaduct::quic
