#include "engine/wire/transport_parameters.h"

#include <algorithm>

namespace viaduct::quic {
namespace {

enum class Id : uint64_t {
  kOriginalDestinationConnectionId = 0x00,
  kMaxIdleTimeout = 0x01,
  kStatelessResetToken = 0x02,
  kMaxUdpPayloadSize = 0x03,
  kInitialMaxData = 0x04,
  kInitialMaxStreamDataBidiLocal = 0x05,
  kInitialMaxStreamDataBidiRemote = 0x06,
  kInitialMaxStreamDataUni = 0x07,
  kInitialMaxStreamsBidi = 0x08,
  kInitialMaxStreamsUni = 0x09,
  kAckDelayExponent = 0x0a,
  kMaxAckDelay = 0x0b,
  kDisableActiveMigration = 0x0c,
  kPreferredAddress = 0x0d,
  kActiveConnectionIdLimit = 0x0e,
  kInitialSourceConnectionId = 0x0f,
  kRetrySourceConnectionId = 0x10,
  kVersionInformation = 0x11,
  kResetStreamAt = 0x1d,
  kMaxDatagramFrameSize = 0x20,
  kGreaseQuicBit = 0x2ab2,
  kMinAckDelay = 0xff04de1b,
  kOldResetStreamAt = 0x17f7586d2cb571,
};

// A parameter whose value is one integer, with its bounds (RFC 9000 section 18.2). The default is TransportParameters'.
struct IntegerParameter {
  Id id;
  uint64_t TransportParameters::* field;
  uint64_t minimum = 0;
  uint64_t maximum = kMaxVarint;
};

constexpr uint64_t kMaxStreams = uint64_t{1} << 60;
constexpr IntegerParameter kIntegers[] = {
    {Id::kMaxIdleTimeout, &TransportParameters::max_idle_timeout},
    {Id::kMaxUdpPayloadSize, &TransportParameters::max_udp_payload_size, 1200},
    {Id::kInitialMaxData, &TransportParameters::initial_max_data},
    {Id::kInitialMaxStreamDataBidiLocal, &TransportParameters::initial_max_stream_data_bidi_local},
    {Id::kInitialMaxStreamDataBidiRemote, &TransportParameters::initial_max_stream_data_bidi_remote},
    {Id::kInitialMaxStreamDataUni, &TransportParameters::initial_max_stream_data_uni},
    {Id::kInitialMaxStreamsBidi, &TransportParameters::initial_max_streams_bidi, 0, kMaxStreams},
    {Id::kInitialMaxStreamsUni, &TransportParameters::initial_max_streams_uni, 0, kMaxStreams},
    {Id::kAckDelayExponent, &TransportParameters::ack_delay_exponent, 0, 20},
    {Id::kMaxAckDelay, &TransportParameters::max_ack_delay, 0, (1 << 14) - 1},
    {Id::kActiveConnectionIdLimit, &TransportParameters::active_connection_id_limit, 2},
    {Id::kMaxDatagramFrameSize, &TransportParameters::max_datagram_frame_size},
};

// --- encoding ---

void write_head(ByteWriter& writer, Id id, size_t size) {
  writer.varint(static_cast<uint64_t>(id));
  writer.varint(size);
}

void write_value(ByteWriter& writer, Id id, Bytes value) {
  write_head(writer, id, value.size());
  writer.bytes(value);
}

void write_connection_id(ByteWriter& writer, Id id, const std::optional<ConnectionId>& value) {
  if (value) write_value(writer, id, value->bytes());
}

void write_preferred_address(ByteWriter& writer, const PreferredAddress& preferred) {
  write_head(writer, Id::kPreferredAddress, 4 + 2 + 16 + 2 + 1 + preferred.id.size() + preferred.token.size());
  if (preferred.v4.port != 0) {
    writer.bytes({preferred.v4.ip.v4_bytes(), 4});
  } else {
    writer.fill(0, 4);
  }
  writer.u16(preferred.v4.port);
  writer.bytes(preferred.v6.ip.bytes);
  writer.u16(preferred.v6.port);
  writer.u8(static_cast<uint8_t>(preferred.id.size()));
  writer.bytes(preferred.id.bytes());
  writer.bytes(preferred.token);
}

void write_version_information(ByteWriter& writer, const VersionInformation& versions) {
  write_head(writer, Id::kVersionInformation, 4 * (1 + versions.available_count));
  writer.u32(versions.chosen);
  for (size_t i = 0; i < versions.available_count; ++i) writer.u32(versions.available[i]);
}

// A parameter to be ignored, of 0 to 7 bytes; its ID is 31 * N + 27 (RFC 9000 section 18.1).
void write_grease(ByteWriter& writer, uint64_t random) {
  const uint64_t n = (random >> 8) & 0xffffff;
  const size_t size = random & 0x07;
  writer.varint(31 * n + 27);
  writer.varint(size);
  writer.big_endian(random, size);
}

}  // namespace

// meets RFC 9000 7.4-2 18.2-1 18.2-9
size_t encode_transport_parameters(const TransportParameters& parameters, Role sender, uint64_t grease,
                                   MutableBytes out) {
  static constexpr TransportParameters kDefaults;
  ByteWriter writer(out);
  for (const IntegerParameter& integer : kIntegers) {
    const uint64_t value = parameters.*integer.field;
    if (value == kDefaults.*integer.field) continue;
    write_head(writer, integer.id, varint_size(value));
    writer.varint(value);
  }
  write_connection_id(writer, Id::kInitialSourceConnectionId, parameters.initial_source_connection_id);
  if (parameters.version_information) write_version_information(writer, *parameters.version_information);
  if (parameters.disable_active_migration) write_head(writer, Id::kDisableActiveMigration, 0);
  if (parameters.grease_quic_bit) write_head(writer, Id::kGreaseQuicBit, 0);
  if (parameters.reset_stream_at) {
    write_head(writer, Id::kResetStreamAt, 0);
    write_head(writer, Id::kOldResetStreamAt, 0);
  }
  if (parameters.min_ack_delay) {
    write_head(writer, Id::kMinAckDelay, varint_size(*parameters.min_ack_delay));
    writer.varint(*parameters.min_ack_delay);
  }
  if (sender == Role::kServer) {
    write_connection_id(writer, Id::kOriginalDestinationConnectionId, parameters.original_destination_connection_id);
    write_connection_id(writer, Id::kRetrySourceConnectionId, parameters.retry_source_connection_id);
    if (parameters.stateless_reset_token) {
      write_value(writer, Id::kStatelessResetToken, *parameters.stateless_reset_token);
    }
    if (parameters.preferred_address) write_preferred_address(writer, *parameters.preferred_address);
  }
  write_grease(writer, grease);
  return writer.ok() ? writer.size() : 0;
}

// --- decoding ---

namespace {

// Each reads one parameter's value; what is wrong with it, or nothing.

// meets RFC 9000 4.6-1 18.2-7 18.2-8
std::string_view read_integer(Bytes value, const IntegerParameter& integer, TransportParameters& parameters) {
  ByteReader reader(value);
  const uint64_t number = reader.varint();
  if (!reader.ok() || !reader.empty()) return "transport parameter is not one integer";
  if (number < integer.minimum || number > integer.maximum) return "transport parameter out of bounds";
  parameters.*integer.field = number;
  return {};
}

std::string_view read_connection_id(Bytes value, std::optional<ConnectionId>& id) {
  if (value.size() > kMaxConnectionIdSize) return "connection ID too long";
  id = ConnectionId(value);
  return {};
}

std::string_view read_flag(Bytes value, bool& flag) {
  if (!value.empty()) return "transport parameter must be empty";
  flag = true;
  return {};
}

std::string_view read_token(Bytes value, std::optional<StatelessResetToken>& token) {
  if (value.size() != kStatelessResetTokenSize) return "stateless reset token of a wrong length";
  std::ranges::copy(value, token.emplace().begin());
  return {};
}

std::string_view read_preferred_address(Bytes value, std::optional<PreferredAddress>& preferred) {
  ByteReader reader(value);
  PreferredAddress read;
  if (const Bytes v4 = reader.bytes(4); reader.ok()) read.v4.ip = IpAddress::v4(v4.data());
  read.v4.port = reader.u16();
  if (const Bytes v6 = reader.bytes(16); reader.ok()) read.v6.ip = IpAddress::v6(v6.data());
  read.v6.port = reader.u16();
  // Without a port nobody can be reached; and an IPv4 address in IPv6's place is of neither family.
  if (read.v4.port == 0) read.v4 = {};
  if (read.v6.port == 0 || read.v6.ip.is_v4()) read.v6 = {};
  const Bytes id = reader.bytes(reader.u8());
  const Bytes token = reader.bytes(kStatelessResetTokenSize);
  if (!reader.ok() || !reader.empty()) return "preferred address of a wrong length";
  // meets RFC 9000 18.2-6
  if (id.empty() || id.size() > kMaxConnectionIdSize) return "preferred address with a wrong connection ID";
  read.id = ConnectionId(id);
  std::ranges::copy(token, read.token.begin());
  preferred = read;
  return {};
}

// RFC 9368 section 3.
std::string_view read_version_information(Bytes value, std::optional<VersionInformation>& versions) {
  if (value.empty() || value.size() % 4 != 0) return "version information of a wrong length";
  ByteReader reader(value);
  VersionInformation read;
  read.chosen = reader.u32();
  if (read.chosen == 0) return "version information chooses version zero";
  while (!reader.empty()) {
    const uint32_t version = reader.u32();
    if (version == 0) return "version information offers version zero";
    if (read.available_count < VersionInformation::kMaxAvailable) read.available[read.available_count++] = version;
  }
  versions = read;
  return {};
}

std::string_view read_optional_integer(Bytes value, std::optional<uint64_t>& number) {
  ByteReader reader(value);
  number = reader.varint();
  return reader.ok() && reader.empty() ? "" : "transport parameter is not one integer";
}

bool is_servers_alone(Id id) {
  return id == Id::kOriginalDestinationConnectionId || id == Id::kStatelessResetToken || id == Id::kPreferredAddress ||
         id == Id::kRetrySourceConnectionId;
}

std::string_view read_known(Id id, Bytes value, TransportParameters& parameters) {
  switch (id) {
    case Id::kOriginalDestinationConnectionId:
      return read_connection_id(value, parameters.original_destination_connection_id);
    case Id::kInitialSourceConnectionId:
      return read_connection_id(value, parameters.initial_source_connection_id);
    case Id::kRetrySourceConnectionId:
      return read_connection_id(value, parameters.retry_source_connection_id);
    case Id::kStatelessResetToken:
      return read_token(value, parameters.stateless_reset_token);
    case Id::kPreferredAddress:
      return read_preferred_address(value, parameters.preferred_address);
    case Id::kVersionInformation:
      return read_version_information(value, parameters.version_information);
    case Id::kDisableActiveMigration:
      return read_flag(value, parameters.disable_active_migration);
    case Id::kGreaseQuicBit:
      return read_flag(value, parameters.grease_quic_bit);
    case Id::kResetStreamAt:
    case Id::kOldResetStreamAt:
      return read_flag(value, parameters.reset_stream_at);
    case Id::kMinAckDelay:
      return read_optional_integer(value, parameters.min_ack_delay);
    default:
      for (const IntegerParameter& integer : kIntegers) {
        if (integer.id == id) return read_integer(value, integer, parameters);
      }
      return {};
  }
}

// Notes the parameters that came, known or not.
class Seen {
 public:
  // Far more than anybody sends; more cost more to compare than they are worth.
  static constexpr size_t kMax = 128;

  bool is_full() const { return count_ == kMax; }
  // True where it was there before.
  bool again(uint64_t id) {
    const auto end = ids_.begin() + count_;
    if (std::find(ids_.begin(), end, id) != end) return true;
    ids_[count_++] = id;
    return false;
  }

 private:
  std::array<uint64_t, kMax> ids_;
  uint8_t count_ = 0;
};

}  // namespace

// meets RFC 9000 7.4-1 7.4-3 7.4.2-1 18.2-10
TransportError decode_transport_parameters(Bytes encoded, Role sender, TransportParameters& parameters) {
  const auto error = [](std::string_view reason) {
    return TransportError{ErrorCode::kTransportParameterError, 0, reason};
  };
  parameters = {};
  Seen seen;
  ByteReader reader(encoded);
  while (!reader.empty()) {
    const uint64_t id = reader.varint();
    const Bytes value = reader.bytes(reader.varint());
    if (!reader.ok()) return error("transport parameters cut off");
    if (seen.is_full()) return error("too many transport parameters");
    if (seen.again(id)) return error("transport parameter repeated");
    if (sender == Role::kClient && is_servers_alone(static_cast<Id>(id))) {
      return error("transport parameter only a server may send");
    }
    if (const auto fault = read_known(static_cast<Id>(id), value, parameters); !fault.empty()) return error(fault);
  }
  if (!reader.ok()) return error("transport parameters cut off");
  if (parameters.min_ack_delay && *parameters.min_ack_delay > parameters.max_ack_delay * 1000) {
    return error("min_ack_delay above max_ack_delay");
  }
  return {};
}

}  // namespace viaduct::quic
