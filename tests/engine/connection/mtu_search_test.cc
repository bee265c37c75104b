// The search for the path's MTU (RFC 8899) against paths that carry so much and no more.
#include "engine/connection/mtu_search.h"
#include "tests/support/instants.h"

#include <gtest/gtest.h>

namespace viaduct::quic {
namespace {

constexpr size_t kBase = 1200;
constexpr size_t kLargest = 1452;

class MtuSearchTest : public ::testing::Test {
 protected:
  MtuSearchTest() { search.start(kBase, kLargest); }

  // Probes until the search rests; how many were sent.
  unsigned search_on(size_t passes, Instant now = at_ms(0)) {
    unsigned probes = 0;
    while (const size_t probe = search.next_probe(now)) {
      EXPECT_LE(probe, kLargest);
      EXPECT_GT(probe, kBase);
      search.on_probe_sent();
      EXPECT_EQ(search.next_probe(now), 0u) << "one at a time";
      if (probe <= passes) {
        search.on_probe_acked(probe);
      } else {
        search.on_probe_lost(probe);
      }
      if (++probes > 100) break;
    }
    return probes;
  }

  MtuSearch search;
};

TEST_F(MtuSearchTest, OneProbeIsEnoughForAnOrdinaryPath) {
  EXPECT_EQ(search.current(), kBase);
  EXPECT_EQ(search_on(kLargest), 1u);
  EXPECT_EQ(search.current(), kLargest);
  EXPECT_EQ(search.next_probe(at_ms(1'000'000)), 0u) << "there is nothing more to be had";
}

TEST_F(MtuSearchTest, FindsWhatThePathCarries) {
  for (size_t passes = kBase; passes <= kLargest; ++passes) {
    search.start(kBase, kLargest);
    const unsigned probes = search_on(passes);
    EXPECT_LE(search.current(), passes);
    EXPECT_GT(search.current() + 2 * MtuSearch::kWorthProbing, passes);
    EXPECT_LE(probes, 20u) << passes;
  }
}

TEST_F(MtuSearchTest, NothingIsProbedWhereNothingIsToBeGained) {
  search.start(kBase, kBase + MtuSearch::kWorthProbing - 1);
  EXPECT_EQ(search.next_probe(at_ms(0)), 0u);
}

// RFC 8899 section 5.1.1.
TEST_F(MtuSearchTest, TriesAgainAfterTenMinutes) {
  search_on(1300);
  EXPECT_EQ(search.next_probe(at_ms(599'000)), 0u);
  EXPECT_EQ(search.next_probe(at_ms(600'000)), kLargest);
  search_on(kLargest, at_ms(600'000));
  EXPECT_EQ(search.current(), kLargest);
}

TEST_F(MtuSearchTest, AnAckThatComesAfterTheLossStillCounts) {
  for (unsigned i = 0; i < MtuSearch::kMaxProbes; ++i) {
    ASSERT_EQ(search.next_probe(at_ms(0)), kLargest);
    search.on_probe_sent();
    search.on_probe_lost(kLargest);
  }
  EXPECT_LT(search.next_probe(at_ms(0)), kLargest);
  EXPECT_TRUE(search.on_probe_acked(kLargest));
  EXPECT_EQ(search.current(), kLargest);
  EXPECT_EQ(search.next_probe(at_ms(0)), 0u);
}

// RFC 8899 section 4.3.
TEST_F(MtuSearchTest, ABlackHoleSendsItBackToTheBase) {
  search_on(kLargest);
  search.on_acked(kLargest, at_ms(5));
  for (unsigned i = 1; i < MtuSearch::kBlackHoleLosses; ++i) EXPECT_FALSE(search.on_lost(kLargest, at_ms(10)));
  EXPECT_TRUE(search.on_lost(kLargest, at_ms(10)));
  EXPECT_EQ(search.current(), kBase);
  EXPECT_EQ(search.next_probe(at_ms(20)), kLargest) << "it may have been an outage";
  search_on(1280, at_ms(20));
  EXPECT_LE(search.current(), 1280u);
  EXPECT_GT(search.current(), 1280u - 2 * MtuSearch::kWorthProbing);
}

TEST_F(MtuSearchTest, LossesAmongArrivalsAreNoBlackHole) {
  search_on(kLargest);
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(search.on_lost(kLargest, at_ms(10 * i)));
    EXPECT_FALSE(search.on_lost(kLargest, at_ms(10 * i + 1)));
    search.on_acked(kLargest, at_ms(10 * i + 2));
  }
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(search.on_lost(kLargest, at_ms(500))) << "one sent later has arrived";
  EXPECT_EQ(search.current(), kLargest);
}

TEST_F(MtuSearchTest, LossesOfSmallDatagramsSayNothing) {
  search_on(kLargest);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(search.on_lost(kBase, at_ms(10)));
  EXPECT_EQ(search.current(), kLargest);
}

// Where everything in flight is large, no acknowledgement ever comes to show a loss.
TEST_F(MtuSearchTest, TimeoutsInARowAreABlackHole) {
  search_on(kLargest);
  EXPECT_FALSE(search.on_timeouts(1));
  EXPECT_TRUE(search.on_timeouts(2));
  EXPECT_EQ(search.current(), kBase);
  EXPECT_FALSE(search.on_timeouts(3)) << "there is nothing smaller";
}

// RFC 8899 section 4.6.2.
TEST_F(MtuSearchTest, ARoutersWordGuidesTheSearch) {
  ASSERT_EQ(search.next_probe(at_ms(0)), kLargest);
  search.on_probe_sent();
  EXPECT_FALSE(search.on_too_big(1350)) << "what is known to pass still does";
  search.on_probe_lost(kLargest);
  EXPECT_EQ(search.next_probe(at_ms(0)), 1350u);
  search.on_probe_sent();
  search.on_probe_acked(1350);
  EXPECT_EQ(search.current(), 1350u);
  EXPECT_EQ(search.next_probe(at_ms(0)), 0u);
  EXPECT_TRUE(search.on_too_big(1300));
  EXPECT_EQ(search.current(), kBase);
  EXPECT_EQ(search.next_probe(at_ms(0)), 1300u);
}

// RFC 9000 section 14.2.1: nobody may be talked into less than QUIC needs, nor into more than is known to fail.
// proves RFC 9000 14.2.1-6
TEST_F(MtuSearchTest, AWordThatCannotBeIsIgnored) {
  search_on(kLargest);
  EXPECT_FALSE(search.on_too_big(kBase - 1));
  EXPECT_FALSE(search.on_too_big(kLargest));
  EXPECT_FALSE(search.on_too_big(9000));
  EXPECT_EQ(search.current(), kLargest);
}

}  // namespace
}  // namespace viaduct::quic
