#include "apps/load/rebinding.h"

#include <gtest/gtest.h>

#include <set>

namespace viaduct::load {
namespace {

uint16_t on_wire(const Rebinding& rebinding, uint16_t port) {
  Packet packet{.path = {}};
  packet.path.local.port = port;
  rebinding.to_wire(packet);
  return packet.path.local.port;
}
uint16_t from_wire(const Rebinding& rebinding, uint16_t port) {
  Packet packet{.path = {}};
  packet.path.local.port = port;
  rebinding.from_wire(packet);
  return packet.path.local.port;
}

TEST(Rebinding, LeavesPortsAloneThatDidNotMove) {
  Rebinding rebinding;
  rebinding.move(kFirstPort);
  EXPECT_EQ(on_wire(rebinding, kFirstPort + 1), kFirstPort + 1);
  EXPECT_EQ(from_wire(rebinding, kFirstPort + 1), kFirstPort + 1);
}

TEST(Rebinding, ShowsAnotherPortEachTimeAndUnderstandsTheOldOnesStill) {
  Rebinding rebinding;
  std::set<uint16_t> seen = {kFirstPort};
  for (int i = 0; i < 5; ++i) {
    rebinding.move(kFirstPort);
    const uint16_t port = on_wire(rebinding, kFirstPort);
    EXPECT_GE(port, kFirstMovedPort);
    EXPECT_TRUE(seen.insert(port).second);
  }
  for (const uint16_t port : seen) EXPECT_EQ(from_wire(rebinding, port), kFirstPort);
}

TEST(Rebinding, NoTwoConnectionsAreShownAsOnePort) {
  Rebinding rebinding;
  for (int i = 0; i < 3 * (kLastPort - kFirstMovedPort); ++i)
    rebinding.move(static_cast<uint16_t>(kFirstPort + i % 1'000));
  std::set<uint16_t> seen;
  for (uint16_t port = kFirstPort; port < kFirstPort + 1'000; ++port) {
    EXPECT_TRUE(seen.insert(on_wire(rebinding, port)).second);
    EXPECT_EQ(from_wire(rebinding, on_wire(rebinding, port)), port);
  }
}

}  // namespace
}  // namespace viaduct::load
