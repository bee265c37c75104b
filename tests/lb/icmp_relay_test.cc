// Errors about flows, on several workers among which a device spreads frames as it likes.
#include "apps/lb/icmp_relay.h"

#include <gtest/gtest.h>

#include "apps/lb/verdicts.h"
#include "base/verdicts.h"
#include "tests/lb/several_workers.h"

namespace viaduct::lb {
namespace {

using test::Frame;
using test::FrameBuilder;
using test::id_of;
using test::kWorkers;
using test::long_packet;
using test::SeveralWorkers;
using test::short_packet;

class ErrorsOnSeveralWorkers : public SeveralWorkers {
 protected:
  using SeveralWorkers::SeveralWorkers;

  // From a router on the way to the client, about what a server sent.
  static Frame error(uint16_t port, const Frame& quic) {
    const Frame quoted = FrameBuilder().ipv4(test::kVip4, test::kClient4).udp(443, port).payload(quic).build_ip();
    return FrameBuilder()
        .eth(test::kOurMac, test::kRouterMac)
        .ipv4("203.0.113.1", test::kVip4)
        .icmp(3, 4, 1400)
        .payload(quoted)
        .build();
  }
};

class TranslatedOnSeveralWorkers : public ErrorsOnSeveralWorkers {
 protected:
  TranslatedOnSeveralWorkers() : ErrorsOnSeveralWorkers(Forwarding::kNat) {}
};

TEST_F(ErrorsOnSeveralWorkers, FindTheFlowWhereverTheyComeIn) {
  constexpr unsigned kOwner = 1;
  deliver(kOwner, datagram(5000, short_packet({0xe1})));
  const uint16_t server = slot_of(kOwner);
  // From now on the hash says something else: only the flow's state knows.
  configuration_.pools[0].backends[server].weight = 0;
  publish();
  for (unsigned worker = 0; worker < kWorkers; ++worker) {
    deliver(worker, error(5000, short_packet({1, 2, 3})));
    run_all();
    EXPECT_EQ(handlers_[kOwner].router().verdicts()[kIcmpRouted], worker + 1) << "came in at worker " << worker;
    EXPECT_EQ(slot_of(kOwner), server);
  }
  EXPECT_EQ(count(kIcmpRouted), kWorkers);
  EXPECT_EQ(verdicts(), 1u + kWorkers) << "a frame has one verdict, whoever looked at it";
}

TEST_F(ErrorsOnSeveralWorkers, GoByTheHashWhereNobodyKnowsTheFlow) {
  deliver(2, error(5000, short_packet({1, 2, 3})));
  EXPECT_EQ(verdicts(), 0u);
  run_all();
  EXPECT_EQ(handlers_[1].router().verdicts()[kIcmpRouted], 1u) << "the last one that was asked decided";
  EXPECT_EQ(verdicts(), 1u);
  deliver(1, datagram(5000, short_packet({0xe1})));
  const uint16_t by_hash = slot_of(1);
  deliver(2, error(5000, short_packet({1, 2, 3})));
  run_all();
  EXPECT_EQ(slot_of(1), by_hash);
}

TEST_F(ErrorsOnSeveralWorkers, AskNobodyWhereAnIdNamesTheServer) {
  deliver(0, error(5000, long_packet({1, 2, 3, 4}, id_of(3), 1, 0xc0, 100)));
  EXPECT_EQ(handlers_[0].router().verdicts()[kIcmpRouted], 1u);
  EXPECT_TRUE(relay_.is_empty(1));
}

TEST_F(TranslatedOnSeveralWorkers, FindTheSessionWhereverTheyComeIn) {
  constexpr unsigned kOwner = 2;
  deliver(kOwner, datagram(5000, short_packet(id_of(2))));
  for (unsigned worker = 0; worker < kWorkers; ++worker) {
    deliver(worker, error(5000, long_packet({1, 2, 3, 4}, id_of(2), 1, 0xc0, 100)));
    run_all();
    EXPECT_EQ(handlers_[kOwner].router().verdicts()[kIcmpRouted], worker + 1) << "came in at worker " << worker;
  }
  EXPECT_EQ(count(kIcmpRefused), 0u);
  deliver(0, error(5999, long_packet({1, 2, 3, 4}, id_of(2), 1, 0xc0, 100)));
  run_all();
  EXPECT_EQ(count(kIcmpRefused), 1u) << "nobody translates this one";
  EXPECT_EQ(verdicts(), 1u + kWorkers + 1);
}

TEST_F(ErrorsOnSeveralWorkers, WaitInABoundedNumber) {
  constexpr size_t kMore = 5;
  for (size_t i = 0; i < IcmpRelay::kMost + kMore; ++i) deliver(0, error(5000, short_packet({1, 2, 3})));
  EXPECT_EQ(count(kHandOffFull), kMore);
  EXPECT_EQ(verdicts(), kMore);
}

// Whoever floods us with errors makes each worker ask others so many times a second, and no more.
TEST_F(ErrorsOnSeveralWorkers, AskAtALimitedRate) {
  constexpr size_t kMore = 10;
  const auto flood = [&] {
    for (size_t i = 0; i < Router::kMostAskedPerSecond + kMore; ++i) {
      deliver(0, error(5000, short_packet({1, 2, 3})));
      run_all();
    }
  };
  flood();
  EXPECT_EQ(handlers_[0].router().verdicts()[kIcmpRouted], kMore);
  EXPECT_EQ(count(kIcmpRouted), Router::kMostAskedPerSecond + kMore);
  now_ = now_ + Duration::seconds(1);
  flood();
  EXPECT_EQ(handlers_[0].router().verdicts()[kIcmpRouted], 2 * kMore);
}

// A worker that is on its way to sleep finds what was passed to it.
TEST_F(ErrorsOnSeveralWorkers, KeepTheNextWorkerAwake) {
  EXPECT_TRUE(handlers_[1].deadline().is_never());
  deliver(0, error(5000, short_packet({1, 2, 3})));
  EXPECT_EQ(handlers_[1].deadline(), Instant());
  loops_[1].run_once();
  EXPECT_TRUE(handlers_[1].deadline().is_never());
}

}  // namespace
}  // namespace viaduct::lb
