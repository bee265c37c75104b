#include "flowsteer/mcphint.h"

namespace viaduct::flowsteer {
namespace {

constexpr uint8_t kHintSize = 2;

// IPv4 (RFC 791 section 3.1): end of the list, no operation; a length counts type and length too.
constexpr uint8_t kEndOfOptions4 = 0, kNoOperation4 = 1;
// IPv6 (RFC 8200 section 4.2): a length counts the data alone.
constexpr uint8_t kPad1 = 0, kPadN = 1;

uint16_t hint_at(const uint8_t* data) { return static_cast<uint16_t>(data[0] << 8 | data[1]); }

}  // namespace

void write_mcphint4(uint8_t* out, const McphintConfig& config, uint16_t hint) {
  ByteWriter writer({out, kMcphint4});
  writer.u8(config.ipv4_type);
  writer.u8(kMcphint4);
  writer.u16(hint);
}

void write_mcphint6(uint8_t* out, const McphintConfig& config, uint8_t next_header, uint16_t hint) {
  ByteWriter writer({out, kMcphint6});
  writer.u8(next_header);
  writer.u8(0);  // units of eight bytes beyond the first
  writer.u8(config.ipv6_type);
  writer.u8(kHintSize);
  writer.u16(hint);
  writer.u8(kPadN);
  writer.u8(0);
}

McphintResult read_mcphint4(Bytes options, const McphintConfig& config) {
  ByteReader reader(options);
  while (!reader.empty()) {
    const uint8_t type = reader.u8();
    if (type == kEndOfOptions4) break;
    if (type == kNoOperation4) continue;
    const uint8_t length = reader.u8();
    if (!reader.ok() || length < 2) return std::unexpected(McphintError::kMalformed);
    const Bytes data = reader.bytes(length - 2u);
    if (!reader.ok()) return std::unexpected(McphintError::kMalformed);
    if (type != config.ipv4_type) continue;
    if (data.size() != kHintSize) return std::unexpected(McphintError::kMalformed);
    return hint_at(data.data());
  }
  return std::nullopt;
}

McphintResult read_mcphint6(Bytes options, const McphintConfig& config) {
  if (options.size() < 2) return std::unexpected(McphintError::kMalformed);
  ByteReader reader(options.subspan(2));
  while (!reader.empty()) {
    const uint8_t type = reader.u8();
    if (type == kPad1) continue;
    const uint8_t length = reader.u8();
    const Bytes data = reader.bytes(length);
    if (!reader.ok()) return std::unexpected(McphintError::kMalformed);
    if (type != config.ipv6_type) continue;
    if (data.size() != kHintSize) return std::unexpected(McphintError::kMalformed);
    return hint_at(data.data());
  }
  return std::nullopt;
}

}  // namespace viaduct::flowsteer
