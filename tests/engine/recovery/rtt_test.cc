#include "engine/recovery/rtt.h"

#include <gtest/gtest.h>

namespace viaduct::quic {
namespace {

Duration ms(int64_t n) { return Duration::milliseconds(n); }

// proves RFC 9002 6.2.2-1
TEST(Rtt, BeginsWithTheInitialRtt) {
  const RttEstimator rtt;
  EXPECT_EQ(rtt.smoothed(), ms(333));
  EXPECT_EQ(rtt.probe_timeout(), ms(333) + Duration::microseconds(166500) * 4);
}

// RFC 9002 section 5.3.
// proves RFC 9002 5.2-1
TEST(Rtt, TheFirstSampleReplacesIt) {
  RttEstimator rtt;
  rtt.update(ms(100), ms(10));
  EXPECT_EQ(rtt.smoothed(), ms(100)) << "the first sample ignores the delay";
  EXPECT_EQ(rtt.variation(), ms(50));
  EXPECT_EQ(rtt.min(), ms(100));
}

TEST(Rtt, LaterSamplesAreSmoothedWithoutTheDelay) {
  RttEstimator rtt;
  rtt.update(ms(100), ms(0));
  rtt.update(ms(200), ms(20));
  EXPECT_EQ(rtt.latest(), ms(200));
  EXPECT_EQ(rtt.smoothed(), Duration::microseconds(110'000));  // 7/8 · 100 + 1/8 · 180
  EXPECT_EQ(rtt.variation(), Duration::microseconds(57'500));  // 3/4 · 50 + 1/4 · |100 - 180|
}

// proves RFC 9002 5.3-4
TEST(Rtt, ADelayThatWouldUndercutTheMinimumIsIgnored) {
  RttEstimator rtt;
  rtt.update(ms(100), ms(0));
  rtt.update(ms(105), ms(20));
  EXPECT_EQ(rtt.smoothed(), Duration::microseconds(100'625));
}

TEST(Rtt, AnAbsurdDelayIsIgnored) {
  RttEstimator rtt;
  rtt.update(ms(100), ms(0));
  rtt.update(ms(100), Duration::infinite());
  EXPECT_EQ(rtt.smoothed(), ms(100));
}

// proves RFC 9002 5.2-2 5.2-3
TEST(Rtt, TheMinimumUsesNoDelayAndCanBeRestarted) {
  RttEstimator rtt;
  rtt.update(ms(100), ms(0));
  rtt.update(ms(80), ms(50));
  EXPECT_EQ(rtt.min(), ms(80));
  rtt.restart_min();
  rtt.update(ms(300), ms(0));
  EXPECT_EQ(rtt.min(), ms(300));
}

// proves RFC 9002 6.2.1-1
TEST(Rtt, TimeoutsAreNotBelowTheGranularity) {
  RttEstimator rtt;
  for (int i = 0; i < 100; ++i) rtt.update(Duration::microseconds(20), ms(0));
  EXPECT_EQ(rtt.probe_timeout(), Duration::microseconds(20) + kGranularity);
}

TEST(Rtt, TheLargerIsTheLatestOrTheSmoothed) {
  RttEstimator rtt;
  rtt.update(ms(80), ms(0));
  rtt.update(ms(160), ms(0));
  EXPECT_EQ(rtt.larger(), ms(160));
  rtt.update(ms(10), ms(0));
  EXPECT_EQ(rtt.larger(), rtt.smoothed());
}

TEST(Rtt, ASampleWithinOneLoopRoundIsNotZero) {
  RttEstimator rtt;
  rtt.update(Duration(), Duration());
  EXPECT_GT(rtt.smoothed(), Duration());
}

}  // namespace
}  // namespace viaduct::quic
