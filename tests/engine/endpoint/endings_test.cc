// How connections end: said, unsaid, and by somebody who has forgotten them.
#include <gtest/gtest.h>

#include <thread>

#include "engine/verdicts.h"
#include "engine/wire/packet_header.h"
#include "tests/engine/endpoint/two_endpoints.h"

namespace viaduct::quic::test {
namespace {

class Endings : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(pair.handshake());
    pair.run_for(Duration::milliseconds(300));
  }
  bool both_empty() { return pair.client.endpoint().is_empty() && pair.server.endpoint().is_empty(); }

  TwoEndpoints pair;
};

// proves RFC 9000 10.2.2-1 10.2.2-2
TEST_F(Endings, TheApplicationsCodeReachesTheOtherSide) {
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(3000, 1), false);
  pair.client.command({.type = CommandType::kClose, .connection = pair.client.opened[0], .error = 0x1234});
  ASSERT_TRUE(pair.run_until([&] { return pair.server.saw(EventType::kClosed); }));
  for (Side* side : {&pair.client, &pair.server}) {
    EXPECT_EQ(side->find(EventType::kClosed)->error, 0x1234u);
    EXPECT_TRUE(side->find(EventType::kClosed)->application_error);
    EXPECT_EQ(side->events.back().type, EventType::kClosed);
  }
  EXPECT_EQ(pair.client.released_bytes, 3000u);
  ASSERT_TRUE(pair.run_until([&] { return both_empty(); }));
  EXPECT_EQ(pair.client.packets_used() + pair.server.packets_used(), 0u);
  for (const PoolGauge& gauge : pair.server.endpoint().pools()) EXPECT_EQ(gauge.used, 0u) << gauge.name;
}

// RFC 9000 section 10.1: in silence, at the lower of both timeouts.
// proves RFC 9000 10.1-1
TEST(Idle, EndsAtTheLowerTimeout) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.idle_timeout = Duration::seconds(3);
  TwoEndpoints idle(options);
  ASSERT_TRUE(idle.handshake());
  idle.run_for(Duration::seconds(1));
  const Instant from = idle.now;
  unsigned datagrams = 0;
  idle.filter = [&](bool, Datagram&) { return ++datagrams, true; };
  ASSERT_TRUE(idle.run_until([&] { return idle.client.endpoint().is_empty() && idle.server.endpoint().is_empty(); }));
  EXPECT_GE(idle.now - from, Duration::milliseconds(1900));
  EXPECT_LE(idle.now - from, Duration::milliseconds(3100));
  EXPECT_EQ(datagrams, 0u);
  EXPECT_EQ(idle.client.stats().idle_timeouts + idle.server.stats().idle_timeouts, 2u);
  EXPECT_TRUE(idle.client.saw(EventType::kClosed) && idle.server.saw(EventType::kClosed));
}

// However long three probe timeouts are: a program that ends does not wait for them.
TEST(ShutDown, IsOverWithinASecond) {
  TwoEndpoints far;
  far.delay = Duration::milliseconds(700);
  ASSERT_TRUE(far.handshake());
  far.run_for(Duration::seconds(3));
  far.filter = [](bool, Datagram&) { return false; };
  far.server.endpoint().shut_down(far.now);
  EXPECT_FALSE(far.server.endpoint().is_empty());
  EXPECT_TRUE(far.run_until([&] { return far.server.endpoint().is_empty(); }, Duration::milliseconds(1'100)));
  EXPECT_EQ(far.server.packets_used(), 0u);
}

// RFC 9000 section 10.2.1: whoever still sends is told again, ever more rarely.
// proves RFC 9000 10.2.1-1 11.1-2
TEST_F(Endings, ALostCloseIsSaidAgain) {
  bool lose = true;
  unsigned answers = 0;
  pair.filter = [&](bool to_server, Datagram&) { return to_server || !lose || (++answers, false); };
  pair.server.command({.type = CommandType::kClose, .connection = pair.accepted(), .error = 9});
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(40'000, 1), true);
  pair.run_for(Duration::milliseconds(40));
  EXPECT_GE(answers, 2u);
  EXPECT_LE(answers, 8u);
  EXPECT_GT(pair.server.verdict(kConnectionClosing), answers);
  lose = false;
  EXPECT_TRUE(pair.run_until([&] { return pair.client.saw(EventType::kClosed); }, Duration::seconds(1)));
  EXPECT_EQ(pair.client.find(EventType::kClosed)->error, 9u);
}

// RFC 9000 section 10.3: a server that lost its memory, but not its key.
// proves RFC 9000 10.3.1-1 10.3.1-4
TEST_F(Endings, AStatelessResetEndsTheConnection) {
  Side reborn(small_config(), pair.tls.get(), nullptr, 99, 2);
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(500, 1), false);
  const auto sent = pair.client.round(pair.now);
  ASSERT_FALSE(sent.empty());
  Datagram datagram = sent[0];
  std::swap(datagram.path.local, datagram.path.remote);
  reborn.ingest(datagram, pair.now);
  auto resets = reborn.round(pair.now);
  ASSERT_EQ(resets.size(), 1u);
  std::swap(resets[0].path.local, resets[0].path.remote);
  Datagram wrong = resets[0];
  wrong.bytes.back() ^= 1;
  pair.client.ingest(wrong, pair.now);
  EXPECT_EQ(pair.client.verdict(kResetReceived), 0u);
  pair.client.ingest(resets[0], pair.now);
  pair.client.round(pair.now);
  EXPECT_EQ(pair.client.verdict(kResetReceived), 1u);
  EXPECT_EQ(pair.client.stats().resets_received, 1u);
  ASSERT_TRUE(pair.client.saw(EventType::kClosed));
  EXPECT_TRUE(pair.client.round(pair.now).empty());
}

TEST_F(Endings, ShuttingDownClosesAll) {
  pair.server.endpoint().shut_down(pair.now);
  ASSERT_TRUE(pair.run_until([&] { return both_empty(); }));
  EXPECT_EQ(pair.client.find(EventType::kClosed)->error, 0u);
  EXPECT_FALSE(pair.client.find(EventType::kClosed)->application_error);
  EXPECT_FALSE(pair.client.endpoint().connect({.path = kClientPath}, pair.now) == std::nullopt);
}

// RFC 9000 section 6.2.
// proves RFC 9000 6.2-1 6.2-3
TEST(VersionNegotiation, EndsAConnectionOnlyWhereItOffersNothingElse) {
  TwoEndpoints pair;
  pair.connect();
  const auto sent = pair.client.round(pair.now);
  ASSERT_EQ(sent.size(), 1u);
  const auto first = parse_packet_header(sent[0].bytes, 0);
  ASSERT_TRUE(first);
  const auto answer = [&](std::vector<uint32_t> versions, Bytes scid) {
    Datagram datagram{kClientPath, std::vector<uint8_t>(100), Ecn::kNotEct};
    ByteWriter writer(datagram.bytes);
    write_version_negotiation(writer, scid, first->scid, versions, 0);
    datagram.bytes.resize(writer.size());
    pair.client.ingest(datagram, pair.now);
    pair.client.round(pair.now);
  };
  answer({0x0a0a0a0a, kVersion1}, first->dcid);
  answer({0x0a0a0a0a}, std::vector<uint8_t>(8, 1));
  EXPECT_FALSE(pair.client.saw(EventType::kClosed));
  answer({0x0a0a0a0a}, first->dcid);
  ASSERT_TRUE(pair.client.saw(EventType::kClosed));
  EXPECT_EQ(pair.client.find(EventType::kClosed)->error, 0x11u);
  EXPECT_TRUE(pair.client.endpoint().is_empty());
}

// The application's side of the rings.
TEST_F(Endings, CommandsForWhatIsGoneGiveTheirChunkBack) {
  const ConnectionHandle connection = pair.client.opened[0];
  pair.client.command({.type = CommandType::kClose, .connection = connection, .error = 1});
  ASSERT_TRUE(pair.run_until([&] { return both_empty(); }));
  pair.client.write(connection, 0, std::vector<uint8_t>(10, 1), true);
  pair.client.command({.type = CommandType::kReset, .connection = connection, .stream = 0});
  pair.client.round(pair.now);
  pair.client.round(pair.now);
  EXPECT_EQ(pair.client.released_bytes, 10u);
}

TEST(Channel, EventsWaitForRoom) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.event_slots = 2;
  TwoEndpoints pair(options);
  ASSERT_TRUE(pair.handshake());
  for (uint64_t stream = 0; stream < 400; stream += 4) {
    pair.client.write(pair.client.opened[0], stream, std::vector<uint8_t>(100, 1), true);
  }
  ASSERT_TRUE(pair.run_until([&] { return pair.server.finished.size() == 100; }));
  EXPECT_GT(pair.server.stats().events_delayed, 0u);
  EXPECT_EQ(pair.server.stats().owner_violations, 0u);
}

// A connection is touched by one thread; anything else is a bug that shows.
TEST(Owner, AnotherThreadIsNoticed) {
  TwoEndpoints pair;
  ASSERT_TRUE(pair.handshake());
  EXPECT_EQ(pair.server.stats().owner_violations, 0u);
  std::thread([&] { pair.server.endpoint().step(pair.now); }).join();
  EXPECT_EQ(pair.server.stats().owner_violations, 1u);
}

// Noise, and damaged copies of real packets, among real ones.
TEST(Garbage, DisturbsNobody) {
  TwoEndpoints pair;
  Random random = Random::from_seed(5);
  pair.filter = [&](bool to_server, Datagram& datagram) {
    Datagram garbage = datagram;
    const uint64_t kind = random.below(3);
    if (kind == 0) garbage.bytes.resize(random.below(garbage.bytes.size()));
    if (kind == 1) garbage.bytes[random.below(garbage.bytes.size())] ^= static_cast<uint8_t>(1 + random.below(255));
    if (kind == 2) random.fill(garbage.bytes);
    (to_server ? pair.server : pair.client).ingest(garbage, pair.now);
    if (random.below(20) == 0) datagram.bytes[random.below(datagram.bytes.size())] ^= 0x10;
    return true;
  };
  ASSERT_TRUE(pair.handshake());
  const std::vector<uint8_t> bytes(1'000'000, 3);
  pair.client.write(pair.client.opened[0], 0, bytes, true);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.finished[0]; }, Duration::seconds(60)));
  EXPECT_EQ(pair.server.received[0], bytes);
  for (Side* side : {&pair.client, &pair.server}) {
    EXPECT_EQ(side->endpoint().verdicts().sum(), side->stats().datagrams_received);
    EXPECT_EQ(side->verdict(kProtocolError), 0u);
  }
}

}  // namespace
}  // namespace viaduct::quic::test
