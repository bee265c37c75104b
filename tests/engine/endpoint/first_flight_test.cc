// First flights as they come from browsers: large, in pieces, in any order; and from too many at once.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/connection/crypto_scramble.h"
#include "engine/endpoint/half_open.h"
#include "engine/stream/crypto_stream.h"
#include "engine/verdicts.h"
#include "engine/wire/frame_writer.h"
#include "tests/engine/endpoint/initial_packet.h"
#include "tests/engine/endpoint/two_endpoints.h"
#include "tests/simulation/real_tls.h"

namespace viaduct::quic::test {
namespace {

// --- the client's side ---

TEST(Scramble, CoversEachByteOnce) {
  Random random = Random::from_seed(1);
  for (const uint32_t size : {1u, 2u, 300u, 1'000u, 1'001u, 1'700u, 5'000u}) {
    for (int i = 0; i < 50; ++i) {
      std::vector<int> seen(size);
      for (const CryptoPiece& piece : scramble(size, 1'000, random)) {
        ASSERT_GT(piece.length, 0u);
        ASSERT_LE(piece.offset + piece.length, size);
        for (uint32_t at = piece.offset; at < piece.offset + piece.length; ++at) ++seen[at];
      }
      EXPECT_TRUE(std::ranges::all_of(seen, [](int count) { return count == 1; })) << size;
    }
  }
}

TEST(Scramble, HasNoFixedOrder) {
  Random random = Random::from_seed(2);
  bool begins_elsewhere = false;
  for (int i = 0; i < 20; ++i) begins_elsewhere |= scramble(600, 1'000, random).front().offset != 0;
  EXPECT_TRUE(begins_elsewhere);
}

TEST(Scramble, ALargeOneBeginsWithItsFrontAndItsEnd) {
  Random random = Random::from_seed(3);
  const auto pieces = scramble(1'700, 1'000, random);
  uint32_t room = 0;
  bool has_front = false, has_end = false;
  for (const CryptoPiece& piece : pieces) {
    if (room + piece.length > 1'000) break;
    room += piece.length;
    has_front |= piece.offset == 0;
    has_end |= piece.offset + piece.length == 1'700;
  }
  EXPECT_TRUE(has_front);
  EXPECT_TRUE(has_end);
}

TEST(Scramble, HandshakesComplete) {
  for (const size_t size : {300u, 1'700u, 4'000u}) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      PairOptions options{.client = small_config(), .server = small_config()};
      options.client.scramble_initials = true;
      options.tls.client_hello_size = size;
      options.seed = seed;
      TwoEndpoints pair(options);
      int number = 0;
      // And with one datagram lost.
      pair.filter = [&](bool, Datagram&) { return number++ != static_cast<int>(seed % 7); };
      ASSERT_TRUE(pair.handshake()) << size << ", " << seed;
    }
  }
}

TEST(Scramble, PostQuantumHandshakesComplete) {
  const auto server = sim::make_real_tls_server();
  const auto client = sim::make_real_tls_client();
  PairOptions options{.client = small_config(), .server = small_config()};
  options.client.scramble_initials = true;
  options.server.retry = RetryPolicy::kAlways;
  options.real_server = server.get();
  options.real_client = client.get();
  TwoEndpoints pair(options);
  ASSERT_TRUE(pair.handshake());
}

// --- the server's side ---

class ManyInitials : public ::testing::Test {
 protected:
  // A CRYPTO frame at an offset, in an Initial of its own.
  Verdict send(uint64_t offset, size_t size) {
    std::vector<uint8_t> frames(size + 20);
    ByteWriter writer(frames);
    write_crypto(writer, offset, std::vector<uint8_t>(size, 0x42));
    frames.resize(writer.size());
    const InitialPacket packet{
        .key_dcid = dcid, .dcid = dcid, .scid = {1, 2, 3, 4}, .number = number++, .frames = frames};
    const uint64_t errors = pair.server.verdict(kProtocolError);
    pair.server.ingest({{kClientPath.remote, kClientPath.local}, packet.seal()}, pair.now);
    return pair.server.verdict(kProtocolError) > errors ? kProtocolError : kAccepted;
  }
  TwoEndpoints pair;
  std::vector<uint8_t> dcid = std::vector<uint8_t>(8, 0xd1);
  uint32_t number = 0;
};

// RFC 9000 section 7.5: at least 4,096 bytes out of order; ClientHellos of today want more.
TEST_F(ManyInitials, KeepsSixteenKilobytesOutOfOrder) {
  for (uint64_t offset = 16'000; offset > 0; offset -= 1'000) EXPECT_EQ(send(offset, 1'000), kAccepted) << offset;
  EXPECT_EQ(pair.server.verdict(kProtocolError), 0u);
}

TEST_F(ManyInitials, KeepsNoMoreThanItsBound) {
  EXPECT_EQ(send(1'000, 1'000), kAccepted);
  EXPECT_EQ(send(CryptoStream::kHandshakeLimit, 1'000), kProtocolError);
}

// An acknowledgement for the part that came, so that the client need not wait for its timer.
TEST_F(ManyInitials, AcknowledgesAPart) {
  EXPECT_EQ(send(500, 500), kAccepted);
  EXPECT_EQ(pair.server.round(pair.now).size(), 1u);
}

TEST(HalfOpen, OneNetworkDoesNotTakeThemAll) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.max_half_open_per_prefix = 3;
  TwoEndpoints pair(options);
  pair.filter = [](bool to_server, Datagram&) { return to_server; };
  for (uint8_t i = 0; i < 5; ++i) {
    pair.client_path.local.ip = IpAddress::v4(198, 18, 0, static_cast<uint8_t>(1 + i));
    pair.connect();
  }
  pair.run_for(Duration::milliseconds(50));
  EXPECT_EQ(pair.server.verdict(kNewConnection), 3u);
  EXPECT_EQ(pair.server.verdict(kHalfOpenPrefixLimit), 2u);
  pair.client_path.local.ip = IpAddress::v4(198, 19, 0, 1);
  pair.connect();
  pair.run_for(Duration::milliseconds(50));
  EXPECT_EQ(pair.server.verdict(kNewConnection), 4u);
  // Handshakes that are complete make room.
  pair.filter = nullptr;
  EXPECT_TRUE(pair.run_until([&] { return pair.server.opened.size() == 6; }));
}

// Clients that leave as soon as they know the server's answer: their draining time is no handshake.
TEST(HalfOpen, WhoClosedMakesRoomAtOnce) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.max_half_open_per_prefix = 2;
  TwoEndpoints pair(options);
  for (size_t i = 1; i <= 5; ++i) {
    pair.connect();
    ASSERT_TRUE(pair.run_until([&] { return pair.client.opened.size() == i; }));
    pair.client.command({.type = CommandType::kClose, .connection = pair.client.opened.back()});
    pair.run_for(Duration::milliseconds(20));
  }
  EXPECT_EQ(pair.server.verdict(kNewConnection), 5u);
  EXPECT_EQ(pair.server.verdict(kHalfOpenPrefixLimit), 0u);
}

TEST(HalfOpen, CountsPrefixes) {
  const HalfOpenCounts counts(SipKey{1});
  EXPECT_EQ(counts.place_of(IpAddress::v4(10, 1, 2, 3)), counts.place_of(IpAddress::v4(10, 1, 2, 250)));
  EXPECT_NE(counts.place_of(IpAddress::v4(10, 1, 2, 3)), counts.place_of(IpAddress::v4(10, 1, 3, 3)));
  EXPECT_EQ(counts.place_of(*IpAddress::parse("2001:db8:1:200::1")),
            counts.place_of(*IpAddress::parse("2001:db8:1:2ff::9")));
  EXPECT_NE(counts.place_of(*IpAddress::parse("2001:db8:1:200::1")),
            counts.place_of(*IpAddress::parse("2001:db8:1:300::1")));
}

}  // namespace
}  // namespace viaduct::quic::test
