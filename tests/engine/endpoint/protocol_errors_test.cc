// What a peer must not say behind valid protection, and the error that each ends in.
#include <gtest/gtest.h>

#include "engine/verdicts.h"
#include "tests/engine/endpoint/two_endpoints.h"

namespace viaduct::quic::test {
namespace {

struct Forbidden {
  const char* what;
  std::vector<uint8_t> frames;
  uint64_t error;
};

// Said by a client in a 1-RTT packet.
const Forbidden kByClient[] = {
    // proves RFC 9000 12.4-4
    {"a frame type that does not exist", {0x21}, 0x07},
    // proves RFC 9000 19.20-2
    {"HANDSHAKE_DONE", {0x1e}, 0x0a},
    // proves RFC 9000 19.7-4
    {"NEW_TOKEN", {0x07, 0x01, 0xaa}, 0x0a},
    {"DATAGRAM that was not offered", {0x31, 0x01, 0xaa}, 0x0a},
    {"CRYPTO after the handshake", {0x06, 0x00, 0x01, 0x05}, 0x10a},
    // proves RFC 9000 13.1-2
    {"an acknowledgement of what was never sent", {0x02, 0x80, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00}, 0x0a},
    // proves RFC 9000 19.16-1
    {"retiring an ID that was never issued", {0x19, 0x40, 0x50}, 0x0a},
    // proves RFC 9000 19.16-2
    {"retiring the ID in use", {0x19, 0x00}, 0x0a},
    // proves RFC 9000 19.8-1
    {"data on the server's own stream", {0x0a, 0x03, 0x01, 0xaa}, 0x05},
    // proves RFC 9000 19.10-2
    {"MAX_STREAM_DATA for a stream that only it sends on", {0x11, 0x02, 0x10}, 0x05},
    // proves RFC 9000 4.6-3 19.11-4
    {"a stream beyond the limit", {0x0a, 0x80, 0x01, 0x00, 0x00, 0x01, 0xaa}, 0x04},
    {"RESET_STREAM beyond the limit", {0x04, 0x80, 0x01, 0x00, 0x00, 0x00, 0x00}, 0x04},
    // proves RFC 9000 4.1-2
    {"data beyond the window", {0x0e, 0x00, 0xbf, 0x00, 0x00, 0x00, 0x01, 0xaa}, 0x03},
    // proves RFC 9000 4.5-3
    {"two final sizes", {0x0b, 0x00, 0x01, 0xaa, 0x0f, 0x00, 0x01, 0x01, 0xaa}, 0x06},
    // proves RFC 9000 4.6-1 19.11-1
    {"MAX_STREAMS beyond 2^60", {0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0x07},
    // proves RFC 9000 19.15-6
    {"NEW_CONNECTION_ID that retires itself",
     {0x18, 0x01, 0x02, 0x01, 0xaa, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
     0x07},
    {"NEW_CONNECTION_ID with another ID for a number",
     {0x18, 0x00, 0x00, 0x01, 0xaa, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
     0x0a},
};

class ProtocolError : public ::testing::TestWithParam<Forbidden> {};

// proves RFC 9000 5.2-1 10.3-1 11-1 11-2 11.1-1
TEST_P(ProtocolError, OfAClientClosesTheConnection) {
  TwoEndpoints pair;
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(300));
  pair.client.say_next(GetParam().frames);
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(100, 1), false);
  ASSERT_TRUE(pair.run_until([&] { return pair.client.saw(EventType::kClosed); }));
  EXPECT_EQ(pair.server.verdict(kProtocolError), 1u);
  for (Side* side : {&pair.client, &pair.server}) {
    ASSERT_TRUE(side->saw(EventType::kClosed));
    EXPECT_EQ(side->find(EventType::kClosed)->error, GetParam().error);
    EXPECT_FALSE(side->find(EventType::kClosed)->application_error);
  }
  EXPECT_TRUE(pair.run_until([&] { return pair.client.endpoint().is_empty() && pair.server.endpoint().is_empty(); }));
}

INSTANTIATE_TEST_SUITE_P(Frames, ProtocolError, ::testing::ValuesIn(kByClient),
                         [](const auto& parameter) { return "Number" + std::to_string(parameter.index); });

// RFC 9000 section 17.3.1: only after both protections are off.
// proves RFC 9000 17.3.1-3
TEST(ProtocolErrors, ReservedBits) {
  TwoEndpoints pair;
  ASSERT_TRUE(pair.handshake());
  pair.client.set_tamper([](MutableBytes header, MutableBytes) { header[0] |= 0x18; });
  pair.client.write(pair.client.opened[0], 0, {1}, false);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.saw(EventType::kClosed); }));
  EXPECT_EQ(pair.server.find(EventType::kClosed)->error, 0x0au);
}

// RFC 9000 section 12.4, table 3.
// proves RFC 9000 12.4-3
TEST(ProtocolErrors, AStreamInAnInitialPacket) {
  TwoEndpoints pair;
  pair.client.set_tamper(
      [](MutableBytes, MutableBytes payload) { replace_payload(payload, {0x0a, 0x00, 0x01, 0xaa}); });
  pair.connect();
  ASSERT_TRUE(pair.run_until([&] { return pair.client.saw(EventType::kClosed); }));
  EXPECT_EQ(pair.client.find(EventType::kClosed)->error, 0x0au);
  EXPECT_EQ(pair.server.verdict(kProtocolError), 1u);
}

// RFC 9000 section 5.1.1: four is what was offered; the fifth is one too many.
// proves RFC 9000 5.1.1-5
TEST(ProtocolErrors, MoreConnectionIdsThanTheLimit) {
  TwoEndpoints pair;
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(300));
  std::vector<uint8_t> frames;
  for (uint8_t sequence = 10; sequence < 16; ++sequence) {
    frames.insert(frames.end(), {0x18, sequence, 0x00, 0x04, 0xaa, 0xbb, 0xcc, sequence});
    frames.insert(frames.end(), 16, sequence);
  }
  pair.client.say_next(frames);
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(800, 1), false);
  ASSERT_TRUE(pair.run_until([&] { return pair.client.saw(EventType::kClosed); }));
  EXPECT_EQ(pair.client.find(EventType::kClosed)->error, 0x09u);
}

// RFC 9000 section 8.2: the answer carries what the challenge carried. A flood of them is answered in part.
// proves RFC 9000 8.2.2-1 8.2.2-7 19.17-1
TEST(Frames, PathChallengesAreAnsweredWithinBounds) {
  TwoEndpoints pair;
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(300));
  std::vector<uint8_t> frames;
  for (uint8_t i = 0; i < 100; ++i) frames.insert(frames.end(), {0x1a, i, 0, 0, 0, 0, 0, 0, 0});
  std::vector<uint8_t> answered;
  pair.server.set_tamper([&](MutableBytes, MutableBytes payload) {
    if (payload[0] == 0x1b) answered.push_back(payload[1]);
  });
  pair.client.say_next(frames);
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(1000, 1), false);
  pair.run_for(Duration::milliseconds(50));
  EXPECT_GE(answered.size(), 1u);
  EXPECT_LE(answered.size(), 4u);
  EXPECT_EQ(answered.back(), 99);
}

// RFC 9000 section 5.1.2: what a peer asks to be retired is retired, and gets a successor.
// proves RFC 9000 5.1.1-3 5.1.1-6
TEST(Frames, RetiredIdsAreReplaced) {
  TwoEndpoints pair;
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(300));
  bool issued = false;
  pair.server.set_tamper([&](MutableBytes, MutableBytes payload) {
    for (size_t i = 0; i + 1 < payload.size(); ++i) issued |= payload[i] == 0x18 && payload[i + 1] == 4;
  });
  pair.client.say_next({0x19, 0x02});
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(100, 1), false);
  pair.run_for(Duration::milliseconds(100));
  EXPECT_TRUE(issued);
  // The client's own books know nothing of what was put into its mouth, and hold one ID too many now.
  ASSERT_TRUE(pair.client.saw(EventType::kClosed));
  EXPECT_EQ(pair.client.find(EventType::kClosed)->error, 0x09u);
}

// RFC 9001 section 6: either side may change its keys, as often as it likes.
// proves RFC 9001 6.2-1
TEST(KeyUpdate, IsFollowedInBothDirections) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.client.key_update_after = 100;
  options.server.key_update_after = 170;
  TwoEndpoints pair(options);
  ASSERT_TRUE(pair.handshake());
  const std::vector<uint8_t> bytes(2'000'000, 5);
  pair.client.write(pair.client.opened[0], 0, bytes, true);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.finished[0]; }));
  pair.server.write(pair.accepted(), 0, bytes, true);
  ASSERT_TRUE(pair.run_until([&] { return pair.client.finished[0]; }));
  EXPECT_EQ(pair.server.received[0], bytes);
  EXPECT_EQ(pair.client.received[0], bytes);
  EXPECT_GT(pair.server.stats().key_updates + pair.client.stats().key_updates, 10u);
  EXPECT_EQ(pair.server.stats().packets_undecryptable + pair.client.stats().packets_undecryptable, 0u);
}

// RFC 9000 section 21.4: acknowledging everything, received or not, speeds a transfer up for nobody.
TEST(Acknowledgements, OfWhatWasSkippedEndTheConnection) {
  TwoEndpoints pair;
  ASSERT_TRUE(pair.handshake());
  pair.client.write(pair.client.opened[0], 0, {1}, false);
  ASSERT_TRUE(pair.run_until([&] { return !pair.server.received[0].empty(); }));
  pair.server.write(pair.accepted(), 0, std::vector<uint8_t>(2'000'000, 1), true);
  ASSERT_TRUE(pair.run_until([&] { return pair.client.finished[0]; }));
  EXPECT_FALSE(pair.client.saw(EventType::kClosed)) << "an honest peer does not acknowledge what it did not get";
  // Everything from 0 to 1,000.
  pair.client.say_next({0x02, 0x43, 0xe8, 0x00, 0x00, 0x43, 0xe8});
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(100, 1), false);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.saw(EventType::kClosed); }));
  EXPECT_EQ(pair.server.find(EventType::kClosed)->error, 0x0au);
  EXPECT_EQ(pair.server.stats().acks_refused, 1u);
}

// RFC 9000 section 13.4: every 1-RTT packet of an ordinary connection is marked, and both say so.
TEST(Ecn, PacketsAreMarkedAndTheMarksReported) {
  TwoEndpoints pair;
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(300));
  bool reported = false;
  size_t unmarked = 0;
  pair.filter = [&](bool, Datagram& datagram) {
    unmarked += datagram.ecn != viaduct::Ecn::kEct0;
    return true;
  };
  pair.server.set_tamper([&](MutableBytes, MutableBytes payload) { reported |= payload[0] == 0x03; });
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(50'000, 1), true);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.finished[0]; }));
  EXPECT_TRUE(reported);
  EXPECT_EQ(unmarked, 0u);
}

// A network that clears the marks is noticed by the counts that are missing.
TEST(Ecn, MarkingEndsWhereMarksAreCleared) {
  TwoEndpoints pair;
  pair.filter = [](bool, Datagram& datagram) {
    datagram.ecn = viaduct::Ecn::kNotEct;
    return true;
  };
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(300));
  size_t marked = 0;
  pair.filter = [&](bool to_server, Datagram& datagram) {
    marked += to_server && datagram.ecn != viaduct::Ecn::kNotEct;
    datagram.ecn = viaduct::Ecn::kNotEct;
    return true;
  };
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(50'000, 1), true);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.finished[0]; }));
  EXPECT_EQ(marked, 0u);
}

// RFC 9000 section 13.4.1: what the IP header says is reported.
// proves RFC 9000 13.4.1-1
TEST(Ecn, MarksAreReported) {
  TwoEndpoints pair;
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(300));
  pair.filter = [](bool to_server, Datagram& datagram) {
    if (to_server) datagram.ecn = viaduct::Ecn::kCe;
    return true;
  };
  bool reported = false;
  pair.server.set_tamper([&](MutableBytes, MutableBytes payload) { reported |= payload[0] == 0x03; });
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(5000, 1), true);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.finished[0]; }));
  pair.run_for(Duration::milliseconds(100));
  EXPECT_TRUE(reported);
  EXPECT_FALSE(pair.client.saw(EventType::kClosed));
}

}  // namespace
}  // namespace viaduct::quic::test
