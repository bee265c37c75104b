#include "engine/stream/crypto_stream.h"

#include <algorithm>

namespace viaduct::quic {

namespace {

constexpr TransportError kTooMuch = {ErrorCode::kProtocolViolation, static_cast<uint64_t>(FrameType::kCrypto),
                                     "CRYPTO beyond the end of its level"};

}  // namespace

// meets RFC 9001 4.1.3-3
TransportError CryptoStream::end_receiving() {
  has_ended_ = true;
  return has_gap() ? kTooMuch : TransportError{};
}

// meets RFC 9000 7.5-2
// meets RFC 9001 4.1.3-1 4.1.3-2
FrameOutcome CryptoStream::on_frame(const CryptoFrame& frame) {
  const uint64_t end = frame.offset + frame.data.size();
  if (has_ended_ && end > highest_) return kTooMuch;
  if (end > received_.delivered() + limit_) {
    return TransportError{ErrorCode::kCryptoBufferExceeded, static_cast<uint64_t>(FrameType::kCrypto),
                          "CRYPTO too far ahead"};
  }
  if (!received_.insert(store_, frame.offset, frame.data)) return FrameOutcome::lacks_room();
  highest_ = std::max(highest_, end);
  return {};
}

bool CryptoStream::append(Bytes data) {
  if (progress_.end() - progress_.acked() + data.size() > kHandshakeLimit) return false;
  sent_.insert(sent_.end(), data.begin(), data.end());
  progress_.append(data.size());
  return true;
}

CryptoSpan CryptoStream::next(size_t room) {
  OffsetRange range = progress_.next(kMaxVarint);
  range.end = range.begin + std::min<uint64_t>(range.size(), room);
  progress_.on_sent(ranges_, range);
  return {.offset = range.begin, .data = Bytes(sent_).subspan(range.begin - sent_base_, range.size())};
}

uint64_t CryptoStream::take_all() {
  if (progress_.sent() > 0) return 0;
  progress_.on_sent(ranges_, {0, progress_.end()});
  return progress_.end();
}

void CryptoStream::on_acked(uint64_t offset, uint64_t length) {
  progress_.on_acked(ranges_, {offset, offset + length});
  if (!is_all_acked()) return;
  sent_base_ = progress_.end();
  sent_ = {};
}

void CryptoStream::clear() {
  received_.discard(store_);
  progress_.clear(ranges_);
  sent_base_ = progress_.end();
  sent_ = {};
}

}  // namespace viaduct::quic
