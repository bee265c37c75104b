// The balancer in a worker loop, and which worker a frame belongs to.
#include <gtest/gtest.h>

#include <set>

#include "apps/lb/verdicts.h"
#include "tests/lb/in_a_loop.h"

namespace viaduct::lb {
namespace {

using test::configuration_of;
using test::Frame;
using test::FrameBuilder;
using test::id_of;
using test::long_packet;
using test::short_packet;

// A link side that answers everything and has a message of its own.
struct TestLink {
  bool answers = true;
  size_t messages = 0;
  bool take(Packet&, Instant) { return answers; }
  void step(Router&, Instant) {}
  size_t build(std::span<Packet*> burst, Instant) {
    const size_t filled = std::min(messages, burst.size());
    for (Packet* packet : burst.first(filled)) packet->length = 60;
    messages -= filled;
    return filled;
  }
  Instant deadline() const { return Instant::never(); }
};

FrameFacts facts() {
  FrameFacts result;
  result.mac = test::kOurMac;
  result.first_nat_port = 1000;
  result.nat_ports_of_worker = 100;
  result.last_nat_port = 1399;
  return result;
}

class InALoop : public test::InALoop<TestLink> {
 protected:
  InALoop() : test::InALoop<TestLink>(facts()) {}
};

TEST_F(InALoop, SendsOnWhatItRoutesAndGivesTheRestBack) {
  arrive(routable(1));
  arrive(FrameBuilder().eth(test::kOurMac, test::kRouterMac).ipv4(test::kClient4, test::kVip4).udp(1, 444).build());
  arrive(FrameBuilder()
             .eth(net::kBroadcastMac, test::kRouterMac)
             .arp(1, test::kRouterMac, "10.0.0.9", {}, "10.0.0.8")
             .build());
  loop_.run_once();
  EXPECT_EQ(port_.sent.size(), 2u) << "the routed one and the link's answer";
  EXPECT_EQ(handler_.router().verdicts()[kRoutedById], 1u);
  EXPECT_EQ(handler_.router().verdicts()[kServicePortClosed], 1u);
  link_.answers = false;
  arrive(FrameBuilder()
             .eth(net::kBroadcastMac, test::kRouterMac)
             .arp(1, test::kRouterMac, "10.0.0.9", {}, "10.0.0.8")
             .build());
  loop_.run_once();
  EXPECT_EQ(port_.sent.size(), 2u);
}

TEST_F(InALoop, SendsWhatTheLinkHasToSay) {
  link_.messages = 3;
  loop_.run_once();
  EXPECT_EQ(port_.sent.size(), 3u);
}

// A port that takes nothing more: packets wait, then are dropped and counted, and none is lost track of.
TEST_F(InALoop, BoundsWhatThePortHasYetToTake) {
  port_.send_room = 10;
  constexpr size_t kArriving = 1000;
  for (size_t i = 0; i < kArriving; ++i) {
    arrive(routable(1));
    if (i % kBurst == kBurst - 1) loop_.run_once();
  }
  loop_.run_once();
  EXPECT_EQ(port_.sent.size(), 10u);
  EXPECT_EQ(handler_.send_drops(), kArriving - 10 - kMostOutgoing);
  EXPECT_EQ(handler_.router().verdicts()[kRoutedById], kArriving);
  port_.send_room = SIZE_MAX;
  loop_.run_once();
  EXPECT_EQ(port_.sent.size(), 10u + kMostOutgoing);
}

TEST_F(InALoop, TakesAnotherSnapshotBetweenTwoPackets) {
  arrive(routable(2));
  loop_.run_once();
  Configuration changed = configuration_of(2);
  changed.pools[0].backends[1].state = BackendState::kDown;
  snapshot_.publish(std::move(*RoutingSnapshot::make(changed, test::link_facts(), slots_)));
  arrive(routable(2));
  loop_.run_once();
  EXPECT_EQ(handler_.router().verdicts()[kRoutedById], 1u);
  EXPECT_EQ(handler_.router().verdicts()[kRoutedAsNew], 1u);
  EXPECT_EQ(port_.sent.size(), 2u) << "no packet is lost by a reload";
}

class OwnerOf : public ::testing::Test {
 protected:
  OwnerOf() {
    snapshot_ = std::move(*RoutingSnapshot::make(configuration_of(2, Forwarding::kNat), test::link_facts(), slots_));
  }
  unsigned owner(const Frame& frame, bool hand_off) {
    Packet* packet = pool_.take();
    packet->length = static_cast<uint16_t>(frame.size());
    std::copy(frame.begin(), frame.end(), packet->data());
    const unsigned result = Owners{2, 4, hand_off, facts()}.owner_of(*packet, *snapshot_);
    pool_.give_back({&packet, 1});
    return result;
  }
  static FrameBuilder from(uint16_t port) {
    return FrameBuilder().eth(test::kOurMac, test::kRouterMac).ipv4(test::kClient4, test::kVip4).udp(port, 443);
  }

  SlotDirectory slots_;
  std::unique_ptr<const RoutingSnapshot> snapshot_;
  viaduct::test::FakePool pool_{2};
};

TEST_F(OwnerOf, IsWhoReceivedItWhereTheDeviceSpreads) {
  for (uint16_t port = 1; port < 50; ++port) EXPECT_EQ(owner(from(port).payload("x").build(), false), 2u);
}

TEST_F(OwnerOf, IsOneWorkerForAFlowAndItsErrors) {
  std::set<unsigned> owners;
  for (uint16_t port = 1; port < 50; ++port) {
    const unsigned by_datagram = owner(from(port).payload("x").build(), true);
    EXPECT_EQ(owner(from(port).payload(short_packet(id_of(1))).build(), true), by_datagram);
    const Frame quoted = FrameBuilder().ipv4(test::kVip4, test::kClient4).udp(443, port).payload("y").build_ip();
    EXPECT_EQ(owner(FrameBuilder()
                        .eth(test::kOurMac, test::kRouterMac)
                        .ipv4("203.0.113.1", test::kVip4)
                        .icmp(3, 4, 1400)
                        .payload(quoted)
                        .build(),
                    true),
              by_datagram);
    owners.insert(by_datagram);
  }
  EXPECT_EQ(owners.size(), 4u);
}

TEST_F(OwnerOf, IsWhoseTranslatedFlowItAnswers) {
  for (unsigned worker = 0; worker < 4; ++worker) {
    const auto port = static_cast<uint16_t>(1000 + worker * 100 + 5);
    const Frame answer = FrameBuilder()
                             .eth(test::kOurMac, test::kRouterMac)
                             .ipv4("10.0.0.1", test::kOurs4)
                             .udp(443, port)
                             .payload("x")
                             .build();
    EXPECT_EQ(owner(answer, false), worker);
    EXPECT_EQ(owner(answer, true), worker);
  }
}

TEST_F(OwnerOf, IsWhoReceivedWhatIsNoneOfThese) {
  EXPECT_EQ(owner(FrameBuilder()
                      .eth(net::kBroadcastMac, test::kRouterMac)
                      .arp(1, test::kRouterMac, "10.0.0.9", {}, "10.0.0.8")
                      .build(),
                  true),
            2u);
  EXPECT_EQ(owner(from(1).payload("x").cut(12).build(), true), 2u);
  EXPECT_EQ(owner(from(1).payload("x").fragment(0, true).build(), true), 2u);
}

}  // namespace
}  // namespace viaduct::lb
