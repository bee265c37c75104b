#include "engine/wire/transport_error.h"

#include <array>

namespace viaduct::quic {

std::string_view error_name(uint64_t wire_code) {
  static constexpr std::array<std::string_view, 0x12> kNames = {"NO_ERROR",
                                                                "INTERNAL_ERROR",
                                                                "CONNECTION_REFUSED",
                                                                "FLOW_CONTROL_ERROR",
                                                                "STREAM_LIMIT_ERROR",
                                                                "STREAM_STATE_ERROR",
                                                                "FINAL_SIZE_ERROR",
                                                                "FRAME_ENCODING_ERROR",
                                                                "TRANSPORT_PARAMETER_ERROR",
                                                                "CONNECTION_ID_LIMIT_ERROR",
                                                                "PROTOCOL_VIOLATION",
                                                                "INVALID_TOKEN",
                                                                "APPLICATION_ERROR",
                                                                "CRYPTO_BUFFER_EXCEEDED",
                                                                "KEY_UPDATE_ERROR",
                                                                "AEAD_LIMIT_REACHED",
                                                                "NO_VIABLE_PATH",
                                                                "VERSION_NEGOTIATION_ERROR"};
  if (wire_code < kNames.size()) return kNames[wire_code];
  if (wire_code >= 0x100 && wire_code <= 0x1ff) return "CRYPTO_ERROR";
  return "UNKNOWN";
}

}  // namespace viaduct::quic
