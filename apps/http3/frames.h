// HTTP/3 frames on the wire (RFC 9114 section 7): an incremental reader and the writers.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace viaduct::http3 {

// RFC 9114 section 7.2; RFC 9218 section 7.
enum class FrameType : uint64_t {
  kData = 0x00,
  kHeaders = 0x01,
  kCancelPush = 0x03,
  kSettings = 0x04,
  kPushPromise = 0x05,
  kGoaway = 0x07,
  kMaxPushId = 0x0d,
  kPriorityUpdateRequest = 0xf0700,
  kPriorityUpdatePush = 0xf0701,
};

// Types that HTTP/2 used and HTTP/3 must not see: H3_FRAME_UNEXPECTED (RFC 9114 section 7.2.8).
constexpr bool is_reserved_http2_frame(uint64_t type) {
  return type == 0x02 || type == 0x06 || type == 0x08 || type == 0x09;
}

// One variable-length integer out of bytes that may arrive one at a time.
class VarintReader {
 public:
  // Takes from the front of `input` until the integer is whole; then its value, and the reader is
  // ready for the next one.
  std::optional<uint64_t> next(Bytes& input);
  // True between the first and the last byte of an integer.
  bool is_partial() const { return missing_ > 0; }

 private:
  uint64_t value_ = 0;
  uint8_t missing_ = 0;
};

// Cuts a stream's bytes into frames, however they are split. It knows no types: order and meaning are
// the caller's business, so unknown frames come out like the others and are skipped by whoever
// does not know them.
class FrameReader {
 public:
  struct Item {
    enum class Kind : uint8_t {
      kNone,     // the input is used up
      kBegin,    // a frame's header: type, length
      kPayload,  // part of its payload: bytes, a view into the input
      kEnd,      // its payload is complete
    };
    Kind kind = Kind::kNone;
    uint64_t type = 0;
    uint64_t length = 0;
    Bytes bytes;
  };

  // The next item at the front of `input`, which shrinks by what was used.
  Item next(Bytes& input);

  // True where a frame has begun and not ended: the end of the stream is then H3_FRAME_ERROR
  // (RFC 9114 section 7.1).
  bool is_inside_frame() const { return state_ != State::kType || varint_.is_partial(); }
  uint64_t type() const { return type_; }

 private:
  enum class State : uint8_t { kType, kLength, kPayload };

  VarintReader varint_;
  uint64_t type_ = 0;
  uint64_t remaining_ = 0;
  State state_ = State::kType;
};

// Bytes of a frame's header.
constexpr size_t frame_header_size(uint64_t type, uint64_t length) { return varint_size(type) + varint_size(length); }

inline void write_frame_header(ByteWriter& out, FrameType type, uint64_t length) {
  out.varint(static_cast<uint64_t>(type));
  out.varint(length);
}

// Room in front of an encoded field section for HEADERS' type (1) and its length (2), which is written afterwards.
constexpr size_t kHeadersFrameRoom = 3;

// The field section of a message that is one HEADERS frame and nothing else; empty for any other.
Bytes only_section(Bytes message);

// A frame whose payload is one integer: GOAWAY, MAX_PUSH_ID, CANCEL_PUSH.
void write_integer_frame(ByteWriter& out, FrameType type, uint64_t value);

}  // namespace viaduct::http3
