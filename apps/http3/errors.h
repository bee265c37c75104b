// Error codes of HTTP/3 and QPACK: what goes into RESET_STREAM, STOP_SENDING and CONNECTION_CLOSE.
#pragma once

#include <cstdint>

namespace viaduct::http3 {

// RFC 9114 section 8.1, RFC 9204 section 6, RFC 9297 section 5.2.
enum class Error : uint64_t {
  kDatagramError = 0x33,
  kNoError = 0x100,
  kGeneralProtocolError = 0x101,
  kInternalError = 0x102,
  kStreamCreationError = 0x103,
  kClosedCriticalStream = 0x104,
  kFrameUnexpected = 0x105,
  kFrameError = 0x106,
  kExcessiveLoad = 0x107,
  kIdError = 0x108,
  kSettingsError = 0x109,
  kMissingSettings = 0x10a,
  kRequestRejected = 0x10b,
  kRequestCancelled = 0x10c,
  kRequestIncomplete = 0x10d,
  kMessageError = 0x10e,
  kConnectError = 0x10f,
  kVersionFallback = 0x110,
  kQpackDecompressionFailed = 0x200,
  kQpackEncoderStreamError = 0x201,
  kQpackDecoderStreamError = 0x202,
};

constexpr uint64_t code(Error error) { return static_cast<uint64_t>(error); }

// Codepoints that mean nothing and must be ignored wherever types are extensible: 0x1f * n + 0x21
// (RFC 9114 sections 6.2.3, 7.2.4.1, 7.2.8, 8.1).
constexpr uint64_t reserved_codepoint(uint64_t n) { return 0x1f * n + 0x21; }

}  // namespace viaduct::http3
