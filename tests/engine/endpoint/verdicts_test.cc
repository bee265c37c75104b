// Every datagram ends in one verdict: each of them is brought about here.
#include <gtest/gtest.h>

#include <cstring>

#include "crypto-offload/key_schedule.h"
#include "engine/verdicts.h"
#include "engine/wire/version.h"
#include "flowsteer/invariants.h"
#include "tests/engine/endpoint/two_endpoints.h"

namespace viaduct::quic::test {
namespace {

constexpr Path kAtServer{kClientPath.remote, kClientPath.local};
constexpr uint8_t kInitialType = 0xc0;
constexpr uint8_t kHandshakeType = 0xe0;

// A long header packet that fills a datagram of `size` bytes; its content is noise.
Datagram long_packet(uint8_t first, uint32_t version, size_t dcid_size, size_t size) {
  Datagram datagram{kAtServer, std::vector<uint8_t>(size, 0xaa), Ecn::kNotEct};
  ByteWriter writer(datagram.bytes);
  writer.u8(first);
  writer.u32(version);
  writer.u8(static_cast<uint8_t>(dcid_size));
  writer.fill(0xd1, dcid_size);
  writer.u8(4);
  writer.fill(0x51, 4);
  if (version == kVersion1 && first == kInitialType) writer.varint(0);
  if (version == kVersion1) writer.varint(size - writer.size() - 2, 2);
  return datagram;
}

Datagram short_packet(size_t size) {
  Datagram datagram{kAtServer, std::vector<uint8_t>(size, 0x77), Ecn::kNotEct};
  datagram.bytes[0] = 0x41;
  return datagram;
}

class Verdicts : public ::testing::Test {
 protected:
  Verdict verdict_of(Side& side, const Datagram& datagram) {
    std::vector<uint64_t> before;
    for (const VerdictInfo& info : kVerdicts) before.push_back(side.verdict(info.id));
    side.ingest(datagram, pair.now);
    Verdict found = Verdict::kNone;
    for (size_t i = 0; i < before.size(); ++i) {
      if (side.verdict(kVerdicts[i].id) != before[i]) found = kVerdicts[i].id;
    }
    EXPECT_EQ(side.endpoint().verdicts().sum(), side.stats().datagrams_received);
    return found;
  }

  TwoEndpoints pair;
};

// proves RFC 9000 10.3-6 17.2-1 17.3.1-1
// proves RFC 9001 5.4.2-1
TEST_F(Verdicts, OfWhatIsNoPacket) {
  EXPECT_EQ(verdict_of(pair.server, {kAtServer, {}, Ecn::kNotEct}), kMalformed);
  EXPECT_EQ(verdict_of(pair.server, {kAtServer, {0xc0, 0, 0, 0}, Ecn::kNotEct}), kMalformed);
  EXPECT_TRUE(pair.server.round(pair.now).empty());
}

// RFC 9000 section 17.3.1; whoever lets peers grease the fixed bit (RFC 9287) has to take it for a packet.
TEST_F(Verdicts, OfAPacketWithoutTheFixedBit) {
  const Datagram zeros{kAtServer, std::vector<uint8_t>(60, 0), Ecn::kNotEct};
  EXPECT_EQ(verdict_of(pair.server, zeros), kResetSent);
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.grease_quic_bit = false;
  TwoEndpoints plain(options);
  EXPECT_EQ(verdict_of(plain.server, zeros), kMalformed);
  EXPECT_TRUE(plain.server.round(plain.now).empty());
}

// RFC 9000 sections 6.1 and 5.2.2.
// proves RFC 9000 5.2.2-1 5.2.2-2 5.2.2-3 6.1-1
TEST_F(Verdicts, OfUnknownVersions) {
  const Datagram first = long_packet(0xc0, 0x1a2a3a4a, 255, 1200);
  EXPECT_EQ(verdict_of(pair.server, first), kVersionUnknown);
  const auto answers = pair.server.round(pair.now);
  ASSERT_EQ(answers.size(), 1u);
  const auto header = flowsteer::parse_invariants(answers[0].bytes, 0);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->version, 0u);
  EXPECT_EQ(header->scid.size(), 255u);
  EXPECT_EQ(header->dcid.size(), 4u);
  EXPECT_EQ(verdict_of(pair.server, long_packet(0xc0, 0x1a2a3a4a, 8, 1199)), kVersionUnanswered);
  EXPECT_EQ(verdict_of(pair.server, long_packet(0xc0, 0, 8, 1200)), kVersionIgnored);
  EXPECT_TRUE(pair.server.round(pair.now).empty());
}

TEST_F(Verdicts, AnswersToUnknownVersionsAreLimited) {
  for (unsigned i = 0; i < 2000; ++i) {
    pair.server.ingest(long_packet(0xc0, 0x1a2a3a4a, 8, 1200), pair.now);
    pair.server.round(pair.now);
  }
  EXPECT_EQ(pair.server.verdict(kVersionUnknown), small_config().stateless_replies_per_second);
  EXPECT_EQ(pair.server.verdict(kVersionUnanswered), 2000 - small_config().stateless_replies_per_second);
}

// RFC 9000 sections 14.1 and 7.2.
// proves RFC 9000 14.1-3
TEST_F(Verdicts, OfFirstPacketsThatAreNotValid) {
  EXPECT_EQ(verdict_of(pair.server, long_packet(kInitialType, kVersion1, 8, 1199)), kInitialTooSmall);
  EXPECT_EQ(verdict_of(pair.server, long_packet(kInitialType, kVersion1, 7, 1200)), kInitialInvalid);
  EXPECT_EQ(verdict_of(pair.server, long_packet(kInitialType, kVersion1, 8, 1200)), kUnprotectFailed);
  EXPECT_EQ(verdict_of(pair.server, long_packet(kHandshakeType, kVersion1, 8, 1200)), kNoConnection);
  EXPECT_EQ(verdict_of(pair.server, long_packet(kInitialType, kVersion1, 21, 1200)), kMalformed);
  EXPECT_EQ(verdict_of(pair.client, long_packet(kInitialType, kVersion1, 8, 1200)), kNotAccepting);
  EXPECT_TRUE(pair.server.round(pair.now).empty());
  EXPECT_EQ(pair.server.stats().connections_accepted, 0u);
}

// RFC 9000 section 10.3: smaller than what it answers, and none for what is too small itself.
// proves RFC 9000 5.2.2-5 5.2.2-6
TEST_F(Verdicts, OfStraysAndTheResetsThatAnswerThem) {
  for (const size_t size : {22u, 30u, 43u, 44u, 1200u}) {
    EXPECT_EQ(verdict_of(pair.server, short_packet(size)), kResetSent) << size;
    const auto answers = pair.server.round(pair.now);
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_LT(answers[0].bytes.size(), size);
    EXPECT_GE(answers[0].bytes.size(), 21u);
    EXPECT_EQ(answers[0].bytes[0] & 0xc0, 0x40);
    EXPECT_EQ(answers[0].path.remote, kClientPath.local);
  }
  EXPECT_EQ(verdict_of(pair.server, short_packet(21)), kNoConnection);
  for (unsigned i = 0; i < 2000; ++i) {
    pair.server.ingest(short_packet(100), pair.now);
    pair.server.round(pair.now);
  }
  EXPECT_LE(pair.server.verdict(kResetSent), small_config().stateless_replies_per_second);
}

TEST_F(Verdicts, OfTheHalfOpenAndTheConnectionLimit) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.max_half_open = 2;
  TwoEndpoints narrow(options);
  narrow.filter = [](bool to_server, Datagram&) { return to_server; };
  for (int i = 0; i < 4; ++i) narrow.connect();
  narrow.run_for(Duration::milliseconds(50));
  EXPECT_EQ(narrow.server.verdict(kNewConnection), 2u);
  EXPECT_EQ(narrow.server.verdict(kHalfOpenLimit), 2u);

  options.server.max_half_open = 8;
  options.server.max_connections = 1;
  TwoEndpoints single(options);
  ASSERT_TRUE(single.handshake());
  single.connect();
  single.run_for(Duration::milliseconds(50));
  EXPECT_EQ(single.server.verdict(kConnectionLimit), 1u);
}

TEST_F(Verdicts, OfFirstPacketsToAServerThatShutsDown) {
  pair.server.endpoint().shut_down(pair.now);
  pair.connect();
  pair.run_for(Duration::milliseconds(50));
  EXPECT_EQ(pair.server.verdict(kNotAccepting), 1u);
}

// proves RFC 9000 9-5 12.3-4 12.3-5 11-3
// proves RFC 9001 4.9.1-1 4.9.2-1 5.5-1
TEST_F(Verdicts, OfRepeatedLateAndForeignPackets) {
  pair.record = true;
  ASSERT_TRUE(pair.handshake());
  pair.run_for(Duration::milliseconds(200));
  const Datagram first = pair.sent_to_server.front();
  const Datagram last = pair.sent_to_server.back();
  ASSERT_EQ(last.bytes[0] & 0x80, 0);
  EXPECT_EQ(verdict_of(pair.server, last), kDuplicate);
  EXPECT_EQ(verdict_of(pair.server, first), kKeysUnavailable);
  Datagram damaged = last;
  damaged.bytes.back() ^= 1;
  EXPECT_EQ(verdict_of(pair.server, damaged), kUnprotectFailed);
  Datagram foreign = pair.sent_to_client.back();
  foreign.path.remote.port = 444;
  EXPECT_EQ(verdict_of(pair.client, foreign), kWrongPath);

  pair.server.command({.type = CommandType::kClose, .connection = pair.accepted(), .error = 3});
  pair.run_for(Duration::milliseconds(1));
  EXPECT_EQ(verdict_of(pair.server, last), kConnectionClosing);
}

// RFC 9001 section 5.7: Handshake packets that overtake the Initial wait for their keys.
// proves RFC 9001 4.1.4-1 5.7-2
TEST_F(Verdicts, OfPacketsThatComeBeforeTheirKeys) {
  std::optional<Datagram> held;
  pair.filter = [&](bool to_server, Datagram& datagram) {
    if (to_server || held || (datagram.bytes[0] & 0xf0) != 0xc0) return true;
    held = datagram;
    return false;
  };
  PairOptions options{.client = small_config(), .server = small_config()};
  options.tls.server_flight_size = 3000;
  TwoEndpoints slow(options);
  slow.filter = pair.filter;
  slow.connect();
  slow.run_until([&] { return slow.client.verdict(kDeferred) > 0; }, Duration::milliseconds(100));
  EXPECT_GT(slow.client.verdict(kDeferred), 0u);
  ASSERT_TRUE(held);
  const uint64_t probes = slow.client.stats().probes_sent + slow.server.stats().probes_sent;
  slow.client.ingest(*held, slow.now);
  EXPECT_TRUE(slow.run_until([&] { return slow.client.saw(EventType::kOpened); }, Duration::milliseconds(100)));
  EXPECT_EQ(slow.client.stats().probes_sent + slow.server.stats().probes_sent, probes);
}

// What no memory is left for is not acknowledged, and comes again when there is some.
// proves RFC 9000 13.1-1
TEST_F(Verdicts, OfDataThatThereIsNoMemoryFor) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.receive_slab_bytes = 16 << 10;
  TwoEndpoints poor(options);
  ASSERT_TRUE(poor.handshake());
  poor.server.consumes = false;
  const std::vector<uint8_t> upload(100'000, 9);
  poor.client.write(poor.client.opened[0], 0, upload, true);
  poor.run_for(Duration::seconds(1));
  EXPECT_GT(poor.server.verdict(kNoMemory), 0u);
  EXPECT_LT(poor.server.received[0].size(), upload.size());
  poor.server.consumes = true;
  for (const Command& consume : poor.server.unconsumed) poor.server.command(consume);
  EXPECT_TRUE(poor.run_until([&] { return poor.server.finished[0]; }, Duration::seconds(30)));
  EXPECT_EQ(poor.server.received[0], upload);
}

// An Initial without frames, authentic because anybody can make its keys (RFC 9000 section 12.4).
// proves RFC 9000 12.4-2
TEST_F(Verdicts, OfAPacketThatBreaksTheProtocol) {
  Datagram datagram = long_packet(kInitialType, kVersion1, 8, 1200);
  ByteWriter writer(datagram.bytes);
  writer.skip(1 + 4 + 1 + 8 + 1 + 4 + 1);
  writer.varint(4 + crypto::kTagSize, 2);
  const size_t number_offset = writer.size();
  writer.u32(0);
  datagram.bytes[0] = kInitialType | 3;
  std::fill(datagram.bytes.begin() + static_cast<ptrdiff_t>(writer.size()), datagram.bytes.end(), uint8_t{0});
  const auto protector = crypto::make_protector();
  const auto secrets = crypto::initial_secrets(kVersion1, std::vector<uint8_t>(8, 0xd1));
  const auto raw = crypto::derive_keys(kVersion1, crypto::Aead::kAes128Gcm, secrets.client.bytes());
  const auto key = protector->make_packet_key(raw);
  const auto header_key = protector->make_header_key(raw);
  crypto::SealJob seal{.key = key.get(),
                       .packet_number = 0,
                       .associated_data = {datagram.bytes.data(), writer.size()},
                       .in = {},
                       .out = datagram.bytes.data() + writer.size()};
  protector->seal({&seal, 1});
  crypto::MaskJob mask{header_key.get(), datagram.bytes.data() + number_offset + 4, {}};
  protector->header_masks({&mask, 1});
  datagram.bytes[0] ^= mask.mask[0] & 0x0f;
  for (size_t i = 0; i < 4; ++i) datagram.bytes[number_offset + i] ^= mask.mask[i + 1];

  EXPECT_EQ(verdict_of(pair.server, datagram), kProtocolError);
  const auto answers = pair.server.round(pair.now);
  EXPECT_EQ(answers.size(), 1u);
  pair.now = pair.now + Duration::seconds(10);
  pair.server.round(pair.now);
  EXPECT_TRUE(pair.server.endpoint().is_empty());
}

}  // namespace
}  // namespace viaduct::quic::test
