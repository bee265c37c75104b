// What a handshake must hold to, and what must not disturb it.
#include <gtest/gtest.h>

#include <optional>

#include "tests/conformance/watch.h"

namespace viaduct::quic::test {
namespace {

constexpr size_t kIdSize = 20;

std::vector<uint8_t> owned(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// proves RFC 9000 7.2-1 7.2-2 7.2-4 7.2-5
TEST(HandshakeRules, EachSideIsAddressedByTheIdThatItChose) {
  TwoEndpoints pair;
  pair.record = true;
  bool silent = true;
  pair.filter = [&](bool to_server, Datagram&) { return to_server || !silent; };
  pair.connect();
  pair.run_for(Duration::seconds(2));
  ASSERT_GT(pair.sent_to_server.size(), 2u);
  const std::vector<uint8_t> first = owned(headers_of(pair.sent_to_server[0], kIdSize).at(0).dcid);
  EXPECT_GE(first.size(), 8u);
  for (const Datagram& datagram : pair.sent_to_server)
    EXPECT_EQ(owned(headers_of(datagram, kIdSize).at(0).dcid), first);

  const std::vector<uint8_t> clients = owned(headers_of(pair.sent_to_server[0], kIdSize).at(0).scid);
  const size_t before = pair.sent_to_server.size();
  silent = false;
  ASSERT_TRUE(pair.run_until([&] { return !pair.client.opened.empty(); }));
  const PacketHeader answer = headers_of(pair.sent_to_client.at(0), kIdSize).at(0);
  EXPECT_EQ(owned(answer.dcid), clients);
  EXPECT_NE(owned(answer.scid), first);
  const auto last = headers_of(pair.sent_to_server.back(), kIdSize).at(0);
  EXPECT_GT(pair.sent_to_server.size(), before);
  EXPECT_EQ(owned(last.dcid.first(answer.scid.size())), owned(answer.scid));
}

// Later packets of the server that name another source or another version are nobody's.
// proves RFC 9000 5.2.1-1 7.2-3 7.2-6
TEST(HandshakeRules, AServerDoesNotChangeItsNameOrVersion) {
  for (const bool changes_version : {false, true}) {
    TwoEndpoints pair;
    Watch watch(pair);
    unsigned initials = 0;
    watch.meddle = [&](Role sender, MutableBytes header, MutableBytes) {
      if (sender != Role::kServer || (header[0] & 0x80) == 0) return;
      if (type_of_header(header) == PacketType::kInitial && ++initials == 1) return;
      ByteWriter writer(header.subspan(1));
      if (changes_version) {
        writer.u32(kVersion2);
      } else {
        header[1 + 4 + 1 + header[5] + 1] ^= 0x01;
      }
    };
    pair.connect();
    EXPECT_FALSE(pair.run_until([&] { return pair.client.saw(EventType::kOpened); }, Duration::seconds(2)));
    EXPECT_FALSE(pair.client.saw(EventType::kClosed)) << "discarded, and no error";
    EXPECT_GT(pair.client.stats().packets_malformed, 0u);
  }
}

// proves RFC 9000 6.2-2 17.2.1-1
TEST(HandshakeRules, VersionNegotiationComesTooLateAfterAPacketOfTheServer) {
  for (const bool is_late : {true, false}) {
    TwoEndpoints pair;
    pair.record = true;
    pair.connect();
    ASSERT_TRUE(pair.run_until([&] { return !pair.sent_to_client.empty() || !is_late; }));
    if (is_late) pair.run_for(pair.delay);
    if (!is_late) pair.run_for(Duration());
    const auto first = headers_of(pair.sent_to_server.at(0), kIdSize).at(0);
    Datagram datagram{kClientPath, std::vector<uint8_t>(100), Ecn::kNotEct};
    ByteWriter writer(datagram.bytes);
    const uint32_t versions[] = {0x0a0a0a0a};
    write_version_negotiation(writer, first.dcid, first.scid, versions, 0x2a);  // any unused bits
    datagram.bytes.resize(writer.size());
    pair.client.ingest(datagram, pair.now);
    pair.client.round(pair.now);
    EXPECT_EQ(pair.client.saw(EventType::kClosed), !is_late);
  }
}

// proves RFC 9000 12.2-1 12.2-5 12.2-6
TEST(HandshakeRules, ADamagedPacketDoesNotHinderItsNeighbour) {
  TwoEndpoints pair;
  unsigned damaged = 0;
  pair.filter = [&](bool to_server, Datagram& datagram) {
    const auto headers = headers_of(datagram, kIdSize);
    if (!to_server || headers.size() < 2 || headers[0].type != PacketType::kInitial) return true;
    datagram.bytes[headers[0].size - 1] ^= 1;
    ++damaged;
    return true;
  };
  pair.connect();
  EXPECT_TRUE(pair.run_until([&] { return !pair.server.opened.empty(); }, Duration::milliseconds(100)));
  EXPECT_GE(damaged, 1u);
  EXPECT_GE(pair.server.stats().packets_undecryptable, 1u);
}

// An Initial that is authentic, cut out of the datagram that made it large enough.
// proves RFC 9000 14-4 14.1-3
TEST(HandshakeRules, AnInitialInASmallDatagramIsDiscarded) {
  TwoEndpoints pair;
  std::optional<Datagram> cut;
  pair.filter = [&](bool to_server, Datagram& datagram) {
    const auto headers = headers_of(datagram, kIdSize);
    if (!to_server || cut || headers.size() < 2) return true;
    cut = datagram;
    cut->bytes.resize(headers[0].size);
    return false;
  };
  pair.connect();
  ASSERT_TRUE(pair.run_until([&] { return cut.has_value(); }));
  ASSERT_LT(cut->bytes.size(), 1200u);
  const uint64_t received = pair.server.stats().packets_received;
  pair.server.ingest(*cut, pair.now);
  EXPECT_EQ(pair.server.stats().packets_received, received);
  EXPECT_TRUE(pair.run_until([&] { return !pair.server.opened.empty(); })) << "and the connection goes on";
}

// proves RFC 9000 17.2-6
TEST(HandshakeRules, ReservedBitsOfLongHeadersAreAnError) {
  for (const PacketType type : {PacketType::kInitial, PacketType::kHandshake}) {
    TwoEndpoints pair;
    Watch watch(pair);
    watch.meddle = [&](Role sender, MutableBytes header, MutableBytes) {
      if (sender == Role::kServer && type_of_header(header) == type) header[0] |= 0x04;
    };
    pair.connect();
    ASSERT_TRUE(pair.run_until([&] { return pair.client.saw(EventType::kClosed); }));
    EXPECT_EQ(pair.client.find(EventType::kClosed)->error, static_cast<uint64_t>(ErrorCode::kProtocolViolation));
  }
}

// proves RFC 9000 17.4-4
TEST(HandshakeRules, ASpinBitThatSpinsIsIgnored) {
  TwoEndpoints pair;
  Watch watch(pair);
  unsigned spun = 0;
  watch.meddle = [&](Role, MutableBytes header, MutableBytes) {
    if ((header[0] & 0x80) == 0 && ++spun % 2 == 0) header[0] |= kSpinBit;
  };
  ASSERT_TRUE(pair.handshake());
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(100'000, 1), true);
  EXPECT_TRUE(pair.run_until([&] { return pair.server.finished[0]; }));
  EXPECT_GT(spun, 10u);
}

// proves RFC 9001 6.1-1
TEST(HandshakeRules, NoKeyIsUpdatedBeforeConfirmation) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.client.key_update_after = 1;
  TwoEndpoints pair(options);
  Watch watch(pair);
  bool silent = false;
  pair.filter = [&](bool to_server, Datagram& datagram) {
    return to_server || !silent || (datagram.bytes[0] & 0x80) != 0;
  };
  pair.connect();
  ASSERT_TRUE(pair.run_until([&] {
    silent |= !pair.client.opened.empty();
    return silent;
  }));
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(50'000, 1), true);
  pair.run_for(Duration::milliseconds(500));
  unsigned sent = 0;
  for (const Sealed& packet : watch.packets) {
    if (packet.sender != Role::kClient || packet.type != PacketType::kOneRtt) continue;
    ++sent;
    EXPECT_EQ(packet.first_octet & kKeyPhaseBit, 0);
  }
  EXPECT_GT(sent, 5u);
  silent = false;
  ASSERT_TRUE(pair.run_until([&] { return pair.server.finished[0]; }));
  pair.client.write(pair.client.opened[0], 4, std::vector<uint8_t>(50'000, 1), true);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.finished[4]; }));
  EXPECT_GT(pair.server.stats().key_updates, 0u) << "and then it is";
}

// A packet with the other phase's bit, but the old keys: it fails, and changes nothing.
// proves RFC 9001 5.5-1 5.5-2
TEST(HandshakeRules, AKeyUpdateThatFailsIsDiscarded) {
  TwoEndpoints pair;
  Watch watch(pair);
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(300));
  unsigned flipped = 0;
  watch.meddle = [&](Role sender, MutableBytes header, MutableBytes) {
    if (sender == Role::kClient && ++flipped <= 3) header[0] ^= kKeyPhaseBit;
  };
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(100'000, 1), true);
  EXPECT_TRUE(pair.run_until([&] { return pair.server.finished[0]; }));
  EXPECT_EQ(pair.server.stats().packets_undecryptable, 3u);
  EXPECT_EQ(pair.server.stats().key_updates, 0u);
}

}  // namespace
}  // namespace viaduct::quic::test
