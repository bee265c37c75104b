#include "apps/lb/flow_table.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <vector>

#include "apps/lb/flow_hash.h"
#include "base/random.h"
#include "tests/support/instants.h"

namespace viaduct::lb {
namespace {

constexpr Duration kTimeout = Duration::seconds(120);

// What the table promises, in the plainest way: a flow is known as long as it was used within the timeout.
class NaiveTable {
 public:
  void insert(uint64_t hash, uint16_t slot, int64_t now) { flows_[hash] = {slot, now}; }
  uint16_t find(uint64_t hash, int64_t now) {
    const auto flow = flows_.find(hash);
    if (flow == flows_.end() || now - flow->second.seen > 120) return FlowTable::kNone;
    flow->second.seen = now;
    return flow->second.slot;
  }
  size_t count(int64_t now) const {
    return static_cast<size_t>(
        std::ranges::count_if(flows_, [now](const auto& flow) { return now - flow.second.seen <= 120; }));
  }

 private:
  struct Flow {
    uint16_t slot;
    int64_t seen;
  };
  std::map<uint64_t, Flow> flows_;
};

TEST(FlowTable, DoesWhatANaiveOneDoes) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Random random = Random::from_seed(seed);
    FlowTable table(512, kTimeout);
    NaiveTable naive;
    std::vector<uint64_t> hashes(600);
    for (uint64_t& hash : hashes) hash = random.u64();
    int64_t now = 1;
    for (int operation = 0; operation < 20'000; ++operation) {
      now += random.below(40) == 0 ? static_cast<int64_t>(random.below(30)) : 0;
      const uint64_t hash = hashes[random.below(hashes.size())];
      if (random.below(4) == 0) {
        const auto slot = static_cast<uint16_t>(random.below(1000));
        if (table.insert(hash, slot, at_s(now))) naive.insert(hash, slot, now);
      } else {
        ASSERT_EQ(table.find(hash, at_s(now)), naive.find(hash, now));
      }
    }
    EXPECT_EQ(table.count(at_s(now)), naive.count(now));
  }
}

TEST(FlowTable, HoldsWhatItIsMadeFor) {
  constexpr size_t kFlows = 20'000;
  Random random = Random::from_seed(1);
  FlowTable table(kFlows, kTimeout);
  std::vector<uint64_t> hashes(kFlows);
  for (size_t i = 0; i < kFlows; ++i) {
    hashes[i] = random.u64();
    table.insert(hashes[i], static_cast<uint16_t>(i % 1000), at_s(1));
  }
  EXPECT_LE(table.use().refused, kFlows / 1000) << "two buckets of four take nearly all";
  size_t found = 0;
  for (size_t i = 0; i < kFlows; ++i) found += table.find(hashes[i], at_s(2)) == i % 1000;
  EXPECT_EQ(found, kFlows - table.use().refused);
}

// A flood of new flows takes nobody's place.
TEST(FlowTable, KeepsWhoIsInWhenItIsFull) {
  Random random = Random::from_seed(1);
  FlowTable table(100, kTimeout);
  std::vector<uint64_t> in;
  for (int i = 0; i < 5000; ++i) {
    const uint64_t hash = random.u64();
    if (table.insert(hash, 7, at_s(1))) in.push_back(hash);
  }
  EXPECT_GT(table.use().refused, 4000u);
  EXPECT_EQ(in.size(), table.use().inserted);
  for (const uint64_t hash : in) EXPECT_EQ(table.find(hash, at_s(120)), 7);
  // Time makes room.
  EXPECT_TRUE(table.insert(random.u64(), 8, at_s(1000)));
}

TEST(FlowTable, LooksWithoutTouching) {
  FlowTable table(10, kTimeout);
  table.insert(42, 7, at_s(1));
  EXPECT_EQ(table.peek(42, at_s(121)), 7);
  EXPECT_EQ(table.find(42, at_s(122)), FlowTable::kNone) << "a look kept the flow alive";
}

// Whoever chooses IDs, of any length that an invariant header has, does not choose what falls together.
TEST(FlowHash, TellsIdsApartWhateverTheirLength) {
  const FlowHash hash(SipKey{1, 2, 3});
  std::set<uint64_t> hashes;
  size_t ids = 0;
  for (size_t length = 0; length <= 255; ++length) {
    std::vector<uint8_t> id(length, 0xd5);
    for (size_t at = 0; at <= length; ++at, ids += 2) {
      if (at < length) id[at] ^= 1;  // and, the last time, as it is
      hashes.insert(hash.of_scid(7, id));
      hashes.insert(hash.of_dcid(7, id));
      if (at < length) id[at] ^= 1;
    }
  }
  EXPECT_EQ(hashes.size(), ids);
}

TEST(FlowHash, OfAPacketIsThatOfItsAddresses) {
  const FlowHash hash(SipKey{1, 2, 3});
  const SocketAddress client4{IpAddress::v4(198, 51, 100, 7), 5000}, service4{IpAddress::v4(192, 0, 2, 1), 443};
  const uint8_t ip4[20] = {0x45, 0, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 198, 51, 100, 7, 192, 0, 2, 1};
  const uint8_t udp[8] = {5000 >> 8, 5000 & 0xff, 443 >> 8, 443 & 0xff};
  EXPECT_EQ(hash.of_packet(ip4, false, udp), hash.of_addresses(client4, service4));
  const SocketAddress client6{*IpAddress::parse("2001:db8:c::7"), 5000};
  const SocketAddress service6{*IpAddress::parse("2001:db8::1"), 443};
  uint8_t ip6[40] = {0x60};
  std::ranges::copy(client6.ip.bytes, ip6 + 8);
  std::ranges::copy(service6.ip.bytes, ip6 + 24);
  EXPECT_EQ(hash.of_packet(ip6, true, udp), hash.of_addresses(client6, service6));
}

}  // namespace
}  // namespace viaduct::lb
