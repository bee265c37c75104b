#include "apps/http3/settings.h"

namespace viaduct::http3 {
namespace {

void write_setting(ByteWriter& out, SettingId id, uint64_t value) {
  out.varint(static_cast<uint64_t>(id));
  out.varint(value);
}

void write_payload(ByteWriter& out, const Settings& settings, uint64_t reserved_n) {
  const Settings defaults;
  if (settings.qpack_max_table_capacity != defaults.qpack_max_table_capacity)
    write_setting(out, SettingId::kQpackMaxTableCapacity, settings.qpack_max_table_capacity);
  if (settings.max_field_section_size != defaults.max_field_section_size)
    write_setting(out, SettingId::kMaxFieldSectionSize, settings.max_field_section_size);
  if (settings.qpack_blocked_streams != defaults.qpack_blocked_streams)
    write_setting(out, SettingId::kQpackBlockedStreams, settings.qpack_blocked_streams);
  if (settings.enable_connect_protocol) write_setting(out, SettingId::kEnableConnectProtocol, 1);
  if (settings.h3_datagram) write_setting(out, SettingId::kH3Datagram, 1);
  out.varint(reserved_codepoint(reserved_n));
  out.varint(reserved_n & 0x3f);
}

// Settings of HTTP/2 that have no meaning here must not be sent (RFC 9114 section 7.2.4.1).
bool is_http2_setting(uint64_t id) { return id == 0x00 || (id >= 0x02 && id <= 0x05); }

}  // namespace

void write_settings_frame(ByteWriter& out, const Settings& settings, uint64_t reserved_n) {
  uint8_t payload[96];
  ByteWriter writer(payload);
  write_payload(writer, settings, reserved_n);
  write_frame_header(out, FrameType::kSettings, writer.size());
  out.bytes(writer.written());
}

std::optional<Error> SettingsReader::read(Bytes payload) {
  while (const auto value = varint_.next(payload)) {
    if (!has_id_) {
      id_ = *value;
      has_id_ = true;
      continue;
    }
    has_id_ = false;
    if (const auto error = apply(id_, *value)) return error;
  }
  return std::nullopt;
}

std::optional<Error> SettingsReader::finish() const {
  if (has_id_ || varint_.is_partial()) return Error::kFrameError;
  return std::nullopt;
}

std::optional<Error> SettingsReader::apply(uint64_t id, uint64_t value) {
  if (is_http2_setting(id)) return Error::kSettingsError;
  if (id < 64) {
    const uint64_t bit = uint64_t{1} << id;
    if (seen_ & bit) return Error::kSettingsError;
    seen_ |= bit;
  }
  switch (static_cast<SettingId>(id)) {
    case SettingId::kQpackMaxTableCapacity:
      settings_.qpack_max_table_capacity = value;
      break;
    case SettingId::kMaxFieldSectionSize:
      settings_.max_field_section_size = value;
      break;
    case SettingId::kQpackBlockedStreams:
      settings_.qpack_blocked_streams = value;
      break;
    case SettingId::kEnableConnectProtocol:  // RFC 9220 section 3, RFC 8441 section 3
      if (value > 1) return Error::kSettingsError;
      settings_.enable_connect_protocol = value == 1;
      break;
    case SettingId::kH3Datagram:  // RFC 9297 section 2.1.1
      if (value > 1) return Error::kSettingsError;
      settings_.h3_datagram = value == 1;
      break;
  }
  return std::nullopt;
}

}  // namespace viaduct::http3
