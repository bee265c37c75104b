#include "apps/http3/message_reader.h"

namespace viaduct::http3 {
namespace {

using Item = MessageReader::Item;

Item error_item(Error error) { return {.kind = Item::Kind::kError, .error = error}; }

bool is(uint64_t type, FrameType expected) { return type == static_cast<uint64_t>(expected); }

}  // namespace

Item MessageReader::next(Bytes& input) {
  for (;;) {
    const FrameReader::Item item = frames_.next(input);
    switch (item.kind) {
      case FrameReader::Item::Kind::kNone:
        return {};
      case FrameReader::Item::Kind::kBegin: {
        const Item begun = begin(item.type, item.length);
        if (begun.kind != Item::Kind::kNone) return begun;
        break;
      }
      case FrameReader::Item::Kind::kPayload:
        if (is(item.type, FrameType::kData)) return {.kind = Item::Kind::kContent, .bytes = item.bytes};
        if (is(item.type, FrameType::kHeaders))
          return {.kind = Item::Kind::kSectionBytes, .trailer = state_ == State::kTrailer, .bytes = item.bytes};
        break;
      case FrameReader::Item::Kind::kEnd: {
        const Item ended = end(item.type);
        if (ended.kind != Item::Kind::kNone) return ended;
        break;
      }
    }
  }
}

// Table of what may begin where: RFC 9114 sections 4.1 and 7.2.
Item MessageReader::begin(uint64_t type, uint64_t length) {
  if (is_reserved_http2_frame(type)) return error_item(Error::kFrameUnexpected);
  switch (static_cast<FrameType>(type)) {
    case FrameType::kData:
      if (state_ != State::kContent) return error_item(Error::kFrameUnexpected);
      return {.kind = length == 0 ? Item::Kind::kIdle : Item::Kind::kNone};
    case FrameType::kHeaders:
      if (state_ == State::kTrailer || state_ == State::kOver) return error_item(Error::kFrameUnexpected);
      if (state_ == State::kContent) state_ = State::kTrailer;
      return {.kind = Item::Kind::kSectionBegin, .trailer = state_ == State::kTrailer, .length = length};
    case FrameType::kPushPromise:
      // A client never lets us push, so any promise breaks its limit (section 7.2.5).
      return error_item(role_ == Role::kServer ? Error::kFrameUnexpected : Error::kIdError);
    case FrameType::kCancelPush:
    case FrameType::kSettings:
    case FrameType::kGoaway:
    case FrameType::kMaxPushId:
    case FrameType::kPriorityUpdateRequest:
    case FrameType::kPriorityUpdatePush:
      return error_item(Error::kFrameUnexpected);
  }
  return {.kind = Item::Kind::kIdle};
}

Item MessageReader::end(uint64_t type) {
  if (!is(type, FrameType::kHeaders)) return {};
  const bool trailer = state_ == State::kTrailer;
  state_ = trailer ? State::kOver : State::kContent;
  return {.kind = Item::Kind::kSectionEnd, .trailer = trailer};
}

MessageReader::End MessageReader::finish() const {
  if (frames_.is_inside_frame()) return End::kInsideFrame;
  return state_ == State::kHead ? End::kNoHead : End::kComplete;
}

}  // namespace viaduct::http3
