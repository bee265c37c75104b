// Sessions that are resumed, and 0-RTT (RFC 9001 section 4.6), with OpenSSL's TLS.
#include "engine/connection/early_data.h"

#include "engine/verdicts.h"
#include "tests/engine/endpoint/early_data_fixture.h"

namespace viaduct::quic::test {
namespace {

TEST_F(EarlyData, ArrivesWithTheFirstFlight) {
  make();
  meet();
  const Instant start = pair->now;
  ask("hello");
  ASSERT_TRUE(pair->run_until([&] { return pair->server.finished[0]; }));
  EXPECT_LT((pair->now - start).ms(), 2 * pair->delay.ms());
  EXPECT_EQ(pair->server.received[0], bytes_of("hello"));
  ASSERT_TRUE(pair->server.find(EventType::kOpened));
  EXPECT_TRUE(pair->server.find(EventType::kOpened)->early);
  EXPECT_FALSE(pair->server.saw(EventType::kCompleted));
  EXPECT_EQ(pair->server.early[0], 5u);
  ASSERT_TRUE(pair->run_until([&] { return completed(); }));
  EXPECT_TRUE(pair->client.find(EventType::kCompleted)->early);
  EXPECT_EQ(pair->client.stats().early_data_offered, 1u);
  EXPECT_EQ(pair->server.stats().early_data_accepted, 1u);
  EXPECT_EQ(pair->client.stats().early_data_rejected, 0u);
}

// RFC 9001 section 5.7: the server speaks before it knows that the handshake is complete.
TEST_F(EarlyData, IsAnsweredAfterOneRoundTrip) {
  make();
  meet();
  const Instant start = pair->now;
  ask("hello");
  ASSERT_TRUE(pair->run_until([&] { return pair->server.finished[0]; }));
  pair->server.write(pair->accepted(), 0, bytes_of("welcome"), true);
  ASSERT_TRUE(pair->run_until([&] { return pair->client.finished[0]; }));
  EXPECT_LT((pair->now - start).ms(), 3 * pair->delay.ms());
  EXPECT_EQ(pair->client.received[0], bytes_of("welcome"));
}

TEST_F(EarlyData, FillsManyPackets) {
  make();
  meet();
  const std::vector<uint8_t> upload(200'000, 7);
  const ConnectionHandle handle = pair->connect();
  pair->client.write(handle, 0, upload, true);
  ASSERT_TRUE(pair->run_until([&] { return pair->server.finished[0]; }));
  EXPECT_EQ(pair->server.received[0], upload);
  EXPECT_GT(pair->server.early[0], 5'000u);
  ASSERT_TRUE(pair->run_until([&] { return pair->client.released_bytes == upload.size(); }));
}

TEST_F(EarlyData, WhatComesAfterTheHandshakeIsNotEarly) {
  make();
  meet();
  const ConnectionHandle handle = ask("hello");
  ASSERT_TRUE(pair->run_until([&] { return completed(); }));
  pair->client.write(handle, 4, bytes_of("later"), true);
  ASSERT_TRUE(pair->run_until([&] { return pair->server.finished[4]; }));
  EXPECT_EQ(pair->server.early[4], 0u);
}

// Packets of 0-RTT that overtake the ClientHello wait for it.
TEST_F(EarlyData, MayOvertakeTheClientHello) {
  make();
  meet();
  ask(std::string(4'000, 'x'));
  const Flight flight = hold_flight(5);
  ASSERT_GE(flight.early.size(), 2u);
  pair->server.ingest(flight.early[1], pair->now);
  EXPECT_EQ(pair->server.verdict(kNoConnection), 1u);
  pair->server.ingest(flight.initial[0], pair->now);
  pair->server.ingest(flight.early[0], pair->now);
  EXPECT_EQ(pair->server.verdict(kDeferred), 1u);
  for (size_t i = 1; i < flight.initial.size(); ++i) pair->server.ingest(flight.initial[i], pair->now);
  ASSERT_TRUE(pair->run_until([&] { return pair->server.finished[0]; }));
  EXPECT_EQ(pair->server.received[0].size(), 4'000u);
  EXPECT_GT(pair->server.early[0], 1'000u);
}

TEST_F(EarlyData, KeepsNoMoreThanItMay) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.max_held_packets = 2;
  make(options);
  meet();
  ask(std::string(8'000, 'x'));
  const Flight flight = hold_flight(6);
  // One place is for the 0-RTT packet behind the last Initial.
  pair->server.ingest_all(flight.initial, pair->now);
  pair->server.ingest_all(flight.early, pair->now);
  EXPECT_EQ(pair->server.verdict(kDeferred), 1u);
  EXPECT_EQ(pair->server.verdict(kKeysUnavailable), flight.early.size() - 1);
  ASSERT_TRUE(pair->run_until([&] { return pair->server.finished[0]; }));
}

// RFC 9001 section 4.6.2: the server forgot what it promised, and all is sent again.
// proves RFC 9001 4.6.2-1 4.6.2-3
TEST_F(EarlyData, IsSentAgainWhereItIsRejected) {
  make();
  meet();
  server_tls = sim::make_real_tls_server({.early_data = true, .early_data_context = "otherwise"});
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.stream_window = 600;
  options.server.connection_window = 1'000;
  options.server.max_streams_bidi = 1;
  make_again(options);
  const ConnectionHandle handle = pair->connect();
  for (const uint64_t stream : {0u, 4u, 8u}) pair->client.write(handle, stream, std::vector<uint8_t>(900, 3), true);
  ASSERT_TRUE(pair->run_until([&] { return pair->server.finished[0]; }));
  EXPECT_TRUE(pair->client.find(EventType::kOpened)->early);
  ASSERT_TRUE(pair->client.find(EventType::kCompleted));
  EXPECT_FALSE(pair->client.find(EventType::kCompleted)->early);
  EXPECT_EQ(pair->client.stats().early_data_rejected, 1u);
  EXPECT_EQ(pair->server.stats().early_data_accepted, 0u);
  EXPECT_EQ(pair->server.early[0], 0u);
  pair->server.write(pair->accepted(), 0, {}, true);
  ASSERT_TRUE(pair->run_until([&] { return pair->server.finished[4]; }));
  pair->server.write(pair->accepted(), 4, {}, true);
  ASSERT_TRUE(pair->run_until([&] { return pair->server.finished[8]; }));
  for (const uint64_t stream : {0u, 4u, 8u}) EXPECT_EQ(pair->server.received[stream].size(), 900u);
  EXPECT_FALSE(pair->client.saw(EventType::kClosed));
}

// RFC 9000 section 7.4.1: a server that takes 0-RTT and lowers its limits breaks its promise.
// proves RFC 9000 7.4.1-5 7.4.1-6
TEST_F(EarlyData, EndsWhereTheServerBreaksItsPromise) {
  make();
  meet();
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.max_streams_bidi = 1;
  make_again(options);
  ask("hello");
  ASSERT_TRUE(pair->run_until([&] { return pair->client.saw(EventType::kClosed); }));
  EXPECT_EQ(pair->client.find(EventType::kClosed)->error, 0x0au);
}

// RFC 8446 section 8: the same first flight, recorded and sent a second time.
TEST_F(EarlyData, IsTakenOnce) {
  make();
  meet();
  std::vector<Datagram> flight;
  pair->filter = [&](bool to_server, Datagram& datagram) {
    if (to_server && pair->server.opened.empty()) flight.push_back(datagram);
    return true;
  };
  ask("pay 100");
  ASSERT_TRUE(pair->run_until([&] { return completed(); }));
  pair->filter = nullptr;
  ASSERT_FALSE(flight.empty());
  pair->server.received.clear();
  // Elsewhere, so that it isn't known for a copy: another endpoint with the same TLS.
  PairOptions options{.client = small_config(), .server = small_config()};
  options.real_client = client_tls.get();
  options.real_server = server_tls.get();
  TwoEndpoints other(options);
  other.server.ingest_all(flight, other.now);
  other.run_for(Duration::milliseconds(500));
  EXPECT_EQ(other.server.stats().early_data_accepted, 0u);
  EXPECT_TRUE(other.server.received.empty());
}

// A session without early data spares the certificate alone.
// proves RFC 9001 5.6-1
TEST_F(EarlyData, IsNotSentWhereTheClientDoesNotWantIt) {
  make();
  client_tls = sim::make_real_tls_client({});
  PairOptions options{.client = small_config(), .server = small_config()};
  options.real_client = client_tls.get();
  options.real_server = server_tls.get();
  pair.emplace(options);
  meet();
  ask("hello");
  ASSERT_TRUE(pair->run_until([&] { return pair->server.finished[0]; }));
  EXPECT_EQ(pair->client.stats().early_data_offered, 0u);
  EXPECT_EQ(pair->client.stats().handshakes_resumed, 1u);
  EXPECT_EQ(pair->server.stats().handshakes_resumed, 1u);
  EXPECT_FALSE(pair->client.find(EventType::kOpened)->early);
  EXPECT_FALSE(pair->server.saw(EventType::kCompleted));
}

TEST_F(EarlyData, FollowsARetry) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.retry = RetryPolicy::kAlways;
  options.server.new_token_life = Duration();
  make(options);
  meet();
  ask("hello");
  ASSERT_TRUE(pair->run_until([&] { return completed(); }));
  EXPECT_EQ(pair->server.received[0], bytes_of("hello"));
  EXPECT_EQ(pair->server.early[0], 5u);
  // A ClientHello takes two datagrams, and a server that keeps nothing answers each.
  EXPECT_EQ(pair->server.stats().retries_sent, 4u);
}

// Each connection brings a ticket for the next.
TEST_F(EarlyData, GoesOnForEver) {
  make();
  meet();
  for (uint64_t i = 1; i <= 5; ++i) {
    const ConnectionHandle handle = ask("hello");
    ASSERT_TRUE(pair->run_until([&] { return completed(); }));
    pair->run_for(Duration::milliseconds(200));
    EXPECT_EQ(pair->server.stats().early_data_accepted, i);
    pair->client.command({.type = CommandType::kClose, .connection = handle});
    pair->run_for(Duration::seconds(1));
    pair->client.events.clear();
    pair->server.events.clear();
  }
}

TEST_F(EarlyData, ATicketThatIsLostComesAgain) {
  make();
  pair->connect();
  ASSERT_TRUE(pair->run_until([&] { return pair->client.saw(EventType::kOpened); }));
  // The server's next datagrams, with HANDSHAKE_DONE and the ticket, are lost once.
  int lost = 0;
  pair->filter = [&](bool to_server, Datagram&) { return to_server || ++lost > 2; };
  pair->run_for(Duration::seconds(2));
  EXPECT_EQ(pair->memory.take_session("server.test", kVersion1).empty(), false);
}

// --- what is remembered ---

// proves RFC 9000 7.4.1-8
// proves RFC 9221 3-6
TEST(Promise, ChangesWithEachLimitThatCounts) {
  const EndpointConfig config;
  const std::string promise = early_data_promise(config, "h3");
  EXPECT_EQ(early_data_promise(config, "h3"), promise);
  EXPECT_NE(early_data_promise(config, "other"), promise);
  EndpointConfig other = config;
  other.stream_window /= 2;
  EXPECT_NE(early_data_promise(other, "h3"), promise);
  other = config;
  --other.max_streams_uni;
  EXPECT_NE(early_data_promise(other, "h3"), promise);
  other = config;
  other.max_datagram_frame_size = 100;
  EXPECT_NE(early_data_promise(other, "h3"), promise);
  other = config;
  other.max_half_open *= 2;
  EXPECT_EQ(early_data_promise(other, "h3"), promise);
}

// RFC 9000 section 7.4.1 names what is not to be remembered.
// proves RFC 9000 7.4.1-2 7.4.1-4
TEST(Promise, LeavesOutWhatBelongsToOneConnection) {
  TransportParameters server;
  server.initial_max_data = 5;
  server.ack_delay_exponent = 7;
  server.max_ack_delay = 99;
  server.stateless_reset_token.emplace();
  const TransportParameters remembered = remembered_parameters(server);
  EXPECT_EQ(remembered.initial_max_data, 5u);
  EXPECT_EQ(remembered.ack_delay_exponent, TransportParameters().ack_delay_exponent);
  EXPECT_EQ(remembered.max_ack_delay, TransportParameters().max_ack_delay);
  EXPECT_FALSE(remembered.stateless_reset_token);
  EXPECT_TRUE(are_kept(remembered, server));
  server.initial_max_data = 4;
  EXPECT_FALSE(are_kept(remembered, server));
}

}  // namespace
}  // namespace viaduct::quic::test
