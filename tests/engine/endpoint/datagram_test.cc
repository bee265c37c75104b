// DATAGRAM frames between two applications (RFC 9221).
#include <gtest/gtest.h>

#include <set>
#include <utility>

#include "tests/engine/endpoint/two_endpoints.h"

namespace viaduct::quic::test {
namespace {

EndpointConfig with_datagrams(uint64_t frame_size = 65'535) {
  EndpointConfig config = small_config();
  config.max_datagram_frame_size = frame_size;
  config.max_datagrams_of_connection = 8;
  return config;
}

class Datagrams : public ::testing::Test {
 protected:
  Datagrams() : pair({.client = with_datagrams(), .server = with_datagrams()}) {}

  void send(Side& from, ConnectionHandle connection, size_t size, uint8_t content, uint64_t mark = 0) {
    from.chunks.emplace_back(std::vector<uint8_t>(size, content));
    Chunk& chunk = from.chunks.back().chunk;
    from.command({.type = CommandType::kDatagram,
                  .connection = connection,
                  .length = chunk.size(),
                  .stream = mark,
                  .chunk = &chunk});
  }
  void send_from_client(size_t size, uint8_t content, uint64_t mark = 0) {
    send(pair.client, pair.client.opened[0], size, content, mark);
  }
  static std::vector<Event> arrived(const Side& side) {
    std::vector<Event> events;
    for (const Event& event : side.events) {
      if (event.type == EventType::kDatagram) events.push_back(event);
    }
    return events;
  }
  void consume(Side& side, const Event& event) {
    side.command({.type = CommandType::kConsume, .connection = event.connection, .token = event.token});
  }
  void consume_all(Side& side) {
    for (const Event& event : arrived(side)) consume(side, event);
    pair.run_for(Duration::milliseconds(10));
  }
  static uint64_t gauge(Side& side, std::string_view name) {
    for (const PoolGauge& gauge : side.endpoint().pools()) {
      if (gauge.name == name) return gauge.used;
    }
    return ~uint64_t{0};
  }

  TwoEndpoints pair;
};

// proves RFC 9221 5-1 5-2 5-3
TEST_F(Datagrams, ArriveOnceAndWhole) {
  ASSERT_TRUE(pair.handshake());
  EXPECT_EQ(pair.client.find(EventType::kOpened)->length, 65'535u);
  send_from_client(1'000, 7, 99);
  send(pair.server, pair.accepted(), 0, 0);
  send(pair.server, pair.accepted(), 3, 9);
  pair.run_for(Duration::milliseconds(100));
  const auto at_server = arrived(pair.server);
  ASSERT_EQ(at_server.size(), 1u);
  EXPECT_EQ(at_server[0].length, 1'000u);
  EXPECT_EQ(std::set<uint8_t>(at_server[0].data, at_server[0].data + 1'000), std::set<uint8_t>{7});
  ASSERT_EQ(arrived(pair.client).size(), 2u);
  EXPECT_EQ(arrived(pair.client)[0].length, 0u);
  ASSERT_TRUE(pair.client.saw(EventType::kReleased));
  EXPECT_EQ(pair.client.find(EventType::kReleased)->stream, 99u) << "the application's mark";
  EXPECT_EQ(gauge(pair.server, "held-packets"), 1u) << "its bytes lie in the packet";
  consume_all(pair.server);
  consume_all(pair.client);
  EXPECT_EQ(gauge(pair.server, "held-packets"), 0u);
  EXPECT_EQ(gauge(pair.server, "datagrams-received"), 0u);
  EXPECT_EQ(gauge(pair.client, "datagrams-to-send"), 0u);
}

// RFC 9221 section 5.2: they are acknowledged, and not sent again.
TEST_F(Datagrams, LostOnesAreNotSentAgain) {
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(200));
  bool lost = false;
  pair.filter = [&](bool to_server, Datagram&) { return !to_server || std::exchange(lost, true); };
  send_from_client(100, 1);
  pair.run_for(Duration::seconds(2));
  send_from_client(100, 2);
  pair.run_for(Duration::seconds(1));
  ASSERT_EQ(arrived(pair.server).size(), 1u);
  EXPECT_EQ(arrived(pair.server)[0].data[0], 2);
  consume_all(pair.server);
}

// RFC 9221 section 3.
// proves RFC 9221 3-1
TEST_F(Datagrams, NoneAreSentToAPeerThatTakesNone) {
  TwoEndpoints deaf({.client = with_datagrams(), .server = small_config()});
  ASSERT_TRUE(deaf.handshake());
  EXPECT_EQ(deaf.client.find(EventType::kOpened)->length, 0u);
  send(deaf.client, deaf.client.opened[0], 10, 1);
  deaf.run_for(Duration::milliseconds(100));
  EXPECT_TRUE(deaf.client.saw(EventType::kReleased));
  EXPECT_EQ(deaf.client.stats().datagram_frames_dropped, 1u);
  EXPECT_FALSE(deaf.client.saw(EventType::kClosed));
}

// proves RFC 9221 3-2
TEST_F(Datagrams, NoneLargerThanThePeerTakes) {
  TwoEndpoints small({.client = with_datagrams(), .server = with_datagrams(100)});
  ASSERT_TRUE(small.handshake());
  send(small.client, small.client.opened[0], 98, 1);
  send(small.client, small.client.opened[0], 97, 1);
  small.run_for(Duration::milliseconds(100));
  EXPECT_EQ(small.client.stats().datagram_frames_dropped, 1u) << "type and length belong to the frame";
  ASSERT_EQ(arrived(small.server).size(), 1u);
  EXPECT_EQ(arrived(small.server)[0].length, 97u);
  consume(small.server, arrived(small.server)[0]);
  small.run_for(Duration::milliseconds(10));
}

TEST_F(Datagrams, OneThatFitsNoPacketIsDropped) {
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(200));
  send_from_client(2'000, 1);
  send_from_client(50, 2);
  pair.run_for(Duration::milliseconds(100));
  EXPECT_EQ(pair.client.stats().datagram_frames_dropped, 1u);
  ASSERT_EQ(arrived(pair.server).size(), 1u) << "it does not hold up the next";
  EXPECT_EQ(pair.client.released_bytes, 2'050u);
  consume_all(pair.server);
}

// proves RFC 9221 3-4
TEST_F(Datagrams, ALargerFrameThanOfferedClosesTheConnection) {
  TwoEndpoints small({.client = with_datagrams(), .server = with_datagrams(10)});
  ASSERT_TRUE(small.handshake());
  small.run_for(Duration::milliseconds(200));
  std::vector<uint8_t> frame{0x31, 0x09};
  frame.resize(11);
  small.client.say_next(frame);
  small.client.write(small.client.opened[0], 0, std::vector<uint8_t>(100, 1), false);
  ASSERT_TRUE(small.run_until([&] { return small.server.saw(EventType::kClosed); }));
  EXPECT_EQ(small.server.find(EventType::kClosed)->error, 0x0au);
}

// A flood costs its connection its own datagrams, and nobody memory.
// proves RFC 9221 5.2-1
TEST_F(Datagrams, WhatTheApplicationDoesNotTakeIsBounded) {
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(200));
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 8; ++i) send_from_client(10, static_cast<uint8_t>(round));
    pair.run_for(Duration::milliseconds(20));
  }
  EXPECT_EQ(arrived(pair.server).size(), 8u);
  EXPECT_EQ(pair.server.stats().datagram_frames_dropped, 392u);
  EXPECT_LE(gauge(pair.server, "held-packets"), 8u);
  consume_all(pair.server);
  send_from_client(10, 200);
  pair.run_for(Duration::milliseconds(50));
  EXPECT_EQ(arrived(pair.server).size(), 9u) << "there is room again";
  EXPECT_FALSE(pair.client.saw(EventType::kClosed));
  consume(pair.server, arrived(pair.server).back());
  pair.run_for(Duration::milliseconds(10));
}

// The newest are worth most.
TEST_F(Datagrams, MoreThanThePathTakesPushesTheOldestOut) {
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(200));
  for (uint8_t i = 0; i < 20; ++i) send_from_client(1'100, i);
  pair.run_for(Duration::milliseconds(500));
  const auto events = arrived(pair.server);
  ASSERT_EQ(events.size(), 8u);
  EXPECT_EQ(events.front().data[0], 12);
  EXPECT_EQ(events.back().data[0], 19);
  EXPECT_EQ(pair.client.released_bytes, 20u * 1'100);
  consume_all(pair.server);
}

// A network that takes everything and acknowledges nothing is given no more than the window and its probes.
// proves RFC 9221 5.3-1 5.3-2
TEST_F(Datagrams, ObeyCongestionControl) {
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(200));
  size_t sent = 0;
  pair.filter = [&](bool to_server, Datagram& datagram) {
    sent += to_server ? datagram.bytes.size() : 0;
    return false;
  };
  for (int i = 0; i < 200; ++i) {
    send_from_client(1'000, 1);
    pair.run_for(Duration::microseconds(100));
  }
  EXPECT_GT(sent, 5'000u);
  EXPECT_LE(sent, 16'000u) << "the first window has ten packets, and the path's MTU is searched";
  EXPECT_GE(pair.client.stats().datagram_frames_dropped, 170u);
}

TEST_F(Datagrams, ClosingGivesEverythingBack) {
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(200));
  send_from_client(100, 1);
  pair.run_for(Duration::milliseconds(50));
  ASSERT_EQ(arrived(pair.server).size(), 1u);
  pair.server.command({.type = CommandType::kClose, .connection = pair.accepted(), .error = 0});
  send(pair.server, pair.accepted(), 100, 2);
  pair.run_for(Duration::seconds(5));
  EXPECT_EQ(pair.server.released_bytes, 100u);
  EXPECT_FALSE(pair.server.endpoint().is_empty()) << "the application still reads one";
  consume_all(pair.server);
  EXPECT_TRUE(pair.server.endpoint().is_empty());
  EXPECT_EQ(gauge(pair.server, "datagrams-received"), 0u);
  consume_all(pair.server);
  EXPECT_EQ(gauge(pair.server, "held-packets"), 0u) << "a token that was used is an ordinary miss";
}

}  // namespace
}  // namespace viaduct::quic::test
