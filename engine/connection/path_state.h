// What is known of one path to a peer: whether it was validated, and how much may be sent on it until then.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/instant.h"
#include "base/packet.h"
#include "base/random.h"
#include "engine/wire/frames.h"

namespace viaduct::quic {

struct PathState {
  // Challenges that were sent and may still be answered (RFC 9000 section 8.2.4).
  static constexpr size_t kChallenges = 3;

  Path path;
  bool validated = false;
  bool is_trusted = false;  // its end is the peer's, as a server has said or shown: no limit, though not validated
  uint64_t received = 0;    // bytes of UDP payload, until it is validated
  uint64_t sent = 0;
  uint64_t remote_id = 0;  // the sequence number of the peer's connection ID that packets on it carry

  // No packet with two connection IDs of 20 bytes is smaller.
  static constexpr size_t kLeastPacket = 128;

  // RFC 9000 section 8: three times what came.
  // meets RFC 9000 8-1 8.1-1 9.3-2 14.1-4
  uint64_t budget() const {
    if (validated || is_trusted) return ~uint64_t{0};
    return received * 3 > sent ? received * 3 - sent : 0;
  }

  // --- validation (RFC 9000 section 8.2) ---
  std::array<PathData, kChallenges> challenges{};
  std::array<bool, kChallenges> full{};
  uint8_t challenge_count = 0;
  bool challenge_due = false;
  Instant retry_at = Instant::never();  // when the next challenge is due
  Instant give_up_at = Instant::never();

  // A challenge with new data, which no one can guess. is_full: its datagram has 1200 bytes.
  // meets RFC 9000 8.2.1-3
  const PathData& next_challenge(Random& random, bool is_full) {
    const size_t place = challenge_count++ % kChallenges;
    full[place] = is_full;
    random.fill(challenges[place]);
    return challenges[place];
  }
  bool is_answer(const PathData& data) const { return place_of(data) < outstanding(); }
  // Takes an answer. Somebody is there; that whole datagrams get there, only the answer to a full challenge shows.
  // Where the amplification limit made this one small, another is sent (RFC 9000 section 8.2.1). True at the end.
  // meets RFC 9000 8.2.1-5 8.2.3-1
  bool on_answer(const PathData& data) {
    validated = true;
    if (full[place_of(data)]) return on_validated(), true;
    challenge_count = 0;
    challenge_due = true;
    return false;
  }
  void on_validated() {
    validated = true;
    challenge_due = false;
    challenge_count = 0;
    retry_at = give_up_at = Instant::never();
  }

 private:
  size_t outstanding() const { return std::min<size_t>(challenge_count, kChallenges); }
  size_t place_of(const PathData& data) const {
    return static_cast<size_t>(std::find(challenges.begin(), challenges.begin() + outstanding(), data) -
                               challenges.begin());
  }
};

// A path that the peer has probed and not gone over to: what our answers there carry is for no other path.
struct ProbedPath {
  Path path;
  uint64_t remote_id = 0;
  uint64_t called = 0;  // the sequence number of our ID that the peer calls us by there
  bool is_known = false;
};

// Answers to PATH_CHALLENGE that wait to be sent, each on the path that its challenge came by. Bounded: the newest
// ones are kept, a peer that sends more challenges gets fewer answers (RFC 9000 section 8.2.2 asks for one each,
// and nobody needs more).
struct PathResponses {
  static constexpr size_t kMax = 4;
  struct Response {
    Path path;
    PathData data{};
    uint64_t challenge_size = 0;  // of the datagram that brought it: what a path that is not known may be charged for
    uint64_t called = 0;          // as ProbedPath's
    bool by_known_id = false;     // it came with the connection ID that the peer's other packets have
  };

  void add(const Response& response) {
    if (count == kMax) std::move(waiting.begin() + 1, waiting.end(), waiting.begin()), --count;
    waiting[count++] = response;
  }
  Response take() {
    const Response first = waiting[0];
    std::move(waiting.begin() + 1, waiting.begin() + count, waiting.begin());
    --count;
    return first;
  }
  bool empty() const { return count == 0; }

  uint8_t count = 0;
  std::array<Response, kMax> waiting{};
};

}  // namespace viaduct::quic
