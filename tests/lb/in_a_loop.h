// The balancer in a worker loop over a port of the test's.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>

#include "apps/lb/handler.h"
#include "base/worker_loop.h"
#include "tests/lb/fixture.h"

namespace viaduct::lb::test {

// LinkSide: what Handler wants of one.
template <class LinkSide>
class InALoop : public ::testing::Test {
 protected:
  explicit InALoop(const FrameFacts& facts)
      : handler_({}, configuration_, facts, snapshot_, link_, Random::from_seed(1)) {
    snapshot_.publish(*RoutingSnapshot::make(configuration_, link_facts(), slots_));
  }
  ~InALoop() override {
    loop_.drain();
    EXPECT_EQ(pool_.used(), 0u) << "every packet is given back";
  }

  // Lies at the port until the loop's next round.
  void arrive(const Frame& frame) {
    Packet* packet = pool_.take();
    packet->length = static_cast<uint16_t>(frame.size());
    std::ranges::copy(frame, packet->data());
    port_.arriving.push_back(packet);
  }
  static Frame routable(uint8_t server) {
    return FrameBuilder()
        .eth(kOurMac, kRouterMac)
        .ipv4(kClient4, kVip4)
        .udp(5000, 443)
        .payload(short_packet(id_of(server)))
        .build();
  }

  Configuration configuration_ = configuration_of(2);
  SlotDirectory slots_;
  Quiescence quiescence_;
  Snapshot<RoutingSnapshot> snapshot_{quiescence_};
  LinkSide link_;
  viaduct::test::FakePool pool_{2048};
  viaduct::test::FakePort port_{pool_};
  Instant now_ = Instant::from_ns(1'000'000'000);
  HandOff hand_off_{1, 8};
  Handler<LinkSide> handler_;
  WorkerLoop<viaduct::test::FakePort, Handler<LinkSide>, viaduct::test::FakeClock> loop_{
      port_, handler_, hand_off_, quiescence_, {.idle_policy = IdlePolicy::kPoll}, {&now_}};
};

}  // namespace viaduct::lb::test
