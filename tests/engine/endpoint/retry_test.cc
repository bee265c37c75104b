// Addresses that must be proved: Retry, and tokens of earlier connections (RFC 9000 section 8.1).
#include <gtest/gtest.h>

#include "engine/verdicts.h"
#include "tests/engine/endpoint/initial_packet.h"
#include "tests/engine/endpoint/two_endpoints.h"

namespace viaduct::quic::test {
namespace {

constexpr uint64_t kInvalidTokenCode = 0x0b;

PairOptions with_policy(RetryPolicy policy) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.retry = policy;
  return options;
}

bool is_retry(const Datagram& datagram) { return (datagram.bytes[0] & 0xf0) == 0xf0; }

// proves RFC 9000 8.1.2-1 17.2.5.1-1 17.2.5.1-3 17.2.5.3-1
TEST(Retry, ProvesTheClientsAddress) {
  TwoEndpoints pair(with_policy(RetryPolicy::kAlways));
  ASSERT_TRUE(pair.handshake());
  EXPECT_EQ(pair.server.verdict(kRetrySent), 1u);
  EXPECT_EQ(pair.server.stats().retries_sent, 1u);
  EXPECT_EQ(pair.server.stats().tokens_accepted, 1u);
  EXPECT_EQ(pair.client.stats().retries_received, 1u);
  EXPECT_EQ(pair.server.stats().connections_accepted, 1u);
}

// RFC 9000 section 8.1: with a token the server isn't held to three times what came.
TEST(Retry, LetsALongFlightPassAtOnce) {
  PairOptions options = with_policy(RetryPolicy::kAlways);
  options.tls.server_flight_size = 9000;
  TwoEndpoints pair(options);
  const Instant start = pair.now;
  ASSERT_TRUE(pair.handshake());
  EXPECT_LE((pair.now - start).ms(), 6 * pair.delay.ms() + 1);
}

TEST(Retry, KeepsNoStateAtTheServer) {
  TwoEndpoints pair(with_policy(RetryPolicy::kAlways));
  pair.filter = [](bool to_server, Datagram&) { return to_server; };
  pair.connect();
  pair.run_for(Duration::milliseconds(500));
  EXPECT_GT(pair.server.verdict(kRetrySent), 0u);
  EXPECT_TRUE(pair.server.endpoint().is_empty());
}

TEST(Retry, IsNotAskedForWhereItIsOff) {
  TwoEndpoints pair(with_policy(RetryPolicy::kNever));
  ASSERT_TRUE(pair.handshake());
  EXPECT_EQ(pair.server.stats().retries_sent, 0u);
}

TEST(Retry, BeginsWithTheLoad) {
  PairOptions options = with_policy(RetryPolicy::kUnderLoad);
  options.server.retry_half_open = 2;
  TwoEndpoints pair(options);
  pair.filter = [](bool to_server, Datagram&) { return to_server; };
  for (int i = 0; i < 4; ++i) pair.connect();
  pair.run_for(Duration::milliseconds(50));
  EXPECT_EQ(pair.server.verdict(kNewConnection), 2u);
  EXPECT_EQ(pair.server.verdict(kRetrySent), 2u);
  EXPECT_EQ(pair.server.verdict(kHalfOpenLimit), 0u);
  // The load goes, and so does the demand.
  pair.filter = nullptr;
  ASSERT_TRUE(pair.run_until([&] { return pair.server.opened.size() == 4; }));
  const uint64_t sent = pair.server.stats().retries_sent;
  pair.run_for(Duration::seconds(1));
  pair.connect_and_open();
  EXPECT_EQ(pair.server.stats().retries_sent, sent);
}

TEST(Retry, SurvivesLosses) {
  for (const int lost : {0, 1, 2, 3, 4, 5}) {
    TwoEndpoints pair(with_policy(RetryPolicy::kAlways));
    int number = 0;
    pair.filter = [&](bool, Datagram&) { return number++ != lost; };
    ASSERT_TRUE(pair.handshake()) << lost;
  }
}

// RFC 9000 section 8.1.3: the client would not follow another Retry, and learns that it cannot go on.
TEST(Retry, RefusesATokenThatIsTooOld) {
  PairOptions options = with_policy(RetryPolicy::kAlways);
  options.server.retry_token_life = Duration::milliseconds(9);
  TwoEndpoints pair(options);
  pair.connect();
  ASSERT_TRUE(pair.run_until([&] { return pair.client.saw(EventType::kClosed); }));
  EXPECT_EQ(pair.client.find(EventType::kClosed)->error, kInvalidTokenCode);
  EXPECT_EQ(pair.server.verdict(kTokenExpired), 1u);
  EXPECT_TRUE(pair.server.endpoint().is_empty());
}

TEST(Retry, RefusesATokenFromAnotherPort) {
  TwoEndpoints pair(with_policy(RetryPolicy::kAlways));
  pair.filter = [&](bool to_server, Datagram& datagram) {
    if (to_server && pair.client.stats().retries_received > 0) ++datagram.path.remote.port;
    return true;
  };
  pair.connect();
  ASSERT_TRUE(pair.run_until([&] { return pair.client.saw(EventType::kClosed); }));
  EXPECT_EQ(pair.client.find(EventType::kClosed)->error, kInvalidTokenCode);
  EXPECT_EQ(pair.server.verdict(kTokenForged), 1u);
}

// RFC 9000 section 17.2.5.2.
// proves RFC 9000 17.2.5.2-1 17.2.5.2-3
TEST(Retry, IsIgnoredWhereItIsNotIntactOrNotTheFirst) {
  TwoEndpoints pair(with_policy(RetryPolicy::kAlways));
  std::optional<Datagram> retry;
  pair.filter = [&](bool to_server, Datagram& datagram) {
    if (!to_server && is_retry(datagram) && !retry) {
      retry = datagram;
      Datagram damaged = datagram;
      damaged.bytes.back() ^= 1;
      pair.client.ingest(damaged, pair.now);
    }
    return true;
  };
  pair.connect();
  ASSERT_TRUE(pair.run_until([&] { return retry.has_value(); }));
  EXPECT_EQ(pair.client.stats().retries_received, 0u);
  EXPECT_EQ(pair.client.verdict(kMalformed), 1u);
  ASSERT_TRUE(pair.run_until([&] { return pair.client.stats().retries_received == 1; }));
  pair.client.ingest(*retry, pair.now);
  EXPECT_EQ(pair.client.stats().retries_received, 1u);
  ASSERT_TRUE(pair.run_until([&] { return !pair.client.opened.empty(); }));
}

TEST(Retry, TooManyAtOnceAreNotAnswered) {
  TwoEndpoints pair(with_policy(RetryPolicy::kAlways));
  std::optional<Datagram> first;
  pair.filter = [&](bool, Datagram& datagram) { return first = datagram, false; };
  pair.connect();
  ASSERT_TRUE(pair.run_until([&] { return first.has_value(); }));
  for (int i = 0; i < 100; ++i) pair.server.ingest(*first, pair.now);
  EXPECT_EQ(pair.server.verdict(kRetrySent), 64u);
  EXPECT_EQ(pair.server.verdict(kRetryUnanswered), 36u);
  EXPECT_EQ(pair.server.round(pair.now).size(), 64u);
}

// --- NEW_TOKEN ---

// proves RFC 9000 8.1.3-1 8.1.3-2 8.1.3-10
TEST(NewToken, SparesTheNextConnectionTheRetry) {
  TwoEndpoints pair(with_policy(RetryPolicy::kAlways));
  for (uint64_t i = 1; i <= 3; ++i) {
    pair.connect_and_open();
    pair.run_for(Duration::milliseconds(200));
    EXPECT_EQ(pair.server.stats().retries_sent, 1u);
    EXPECT_EQ(pair.server.stats().tokens_sent, i);
    EXPECT_EQ(pair.server.stats().tokens_accepted, i);
  }
}

TEST(NewToken, ComesAgainWhereItIsLost) {
  TwoEndpoints pair(with_policy(RetryPolicy::kAlways));
  pair.filter = [&](bool to_server, Datagram&) { return to_server || pair.server.stats().tokens_sent != 1; };
  pair.connect();
  ASSERT_TRUE(pair.run_until([&] { return pair.server.stats().tokens_sent > 1; }));
  pair.run_for(Duration::milliseconds(500));
  EXPECT_EQ(pair.memory.servers(), 1u);
}

// proves RFC 9000 8.1.4-5
TEST(NewToken, IsNoTokenFromAnotherAddress) {
  TwoEndpoints pair(with_policy(RetryPolicy::kAlways));
  pair.connect_and_open();
  pair.run_for(Duration::milliseconds(200));
  pair.client_path.local.ip = IpAddress::v4(198, 18, 0, 77);
  pair.connect_and_open();
  EXPECT_EQ(pair.server.stats().retries_sent, 2u);
  EXPECT_EQ(pair.server.verdict(kTokenForged), 0u);
}

TEST(NewToken, HoldsForAnotherPort) {
  TwoEndpoints pair(with_policy(RetryPolicy::kAlways));
  pair.connect_and_open();
  pair.run_for(Duration::milliseconds(200));
  ++pair.client_path.local.port;
  pair.connect_and_open();
  EXPECT_EQ(pair.server.stats().retries_sent, 1u);
}

TEST(NewToken, GetsTooOld) {
  PairOptions options = with_policy(RetryPolicy::kAlways);
  options.server.new_token_life = Duration::seconds(60);
  TwoEndpoints pair(options);
  pair.connect_and_open();
  pair.run_for(Duration::seconds(61));
  pair.connect_and_open();
  EXPECT_EQ(pair.server.stats().retries_sent, 2u);
}

TEST(NewToken, IsNotSentWhereItIsOff) {
  PairOptions options = with_policy(RetryPolicy::kNever);
  options.server.new_token_life = Duration();
  TwoEndpoints pair(options);
  pair.connect_and_open();
  pair.run_for(Duration::milliseconds(200));
  EXPECT_EQ(pair.server.stats().tokens_sent, 0u);
  EXPECT_EQ(pair.memory.servers(), 0u);
}

// RFC 9000 section 19.7.
TEST(NewToken, IsNotAClientsToSend) {
  TwoEndpoints pair;
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(200));
  pair.client.say_next({0x07, 0x01, 0x00});
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(30), true);
  ASSERT_TRUE(pair.run_until([&] { return pair.client.saw(EventType::kClosed); }));
  EXPECT_EQ(pair.client.find(EventType::kClosed)->error, 0x0au);
}

// RFC 9000 section 17.2.2.
// proves RFC 9000 17.2.2-1
TEST(NewToken, IsNotAcceptedInAServersInitial) {
  for (const bool with_token : {false, true}) {
    TwoEndpoints pair;
    std::optional<Datagram> first;
    pair.filter = [&](bool to_server, Datagram& datagram) {
      if (to_server && !first) first = datagram;
      return false;
    };
    pair.connect();
    ASSERT_TRUE(pair.run_until([&] { return first.has_value(); }));
    const auto header = parse_packet_header(first->bytes, 0);
    ASSERT_TRUE(header);
    const std::vector<uint8_t> dcid(header->dcid.begin(), header->dcid.end());
    const InitialPacket packet{.sender = Role::kServer,
                               .key_dcid = dcid,
                               .dcid = {header->scid.begin(), header->scid.end()},
                               .scid = {1, 2, 3, 4},
                               .token = std::vector<uint8_t>(with_token ? 3 : 0),
                               .frames = {0x01}};
    pair.client.ingest({kClientPath, packet.seal()}, pair.now);
    EXPECT_EQ(pair.client.verdict(with_token ? kMalformed : kAccepted), 1u);
  }
}

}  // namespace
}  // namespace viaduct::quic::test
