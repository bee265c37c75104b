// How a connection is closed, by when.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/conformance/watch.h"

namespace viaduct::quic::test {
namespace {

std::vector<ConnectionCloseFrame> closes(const Sealed& packet) {
  std::vector<ConnectionCloseFrame> found;
  packet.for_each_frame([&](const Frame& frame) {
    if (frame.type == FrameType::kConnectionClose) found.push_back(frame.connection_close);
  });
  return found;
}

// An application's code could tell what it did before anybody was authenticated.
// proves RFC 9000 10.2.3-5 10.2.3-6 12.5-1
TEST(Closing, DuringTheHandshakeHidesTheApplicationsCode) {
  TwoEndpoints pair;
  Watch watch(pair);
  const ConnectionHandle connection = pair.connect();
  ASSERT_TRUE(pair.run_until(
      [&] { return std::ranges::any_of(watch.packets, [](const Sealed& p) { return p.sender == Role::kServer; }); }));
  pair.client.command({.type = CommandType::kClose, .connection = connection, .error = 77});
  pair.run_for(Duration::milliseconds(1));
  unsigned initial = 0;
  for (const Sealed& packet : watch.packets) {
    if (packet.sender != Role::kClient || packet.type == PacketType::kOneRtt) continue;
    for (const ConnectionCloseFrame& close : closes(packet)) {
      ++initial;
      EXPECT_FALSE(close.application);
      EXPECT_EQ(close.error, static_cast<uint64_t>(ErrorCode::kApplicationError));
      EXPECT_TRUE(close.reason.empty());
    }
  }
  EXPECT_GT(initial, 0u);
}

// proves RFC 9000 10.2.3-1
TEST(Closing, AfterTheHandshakeIsIn1RttPacketsOnly) {
  TwoEndpoints pair;
  Watch watch(pair);
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(300));
  const size_t before = watch.packets.size();
  pair.server.command({.type = CommandType::kClose, .connection = pair.accepted(), .error = 77});
  pair.run_for(Duration::milliseconds(1));
  ASSERT_EQ(watch.packets.size(), before + 1);
  EXPECT_EQ(watch.packets.back().type, PacketType::kOneRtt);
  const auto found = closes(watch.packets.back());
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].application);
  EXPECT_EQ(found[0].error, 77u);
}

// Who does not know yet whether the other can read 1-RTT packets says it in Handshake packets too.
// proves RFC 9000 10.2.3-3
TEST(Closing, BeforeConfirmationIsInHandshakePacketsToo) {
  TwoEndpoints pair;
  Watch watch(pair);
  pair.connect();
  bool silent = false;
  pair.filter = [&](bool to_server, Datagram&) { return to_server || !silent; };
  ASSERT_TRUE(pair.run_until([&] { return !pair.client.opened.empty(); }));
  silent = true;  // no HANDSHAKE_DONE
  pair.run_for(Duration::milliseconds(20));
  const size_t before = watch.packets.size();
  pair.client.command({.type = CommandType::kClose, .connection = pair.client.opened[0], .error = 77});
  pair.run_for(Duration::milliseconds(1));
  std::vector<PacketType> types;
  for (size_t i = before; i < watch.packets.size(); ++i) {
    if (watch.packets[i].sender == Role::kClient && !closes(watch.packets[i]).empty())
      types.push_back(watch.packets[i].type);
  }
  EXPECT_EQ(types, (std::vector{PacketType::kHandshake, PacketType::kOneRtt}));
}

// A server that finds an error in an Initial has keys for Handshake packets, and its client perhaps not.
// proves RFC 9000 10.2.3-2 10.2.3-4
TEST(Closing, AServerSaysItInInitialAndHandshakePackets) {
  TwoEndpoints pair;
  Watch watch(pair);
  unsigned initials = 0;
  watch.meddle = [&](Role sender, MutableBytes header, MutableBytes) {
    if (sender == Role::kClient && type_of_header(header) == PacketType::kInitial && ++initials == 2) header[0] |= 0x04;
  };
  pair.connect();
  ASSERT_TRUE(pair.run_until([&] { return pair.client.saw(EventType::kClosed); }));
  EXPECT_EQ(pair.client.find(EventType::kClosed)->error, static_cast<uint64_t>(ErrorCode::kProtocolViolation));
  std::vector<PacketType> types;
  for (const Sealed& packet : watch.packets) {
    if (packet.sender == Role::kServer && !closes(packet).empty() && types.size() < 2) types.push_back(packet.type);
  }
  EXPECT_EQ(types, (std::vector{PacketType::kInitial, PacketType::kHandshake}));
}

// A client that hears nothing asks again and again; what the server answers stays within three times that.
// proves RFC 9000 10.2.1-2 10.2.1-3
TEST(Closing, KeepsToTheAmplificationLimit) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.tls.refuse_with_alert = 40;
  TwoEndpoints pair(options);
  size_t asked = 0, answered = 0;
  pair.filter = [&](bool to_server, Datagram& datagram) {
    (to_server ? asked : answered) += datagram.bytes.size();
    EXPECT_LE(answered, 3 * asked);
    return to_server;
  };
  pair.connect();
  pair.run_for(Duration::seconds(5));
  EXPECT_GT(asked, 2'400u);
  EXPECT_GT(answered, 0u);
}

// The other side may know the token by an ID that this packet does not carry, in a version that we do not know.
// proves RFC 9000 10.3-8
TEST(Closing, AResetWithALongHeaderIsOne) {
  TwoEndpoints pair;
  pair.record = true;
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(300));
  Side reborn(small_config(), pair.tls.get(), nullptr, 99, 2);
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(500, 1), false);
  for (Datagram datagram : pair.client.round(pair.now)) {
    std::swap(datagram.path.local, datagram.path.remote);
    reborn.ingest(datagram, pair.now);
  }
  auto resets = reborn.round(pair.now);
  ASSERT_EQ(resets.size(), 1u);
  std::swap(resets[0].path.local, resets[0].path.remote);
  Datagram disguised = resets[0];
  disguised.bytes.insert(disguised.bytes.begin(), {0xc0, 0x5a, 0x5a, 0x5a, 0x5a, 4, 1, 2, 3, 4, 0});
  pair.client.ingest(disguised, pair.now);
  pair.client.round(pair.now);
  EXPECT_TRUE(pair.client.saw(EventType::kClosed));
}

}  // namespace
}  // namespace viaduct::quic::test
