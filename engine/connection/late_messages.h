// What a client may hear of TLS after its handshake: tickets, and nothing else (RFC 9001 sections 4.4 and 6).
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "engine/wire/transport_error.h"

namespace viaduct::quic {

// Reads the heads of messages and keeps no bodies, so that it can go on where TLS itself is gone.
class LateMessages {
 public:
  // CRYPTO bytes of the 1-RTT level that follow those taken before.
  TransportError take(Bytes bytes);
  uint64_t taken() const { return taken_; }
  // Some bytes were acknowledged and will never be taken: what follows cannot be read any more.
  void stop() { is_stopped_ = true; }
  bool is_stopped() const { return is_stopped_; }

 private:
  static constexpr size_t kHead = 4;  // type, length (RFC 8446 section 4)

  std::array<uint8_t, kHead> head_{};
  uint64_t taken_ = 0;
  uint32_t body_left_ = 0;
  uint8_t head_size_ = 0;
  bool is_stopped_ = false;
};

}  // namespace viaduct::quic
