// What every packet that leaves an endpoint must look like.
#include <gtest/gtest.h>

#include <map>
#include <tuple>
#include <utility>

#include "tests/conformance/watch.h"

namespace viaduct::quic::test {
namespace {

constexpr size_t kComparedSize = 20;  // enough of a short header to compare

// A handshake, bytes both ways, and an end, with losses.
struct Life {
  explicit Life(PairOptions options = {.client = small_config(), .server = small_config()}) : pair(std::move(options)) {
    unsigned count = 0;
    pair.filter = [count](bool, Datagram&) mutable { return ++count % 7 != 0; };
    EXPECT_TRUE(pair.handshake());
    const std::vector<uint8_t> bytes(300'000, 3);
    pair.client.write(pair.client.opened[0], 0, bytes, true);
    pair.client.write(pair.client.opened[0], 2, bytes, true);
    EXPECT_TRUE(pair.run_until([&] { return pair.server.finished[0] && pair.server.finished[2]; }));
    pair.server.write(pair.accepted(), 0, bytes, true);
    EXPECT_TRUE(pair.run_until([&] { return pair.client.finished[0]; }));
    pair.filter = nullptr;
    pair.client.command({.type = CommandType::kClose, .connection = pair.client.opened[0], .error = 5});
    EXPECT_TRUE(pair.run_until([&] { return pair.server.saw(EventType::kClosed); }));
  }

  TwoEndpoints pair;
  Watch watch{pair};
};

// proves RFC 9000 12.4-1 12.4-5 12.5-1 12.5-2 19.7-3 19.15-5
TEST(SentPackets, HaveFramesAndOnlySuchAsTheyMay) {
  const Life life;
  ASSERT_GT(life.watch.packets.size(), 100u);
  std::map<FrameType, unsigned> seen;
  for (const Sealed& packet : life.watch.packets) {
    EXPECT_FALSE(packet.payload.empty());
    TransportError error;
    const auto see = [&](const Frame& frame) {
      ++seen[frame.type];
      if (frame.type == FrameType::kNewConnectionId) {
        EXPECT_LE(frame.new_connection_id.retire_prior_to, frame.new_connection_id.sequence);
      }
      if (frame.type == FrameType::kConnectionClose && frame.connection_close.application) {
        EXPECT_EQ(packet.type, PacketType::kOneRtt);
      }
    };
    packet.for_each_frame(see, &error);
    EXPECT_FALSE(error) << error.reason;
  }
  for (const FrameType type : {FrameType::kAck, FrameType::kCrypto, FrameType::kStream, FrameType::kNewConnectionId,
                               FrameType::kHandshakeDone, FrameType::kConnectionClose})
    EXPECT_GT(seen[type], 0u) << frame_name(type);
}

// The fixed bit too, unless both sides have agreed that it says nothing (RFC 9287).
// proves RFC 9000 17.2-5 17.3.1-2 17.4-1 17.4-2 17.4-3
TEST(SentPackets, LeaveReservedBitsAndTheSpinBitAtZero) {
  PairOptions plain{.client = small_config(), .server = small_config()};
  plain.client.grease_quic_bit = false;
  const Life life(plain);
  for (const Sealed& packet : life.watch.packets) {
    const bool is_short = packet.type == PacketType::kOneRtt;
    EXPECT_EQ(packet.first_octet & (is_short ? kShortReservedBits | kSpinBit : kLongReservedBits), 0);
    EXPECT_NE(packet.first_octet & kFixedBit, 0);
  }
}

// proves RFC 9000 6-1 8.1-3 14.1-1 14.1-2
// proves RFC 9001 9.3-1
TEST(SentPackets, DatagramsWithInitialsAreFull) {
  const Life life;
  unsigned initials = 0;
  for (const Datagram& datagram : life.pair.sent_to_server) {
    const auto headers = headers_of(datagram, kComparedSize);
    if (headers.empty() || headers[0].type != PacketType::kInitial) continue;
    ++initials;
    EXPECT_GE(datagram.bytes.size(), 1200u);
  }
  EXPECT_GT(initials, 1u);
  // A server's may be smaller where they only acknowledge; the first one does not.
  const auto first = headers_of(life.pair.sent_to_client.at(0), kComparedSize);
  ASSERT_EQ(first.at(0).type, PacketType::kInitial);
  EXPECT_GE(life.pair.sent_to_client[0].bytes.size(), 1200u);
}

// proves RFC 9000 12.2-3
// proves RFC 9001 4-2
TEST(SentPackets, ADatagramIsForOneConnectionId) {
  const Life life;
  unsigned coalesced = 0;
  for (const auto* datagrams : {&life.pair.sent_to_server, &life.pair.sent_to_client}) {
    for (const Datagram& datagram : *datagrams) {
      const auto headers = headers_of(datagram, kComparedSize);
      coalesced += headers.size() > 1;
      for (const PacketHeader& header : headers) {
        if (header.type != PacketType::kOneRtt) {
          EXPECT_TRUE(equal(header.dcid, headers[0].dcid));
        } else {
          EXPECT_TRUE(equal(header.dcid.first(headers[0].dcid.size()), headers[0].dcid));
        }
      }
    }
  }
  EXPECT_GT(coalesced, 0u);
}

// Numbers begin at zero in each space: more than was sent there cannot be acknowledged there.
// proves RFC 9000 13.2-1 13.2.1-5 13.2.6-1 13.2.6-2 17.2.3-4
TEST(SentPackets, AcknowledgementsStayInTheirSpace) {
  const Life life;
  std::map<std::pair<Role, PacketType>, uint64_t> sent;
  unsigned in_one_rtt = 0, beside_data = 0;
  for (const Sealed& packet : life.watch.packets) {
    bool has_ack = false, has_data = false;
    packet.for_each_frame([&](const Frame& frame) {
      has_data |= frame.type == FrameType::kStream || frame.type == FrameType::kCrypto;
      if (frame.type != FrameType::kAck) return;
      has_ack = true;
      if (packet.type == PacketType::kOneRtt) {
        ++in_one_rtt;
      } else {
        EXPECT_LT(frame.ack.largest, (sent[{peer_of(packet.sender), packet.type}]));
      }
    });
    beside_data += has_ack && has_data;
    ++sent[{packet.sender, packet.type}];
  }
  EXPECT_GT(in_one_rtt, 10u);
  EXPECT_GT(beside_data, 0u);
}

// proves RFC 9001 4.9.1-2
TEST(SentPackets, NoInitialFollowsAClientsHandshakePacket) {
  const Life life;
  bool has_handshake = false;
  for (const Sealed& packet : life.watch.packets) {
    if (packet.sender != Role::kClient) continue;
    if (packet.type == PacketType::kHandshake) has_handshake = true;
    // One datagram may hold both; the Initial comes first in it.
    if (packet.type == PacketType::kInitial) {
      EXPECT_FALSE(has_handshake);
    }
  }
  EXPECT_TRUE(has_handshake);
}

// What is sent again is the same, at the same level.
// proves RFC 9000 2.2-2
// proves RFC 9001 4-1 4.9-1 4.9-2
TEST(SentPackets, CryptoBytesStayWhatTheyAreAndWhereTheyAre) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.tls.client_hello_size = 2'000;
  options.tls.server_flight_size = 4'000;
  unsigned repeated = 0;
  for (unsigned every = 3; every < 7; ++every) {
    TwoEndpoints pair(options);
    Watch watch(pair);
    unsigned count = 0;
    pair.filter = [&](bool, Datagram&) { return ++count % every != 0; };
    ASSERT_TRUE(pair.handshake());
    std::map<std::tuple<Role, PacketType, uint64_t>, uint8_t> known;
    for (const Sealed& packet : watch.packets) {
      packet.for_each_frame([&](const Frame& frame) {
        if (frame.type != FrameType::kCrypto) return;
        for (size_t i = 0; i < frame.crypto.data.size(); ++i) {
          const auto [place, is_new] =
              known.try_emplace({packet.sender, packet.type, frame.crypto.offset + i}, frame.crypto.data[i]);
          repeated += !is_new;
          EXPECT_EQ(place->second, frame.crypto.data[i]);
        }
      });
    }
  }
  EXPECT_GT(repeated, 0u);
}

// proves RFC 9000 13.3-3
TEST(SentPackets, HandshakeDoneIsRepeatedUntilItArrives) {
  TwoEndpoints pair;
  Watch watch(pair);
  unsigned said = 0;
  watch.meddle = [&](Role, MutableBytes, MutableBytes) { said += watch.packets.back().has(FrameType::kHandshakeDone); };
  pair.filter = [&](bool to_server, Datagram&) { return to_server || said == 0 || said > 3; };
  ASSERT_TRUE(pair.handshake());
  EXPECT_TRUE(pair.run_until([&] { return said > 3; }));
  pair.run_for(Duration::seconds(3));
  const unsigned before = said;
  pair.server.write(pair.accepted(), 1, std::vector<uint8_t>(10'000, 1), true);
  pair.run_for(Duration::seconds(1));
  EXPECT_TRUE(pair.client.finished[1]);
  EXPECT_EQ(said, before);
}

}  // namespace
}  // namespace viaduct::quic::test
