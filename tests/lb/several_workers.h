// Balancers' workers on one thread, each with a port of its own, round by round.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "apps/lb/handler.h"
#include "base/worker_loop.h"
#include "tests/lb/fixture.h"

namespace viaduct::lb::test {

inline constexpr unsigned kWorkers = 3;

struct SilentLink {
  bool take(Packet&, Instant) { return false; }
  void step(Router&, Instant) {}
  size_t build(std::span<Packet*>, Instant) { return 0; }
  Instant deadline() const { return Instant::never(); }
};

inline FrameFacts facts_of(unsigned worker) {
  FrameFacts facts;
  facts.mac = kOurMac;
  facts.first_nat_port = kFirstNatPort;
  facts.last_nat_port = kFirstNatPort + kWorkers * kNatPorts - 1;
  facts.first_nat_port_of_worker = static_cast<uint16_t>(kFirstNatPort + worker * kNatPorts);
  facts.nat_ports_of_worker = kNatPorts;
  return facts;
}

class SeveralWorkers : public ::testing::Test {
 protected:
  using Port = viaduct::test::FakePort;
  using Loop = WorkerLoop<Port, Handler<SilentLink>, viaduct::test::FakeClock>;

  explicit SeveralWorkers(Forwarding forwarding = Forwarding::kDirect)
      : configuration_(configuration_of(5, forwarding)) {
    publish();
    for (unsigned i = 0; i < kWorkers; ++i) {
      ports_.emplace_back(pool_);
      handlers_.emplace_back(Owners{i, kWorkers, false, facts_of(i), &relay_, &flows_}, configuration_, facts_of(i),
                             snapshot_, link_, Random::from_seed(i));
      loops_.emplace_back(ports_[i], handlers_[i], hand_off_, quiescence_,
                          WorkerOptions{.worker = i, .idle_policy = IdlePolicy::kPoll},
                          viaduct::test::FakeClock{&now_});
    }
  }
  ~SeveralWorkers() override {
    for (unsigned i = 0; i < kWorkers; ++i) {
      handlers_[i].stop();
      loops_[i].drain();
    }
    EXPECT_EQ(pool_.used(), 0u) << "every packet is given back";
  }

  void publish() { snapshot_.publish(std::move(*RoutingSnapshot::make(configuration_, link_facts(), slots_))); }
  // The worker receives a frame; the others have not looked at anything yet.
  void deliver(unsigned worker, const Frame& frame) {
    Packet* packet = pool_.take();
    packet->length = static_cast<uint16_t>(frame.size());
    std::ranges::copy(frame, packet->data());
    ports_[worker].arriving.push_back(packet);
    loops_[worker].run_once();
  }
  void run_all() {
    for (unsigned round = 0; round < kWorkers; ++round) {
      for (Loop& loop : loops_) loop.run_once();
    }
  }
  uint64_t count(Verdict verdict) const {
    uint64_t sum = 0;
    for (const auto& handler : handlers_) sum += handler.router().verdicts()[verdict];
    return sum;
  }
  uint64_t verdicts() const {
    uint64_t sum = 0;
    for (const auto& handler : handlers_) sum += handler.router().verdicts().sum();
    return sum;
  }
  // Where a worker sent what it looked at last.
  uint16_t slot_of(unsigned worker) const { return handlers_[worker].router().burst().slot[0]; }

  static Frame datagram(uint16_t port, const Frame& quic) {
    return FrameBuilder().eth(kOurMac, kRouterMac).ipv4(kClient4, kVip4).udp(port, 443).payload(quic).build();
  }

  Configuration configuration_;
  SlotDirectory slots_;
  Quiescence quiescence_;
  Snapshot<RoutingSnapshot> snapshot_{quiescence_};
  SilentLink link_;
  viaduct::test::FakePool pool_{2048};
  Instant now_ = Instant::from_ns(1'000'000'000);
  HandOff hand_off_{kWorkers, 8};
  IcmpRelay relay_{hand_off_};
  FlowRelay flows_{hand_off_};
  std::deque<Port> ports_;
  std::deque<Handler<SilentLink>> handlers_;
  std::deque<Loop> loops_;
};

}  // namespace viaduct::lb::test
