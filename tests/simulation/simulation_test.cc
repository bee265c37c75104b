#include "tests/simulation/simulation.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/simulation/amplification_watch.h"
#include "tests/simulation/sim_port.h"

namespace viaduct::sim {
namespace {

constexpr SocketAddress kA{IpAddress::v4(198, 18, 1, 1), 1001};
constexpr SocketAddress kB{IpAddress::v4(198, 18, 2, 1), 443};

// Sends what it receives back, and otherwise wakes every second.
class Echo : public Node {
 public:
  Echo(Simulation& simulation, SimPort& port) : simulation_(simulation), port_(port) {}
  void run_once() override {
    ++rounds;
    Packet* packet = nullptr;
    while (port_.receive({&packet, 1}) == 1) {
      port_.send({&packet, 1});
    }
    port_.wait(simulation_.now() + Duration::seconds(1));
  }
  Instant wake_at() const override { return port_.wake_at(); }
  int rounds = 0;

 private:
  Simulation& simulation_;
  SimPort& port_;
};

TEST(Simulation, RunsActionsInTheOrderOfTheirTimes) {
  Simulation simulation(1);
  std::string order;
  simulation.after(Duration::milliseconds(2), [&] { order += 'c'; });
  simulation.after(Duration::milliseconds(1), [&] {
    order += 'a';
    simulation.after(Duration(), [&] { order += 'b'; });
  });
  simulation.after(Duration::milliseconds(2), [&] { order += 'd'; });
  EXPECT_FALSE(simulation.run_until([] { return false; }, Duration::seconds(1)));
  EXPECT_EQ(order, "abcd");
  EXPECT_EQ(simulation.elapsed(), Duration::seconds(1));
}

TEST(Simulation, CarriesPacketsBetweenPortsAndBack) {
  Simulation simulation(1);
  SimPool pool(8);
  SimPort a(simulation, pool), b(simulation, pool);
  simulation.connect(kA.ip, kB.ip, {.delay = Duration::milliseconds(10)});
  simulation.set_receiver(kA.ip, [&](Datagram datagram) { a.deliver(std::move(datagram)); });
  simulation.set_receiver(kB.ip, [&](Datagram datagram) { b.deliver(std::move(datagram)); });
  Echo echo(simulation, b);
  simulation.add_node(echo);

  Packet* packet = nullptr;
  ASSERT_EQ(a.allocate({&packet, 1}), 1u);
  EXPECT_EQ(packet->offset, kHeadroom);
  packet->length = 3;
  packet->data()[2] = 42;
  packet->path = {.local = kA, .remote = kB};
  EXPECT_EQ(a.send({&packet, 1}), 1u);
  EXPECT_TRUE(simulation.run_until([&] { return a.wake_at() == simulation.now(); }, Duration::seconds(1)));
  EXPECT_EQ(simulation.elapsed(), Duration::milliseconds(20));
  ASSERT_EQ(a.receive({&packet, 1}), 1u);
  EXPECT_EQ(packet->length, 3);
  EXPECT_EQ(packet->data()[2], 42);
  EXPECT_EQ(packet->path, (Path{.local = kA, .remote = kB}));
  a.release({&packet, 1});
  EXPECT_EQ(pool.outstanding(), 0u);
  simulation.run_for(Duration::seconds(3));
  EXPECT_LE(echo.rounds, 6);
}

TEST(Simulation, TranslatesAddressesOfAHostBehindANat) {
  Simulation simulation(1);
  simulation.connect(kA.ip, kB.ip, {.delay = Duration::milliseconds(10)});
  simulation.set_nat(kA.ip);
  simulation.after(Duration::milliseconds(5), [&] { simulation.rebind(kA.ip, true); });
  std::vector<SocketAddress> seen, returned;
  simulation.set_receiver(kB.ip, [&](Datagram datagram) {
    seen.push_back(datagram.from);
    simulation.send({.from = datagram.to, .to = datagram.from, .payload = {1}});
  });
  simulation.set_receiver(kA.ip, [&](Datagram datagram) { returned.push_back(datagram.to); });
  simulation.send({.from = kA, .to = kB, .payload = {1}});
  simulation.after(Duration::milliseconds(6), [&] { simulation.send({.from = kA, .to = kB, .payload = {1}}); });
  simulation.run_for(Duration::seconds(1));
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0], kA);
  EXPECT_NE(seen[1].ip, kA.ip);
  // The answer to the old address came too late.
  ASSERT_EQ(returned.size(), 1u);
  EXPECT_EQ(returned[0], kA);
}

TEST(SimPool, RunsDry) {
  SimPool pool(2);
  Packet *first = pool.take(), *second = pool.take();
  EXPECT_FALSE(pool.take());
  EXPECT_EQ(pool.refused(), 1u);
  pool.give_back(first);
  pool.give_back(second);
  EXPECT_EQ(pool.high_water(), 2u);
}

// An Initial packet of version 1 with nothing readable in it, and what may follow it.
Datagram initial(SocketAddress from, SocketAddress to, size_t size, uint8_t follower) {
  Datagram datagram{.from = from, .to = to, .payload = std::vector<uint8_t>(size)};
  ByteWriter writer(datagram.payload);
  writer.u8(0xc0);
  writer.u32(1);
  writer.u16(0);     // no IDs
  writer.u8(0);      // no token
  writer.varint(2);  // length
  writer.u16(0);
  if (follower != 0) {
    writer.u8(follower);
    writer.u32(1);
    writer.u16(0);
  }
  return datagram;
}

TEST(AmplificationWatch, KnowsAnUnvalidatedAddress) {
  AmplificationWatch watch(kB.ip);
  watch.delivered(initial(kA, kB, 1'200, 0));
  watch.sent(initial(kB, kA, 3'600, 0));
  EXPECT_EQ(watch.violation(), "");
  watch.sent(initial(kB, kA, 20, 0));
  EXPECT_NE(watch.violation(), "");
}

TEST(AmplificationWatch, ACoalescedHandshakePacketValidates) {
  AmplificationWatch watch(kB.ip);
  watch.delivered(initial(kA, kB, 1'200, 0xe0));
  watch.sent(initial(kB, kA, 10'000, 0));
  EXPECT_EQ(watch.violation(), "");
}

}  // namespace
}  // namespace viaduct::sim
