// What 0-RTT must hold to, and what TLS says beside it (RFC 9000 section 17.2.3, RFC 9001 sections 4.6, 5.6, 6 and 8.3,
// RFC 9221 section 3).
#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "tests/conformance/watch.h"
#include "tests/engine/endpoint/early_data_fixture.h"

namespace viaduct::quic::test {
namespace {

enum TlsType : uint8_t { kFinished = 20, kNewSessionTicket = 4 };

class EarlyRules : public EarlyData {
 protected:
  // Types of the TLS messages that one side sent at one level.
  static std::vector<uint8_t> messages(const Watch& watch, Role sender, PacketType level) {
    std::map<uint64_t, uint8_t> bytes;
    for (const Sealed& packet : watch.packets) {
      if (packet.sender != sender || packet.type != level) continue;
      packet.for_each_frame([&](const Frame& frame) {
        if (frame.type != FrameType::kCrypto) return;
        for (size_t i = 0; i < frame.crypto.data.size(); ++i) bytes[frame.crypto.offset + i] = frame.crypto.data[i];
      });
    }
    std::vector<uint8_t> types;
    for (uint64_t at = 0; bytes.contains(at);) {
      types.push_back(bytes[at]);
      at += 4 + (uint64_t{bytes[at + 1]} << 16 | uint64_t{bytes[at + 2]} << 8 | bytes[at + 3]);
    }
    return types;
  }
  void send_datagram(ConnectionHandle connection, size_t size) {
    pair->client.chunks.emplace_back(std::vector<uint8_t>(size, 5));
    Chunk& chunk = pair->client.chunks.back().chunk;
    pair->client.command(
        {.type = CommandType::kDatagram, .connection = connection, .length = chunk.size(), .chunk = &chunk});
  }
};

// proves RFC 9000 13.2.6-3
// proves RFC 9001 5.6-4
TEST_F(EarlyRules, AServerAcknowledgesThemIn1RttPackets) {
  make();
  meet();
  Watch watch(*pair);
  ask("hello");
  ASSERT_TRUE(pair->run_until([&] { return completed(); }));
  std::set<uint64_t> early;
  unsigned acknowledged = 0;
  bool has_client_one_rtt = false;
  for (const Sealed& packet : watch.packets) {
    if (packet.sender == Role::kClient) {
      if (packet.type == PacketType::kZeroRtt) early.insert(packet.number);
      has_client_one_rtt |= packet.type == PacketType::kOneRtt;
      continue;
    }
    EXPECT_NE(packet.type, PacketType::kZeroRtt);
    packet.for_each_frame([&](const Frame& frame) {
      if (frame.type != FrameType::kAck || has_client_one_rtt || packet.type != PacketType::kOneRtt) return;
      acknowledged += early.contains(frame.ack.largest);
    });
  }
  EXPECT_FALSE(early.empty());
  EXPECT_GT(acknowledged, 0u);
}

// proves RFC 9000 17.2.3-3
// proves RFC 9001 5.6-6
TEST_F(EarlyRules, EndWhere1RttBegins) {
  make();
  meet();
  Watch watch(*pair);
  const ConnectionHandle handle = pair->connect();
  pair->client.write(handle, 0, std::vector<uint8_t>(200'000, 7), true);
  ASSERT_TRUE(pair->run_until([&] { return pair->server.finished[0]; }));
  unsigned early = 0;
  bool has_one_rtt = false;
  for (const Sealed& packet : watch.packets) {
    if (packet.sender != Role::kClient) continue;
    has_one_rtt |= packet.type == PacketType::kOneRtt;
    early += packet.type == PacketType::kZeroRtt;
    EXPECT_FALSE(has_one_rtt && packet.type == PacketType::kZeroRtt);
  }
  EXPECT_GT(early, 3u);
  EXPECT_TRUE(has_one_rtt);
}

// proves RFC 9000 17.2.3-2
TEST_F(EarlyRules, HaveNewNumbersAfterARetry) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.retry = RetryPolicy::kAlways;
  options.server.new_token_life = Duration();
  make(options);
  meet();
  Watch watch(*pair);
  ask("hello");
  ASSERT_TRUE(pair->run_until([&] { return completed(); }));
  EXPECT_EQ(pair->client.stats().retries_received, 2u) << "one for each connection";
  std::vector<uint32_t> numbers;
  for (const Sealed& packet : watch.packets) {
    if (packet.type == PacketType::kZeroRtt) numbers.push_back(packet.number);
  }
  EXPECT_GE(numbers.size(), 2u);
  EXPECT_EQ(std::ranges::adjacent_find(numbers, std::greater_equal<>()), numbers.end());
}

// Two 0-RTT packets are late: one comes soon after the client's first 1-RTT packets, one when their keys must be gone.
// proves RFC 9001 4.9.3-2
TEST_F(EarlyRules, ComeTooLateSomeTimeAfterThe1RttPackets) {
  make();
  meet();
  ask(std::string(6'000, 'x'));
  const Flight flight = hold_flight(6);
  ASSERT_GE(flight.early.size(), 2u);
  pair->server.ingest_all(flight.initial, pair->now);
  // The tickets are never acknowledged, so that the server keeps what it has of the handshake.
  pair->filter = [&](bool to_server, Datagram&) { return to_server || !pair->client.saw(EventType::kCompleted); };
  ASSERT_TRUE(pair->run_until([&] { return pair->server.saw(EventType::kCompleted); }));
  pair->run_for(Duration::milliseconds(20));
  const EndpointStats& stats = pair->server.stats();
  const auto take = [&](const Datagram& datagram) {
    const uint64_t before = stats.packets_without_keys;
    pair->server.ingest(datagram, pair->now);
    return stats.packets_without_keys == before;
  };
  EXPECT_TRUE(take(flight.early[0]));
  pair->run_for(Duration::seconds(3));
  EXPECT_FALSE(take(flight.early[1]));
}

// No EndOfEarlyData, no KeyUpdate.
// proves RFC 9001 6-1 8.3-1
TEST_F(EarlyRules, TlsSaysNothingThatQuicSays) {
  make();
  meet();
  Watch watch(*pair);
  const ConnectionHandle handle = ask("hello");
  ASSERT_TRUE(pair->run_until([&] { return completed(); }));
  EXPECT_EQ(pair->server.stats().early_data_accepted, 1u);
  pair->run_for(Duration::milliseconds(100));
  for (uint64_t stream = 4; stream <= 12; stream += 4) {
    pair->client.command({.type = CommandType::kUpdateKeys, .connection = handle});
    pair->client.write(handle, stream, bytes_of("more"), true);
    ASSERT_TRUE(pair->run_until([&] { return pair->server.finished[stream]; }));
    pair->run_for(Duration::milliseconds(100));
  }
  EXPECT_EQ(pair->server.stats().key_updates, 3u);
  EXPECT_EQ(messages(watch, Role::kClient, PacketType::kHandshake), std::vector<uint8_t>{kFinished});
  EXPECT_TRUE(messages(watch, Role::kClient, PacketType::kOneRtt).empty());
  EXPECT_TRUE(messages(watch, Role::kClient, PacketType::kZeroRtt).empty());
  EXPECT_EQ(messages(watch, Role::kServer, PacketType::kOneRtt), std::vector<uint8_t>{kNewSessionTicket});
}

// proves RFC 9221 3-5
TEST_F(EarlyRules, DatagramsGoByTheLimitOfTheConnectionBefore) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.max_datagram_frame_size = 300;
  make(options);
  meet();
  Watch watch(*pair);
  const ConnectionHandle handle = pair->connect();
  ASSERT_TRUE(pair->run_until([&] { return pair->client.saw(EventType::kOpened); }));
  send_datagram(handle, 301);
  send_datagram(handle, 100);
  ASSERT_TRUE(pair->run_until([&] { return completed(); }));
  EXPECT_EQ(pair->client.find(EventType::kOpened)->length, 300u);
  EXPECT_EQ(pair->client.stats().datagram_frames_dropped, 1u);
  std::set<PacketType> carriers;
  for (const Sealed& packet : watch.packets) {
    if (packet.has(FrameType::kDatagram)) carriers.insert(packet.type);
  }
  EXPECT_EQ(carriers, std::set{PacketType::kZeroRtt});
  ASSERT_TRUE(pair->server.saw(EventType::kDatagram));
  EXPECT_EQ(pair->server.find(EventType::kDatagram)->length, 100u);
  const Event* event = pair->server.find(EventType::kDatagram);
  pair->server.command({.type = CommandType::kConsume, .connection = event->connection, .token = event->token});
  pair->run_for(Duration::milliseconds(10));
}

// proves RFC 9221 3-7
TEST_F(EarlyRules, EndWhereTheServerTakesSmallerDatagramsThanItSaid) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.max_datagram_frame_size = 300;
  make(options);
  meet();
  options.server.max_datagram_frame_size = 299;
  make_again(options);
  ask("hello");
  ASSERT_TRUE(pair->run_until([&] { return pair->client.saw(EventType::kClosed); }));
  EXPECT_EQ(pair->client.find(EventType::kClosed)->error, static_cast<uint64_t>(ErrorCode::kProtocolViolation));
}

}  // namespace
}  // namespace viaduct::quic::test
