#include "engine/wire/transport_parameters.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/engine/wire/hex.h"

namespace viaduct::quic {
namespace {

TransportParameters full(Role sender) {
  TransportParameters p;
  p.initial_source_connection_id = ConnectionId(from_hex("f067a5502a4262b5"));
  p.version_information =
      VersionInformation{.chosen = kVersion1, .available = {kVersion2, kVersion1}, .available_count = 2};
  p.max_idle_timeout = 30'000;
  p.max_udp_payload_size = 1472;
  p.initial_max_data = 10'000'000;
  p.initial_max_stream_data_bidi_local = 1;
  p.initial_max_stream_data_bidi_remote = 2;
  p.initial_max_stream_data_uni = 3;
  p.initial_max_streams_bidi = 100;
  p.initial_max_streams_uni = uint64_t{1} << 60;
  p.ack_delay_exponent = 8;
  p.max_ack_delay = (1 << 14) - 1;
  p.active_connection_id_limit = 8;
  p.max_datagram_frame_size = 65535;
  p.disable_active_migration = true;
  p.grease_quic_bit = true;
  if (sender == Role::kServer) {
    p.original_destination_connection_id = ConnectionId(from_hex("8394c8f03e515708"));
    p.retry_source_connection_id = ConnectionId();
    p.stateless_reset_token = StatelessResetToken{1, 2, 3};
    p.preferred_address = PreferredAddress{.v4 = {IpAddress::v4(192, 0, 2, 1), 443},
                                           .v6 = {*IpAddress::parse("2001:db8::1"), 4433},
                                           .id = ConnectionId(from_hex("aabbccdd")),
                                           .token = {4, 5, 6}};
  }
  return p;
}

TransportError decode(const std::vector<uint8_t>& bytes, Role sender, TransportParameters& parameters) {
  return decode_transport_parameters(bytes, sender, parameters);
}

// proves RFC 9000 7.4-2
TEST(TransportParameters, AreReadAsTheyWereWrittenWhateverTheGrease) {
  for (const Role sender : {Role::kClient, Role::kServer}) {
    for (uint64_t grease = 0; grease < 5'000'000'000; grease += 123'456'789) {
      const TransportParameters written = full(sender);
      std::vector<uint8_t> bytes(kMaxEncodedTransportParameters);
      bytes.resize(encode_transport_parameters(written, sender, grease, bytes));
      ASSERT_FALSE(bytes.empty());
      TransportParameters read;
      const TransportError error = decode(bytes, sender, read);
      ASSERT_FALSE(error) << error.reason;
      EXPECT_EQ(read, written);
    }
  }
}

TEST(TransportParameters, LeaveOutDefaultsButNotTheGrease) {
  std::vector<uint8_t> bytes(kMaxEncodedTransportParameters);
  const size_t size = encode_transport_parameters({}, Role::kClient, 0x0103, bytes);
  EXPECT_TRUE(equal(Bytes(bytes).first(size), from_hex("3a 03 000103")));
  TransportParameters read;
  ASSERT_FALSE(decode({}, Role::kClient, read));
  EXPECT_EQ(read, TransportParameters{});
}

// proves RFC 9000 18.2-1 18.2-9
TEST(TransportParameters, AClientNeverSendsTheServers) {
  TransportParameters parameters = full(Role::kServer);
  std::vector<uint8_t> bytes(kMaxEncodedTransportParameters);
  bytes.resize(encode_transport_parameters(parameters, Role::kClient, 0, bytes));
  TransportParameters read;
  EXPECT_FALSE(decode(bytes, Role::kClient, read));
  EXPECT_FALSE(read.stateless_reset_token.has_value());
}

TEST(TransportParameters, ThatDoNotFitAreNotWritten) {
  std::vector<uint8_t> bytes(50);
  EXPECT_EQ(encode_transport_parameters(full(Role::kServer), Role::kServer, 0, bytes), 0u);
}

TEST(TransportParameters, AnAddressThatIsNotOfferedHasPortZero) {
  TransportParameters p;
  p.preferred_address =
      PreferredAddress{.v6 = {*IpAddress::parse("2001:db8::1"), 443}, .id = ConnectionId(from_hex("aa"))};
  std::vector<uint8_t> bytes(kMaxEncodedTransportParameters);
  bytes.resize(encode_transport_parameters(p, Role::kServer, 0, bytes));
  TransportParameters read;
  ASSERT_FALSE(decode(bytes, Role::kServer, read));
  EXPECT_EQ(read.preferred_address->v4.port, 0);
  EXPECT_EQ(read.preferred_address->v6, p.preferred_address->v6);
}

// An address without a port, or of IPv4 in IPv6's place, is none.
TEST(TransportParameters, AnAddressThatNobodyCanGoToIsNotOffered) {
  const std::string rest = "04 01020304 00112233445566778899aabbccddeeff";
  TransportParameters read;
  ASSERT_FALSE(
      decode(from_hex("0d 2d c0000201 0000 20010db8000000000000000000000001 0000" + rest), Role::kServer, read));
  ASSERT_TRUE(read.preferred_address);
  EXPECT_EQ(read.preferred_address->v4, SocketAddress());
  EXPECT_EQ(read.preferred_address->v6, SocketAddress());
  EXPECT_EQ(read.preferred_address->id, ConnectionId(from_hex("01020304")));

  TransportParameters mapped;
  ASSERT_FALSE(
      decode(from_hex("0d 2d c0000201 01bb 00000000000000000000ffffc0000201 01bb" + rest), Role::kServer, mapped));
  EXPECT_EQ(mapped.preferred_address->v4, (SocketAddress{IpAddress::v4(192, 0, 2, 1), 443}));
  EXPECT_EQ(mapped.preferred_address->v6, SocketAddress());
}

struct Refused {
  const char* what;
  const char* bytes;
};

// proves RFC 9000 7.4-1
TEST(TransportParameters, OutOfBoundsAreErrors) {
  for (const Refused& c : {
           Refused{"max_udp_payload_size 1199", "03 02 44af"},
           Refused{"ack_delay_exponent 21", "0a 01 15"},
           Refused{"max_ack_delay 2^14", "0b 04 80004000"},
           // proves RFC 9000 4.6-1
           Refused{"initial_max_streams_bidi over 2^60", "08 08 d000000000000001"},
           Refused{"initial_max_streams_uni over 2^60", "09 08 d000000000000001"},
           // proves RFC 9000 18.2-7 18.2-8
           Refused{"active_connection_id_limit 1", "0e 01 01"},
           Refused{"an integer with a byte behind", "04 02 0101"},
           Refused{"an integer cut off", "04 01 40"},
           Refused{"an empty integer", "04 00"},
           Refused{"disable_active_migration with a value", "0c 01 00"},
           Refused{"grease_quic_bit with a value", "6ab2 01 00"},
           Refused{"a token of 15 bytes", "02 0f 00112233445566778899aabbccddee"},
           Refused{"a connection id of 21 bytes", "0f 15 000000000000000000000000000000000000000000"},
           Refused{"empty version information", "11 00"},
           Refused{"version information of 5 bytes", "11 05 0000000100"},
           Refused{"chosen version zero", "11 04 00000000"},
           Refused{"available version zero", "11 08 0000000100000000"},
           Refused{"a preferred address cut off", "0d 04 7f000001"},
           // proves RFC 9000 18.2-6
           Refused{"a preferred address with an empty id",
                   "0d 29 7f000001 01bb 00000000000000000000000000000001 01bb 00 00112233445566778899aabbccddeeff"},
           // proves RFC 9000 7.4-3
           Refused{"a repeated parameter", "04 01 01 04 01 01"},
           Refused{"a repeated one that is not known", "3f 01 01 3f 01 02"},
           Refused{"a repeated flag", "6ab2 00 6ab2 00"},
           Refused{"a value cut off", "04 02 01"},
           Refused{"a length cut off", "04"},
           Refused{"an id cut off", "40"},
       }) {
    TransportParameters read;
    const TransportError error = decode(from_hex(c.bytes), Role::kServer, read);
    EXPECT_EQ(error.code, ErrorCode::kTransportParameterError) << c.what;
    EXPECT_FALSE(error.reason.empty());
  }
}

// RFC 9000 section 18.2.
// proves RFC 9000 18.2-10
TEST(TransportParameters, SomeAreTheServersAlone) {
  for (const char* bytes :
       {"00 01 aa", "02 10 00112233445566778899aabbccddeeff", "10 01 aa",
        "0d 2a 7f000001 01bb 00000000000000000000000000000001 01bb 01 aa 00112233445566778899aabbccddeeff"}) {
    TransportParameters read;
    EXPECT_FALSE(decode(from_hex(bytes), Role::kServer, read)) << bytes;
    EXPECT_EQ(decode(from_hex(bytes), Role::kClient, read).code, ErrorCode::kTransportParameterError) << bytes;
  }
}

// proves RFC 9000 7.4.2-1
// Comparing them all with each other must stay cheap.
TEST(TransportParameters, AreNotThousands) {
  TransportParameters read;
  std::vector<uint8_t> bytes(129 * 5);
  ByteWriter writer(bytes);
  for (uint64_t i = 0; i < 128; ++i) writer.varint(0x10000 + i), writer.varint(0);
  EXPECT_FALSE(decode_transport_parameters(writer.written(), Role::kServer, read));
  writer.varint(0x20000), writer.varint(0);
  EXPECT_TRUE(decode_transport_parameters(writer.written(), Role::kServer, read));
}

TEST(TransportParameters, UnknownOnesAreSkipped) {
  TransportParameters read;
  ASSERT_FALSE(decode(from_hex("1b 00 80004752 04 00000001 c0000000ff04de1b 02 4001 01 01 05"), Role::kClient, read));
  EXPECT_EQ(read.max_idle_timeout, 5u);
}

TEST(TransportParameters, MoreVersionsThanWeKeepAreNoError) {
  std::vector<uint8_t> bytes = from_hex("11 4058 00000001");
  for (int i = 1; i <= 21; ++i) {
    for (const uint8_t byte : {0, 0, 0, i}) bytes.push_back(byte);
  }
  TransportParameters read;
  ASSERT_FALSE(decode(bytes, Role::kClient, read));
  EXPECT_EQ(read.version_information->available_count, VersionInformation::kMaxAvailable);
}

}  // namespace
}  // namespace viaduct::quic
