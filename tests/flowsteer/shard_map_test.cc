#include "flowsteer/shard_map.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "flowsteer/connection_id_codec.h"

namespace viaduct::flowsteer {
namespace {

constexpr SipKey kSecret{1, 2, 3, 4};
constexpr size_t kLength = 12;

TEST(ShardMap, GivesEachOctetOneOwner) {
  for (unsigned workers = 1; workers <= ShardMap::kMaxWorkers; ++workers) {
    const ShardMap map(kSecret, workers, kLength);
    std::set<uint8_t> seen;
    for (unsigned worker = 0; worker < workers; ++worker) {
      EXPECT_GE(map.octets_of(worker).size(), 256 / workers);
      EXPECT_LE(map.octets_of(worker).size(), 256 / workers + 1);
      for (const uint8_t octet : map.octets_of(worker)) {
        EXPECT_TRUE(seen.insert(octet).second);
        std::vector<uint8_t> id(kLength, 0xaa);
        id.back() = octet;
        EXPECT_EQ(map.owner_of(id), worker);
      }
    }
    EXPECT_EQ(seen.size(), 256u);
  }
}

TEST(ShardMap, DrawsAllOctetsOfAWorker) {
  const ShardMap map(kSecret, 8, kLength);
  Random random = Random::from_seed(1);
  for (unsigned worker = 0; worker < 8; ++worker) {
    std::set<uint8_t> drawn;
    for (int i = 0; i < 1'000; ++i) drawn.insert(map.octet_for(worker, random));
    const auto octets = map.octets_of(worker);
    EXPECT_EQ(drawn, std::set<uint8_t>(octets.begin(), octets.end()));
  }
}

TEST(ShardMap, DependsOnTheSecretAlone) {
  const ShardMap a(kSecret, 4, kLength), same(kSecret, 4, kLength), other(SipKey{7}, 4, kLength);
  int differ = 0;
  for (int octet = 0; octet < 256; ++octet) {
    std::vector<uint8_t> id(kLength, static_cast<uint8_t>(octet));
    EXPECT_EQ(a.owner_of(id), same.owner_of(id));
    differ += a.owner_of(id) != other.owner_of(id);
  }
  EXPECT_GT(differ, 128);
}

// A client chooses the destination of its first packets: whatever its length, all of them meet one worker, and the
// worker's own IDs come back to it.
TEST(ShardMap, SpreadsIdsThatClientsChose) {
  const ShardMap map(kSecret, 4, kLength);
  Random random = Random::from_seed(2);
  for (size_t length = 0; length <= 255; length = length < 20 ? length + 1 : length + 47) {
    std::array<int, 4> counts{};
    for (int i = 0; i < 4'000; ++i) {
      std::vector<uint8_t> id(length);
      random.fill(id);
      const unsigned owner = map.owner_of(id);
      ASSERT_LT(owner, 4u);
      EXPECT_EQ(map.owner_of(id), owner);
      ++counts[owner];
    }
    if (length < 2) continue;  // too few different ones
    for (const int count : counts) EXPECT_NEAR(count, 1'000, 150) << length;
  }
}

TEST(ShardMap, ReadsTheOwnerOfADatagram) {
  const ShardMap map(kSecret, 4, kLength);
  Random random = Random::from_seed(3);
  ConnectionIdCodec codec(std::nullopt, kSecret, 2, 4, random);
  const ConnectionId id = codec.mint(random, map.octet_for(2, random));

  std::vector<uint8_t> short_header(40, 0x40);
  std::copy(id.bytes().begin(), id.bytes().end(), short_header.begin() + 1);
  EXPECT_EQ(map.owner_of_datagram(short_header), 2u);

  std::vector<uint8_t> long_header = {0xc0, 0xde, 0xad, 0xbe, 0xef, static_cast<uint8_t>(id.size())};
  long_header.insert(long_header.end(), id.bytes().begin(), id.bytes().end());
  long_header.push_back(0);
  EXPECT_EQ(map.owner_of_datagram(long_header), 2u);
}

TEST(ShardMap, GivesGarbageAStableOwner) {
  const ShardMap map(kSecret, 3, kLength);
  Random random = Random::from_seed(4);
  std::set<unsigned> owners;
  for (size_t size = 0; size <= kLength; ++size) {
    std::vector<uint8_t> garbage(size);
    for (int i = 0; i < 50; ++i) {
      random.fill(garbage);
      const unsigned owner = map.owner_of_datagram(garbage);
      ASSERT_LT(owner, 3u);
      EXPECT_EQ(map.owner_of_datagram(garbage), owner);
      owners.insert(owner);
    }
  }
  EXPECT_EQ(owners.size(), 3u);
}

}  // namespace
}  // namespace viaduct::flowsteer
