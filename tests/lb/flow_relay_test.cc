// Flows whose IDs say nothing, on several workers among which a device spreads frames as it likes.
#include "apps/lb/flow_relay.h"

#include <gtest/gtest.h>

#include "apps/lb/verdicts.h"
#include "base/verdicts.h"
#include "tests/lb/several_workers.h"

namespace viaduct::lb {
namespace {

using test::Frame;
using test::id_of;
using test::kWorkers;
using test::long_packet;
using test::short_packet;

// An ID of configuration 7, which a client made up.
Frame unroutable(uint8_t number) { return {0xe7, 1, 2, 3, 4, 5, 6, number}; }
Frame first_packet(uint8_t number, const Frame& scid = {9}) {
  return long_packet(unroutable(number), scid, 1, 0xc0, 200);
}

class FlowsOnSeveralWorkers : public test::SeveralWorkers {
 protected:
  // The server that one frame went to, whichever worker sent it; -1: none.
  int route(unsigned worker, uint16_t port, const Frame& quic) {
    std::vector<uint64_t> before;
    for (size_t slot = 0; slot < kServers; ++slot) before.push_back(packets_of(slot));
    deliver(worker, datagram(port, quic));
    run_all();
    run_all();
    for (size_t slot = 0; slot < kServers; ++slot) {
      if (packets_of(slot) != before[slot]) return static_cast<int>(slot);
    }
    return -1;
  }
  uint64_t packets_of(size_t slot) const {
    uint64_t sum = 0;
    for (const auto& handler : handlers_) {
      for (const Counter& counter : handler.router().backend_counters()[slot].packets) sum += counter.value();
    }
    return sum;
  }
  // From now on the hash says something else: only a flow's state knows.
  void take_out(int server) {
    configuration_.pools[0].backends[static_cast<size_t>(server)].weight = 0;
    publish();
  }
  static constexpr size_t kServers = 5;
};

// A client behind another address is known by the ID that it made up, wherever its packets come in.
TEST_F(FlowsOnSeveralWorkers, AreFoundByTheirFirstIdAfterARebinding) {
  uint8_t number = 0;
  uint64_t found = 0;
  for (unsigned first = 0; first < kWorkers; ++first) {
    for (unsigned second = 0; second < kWorkers; ++second, ++number) {
      configuration_ = test::configuration_of(kServers);
      publish();
      const int server = route(first, 5000 + number, first_packet(number));
      ASSERT_GE(server, 0);
      take_out(server);
      EXPECT_EQ(route(second, 6000 + number, first_packet(number, {8})), server) << first << " " << second;
      EXPECT_EQ(count(kRoutedByDcid), ++found);
    }
  }
  EXPECT_EQ(verdicts(), 2u * number) << "a frame has one verdict, whoever looked at it";
}

// Whoever met a flow remembers its addresses: the packets that follow ask nobody.
TEST_F(FlowsOnSeveralWorkers, AreRememberedWhereTheyCameIn) {
  for (uint8_t number = 0; number < 20; ++number) {
    const unsigned worker = number % kWorkers;
    configuration_ = test::configuration_of(kServers);
    publish();
    const auto port = static_cast<uint16_t>(5000 + number);
    const int server = route(worker, port, first_packet(number));
    take_out(server);
    const uint64_t before = handlers_[worker].router().verdicts().sum();
    deliver(worker, datagram(port, first_packet(number)));
    deliver(worker, datagram(port, short_packet(unroutable(99))));
    EXPECT_EQ(handlers_[worker].router().verdicts().sum(), before + 2);
    EXPECT_EQ(slot_of(worker), server);
  }
}

TEST_F(FlowsOnSeveralWorkers, ThatNobodyKnowsGoByTheHashOfTheirAddresses) {
  for (uint8_t number = 0; number < 20; ++number) {
    const auto port = static_cast<uint16_t>(5000 + number);
    const int by_short = route(2, port, short_packet(unroutable(number)));
    EXPECT_EQ(route(0, port, first_packet(number)), by_short);
  }
}

TEST_F(FlowsOnSeveralWorkers, AskNobodyWhereAnIdNamesTheServer) {
  for (unsigned worker = 0; worker < kWorkers; ++worker) {
    deliver(worker, datagram(5000, long_packet(id_of(3), {1}, 1, 0xc0, 100)));
    EXPECT_EQ(handlers_[worker].router().verdicts()[kRoutedById], 1u);
  }
  for (unsigned worker = 0; worker < kWorkers; ++worker) EXPECT_TRUE(flows_.is_empty(worker));
}

TEST_F(FlowsOnSeveralWorkers, AskNobodyWhereTheTableIsOff) {
  configuration_.flow_state.by_dcid = false;
  publish();
  for (uint8_t number = 0; number < 10; ++number) deliver(0, datagram(5000, first_packet(number, {number})));
  EXPECT_EQ(verdicts(), 10u);
}

// A flood of new flows: what finds the rings full is decided by whoever received it, and nothing is lost.
TEST_F(FlowsOnSeveralWorkers, WaitInABoundedNumber) {
  constexpr size_t kFlood = 3 * FlowRelay::kMost * kWorkers;
  run_all();
  const size_t kept = pool_.used();  // by the loops, to build in
  for (size_t i = 0; i < kFlood; ++i) {
    const Frame id = {0xe7, 7, 7, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i), 5, 6, 7};
    deliver(0, datagram(static_cast<uint16_t>(1000 + i), long_packet(id, {1}, 1, 0xc0, 100)));
  }
  EXPECT_EQ(pool_.used(), kept + 2 * FlowRelay::kMost) << "waiting for the other two";
  EXPECT_EQ(verdicts(), kFlood - 2 * FlowRelay::kMost);
  for (int i = 0; i < 100; ++i) run_all();
  EXPECT_EQ(pool_.used(), kept);
  EXPECT_EQ(count(kRoutedAsNew), kFlood);
}

// Nobody waits for another worker's flood to end.
TEST(FlowRelayInboxes, AreEmptiedByTurns) {
  HandOff hand_off(3, 8);
  FlowRelay relay(hand_off);
  for (uint64_t i = 0; i < FlowRelay::kMost; ++i)
    ASSERT_TRUE(relay.pass(0, 2, {.kind = FlowRelay::Message::Kind::kLearn, .dcid = i}));
  ASSERT_TRUE(relay.pass(1, 2, {.kind = FlowRelay::Message::Kind::kLearn, .dcid = 1000}));
  FlowRelay::Message message;
  std::vector<unsigned> senders(4);
  for (unsigned& from : senders) ASSERT_TRUE(relay.take(2, message, from));
  EXPECT_EQ(senders, (std::vector<unsigned>{0, 1, 0, 0}));
}

// A worker that is on its way to sleep finds what was passed to it.
TEST_F(FlowsOnSeveralWorkers, KeepTheOwnerAwake) {
  for (uint8_t number = 0; flows_.is_empty(1); ++number) deliver(0, datagram(5000, first_packet(number, {number})));
  EXPECT_EQ(handlers_[1].deadline(), Instant());
  loops_[1].run_once();
  EXPECT_TRUE(handlers_[1].deadline().is_never());
}

// A reload in between: what is for nobody any more is given back, too.
TEST_F(FlowsOnSeveralWorkers, MayFindTheirServiceGone) {
  run_all();
  const size_t kept = pool_.used();
  for (uint8_t number = 0; number < 10; ++number) deliver(0, datagram(5000, first_packet(number, {number})));
  EXPECT_GT(pool_.used(), kept);
  configuration_.services.erase(configuration_.services.begin());
  publish();
  run_all();
  run_all();
  EXPECT_EQ(pool_.used(), kept);
}

// Packets that wait when the program ends are given back: the fixture looks.
TEST_F(FlowsOnSeveralWorkers, AreGivenBackAtTheEnd) {
  run_all();
  const size_t kept = pool_.used();
  for (uint8_t number = 0; number < 10; ++number) deliver(0, datagram(5000, first_packet(number, {number})));
  EXPECT_GT(pool_.used(), kept);
}

}  // namespace
}  // namespace viaduct::lb
