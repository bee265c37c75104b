#include "engine/connection/late_messages.h"

#include <algorithm>

namespace viaduct::quic {
namespace {

constexpr uint8_t kNewSessionTicket = 4, kCertificateRequest = 13;
constexpr uint8_t kUnexpectedMessage = 10;  // RFC 8446 section 6
constexpr uint64_t kCryptoFrame = 0x06;

// meets RFC 9001 4.4-3 6-2
TransportError error_of(uint8_t type) {
  if (type == kNewSessionTicket) return {};
  if (type == kCertificateRequest)
    return {ErrorCode::kProtocolViolation, kCryptoFrame, "CertificateRequest after the handshake"};
  return {crypto_error(kUnexpectedMessage), kCryptoFrame, "a TLS message that has no place after the handshake"};
}

}  // namespace

TransportError LateMessages::take(Bytes bytes) {
  taken_ += bytes.size();
  while (!bytes.empty()) {
    const size_t body = std::min<size_t>(body_left_, bytes.size());
    body_left_ -= static_cast<uint32_t>(body);
    bytes = bytes.subspan(body);
    if (bytes.empty()) break;
    head_[head_size_++] = bytes[0];
    bytes = bytes.subspan(1);
    if (auto error = error_of(head_[0])) return error;
    if (head_size_ < kHead) continue;
    head_size_ = 0;
    body_left_ = uint32_t{head_[1]} << 16 | uint32_t{head_[2]} << 8 | head_[3];
  }
  return {};
}

}  // namespace viaduct::quic
