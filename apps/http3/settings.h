// SETTINGS (RFC 9114 section 7.2.4): what each side tells the other first.
#pragma once

#include <cstdint>
#include <optional>

#include "apps/http3/errors.h"
#include "apps/http3/frames.h"
#include "base/bytes.h"

namespace viaduct::http3 {

enum class SettingId : uint64_t {
  kQpackMaxTableCapacity = 0x01,
  kMaxFieldSectionSize = 0x06,
  kQpackBlockedStreams = 0x07,
  kEnableConnectProtocol = 0x08,
  kH3Datagram = 0x33,
};

// With the defaults that hold for what is not said.
struct Settings {
  uint64_t qpack_max_table_capacity = 0;
  uint64_t max_field_section_size = kMaxVarint;
  uint64_t qpack_blocked_streams = 0;
  bool enable_connect_protocol = false;
  bool h3_datagram = false;
};

// Writes a whole SETTINGS frame: what differs from the defaults, and one reserved setting, which
// keeps peers able to ignore what they do not know (RFC 9114 section 7.2.4.1).
void write_settings_frame(ByteWriter& out, const Settings& settings, uint64_t reserved_n);

// Reads the payload of a SETTINGS frame in pieces.
class SettingsReader {
 public:
  // An error is the connection's.
  std::optional<Error> read(Bytes payload);
  // To be called at the frame's end: H3_FRAME_ERROR where a pair is cut off.
  std::optional<Error> finish() const;
  const Settings& settings() const { return settings_; }

 private:
  std::optional<Error> apply(uint64_t id, uint64_t value);

  VarintReader varint_;
  Settings settings_;
  uint64_t id_ = 0;
  uint64_t seen_ = 0;  // bit n: the setting n was there
  bool has_id_ = false;
};

}  // namespace viaduct::http3
