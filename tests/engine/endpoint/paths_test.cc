// A peer whose address changes, or seems to.
#include <gtest/gtest.h>

#include <utility>

#include "tests/engine/endpoint/two_endpoints.h"

namespace viaduct::quic::test {
namespace {

// A NAT whose mapping the test changes.
struct Translator {
  explicit Translator(TwoEndpoints& pair) {
    pair.filter = [this](bool to_server, Datagram& datagram) {
      if (to_server) {
        datagram.path.remote = outside;
        sent += datagram.bytes.size();
        return !silent;
      }
      if (datagram.path.local != outside) return ++lost, false;
      received += datagram.bytes.size();
      datagram.path.local = kClientPath.local;
      return true;
    };
  }
  SocketAddress outside = kClientPath.local;
  bool silent = false;
  uint64_t sent = 0, received = 0, lost = 0;
};

class Paths : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(pair.handshake());
    pair.run_for(Duration::milliseconds(300));
  }
  void transfer(size_t size) {
    const uint64_t stream = next_stream;
    next_stream += 4;
    pair.client.write(pair.client.opened[0], stream, std::vector<uint8_t>(10, 1), true);
    ASSERT_TRUE(pair.run_until([&] { return pair.server.finished[stream]; }, Duration::seconds(30)));
    pair.server.write(pair.accepted(), stream, std::vector<uint8_t>(size, 2), true);
    ASSERT_TRUE(pair.run_until([&] { return pair.client.finished[stream]; }, Duration::seconds(30)));
    EXPECT_EQ(pair.client.received[stream].size(), size);
  }

  TwoEndpoints pair;
  Translator nat{pair};
  uint64_t next_stream = 0;
};

// proves RFC 9000 9-3 9-4 9.3-1
TEST_F(Paths, ANewPortIsFollowed) {
  transfer(100'000);
  nat.outside.port = 40001;
  transfer(1'000'000);
  EXPECT_EQ(pair.server.stats().paths_changed, 1u);
  EXPECT_EQ(pair.server.stats().path_validations_failed, 0u);
}

// proves RFC 9000 9-4 9.3-1 9.4-2
TEST_F(Paths, ANewAddressIsFollowed) {
  transfer(100'000);
  nat.outside.ip = IpAddress::v4(198, 18, 9, 9);
  transfer(1'000'000);
  EXPECT_EQ(pair.server.stats().paths_changed, 1u);
}

// RFC 9000 section 8: until the new address has answered, three times what came from it.
// proves RFC 9000 8-1 9.3-2
TEST_F(Paths, ANewAddressGetsLittleUntilItAnswers) {
  pair.server.write(pair.accepted(), 1, std::vector<uint8_t>(3'000'000, 2), true);
  pair.run_for(Duration::milliseconds(30));
  nat.outside.port = 40001;
  nat.sent = 0;
  uint64_t to_new = 0;
  pair.filter = [&](bool to_server, Datagram& datagram) {
    if (to_server) {
      if (nat.sent > 0) return false;  // one packet from the new address, then nothing
      datagram.path.remote = nat.outside;
      nat.sent += datagram.bytes.size();
      return true;
    }
    if (datagram.path.local == nat.outside) to_new += datagram.bytes.size();
    return false;
  };
  pair.run_for(Duration::milliseconds(900));
  EXPECT_GT(to_new, 0u);
  EXPECT_LE(to_new, 3 * nat.sent);
}

// What its packets let through must not all go to the stream, or the challenge is never repeated.
TEST_F(Paths, ANewAddressIsAskedAgainThoughThereIsMoreToSayThanMayBeSent) {
  pair.server.write(pair.accepted(), 1, std::vector<uint8_t>(10'000'000, 2), true);
  pair.run_for(Duration::milliseconds(100));
  nat.outside.port = 40001;
  const auto translate = pair.filter;
  bool is_first = true;
  pair.filter = [&](bool to_server, Datagram& datagram) {
    const bool is_lost = !to_server && datagram.path.local == nat.outside && std::exchange(is_first, false);
    return !is_lost && translate(to_server, datagram);
  };
  // The client has a little to say all the time.
  for (int i = 0; i < 50; ++i) {
    pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(10, 1), false);
    pair.run_for(Duration::milliseconds(10));
  }
  EXPECT_FALSE(is_first);
  EXPECT_EQ(pair.server.stats().paths_changed, 1u);
  EXPECT_TRUE(pair.run_until([&] { return pair.client.finished[1]; }, Duration::seconds(1)));
}

// RFC 9000 section 9.3.2: somebody else's address, from which no challenge is answered.
// proves RFC 9000 8.2.4-1 9.3.2-1
TEST_F(Paths, AnAddressThatDoesNotAnswerIsLeftAgain) {
  nat.outside.port = 666;
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(10, 1), true);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.stats().paths_changed == 1; }));
  nat.outside.port = kClientPath.local.port;  // what goes to port 666 is lost from now on
  nat.silent = true;
  ASSERT_TRUE(pair.run_until([&] { return pair.server.stats().path_validations_failed == 1; }));
  EXPECT_GT(nat.lost, 0u);
  nat.silent = false;
  next_stream = 4;
  transfer(10'000);
  EXPECT_EQ(pair.server.stats().paths_changed, 1u);
}

// One that has answered, if only a small challenge, is better than none, also when the time for the full one is over.
// proves RFC 9000 9.3.2-1
TEST_F(Paths, AnAddressThatAnsweredOnceIsThereToGoBackTo) {
  pair.filter = [&](bool to_server, Datagram& datagram) {
    if (to_server) return datagram.path.remote = nat.outside, true;
    const bool is_small = datagram.bytes.size() < 1200;
    const bool arrives = datagram.path.local == nat.outside && (nat.outside.port == 40001 ? is_small : !nat.silent);
    datagram.path.local = kClientPath.local;
    return arrives;
  };
  const auto speak_from = [&](uint16_t port, uint64_t changes) {
    nat.outside.port = port;
    pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(10, 1), false);
    return pair.run_until([&] { return pair.server.stats().paths_changed == changes; });
  };
  ASSERT_TRUE(speak_from(40001, 1));
  pair.run_for(Duration::milliseconds(300));
  nat.silent = true;  // nothing comes to the next address
  ASSERT_TRUE(speak_from(40002, 2));
  ASSERT_TRUE(pair.run_until([&] { return pair.server.stats().path_validations_failed == 1; }, Duration::seconds(30)));
  nat.silent = false;
  next_stream = 4;
  transfer(10'000);
}

// RFC 9000 section 9.3.3: a copy of a packet that came first from elsewhere; the next real one brings us back.
// proves RFC 9000 9.3.3-1
TEST_F(Paths, APacketThatSomebodyElseSentFirstChangesNothingForLong) {
  pair.filter = [&](bool to_server, Datagram& datagram) {
    if (!to_server) return datagram.path.local == kClientPath.local;
    Datagram copy = datagram;
    copy.path.remote.port = 666;
    if (pair.server.stats().paths_changed == 0) pair.server.ingest(copy, pair.now);
    return true;
  };
  transfer(500'000);
  transfer(500'000);
  EXPECT_EQ(pair.server.stats().paths_changed, 2u);
}

// RFC 9002 section 6.2.2.1: what may not be sent to the new address has no timer, whatever still comes from the old
// one.
TEST_F(Paths, AnExhaustedBudgetDoesNotKeepTheWorkerBusy) {
  transfer(1'000);
  std::vector<Datagram> late;
  pair.filter = [&](bool to_server, Datagram& datagram) {
    if (!to_server) return false;
    if (late.empty()) return late.push_back(datagram), false;
    datagram.path.remote.port = 40001;
    return pair.server.stats().paths_changed == 0;
  };
  pair.client.write(pair.client.opened[0], 4, std::vector<uint8_t>(10, 1), true);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.stats().paths_changed == 1; }));
  pair.run_for(Duration::milliseconds(1));
  pair.server.ingest(late.at(0), pair.now);
  pair.run_for(Duration::milliseconds(500));
  EXPECT_GT(pair.server.endpoint().deadline(), pair.now);
}

// RFC 9000 section 4.1: it has nothing in flight and waits for MAX_DATA, which goes to where it was.
TEST(HeldUp, ASenderThatANatForgotSaysSoAgain) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.connection_window = 10'000;
  TwoEndpoints pair(options);
  Translator nat(pair);
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(300));
  pair.server.consumes = false;
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(30'000, 1), true);
  pair.run_for(Duration::seconds(1));
  EXPECT_EQ(pair.server.received[0].size(), 10'000u);

  nat.outside.port = 40001;
  pair.server.consumes = true;
  for (const Command& consume : pair.server.unconsumed) pair.server.command(consume);
  EXPECT_TRUE(pair.run_until([&] { return pair.server.finished[0]; }, Duration::seconds(25)));
  EXPECT_GT(nat.lost, 0u);
}

// A receiver that stays slow for longer than the idle timeout.
TEST(HeldUp, KeepsTheConnectionOpen) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.stream_window = 10'000;
  options.client.idle_timeout = options.server.idle_timeout = Duration::seconds(6);
  TwoEndpoints pair(options);
  ASSERT_TRUE(pair.handshake());
  pair.server.consumes = false;
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(30'000, 1), true);
  pair.run_for(Duration::seconds(60));
  EXPECT_FALSE(pair.client.saw(EventType::kClosed));
  EXPECT_FALSE(pair.server.saw(EventType::kClosed));

  pair.server.consumes = true;
  for (const Command& consume : pair.server.unconsumed) pair.server.command(consume);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.finished[0]; }));
  pair.run_for(Duration::seconds(15));
  EXPECT_TRUE(pair.client.saw(EventType::kClosed)) << "nothing holds it up any more";
}

TEST_F(Paths, AReceiverThatANatForgotAsksForMore) {
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(10, 1), true);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.finished[0]; }));
  pair.server.write(pair.accepted(), 0, std::vector<uint8_t>(2'000'000, 2), true);
  ASSERT_TRUE(pair.run_until([&] { return pair.client.received[0].size() > 300'000; }));
  nat.silent = true;  // the acknowledgements on the way are lost, too
  pair.run_for(Duration::milliseconds(12));
  nat.silent = false;
  nat.outside.port = 40001;
  EXPECT_TRUE(pair.run_until([&] { return pair.client.finished[0]; }, Duration::seconds(5)));
  EXPECT_GE(pair.server.stats().paths_changed, 1u);
}

// RFC 9000 section 14.3: the largest datagram that passes is used.
// proves RFC 9000 14.2-1 14.2-3 14.2-5 14.3-1
TEST(Mtu, IsFoundByProbing) {
  for (const size_t passes : {1200u, 1300u, 1400u, 1452u}) {
    TwoEndpoints pair;
    size_t largest = 0;
    pair.filter = [&](bool, Datagram& datagram) {
      if (datagram.bytes.size() <= passes) largest = std::max(largest, datagram.bytes.size());
      return datagram.bytes.size() <= passes;
    };
    ASSERT_TRUE(pair.handshake());
    pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(3'000'000, 1), true);
    ASSERT_TRUE(pair.run_until([&] { return pair.server.finished[0]; }, Duration::seconds(20))) << passes;
    EXPECT_LE(largest, passes);
    EXPECT_GE(largest, passes < 1300 ? 1200 : passes - 80) << passes;
  }
}

}  // namespace
}  // namespace viaduct::quic::test
