// CRYPTO where it has no place (RFC 9001 sections 4.1.3, 4.4 and 6), and packets whose protection tells nothing
// (section 9.5).
#include <gtest/gtest.h>

#include <set>

#include "tests/conformance/watch.h"
#include "tests/simulation/real_tls.h"

namespace viaduct::quic::test {
namespace {

constexpr auto kViolation = static_cast<uint64_t>(ErrorCode::kProtocolViolation);

// The Initial that has a ClientHello or ServerHello gets one byte more behind it: in place of the first two of its
// PADDING there is a frame with it, or behind a gap.
std::optional<uint64_t> error_after_excess(Role liar, uint8_t gap, crypto::TlsContext* server_tls = nullptr,
                                           crypto::TlsContext* client_tls = nullptr) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.client.max_udp_payload = options.server.max_udp_payload = 1200;
  options.real_server = server_tls;
  options.real_client = client_tls;
  options.tls.client_hello_size = options.tls.server_hello_size = 200;
  TwoEndpoints pair(options);
  Watch watch(pair);
  bool lied = false;
  watch.meddle = [&](Role sender, MutableBytes header, MutableBytes payload) {
    if (sender != liar || lied || type_of_header(header) != PacketType::kInitial) return;
    uint64_t end = 0;
    size_t used = 0;
    ByteReader reader(payload);
    Frame frame;
    while (!reader.empty() && !parse_frame(reader, PacketType::kInitial, liar, frame)) {
      if (frame.type == FrameType::kPadding) continue;
      used = payload.size() - reader.remaining();
      if (frame.type == FrameType::kCrypto) end = frame.crypto.offset + frame.crypto.data.size();
    }
    if (end == 0 || payload.size() < used + 5) return;
    ByteWriter writer(payload.subspan(used));
    writer.u8(static_cast<uint8_t>(FrameType::kCrypto));
    writer.u16(static_cast<uint16_t>(0x4000 | (end + gap)));
    writer.u8(1);
    writer.u8(0);
    lied = true;
  };
  pair.connect();
  Side& judge = liar == Role::kClient ? pair.server : pair.client;
  Side& told = liar == Role::kClient ? pair.client : pair.server;
  pair.run_until([&] { return judge.saw(EventType::kClosed) || told.saw(EventType::kClosed); }, Duration::seconds(2));
  EXPECT_TRUE(lied);
  const Event* closed = judge.find(EventType::kClosed);
  if (!closed) closed = told.find(EventType::kClosed);
  return closed ? std::optional(closed->error) : std::nullopt;
}

// proves RFC 9001 4.1.3-1 4.1.3-2 4.1.3-3
TEST(CryptoLevels, BytesBehindAClientHelloEndTheConnection) {
  for (const uint8_t gap : {0, 10}) EXPECT_EQ(error_after_excess(Role::kClient, gap), kViolation) << int{gap};
}

TEST(CryptoLevels, OpensslLeavesNoneOverEither) {
  const auto server = sim::make_real_tls_server(), client = sim::make_real_tls_client({.groups = "X25519"});
  for (const uint8_t gap : {0, 10})
    EXPECT_EQ(error_after_excess(Role::kClient, gap, server.get(), client.get()), kViolation) << int{gap};
}

// A connection that is over its handshake says this in CRYPTO.
std::optional<uint64_t> error_after(Role speaker, std::vector<uint8_t> frames) {
  TwoEndpoints pair;
  EXPECT_TRUE(pair.handshake());
  pair.run_for(Duration::seconds(2));
  Side& side = speaker == Role::kClient ? pair.client : pair.server;
  Side& other = speaker == Role::kClient ? pair.server : pair.client;
  side.say_next(std::move(frames));
  side.write(speaker == Role::kClient ? pair.client.opened[0] : pair.accepted(), speaker == Role::kClient ? 0 : 1,
             std::vector<uint8_t>(200), true);
  pair.run_for(Duration::milliseconds(100));
  const Event* closed = other.find(EventType::kClosed);
  return closed ? std::optional(closed->error) : std::nullopt;
}

// Also where the client needs no TLS any more.
// proves RFC 9001 4.4-3 6-2
TEST(CryptoLevels, AfterTheHandshakeAServerMaySendTicketsAlone) {
  EXPECT_EQ(error_after(Role::kServer, {0x06, 0, 5, 4, 0, 0, 1, 0}), std::nullopt);
  EXPECT_EQ(error_after(Role::kServer, {0x06, 0, 5, 13, 0, 0, 1, 0}), kViolation);
  EXPECT_EQ(error_after(Role::kServer, {0x06, 0, 5, 24, 0, 0, 1, 0}), 0x10au);
  EXPECT_EQ(error_after(Role::kServer, {0x06, 0, 5, 4, 0, 0, 1, 0, 0x06, 5, 4, 13, 0, 0, 0}), kViolation);
  EXPECT_EQ(error_after(Role::kServer, {0x06, 5, 4, 13, 0, 0, 0}), std::nullopt)
      << "it waits for what stands before it";
}

// Whatever stands behind the protection, reserved bits, number or phase, is looked at in a packet that is authentic,
// and in no other: all of these come to the same end.
// proves RFC 9001 9.5-1
TEST(Protection, NothingIsSaidOfAPacketThatIsNotAuthentic) {
  TwoEndpoints pair;
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(300));
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(500, 1), false);
  const auto sent = pair.client.round(pair.now);
  ASSERT_EQ(sent.size(), 1u);
  const EndpointStats& stats = pair.server.stats();
  const uint64_t received = stats.packets_received, malformed = stats.packets_malformed;
  uint64_t tried = 0;
  // Each value of the bits that are masked, at the first octet and at the number's.
  const size_t number_at = 1 + pair.server.id_length();
  for (size_t place : {size_t{0}, number_at, number_at + 1}) {
    for (unsigned change = 1; change < (place == 0 ? 0x20u : 0x100u); ++change) {
      Datagram datagram = sent[0];
      std::swap(datagram.path.local, datagram.path.remote);
      datagram.bytes[place] ^= static_cast<uint8_t>(change);
      pair.server.ingest(datagram, pair.now);
      EXPECT_TRUE(pair.server.round(pair.now).empty());
      ++tried;
    }
  }
  EXPECT_EQ(stats.packets_undecryptable, tried);
  EXPECT_EQ(stats.packets_received, received);
  EXPECT_EQ(stats.packets_malformed, malformed);
  EXPECT_FALSE(pair.server.saw(EventType::kClosed));
}

// A datagram is as large as the path allows, whether its number takes one byte or two.
// proves RFC 9001 9.5-2
TEST(Protection, ADatagramDoesNotShowTheSizeOfItsNumber) {
  TwoEndpoints pair;
  Watch watch(pair);
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::seconds(1));
  watch.packets.clear();
  pair.sent_to_server.clear();
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(1'000'000, 1), true);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.finished[0]; }));
  std::set<size_t> sizes;
  std::set<uint8_t> number_sizes;
  const size_t full = pair.sent_to_server[pair.sent_to_server.size() / 2].bytes.size();
  size_t index = 0;
  for (const Sealed& packet : watch.packets) {
    if (packet.sender != Role::kClient) continue;
    ASSERT_LT(index, pair.sent_to_server.size());
    const size_t size = pair.sent_to_server[index++].bytes.size();
    if (packet.payload.size() < full - 60) continue;
    sizes.insert(size);
    number_sizes.insert(packet.first_octet & kPacketNumberSizeBits);
  }
  EXPECT_GT(number_sizes.size(), 1u);
  EXPECT_EQ(sizes, std::set{full});
}

}  // namespace
}  // namespace viaduct::quic::test
