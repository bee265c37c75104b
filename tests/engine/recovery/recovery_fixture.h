// A Recovery of one connection, with short ways to send and to acknowledge.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "engine/recovery/recovery.h"
#include "tests/support/instants.h"

namespace viaduct::quic {

inline constexpr PacketSpace kInitial = PacketSpace::kInitial;
inline constexpr PacketSpace kHandshake = PacketSpace::kHandshake;
inline constexpr PacketSpace kApplication = PacketSpace::kApplication;

inline Duration ms(int64_t n) { return Duration::milliseconds(n); }

struct Fates final : PacketFateObserver {
  struct Fate {
    PacketSpace space;
    uint64_t number;
    bool operator==(const Fate&) const = default;
  };
  void packet_acked(PacketSpace space, uint64_t number, const SentPacket&, std::span<const SentFrame>) override {
    acked.push_back({space, number});
  }
  void packet_lost(PacketSpace space, uint64_t number, const SentPacket&, std::span<const SentFrame>) override {
    lost.push_back({space, number});
  }
  void packet_probed(PacketSpace space, uint64_t number, const SentPacket&, std::span<const SentFrame>) override {
    probed.push_back({space, number});
  }
  std::vector<Fate> acked, lost, probed;
};
using FateList = std::vector<Fates::Fate>;

class RecoveryTest : public ::testing::Test {
 protected:
  explicit RecoveryTest(bool server = true, bool ecn = false, float loss_tolerance = 0)
      : recovery({.server = server,
                  .controller = ControllerKind::kNewReno,
                  .max_datagram_size = 1200,
                  .ecn = ecn,
                  .loss_tolerance = loss_tolerance},
                 pool) {}

  void send(PacketSpace space, Instant now, uint32_t size = 1200) {
    ASSERT_TRUE(
        recovery.on_packet_sent(space, {.sent_time = now, .size = size, .ack_eliciting = true, .in_flight = true}, {}));
  }
  void send_ack_only(PacketSpace space, Instant now) {
    ASSERT_TRUE(recovery.on_packet_sent(space, {.sent_time = now, .size = 40}, {}));
  }
  ErrorCode ack(PacketSpace space, std::vector<PacketRange> descending, Instant now, Duration delay = {}) {
    return recovery.on_ack(space, {.ranges = descending, .ack_delay = delay}, now, fates).code;
  }
  // One packet there and back: the round trip is `rtt` from then on, its variation a sixteenth of it or less.
  void establish(Duration rtt) {
    recovery.on_handshake_confirmed(start);
    for (int i = 0; i < 20; ++i) {
      const uint64_t number = recovery.next_packet_number(kApplication);
      send(kApplication, start, 100);
      start = start + rtt;
      ack(kApplication, {{number, number}}, start);
    }
    fates = {};
  }
  Duration pto() const { return recovery.probe_timeout(kApplication); }
  uint64_t window() const { return recovery.controller().window(); }

  BlockPool pool{64};
  Fates fates;
  Recovery recovery;
  Instant start = at_ms(1000);
};

}  // namespace viaduct::quic
