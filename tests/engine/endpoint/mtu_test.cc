// How large datagrams become, on paths that carry so much and no more (RFC 9000 section 14).
#include <gtest/gtest.h>

#include "tests/engine/endpoint/two_endpoints.h"

namespace viaduct::quic::test {
namespace {

class PathMtu : public ::testing::Test {
 protected:
  // From now on the path to the client carries datagrams of so many bytes.
  void set_limit(size_t bytes) {
    pair.filter = [this, bytes](bool to_server, Datagram& datagram) {
      if (to_server) return true;
      if (datagram.bytes.size() > bytes) return ++dropped, false;
      largest = std::max(largest, datagram.bytes.size());
      return true;
    };
  }
  // The server sends so many bytes; whether they all come.
  bool send(size_t bytes) {
    const uint64_t stream = next_stream;
    next_stream += 4;
    pair.server.write(pair.accepted(), stream, std::vector<uint8_t>(bytes, 1), true);
    return pair.run_until([&] { return pair.client.finished[stream]; }, Duration::seconds(60));
  }

  TwoEndpoints pair;
  size_t dropped = 0;
  size_t largest = 0;
  uint64_t next_stream = 3;
};

TEST_F(PathMtu, IsFoundWithoutDataInFlight) {
  set_limit(1500);
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(100));
  EXPECT_EQ(largest, small_config().max_udp_payload);
}

TEST_F(PathMtu, OfANarrowPathIsFound) {
  set_limit(1300);
  ASSERT_TRUE(pair.handshake());
  ASSERT_TRUE(send(2'000'000));
  EXPECT_GT(largest, 1300u - 32);
  EXPECT_LE(dropped, 15u) << "probes, and nothing else";
  dropped = 0;
  ASSERT_TRUE(send(1'000'000));
  EXPECT_EQ(dropped, 0u);
}

// A peer says how much it takes (RFC 9000 section 18.2).
TEST_F(PathMtu, IsNotAboveWhatThePeerTakes) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.client.max_receive_payload = 1350;
  TwoEndpoints narrow(options);
  size_t seen = 0;
  narrow.filter = [&](bool to_server, Datagram& datagram) {
    if (!to_server) seen = std::max(seen, datagram.bytes.size());
    return true;
  };
  ASSERT_TRUE(narrow.handshake());
  narrow.run_for(Duration::milliseconds(100));
  EXPECT_EQ(seen, 1350u);
}

// RFC 8899 section 4.3: the path changed under the connection.
TEST_F(PathMtu, ABlackHoleIsNoticedAndLeft) {
  ASSERT_TRUE(pair.handshake());
  ASSERT_TRUE(send(500'000));
  set_limit(1280);
  ASSERT_TRUE(send(2'000'000));
  EXPECT_EQ(pair.server.stats().mtu_reductions, 1u);
  ASSERT_TRUE(send(4'000'000));
  EXPECT_GT(largest, 1280u - 32) << "what the path carries now is found";
}

class PathMtuMessage : public PathMtu {
 protected:
  void SetUp() override {
    pair.record = true;
    ASSERT_TRUE(pair.handshake());
    ASSERT_TRUE(send(100'000));
    quoted.assign(pair.sent_to_client.back().bytes.begin(), pair.sent_to_client.back().bytes.begin() + 28);
    for (const Datagram& datagram : pair.sent_to_client) {
      if (datagram.bytes.size() == small_config().max_udp_payload) {
        quoted.assign(datagram.bytes.begin(), datagram.bytes.begin() + 28);
      }
    }
    pair.record = false;
  }
  bool tell(size_t fits) { return pair.server.endpoint().on_path_mtu(path, fits, quoted, pair.now); }

  Path path{kClientPath.remote, kClientPath.local};
  std::vector<uint8_t> quoted;
};

// proves RFC 9000 14.2.1-2 14.2.1-3
TEST_F(PathMtuMessage, OfADatagramOfOursIsBelieved) {
  set_limit(1320);
  EXPECT_TRUE(tell(1320));
  EXPECT_EQ(pair.server.stats().path_mtu_believed, 1u);
  EXPECT_EQ(pair.server.stats().mtu_reductions, 1u);
  ASSERT_TRUE(send(500'000));
  EXPECT_EQ(largest, 1320u);
  EXPECT_EQ(dropped, 0u) << "nothing larger is tried";
}

// RFC 9000 section 14.2.1: one below the smallest that QUIC uses changes nothing, whoever says it.
// proves RFC 9000 14.2.1-1
TEST_F(PathMtuMessage, OfLessThanQuicNeedsChangesNothing) {
  set_limit(1500);
  tell(1199);
  ASSERT_TRUE(send(100'000));
  EXPECT_EQ(largest, small_config().max_udp_payload);
  EXPECT_EQ(pair.server.stats().mtu_reductions, 0u);
}

// proves RFC 9000 14.2.1-4 14.2.1-5
TEST_F(PathMtuMessage, OfWhoHasNotSeenADatagramIsIgnored) {
  quoted[3] ^= 1;
  EXPECT_FALSE(tell(1300));
  quoted[3] ^= 1;
  quoted.resize(4);
  EXPECT_FALSE(tell(1300)) << "cut off within the connection ID";
  path.remote.port ^= 1;
  EXPECT_FALSE(tell(1300)) << "another path";
  EXPECT_EQ(pair.server.stats().path_mtu_ignored, 3u);
  EXPECT_EQ(pair.server.stats().mtu_reductions, 0u);
}

TEST_F(PathMtuMessage, OnlyAFewAreLookedAt) {
  int believed = 0;
  for (int i = 0; i < 1'000; ++i) believed += tell(1300);
  EXPECT_GE(believed, 1);
  EXPECT_LE(believed, 100);
  EXPECT_EQ(pair.server.stats().path_mtu_believed + pair.server.stats().path_mtu_ignored, 1'000u);
}

}  // namespace
}  // namespace viaduct::quic::test
