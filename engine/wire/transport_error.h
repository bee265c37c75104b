// The errors by which an endpoint closes a connection (RFC 9000 section 20.1).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace viaduct::quic {

// TLS alerts are kCryptoBase + alert (RFC 9001 section 4.8).
enum class ErrorCode : uint64_t {
  kNoError = 0x00,
  kInternalError = 0x01,
  kConnectionRefused = 0x02,
  kFlowControlError = 0x03,
  kStreamLimitError = 0x04,
  kStreamStateError = 0x05,
  kFinalSizeError = 0x06,
  kFrameEncodingError = 0x07,
  kTransportParameterError = 0x08,
  kConnectionIdLimitError = 0x09,
  kProtocolViolation = 0x0a,
  kInvalidToken = 0x0b,
  kApplicationError = 0x0c,
  kCryptoBufferExceeded = 0x0d,
  kKeyUpdateError = 0x0e,
  kAeadLimitReached = 0x0f,
  kNoViablePath = 0x10,
  kVersionNegotiationError = 0x11,
  kCryptoBase = 0x100,
};

constexpr ErrorCode crypto_error(uint8_t alert) {
  return static_cast<ErrorCode>(static_cast<uint64_t>(ErrorCode::kCryptoBase) + alert);
}

// Why a connection ends, or kNoError for "all is well": what calls that a peer can make fail give back.
// A value to test: `if (auto error = …) return error;`
struct [[nodiscard]] TransportError {
  ErrorCode code = ErrorCode::kNoError;
  uint64_t frame_type = 0;       // of the frame that caused it; 0 where none did
  std::string_view reason = {};  // lives as long as the program; goes on the wire

  explicit operator bool() const { return code != ErrorCode::kNoError; }
  uint64_t wire_code() const { return static_cast<uint64_t>(code); }
};

// The RFC's name ("FLOW_CONTROL_ERROR"), "CRYPTO_ERROR" for an alert, "UNKNOWN" otherwise.
std::string_view error_name(uint64_t wire_code);

}  // namespace viaduct::quic
