#include "flowsteer/connection_id_codec.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "flowsteer/invariants.h"
#include "flowsteer/shard_map.h"

namespace viaduct::flowsteer {
namespace {

constexpr SipKey kSecret{4, 2};

ServerIdentity identity_of(uint8_t server_id_length, uint8_t nonce_length, bool keyed) {
  ServerIdentity identity;
  identity.config = {.id = 2, .server_id_length = server_id_length, .nonce_length = nonce_length};
  if (keyed) identity.config.key.emplace().fill(0x5a);
  identity.server_id.fill(0xe5);
  return identity;
}

TEST(ConnectionIdCodec, MintsWhatABalancerDecodesAndAWorkerReads) {
  Random random = Random::from_seed(1);
  for (uint8_t server_id_length = 1; server_id_length <= 14; ++server_id_length) {
    for (uint8_t nonce_length = 4; server_id_length + nonce_length <= 18; ++nonce_length) {
      for (const bool keyed : {false, true}) {
        const ServerIdentity identity = identity_of(server_id_length, nonce_length, keyed);
        ASSERT_EQ(identity.problem(), "");
        ConnectionIdCodec codec(identity, kSecret, 0, 1, random);
        const QuicLb balancer(identity.config);
        const ShardMap shards(kSecret, 4, codec.length());
        std::set<std::string> nonces;
        for (unsigned i = 0; i < 20; ++i) {
          ASSERT_TRUE(codec.routable());
          const ConnectionId id = codec.mint(random, shards.octet_for(i % 4, random));
          ASSERT_EQ(id.size(), codec.length());
          EXPECT_EQ(id.bytes()[0], first_octet(2, static_cast<uint8_t>(id.size() - 1)));
          EXPECT_EQ(shards.owner_of(id.bytes()), i % 4);
          const auto decoded = balancer.decode(id.bytes());
          ASSERT_TRUE(decoded);
          EXPECT_TRUE(equal(decoded->server_id(), Bytes(identity.server_id.data(), server_id_length)));
          const Bytes nonce = decoded->nonce();
          EXPECT_TRUE(nonces.emplace(nonce.begin(), nonce.end()).second);
        }
      }
    }
  }
}

// Section 3.1: without a configuration the first octet says so, and the length is encoded.
// proves RFC 9000 5.1-1 5.1-2
TEST(ConnectionIdCodec, WithoutAnIdentityMintsUnroutableIds) {
  Random random = Random::from_seed(2);
  ConnectionIdCodec codec(std::nullopt, kSecret, 0, 1, random);
  EXPECT_FALSE(codec.routable());
  std::set<std::string> seen;
  for (int i = 0; i < 1'000; ++i) {
    const ConnectionId id = codec.mint(random, 0x77);
    EXPECT_EQ(id.size(), ConnectionIdCodec::kUnroutableLength);
    EXPECT_EQ(id.bytes()[0], 0xe0 | (id.size() - 1));
    EXPECT_EQ(id.bytes().back(), 0x77);
    EXPECT_TRUE(seen.emplace(id.bytes().begin(), id.bytes().end()).second);
  }
}

TEST(ConnectionIdCodec, WhenNoncesAreUsedUpMintsUnroutableIdsOfTheSameLength) {
  Random random = Random::from_seed(3);
  ServerIdentity identity = identity_of(3, 4, true);
  identity.max_ids = 5;
  ConnectionIdCodec codec(identity, kSecret, 0, 1, random);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(codec.routable(), i < 5);
    const ConnectionId id = codec.mint(random, 1);
    EXPECT_EQ(id.size(), codec.length());
    EXPECT_EQ(config_id(id.bytes()[0]), i < 5 ? 2 : kUnroutableId);
  }
}

TEST(ConnectionIdCodec, WhereTheLengthIsNotEncodedTheLowBitsAreRandom) {
  Random random = Random::from_seed(4);
  ServerIdentity identity = identity_of(3, 6, true);
  identity.config.encode_length = false;
  ConnectionIdCodec codec(identity, kSecret, 0, 1, random);
  std::set<uint8_t> first_octets;
  for (int i = 0; i < 1'000; ++i) {
    const ConnectionId id = codec.mint(random, 1);
    EXPECT_EQ(config_id(id.bytes()[0]), 2);
    first_octets.insert(id.bytes()[0]);
  }
  EXPECT_EQ(first_octets.size(), 32u);
}

TEST(ConnectionIdCodec, WorkersOfOneProcessShareNoNonce) {
  Random random = Random::from_seed(5);
  const ServerIdentity identity = identity_of(3, 4, true);
  const QuicLb balancer(identity.config);
  std::set<std::string> nonces;
  for (unsigned worker = 0; worker < 64; ++worker) {
    ConnectionIdCodec codec(identity, kSecret, worker, 64, random);
    for (int i = 0; i < 200; ++i) {
      const auto decoded = balancer.decode(codec.mint(random, 0).bytes());
      EXPECT_TRUE(nonces.emplace(decoded->nonce().begin(), decoded->nonce().end()).second);
    }
  }
}

TEST(ConnectionIdCodec, LeavesRoomForTheShardOctet) {
  EXPECT_EQ(identity_of(14, 4, true).problem(), "");
  EXPECT_NE(identity_of(15, 4, true).problem(), "");
  EXPECT_EQ(identity_of(15, 4, true).config.problem(), "");
  EXPECT_NE(identity_of(0, 4, true).problem(), "");
}

}  // namespace
}  // namespace viaduct::flowsteer
