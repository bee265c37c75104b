#include "engine/congestion/pacer.h"

#include <gtest/gtest.h>

#include "tests/engine/congestion/packet_size.h"

namespace viaduct::quic {
namespace {

Duration us(int64_t n) { return Duration::microseconds(n); }

// Bytes that leave in `length` when the loop stamps the time every `step`.
uint64_t sent_within(Pacer& pacer, Instant& now, Duration length, Duration step) {
  uint64_t sent = 0;
  for (const Instant end = now + length; now < end; now = now + step) {
    while (pacer.may_send(now)) {
      pacer.on_sent(kPacketSize, now);
      sent += kPacketSize;
    }
  }
  return sent;
}

TEST(Pacer, WithoutARateItDoesNotLimit) {
  Pacer pacer(kPacketSize);
  const Instant now = Instant::from_ns(5);
  pacer.on_sent(1'000'000, now);
  EXPECT_EQ(pacer.next_send_time(now), now);
}

// RFC 9002 section 7.7.
// proves RFC 9002 7.7-1
TEST(Pacer, TheRateIsAQuarterAboveTheWindowPerRoundTrip) {
  Pacer pacer(kPacketSize);
  const Instant now;
  pacer.set_rate(120'000, Duration::milliseconds(100), false, now);
  EXPECT_DOUBLE_EQ(pacer.rate(), 1'500'000);
  pacer.set_rate(120'000, Duration::milliseconds(100), true, now);
  EXPECT_DOUBLE_EQ(pacer.rate(), 2'400'000);
}

// proves RFC 9002 7.7-2 7.7-3
TEST(Pacer, ABurstIsTenDatagramsAtALowRate) {
  Pacer pacer(kPacketSize);
  Instant now;
  pacer.set_rate(12'000, Duration::milliseconds(100), false, now);
  EXPECT_EQ(sent_within(pacer, now, us(1), us(1)), 10 * kPacketSize);
  EXPECT_GT(pacer.next_send_time(now), now);
}

TEST(Pacer, WhenItSaysItMaySend) {
  Pacer pacer(kPacketSize);
  Instant now;
  pacer.set_rate(12'000, Duration::milliseconds(100), false, now);
  sent_within(pacer, now, us(1), us(1));
  const Instant next = pacer.next_send_time(now);
  EXPECT_TRUE(pacer.may_send(next));
  // 1200 bytes at 150,000 bytes per second.
  EXPECT_NEAR((next - now).seconds(), 0.008, 0.0001);
}

TEST(Pacer, KeepsTheRateOverTime) {
  for (const Duration step : {us(5), us(50), us(200)}) {
    Pacer pacer(kPacketSize);
    Instant now;
    pacer.set_rate(1'000'000, Duration::milliseconds(10), false, now);
    sent_within(pacer, now, us(1000), step);
    const uint64_t sent = sent_within(pacer, now, Duration::seconds(1), step);
    EXPECT_NEAR(static_cast<double>(sent), 125e6, 0.01 * 125e6) << step.us();
  }
}

TEST(Pacer, IdleTimeSavesNoMoreThanABurst) {
  Pacer pacer(kPacketSize);
  Instant now;
  pacer.set_rate(120'000, Duration::milliseconds(100), false, now);
  sent_within(pacer, now, us(1), us(1));
  now = now + Duration::seconds(100);
  EXPECT_LE(sent_within(pacer, now, us(1), us(1)), 11 * kPacketSize);
}

// A window of a megabyte on a round trip of 200 µs is 50 Gb/s; a loop that comes round every 100 µs must get most of
// it.
TEST(Pacer, DoesNotLimitFastPaths) {
  Pacer pacer(kPacketSize);
  Instant now;
  pacer.set_rate(1'000'000, us(200), false, now);
  const uint64_t sent = sent_within(pacer, now, Duration::milliseconds(10), us(100));
  EXPECT_GT(static_cast<double>(sent) * 8 / 0.01, 40e9);
  pacer.set_rate(12'000, us(20), false, now);
  EXPECT_GT(static_cast<double>(sent_within(pacer, now, Duration::milliseconds(10), us(20))) * 8 / 0.01, 5e9);
}

TEST(Pacer, ProbesAreCountedThoughTheyDoNotWait) {
  Pacer pacer(kPacketSize);
  Instant now;
  pacer.set_rate(12'000, Duration::milliseconds(100), false, now);
  sent_within(pacer, now, us(1), us(1));
  const Instant before = pacer.next_send_time(now);
  pacer.on_sent(2 * kPacketSize, now);
  EXPECT_GT(pacer.next_send_time(now), before);
}

}  // namespace
}  // namespace viaduct::quic
