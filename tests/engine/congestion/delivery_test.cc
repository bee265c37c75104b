// The rate at which a path delivers, as acknowledgements show it (draft-ietf-ccwg-bbr section 4.1).
#include "engine/congestion/delivery.h"

#include <gtest/gtest.h>

#include <deque>

namespace viaduct::quic {
namespace {

Duration ms(int64_t n) { return Duration::milliseconds(n); }

class DeliveryTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kSize = 1'000;

  void send() {
    sent.push_back({rate.on_sent(now, kSize, in_flight), now});
    in_flight += kSize;
  }
  // The oldest `count` packets are acknowledged.
  RateSample ack(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      rate.on_acked(sent.front().snapshot, sent.front().at, kSize, now);
      sent.pop_front();
      in_flight -= kSize;
    }
    return rate.take_sample(now, ms(1));
  }

  struct Sent {
    DeliverySnapshot snapshot;
    Instant at;
  };
  DeliveryRate rate;
  std::deque<Sent> sent;
  uint64_t in_flight = 0;
  Instant now = Instant::from_ns(5'000'000'000);
};

TEST_F(DeliveryTest, OfAFirstPacketIsItsSizeInARoundTrip) {
  send();
  now = now + ms(100);
  const RateSample sample = ack(1);
  EXPECT_TRUE(sample.is_valid);
  EXPECT_NEAR(sample.bytes_per_second, 10'000, 10);
  EXPECT_EQ(sample.delivered, 1'000u);
  EXPECT_EQ(sample.in_flight, 1'000u);
}

TEST_F(DeliveryTest, OfASteadyFlowIsItsRate) {
  RateSample sample;
  for (int i = 0; i < 200; ++i) {
    send();
    if (i >= 50) sample = ack(1);
    now = now + ms(2);
  }
  EXPECT_NEAR(sample.bytes_per_second, 500'000, 1'000);
}

// Whatever the network bunches, the path is not faster than what was sent into it.
TEST_F(DeliveryTest, BunchedAcknowledgementsDoNotLookFast) {
  for (int i = 0; i < 50; ++i) {
    send();
    now = now + ms(2);
  }
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 25; ++i) {
      send();
      now = now + ms(2);
    }
    EXPECT_LE(ack(25).bytes_per_second, 501'000);
  }
}

TEST_F(DeliveryTest, WithLittleToSendItIsMarkedSo) {
  send();
  rate.on_app_limited(in_flight);
  send();
  now = now + ms(50);
  EXPECT_FALSE(ack(1).app_limited) << "sent before";
  send();
  now = now + ms(50);
  EXPECT_TRUE(ack(1).app_limited);
  for (int i = 0; i < 3; ++i) {
    send();
    now = now + ms(50);
    ack(1);
  }
  send();
  now = now + ms(50);
  ack(1);
  EXPECT_FALSE(ack(1).app_limited) << "what was in flight then has been delivered";
}

TEST_F(DeliveryTest, LossesAreCountedSinceTheSending) {
  rate.on_lost(3'000);
  send();
  send();
  rate.on_lost(2'000);
  now = now + ms(10);
  EXPECT_EQ(ack(1).lost, 2'000u);
}

TEST_F(DeliveryTest, AnAcknowledgementOfNothingNewGivesNoRate) { EXPECT_FALSE(rate.take_sample(now, ms(1)).is_valid); }

TEST_F(DeliveryTest, AnIntervalShorterThanTheRoundTripGivesNoRate) {
  send();
  now = now + Duration::microseconds(100);
  const RateSample sample = ack(1);
  EXPECT_TRUE(sample.is_valid);
  EXPECT_EQ(sample.bytes_per_second, 0);
}

// The counters are kept in 32 bits with each packet.
TEST_F(DeliveryTest, GoesOnBeyondFourGigabytes) {
  for (int i = 0; i < 5; ++i) {
    const DeliverySnapshot snapshot = rate.on_sent(now, 1'000'000'000, 0);
    now = now + Duration::seconds(1);
    rate.on_acked(snapshot, now - Duration::seconds(1), 1'000'000'000, now);
    EXPECT_NEAR(rate.take_sample(now, ms(1)).bytes_per_second, 1e9, 1e6) << i;
  }
}

}  // namespace
}  // namespace viaduct::quic
