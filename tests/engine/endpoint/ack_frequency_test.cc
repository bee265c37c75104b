// Acknowledgements as rare, or as soon, as the peer asks (draft-ietf-quic-ack-frequency).
#include <gtest/gtest.h>

#include "engine/recovery/ack_frequency.h"
#include "engine/recovery/ack_policy.h"
#include "tests/engine/endpoint/two_endpoints.h"

namespace viaduct::quic::test {
namespace {

constexpr Duration ms(int64_t n) { return Duration::milliseconds(n); }

// --- what a receiver does ---

class AckPolicyTest : public ::testing::Test {
 protected:
  // A packet comes; whether an ACK is due at once.
  bool receive(uint64_t number) {
    ranges.insert(number, now);
    policy.on_packet_received(number, true, false, ranges, now);
    const bool due = policy.due(now);
    if (due) policy.on_ack_sent(ranges.largest());
    return due;
  }

  BlockPool pool{4};
  AckRanges ranges{pool};
  AckPolicy policy{PacketSpace::kApplication, ms(25)};
  Instant now = Instant::from_ns(1'000'000'000);
};

TEST_F(AckPolicyTest, AcknowledgesOnlyEveryTenth) {
  policy.set_threshold(10);
  for (uint64_t number = 0; number < 100; ++number) EXPECT_EQ(receive(number), number % 10 == 9) << number;
}

TEST_F(AckPolicyTest, WithoutAReorderingThresholdOrderIsNoReason) {
  policy.set_threshold(10);
  policy.set_reordering(0);
  EXPECT_FALSE(receive(0));
  EXPECT_FALSE(receive(5));
  EXPECT_FALSE(receive(2));
}

// Section 6.2 of the draft: at three, as a sender with the packet threshold of RFC 9002 wants it.
TEST_F(AckPolicyTest, TellsOfAGapOnceItIsThreePacketsOld) {
  policy.set_threshold(100);
  policy.set_reordering(3);
  EXPECT_FALSE(receive(0));
  EXPECT_FALSE(receive(1));
  EXPECT_FALSE(receive(3));
  EXPECT_FALSE(receive(4));
  EXPECT_TRUE(receive(5)) << "2 is missing, and three below";
  EXPECT_FALSE(receive(6)) << "that is known";
  EXPECT_FALSE(receive(8));
  EXPECT_FALSE(receive(9));
  EXPECT_TRUE(receive(10)) << "7 is missing";
  EXPECT_TRUE(receive(2)) << "which the sender takes for lost";
}

TEST_F(AckPolicyTest, AnImmediateAckIsDueAtOnce) {
  policy.set_threshold(100);
  EXPECT_FALSE(receive(0));
  policy.ask_at_once(now);
  EXPECT_TRUE(policy.due(now));
}

// --- what a sender asks ---

TEST(AckFrequencyRequest, IsWorthItOnlyWithMuchInFlight) {
  AckFrequencyRequest request;
  EXPECT_FALSE(request.wants(1'000, ms(40))) << "the peer does not offer it";
  request.set_peer_minimum(ms(1));
  EXPECT_FALSE(request.wants(20, ms(40)));
  ASSERT_TRUE(request.wants(1'000, ms(40)));
  const AckFrequencyFrame frame = request.next(1'000, ms(40));
  EXPECT_EQ(frame.max_delay_us, 10'000u);
  EXPECT_FALSE(request.wants(1'000, ms(50)));
  EXPECT_TRUE(request.wants(1'000, ms(10))) << "the round trip is another";
  EXPECT_EQ(request.next(1'000, ms(10)).sequence, frame.sequence + 1);
}

// With little in flight, a peer that waits for ten packets would only wait.
TEST(AckFrequencyRequest, GoesBackToTheDefaultWithASmallWindow) {
  AckFrequencyRequest request;
  request.set_peer_minimum(ms(1));
  EXPECT_EQ(request.next(1'000, ms(40)).threshold, AckFrequencyRequest::kThreshold);
  EXPECT_FALSE(request.wants(50, ms(40)));
  ASSERT_TRUE(request.wants(19, ms(40)));
  const AckFrequencyFrame frame = request.next(19, ms(40));
  EXPECT_EQ(frame.threshold, 1u);
  EXPECT_EQ(frame.max_delay_us, 25'000u);
  EXPECT_FALSE(request.wants(19, ms(400)));
}

TEST(AckFrequencyRequest, ALostOneIsAskedAgainUnlessItIsOld) {
  AckFrequencyRequest request;
  request.set_peer_minimum(ms(1));
  ASSERT_TRUE(request.wants(1'000, ms(40)));
  request.next(1'000, ms(40));
  request.next(1'000, ms(4));
  request.on_lost(0);
  EXPECT_FALSE(request.wants(1'000, ms(4)));
  request.on_lost(1);
  EXPECT_TRUE(request.wants(1'000, ms(4)));
}

TEST(AckFrequencyRequest, IsNotBelowWhatThePeerCanDo) {
  AckFrequencyRequest request;
  request.set_peer_minimum(ms(5));
  EXPECT_EQ(request.next(1'000, ms(1)).max_delay_us, 5'000u);
}

// --- both ---

class AckFrequency : public ::testing::Test {
 protected:
  bool server_closes_with(uint64_t error, std::vector<uint8_t> frames) {
    if (!pair.handshake()) return false;
    pair.run_for(ms(300));
    pair.client.say_next(std::move(frames));
    pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(100, 1), false);
    return pair.run_until([&] { return pair.server.saw(EventType::kClosed); }, Duration::seconds(2)) &&
           pair.server.find(EventType::kClosed)->error == error;
  }
  TwoEndpoints pair;
};

TEST_F(AckFrequency, ALargeTransferCausesFewAcknowledgements) {
  pair.delay = ms(20);
  ASSERT_TRUE(pair.handshake());
  size_t acks = 0, packets = 0;
  pair.filter = [&](bool to_server, Datagram&) {
    ++(to_server ? acks : packets);
    return true;
  };
  pair.client.write(pair.client.opened[0], 0, {1}, false);
  ASSERT_TRUE(pair.run_until([&] { return !pair.server.received[0].empty(); }));
  pair.server.write(pair.accepted(), 0, std::vector<uint8_t>(4'000'000, 1), true);
  ASSERT_TRUE(pair.run_until([&] { return pair.client.finished[0]; }));
  EXPECT_LT(acks, packets / 4);
}

// Section 4 of the draft.
TEST_F(AckFrequency, ADelayBelowWhatWasOfferedClosesTheConnection) {
  EXPECT_TRUE(server_closes_with(0x0a, {0x40, 0xaf, 0x00, 0x05, 0x43, 0xe7, 0x01})) << "999 us";
}
TEST_F(AckFrequency, ADelayBeyondTheLimitClosesTheConnection) {
  EXPECT_TRUE(server_closes_with(0x0a, {0x40, 0xaf, 0x00, 0x05, 0x80, 0xfa, 0x00, 0x00, 0x01})) << "2^14 ms";
}

TEST_F(AckFrequency, AnImmediateAckIsAnswered) {
  ASSERT_TRUE(pair.handshake());
  pair.run_for(ms(300));
  const Instant before = pair.now;
  bool answered = false;
  pair.filter = [&](bool to_server, Datagram&) {
    answered |= !to_server;
    return true;
  };
  pair.client.say_next({0x1f});
  pair.client.write(pair.client.opened[0], 0, {1}, false);
  ASSERT_TRUE(pair.run_until([&] { return answered; }));
  EXPECT_LE(pair.now - before, pair.delay + ms(1)) << "and not after max_ack_delay";
}

}  // namespace
}  // namespace viaduct::quic::test
