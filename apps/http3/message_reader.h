// The order of frames on a request stream (RFC 9114 section 4.1), for both ends.
#pragma once

#include <cstdint>

#include "apps/http3/errors.h"
#include "apps/http3/frames.h"
#include "base/bytes.h"

namespace viaduct::http3 {

enum class Role : uint8_t { kServer, kClient };

// Reads one message out of a stream's bytes: header section, content, trailer section. An encoded
// section that lies in the input whole comes as one view; otherwise in parts.
class MessageReader {
 public:
  explicit MessageReader(Role role) : role_(role) {}

  struct Item {
    enum class Kind : uint8_t {
      kNone,          // the input is used up
      kSectionBegin,  // a header or trailer section of `length` encoded bytes follows
      kSectionBytes,  // part of it
      kSectionEnd,
      kContent,  // content bytes
      kIdle,     // a frame that carries nothing for us: empty, or of an unknown type
      kError,    // of the connection; nothing more can be read
    };
    Kind kind = Kind::kNone;
    bool trailer = false;
    uint64_t length = 0;
    Bytes bytes;
    Error error = Error::kNoError;
  };
  Item next(Bytes& input);

  // A client has read an interim response: another header section follows instead of content.
  void expect_another_head() { state_ = State::kHead; }

  enum class End : uint8_t {
    kComplete,
    kInsideFrame,  // connection error H3_FRAME_ERROR
    kNoHead,       // no (final) header section was there
  };
  // What the end of the stream means now.
  End finish() const;

 private:
  enum class State : uint8_t { kHead, kContent, kTrailer, kOver };

  Item begin(uint64_t type, uint64_t length);
  Item end(uint64_t type);

  FrameReader frames_;
  Role role_;
  State state_ = State::kHead;
};

}  // namespace viaduct::http3
