// QUIC v2, and versions that are negotiated (RFC 9368, RFC 9369), and bits that mean nothing (RFC 9287).
#include "engine/connection/version_choice.h"

#include <gtest/gtest.h>

#include <set>

#include "engine/verdicts.h"
#include "engine/wire/frames.h"
#include "tests/engine/endpoint/two_endpoints.h"
#include "tests/simulation/real_tls.h"

namespace viaduct::quic::test {
namespace {

constexpr uint64_t kNegotiationError = 0x11;

PairOptions speaking(std::vector<uint32_t> client, std::vector<uint32_t> server) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.client.versions = std::move(client);
  options.server.versions = std::move(server);
  return options;
}

bool is_long(const Datagram& datagram) { return (datagram.bytes[0] & 0x80) != 0; }
uint32_t version_of(const Datagram& datagram) { return ByteReader(Bytes(datagram.bytes).subspan(1)).u32(); }

std::set<uint32_t> versions_of(const std::vector<Datagram>& datagrams) {
  std::set<uint32_t> versions;
  for (const Datagram& datagram : datagrams) {
    if (is_long(datagram)) versions.insert(version_of(datagram));
  }
  return versions;
}

void expect_transfer(TwoEndpoints& pair) {
  const std::vector<uint8_t> upload(50'000, 4);
  pair.client.write(pair.client.opened[0], 0, upload, true);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.finished[0]; }));
  EXPECT_EQ(pair.server.received[0], upload);
}

TEST(Versions, BothSpeakTheSecond) {
  TwoEndpoints pair(speaking({kVersion2, kVersion1}, {kVersion1, kVersion2}));
  pair.record = true;
  ASSERT_TRUE(pair.handshake());
  expect_transfer(pair);
  EXPECT_EQ(versions_of(pair.sent_to_server), std::set{kVersion2});
  EXPECT_EQ(versions_of(pair.sent_to_client), std::set{kVersion2});
  EXPECT_EQ(pair.client.stats().versions_changed, 0u);
}

TEST(Versions, RetryInTheSecond) {
  PairOptions options = speaking({kVersion2}, {kVersion1, kVersion2});
  options.server.retry = RetryPolicy::kAlways;
  TwoEndpoints pair(options);
  ASSERT_TRUE(pair.handshake());
  EXPECT_EQ(pair.client.stats().retries_received, 1u);
}

// --- incompatible negotiation (RFC 9000 section 6) ---

TEST(Versions, AClientBeginsAgainInOneThatTheServerSpeaks) {
  TwoEndpoints pair(speaking({kVersion2, kVersion1}, {kVersion1}));
  ASSERT_TRUE(pair.handshake());
  expect_transfer(pair);
  EXPECT_EQ(pair.server.verdict(kVersionUnknown), 1u);
  EXPECT_EQ(pair.client.stats().versions_changed, 1u);
}

TEST(Versions, AClientGivesUpWhereNoneIsCommon) {
  TwoEndpoints pair(speaking({kVersion2}, {kVersion1}));
  pair.connect();
  ASSERT_TRUE(pair.run_until([&] { return pair.client.saw(EventType::kClosed); }));
  EXPECT_EQ(pair.client.find(EventType::kClosed)->error, kNegotiationError);
}

// A packet that nobody protects, from somebody in between.
Datagram negotiation(const Datagram& first, std::vector<uint32_t> versions) {
  const auto header = parse_packet_header(first.bytes, 0);
  Datagram answer{kClientPath, std::vector<uint8_t>(200)};
  ByteWriter writer(answer.bytes);
  write_version_negotiation(writer, header->dcid, header->scid, versions, 0);
  answer.bytes.resize(writer.size());
  return answer;
}

// RFC 9368 section 4: the server would have gone on in the version that the client wanted.
TEST(Versions, ADowngradeIsFound) {
  TwoEndpoints pair(speaking({kVersion2, kVersion1}, {kVersion1, kVersion2}));
  bool done = false;
  pair.filter = [&](bool to_server, Datagram& datagram) {
    if (!to_server || done) return true;
    done = true;
    pair.client.ingest(negotiation(datagram, {kVersion1}), pair.now);
    return false;
  };
  pair.connect();
  ASSERT_TRUE(pair.run_until([&] { return pair.client.saw(EventType::kClosed); }));
  EXPECT_EQ(pair.client.find(EventType::kClosed)->error, kNegotiationError);
  EXPECT_FALSE(pair.client.saw(EventType::kOpened));
}

// RFC 9000 section 6.2.
// proves RFC 9000 6.2-2
TEST(Versions, ANegotiationIsIgnoredWhereItOffersWhatWeAskedForOrComesLate) {
  TwoEndpoints pair(speaking({kVersion1, kVersion2}, {kVersion1}));
  std::optional<Datagram> first;
  pair.filter = [&](bool to_server, Datagram& datagram) {
    if (to_server && !first) {
      first = datagram;
      pair.client.ingest(negotiation(datagram, {kVersion1, kVersion2}), pair.now);
    }
    return true;
  };
  ASSERT_TRUE(pair.handshake());
  EXPECT_EQ(pair.client.verdict(kMalformed), 1u);
  pair.client.ingest(negotiation(*first, {kVersion2}), pair.now);
  expect_transfer(pair);
  EXPECT_EQ(pair.client.stats().versions_changed, 0u);
}

TEST(Versions, OneAnswerIsFollowed) {
  TwoEndpoints pair(speaking({kVersion2, kVersion1}, {kVersion1, kVersion2}));
  std::vector<Datagram> sent;
  pair.filter = [&](bool to_server, Datagram& datagram) {
    return to_server ? (sent.push_back(datagram), false) : true;
  };
  pair.connect();
  ASSERT_TRUE(pair.run_until([&] { return sent.size() == 1; }));
  pair.client.ingest(negotiation(sent[0], {kVersion1}), pair.now);
  ASSERT_TRUE(pair.run_until([&] { return sent.size() > 1; }));
  EXPECT_EQ(version_of(sent.back()), kVersion1);
  pair.client.ingest(negotiation(sent.back(), {kVersion2}), pair.now);
  EXPECT_EQ(pair.client.stats().versions_changed, 1u);
  EXPECT_EQ(pair.client.verdict(kMalformed), 1u);
}

// --- compatible negotiation ---

TEST(Versions, AServerLeadsClientsToTheOneItPrefers) {
  PairOptions options = speaking({kVersion1, kVersion2}, {kVersion1, kVersion2});
  options.server.preferred_version = kVersion2;
  TwoEndpoints pair(options);
  pair.record = true;
  ASSERT_TRUE(pair.handshake());
  expect_transfer(pair);
  EXPECT_EQ(versions_of(pair.sent_to_client), std::set{kVersion2});
  EXPECT_EQ(version_of(pair.sent_to_server.front()), kVersion1);
  EXPECT_EQ(pair.client.stats().versions_changed, 1u);
  EXPECT_EQ(pair.server.stats().versions_changed, 1u);
}

TEST(Versions, AClientThatDoesNotSpeakItStays) {
  PairOptions options = speaking({kVersion1}, {kVersion1, kVersion2});
  options.server.preferred_version = kVersion2;
  TwoEndpoints pair(options);
  ASSERT_TRUE(pair.handshake());
  EXPECT_EQ(pair.server.stats().versions_changed, 0u);
}

// The first half of a ClientHello is acknowledged in the client's version, the whole is answered in the other; and any
// one of the first datagrams may be lost.
TEST(Versions, AChangeSurvivesLosses) {
  for (int lost = 0; lost < 10; ++lost) {
    PairOptions options = speaking({kVersion1, kVersion2}, {kVersion1, kVersion2});
    options.server.preferred_version = kVersion2;
    options.tls.client_hello_size = 1'900;
    options.tls.server_hello_size = 1'200;
    options.tls.server_flight_size = 4'000;
    TwoEndpoints pair(options);
    int number = 0;
    pair.filter = [&](bool, Datagram&) { return number++ != lost; };
    ASSERT_TRUE(pair.handshake()) << lost;
    expect_transfer(pair);
  }
}

TEST(Versions, AChangeFollowsARetry) {
  PairOptions options = speaking({kVersion1, kVersion2}, {kVersion1, kVersion2});
  options.server.preferred_version = kVersion2;
  options.server.retry = RetryPolicy::kAlways;
  TwoEndpoints pair(options);
  ASSERT_TRUE(pair.handshake());
  EXPECT_EQ(pair.client.stats().retries_received, 1u);
  EXPECT_EQ(pair.client.stats().versions_changed, 1u);
}

// RFC 9369 section 5: what a server gave in one version is used in that alone.
TEST(Versions, SessionsAndTokensHoldForOneVersion) {
  const auto client_tls = sim::make_real_tls_client({.early_data = true});
  const auto server_tls = sim::make_real_tls_server({.early_data = true});
  PairOptions options = speaking({kVersion1, kVersion2}, {kVersion1, kVersion2});
  options.server.preferred_version = kVersion2;
  options.real_client = client_tls.get();
  options.real_server = server_tls.get();
  TwoEndpoints pair(options);
  pair.connect_and_open();
  pair.run_for(Duration::milliseconds(300));
  EXPECT_TRUE(ServerMemory(pair.memory).take_session("server.test", kVersion1).empty());
  const auto session = pair.memory.take_session("server.test", kVersion2);
  ASSERT_FALSE(session.empty());
  EXPECT_FALSE(pair.memory.take_token("server.test", kVersion2).empty());
  // A client that does not care is refused.
  pair.memory.keep_session("server.test", kVersion1, session);
  pair.connect_and_open();
  EXPECT_EQ(pair.client.stats().early_data_offered, 1u);
  ASSERT_TRUE(pair.run_until([&] { return pair.client.stats().early_data_rejected == 1; }));
  EXPECT_EQ(pair.server.stats().early_data_accepted, 0u);
}

// RFC 9369 section 4.1: 0-RTT stays in the version of the client's first packets.
TEST(Versions, EarlyDataOfAClientThatIsLedElsewhere) {
  const auto client_tls = sim::make_real_tls_client({.early_data = true});
  const auto server_tls = sim::make_real_tls_server({.early_data = true});
  PairOptions options = speaking({kVersion1, kVersion2}, {kVersion1, kVersion2});
  options.real_client = client_tls.get();
  options.real_server = server_tls.get();
  ServerMemory memory;
  {
    TwoEndpoints pair(options);
    pair.connect_and_open();
    pair.run_for(Duration::milliseconds(300));
    memory = pair.memory;
  }
  options.server.preferred_version = kVersion2;
  TwoEndpoints pair(options);
  pair.memory = memory;
  const ConnectionHandle handle = pair.connect();
  pair.client.write(handle, 0, {1, 2, 3}, true);
  ASSERT_TRUE(pair.run_until([&] { return pair.client.saw(EventType::kCompleted) && pair.server.finished[0]; }));
  EXPECT_EQ(pair.server.early[0], 3u);
  EXPECT_EQ(pair.client.stats().versions_changed, 1u);
}

// --- what each side checks ---

TransportParameters saying(uint32_t chosen, std::vector<uint32_t> available) {
  TransportParameters parameters;
  auto& information = parameters.version_information.emplace();
  information.chosen = chosen;
  for (const uint32_t version : available) information.available[information.available_count++] = version;
  return parameters;
}

TEST(VersionChecks, OfAClient) {
  EXPECT_FALSE(check_client_version(kVersion1, {}));
  EXPECT_FALSE(check_client_version(kVersion1, saying(kVersion1, {kVersion2, kVersion1})));
  EXPECT_EQ(check_client_version(kVersion1, saying(kVersion2, {kVersion2, kVersion1})).wire_code(), kNegotiationError);
  EXPECT_EQ(check_client_version(kVersion1, saying(kVersion1, {kVersion2})).wire_code(), kNegotiationError);
}

TEST(VersionChecks, OfAServer) {
  const std::vector<uint32_t> ours = {kVersion2, kVersion1};
  const auto check = [&](uint32_t original, uint32_t in_use, bool negotiated, const TransportParameters& server) {
    return check_server_version(original, in_use, negotiated, ours, server).wire_code();
  };
  EXPECT_EQ(check(kVersion2, kVersion2, false, {}), 0u);
  EXPECT_EQ(check(kVersion1, kVersion2, false, {}), kNegotiationError);
  EXPECT_EQ(check(kVersion1, kVersion1, true, {}), 0u);
  EXPECT_EQ(check(kVersion2, kVersion2, true, {}), kNegotiationError);
  EXPECT_EQ(check(kVersion1, kVersion1, false, saying(kVersion2, {kVersion1, kVersion2})), kNegotiationError);
  EXPECT_EQ(check(kVersion1, kVersion2, false, saying(kVersion2, {kVersion1, kVersion2})), 0u);
  EXPECT_EQ(check(kVersion1, kVersion1, true, saying(kVersion1, {kVersion1})), 0u);
  EXPECT_EQ(check(kVersion1, kVersion1, true, saying(kVersion1, {kVersion1, kVersion2})), kNegotiationError);
}

TEST(VersionChecks, AListHasOneThatDoesNotExist) {
  const std::vector<uint32_t> ours = {kVersion1, kVersion2};
  const VersionInformation information = version_information(kVersion1, ours, 0x12345678);
  ASSERT_EQ(information.available_count, 3u);
  EXPECT_EQ(information.available[0], kVersion1);
  EXPECT_TRUE(is_greased(information.available[2]));
}

// --- the fixed bit ---

struct FixedBits {
  size_t set = 0, clear = 0;
  explicit FixedBits(const std::vector<Datagram>& datagrams) {
    for (const Datagram& datagram : datagrams) {
      if (!is_long(datagram)) ++((datagram.bytes[0] & 0x40) != 0 ? set : clear);
    }
  }
};

// RFC 9287 section 3.
TEST(FixedBit, MeansNothingWhereBothSaySo) {
  TwoEndpoints pair;
  pair.record = true;
  ASSERT_TRUE(pair.handshake());
  expect_transfer(pair);
  pair.run_for(Duration::milliseconds(200));
  const FixedBits bits(pair.sent_to_server);
  EXPECT_GT(bits.set, 5u);
  EXPECT_GT(bits.clear, 5u);
  EXPECT_EQ(pair.server.verdict(kMalformed), 0u);
}

TEST(FixedBit, IsSetForAPeerThatDidNotSaySo) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.grease_quic_bit = false;
  TwoEndpoints pair(options);
  pair.record = true;
  ASSERT_TRUE(pair.handshake());
  expect_transfer(pair);
  EXPECT_EQ(FixedBits(pair.sent_to_server).clear, 0u);
  EXPECT_EQ(FixedBits(pair.sent_to_client).clear, 0u);
}

// RFC 9000 section 17.3.1.
TEST(FixedBit, PacketsWithoutItAreDroppedByWhoDidNotSaySo) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.grease_quic_bit = false;
  TwoEndpoints pair(options);
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(200));
  pair.filter = [](bool to_server, Datagram& datagram) {
    if (to_server) datagram.bytes[0] &= 0xbf;
    return true;
  };
  pair.client.write(pair.client.opened[0], 0, {1}, true);
  pair.run_for(Duration::milliseconds(20));
  EXPECT_GT(pair.server.verdict(kMalformed), 0u);
  EXPECT_FALSE(pair.server.finished[0]);
}

}  // namespace
}  // namespace viaduct::quic::test
