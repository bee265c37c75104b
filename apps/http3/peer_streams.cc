#include "apps/http3/peer_streams.h"

#include <algorithm>

namespace viaduct::http3 {
namespace {

// RFC 9114 section 6.2, RFC 9204 section 4.2.
enum class StreamType : uint64_t { kControl = 0x00, kPush = 0x01, kQpackEncoder = 0x02, kQpackDecoder = 0x03 };

bool has_integer_payload(uint64_t type) {
  switch (static_cast<FrameType>(type)) {
    case FrameType::kGoaway:
    case FrameType::kMaxPushId:
    case FrameType::kCancelPush:
      return true;
    default:
      return false;
  }
}

bool is_priority_update(uint64_t type) {
  return type == static_cast<uint64_t>(FrameType::kPriorityUpdateRequest) ||
         type == static_cast<uint64_t>(FrameType::kPriorityUpdatePush);
}

// Our table has no room, so all that an encoder may say is that it takes none: Set Dynamic Table Capacity 0
// (RFC 9204 section 4.3.1). Whatever else is an insertion, a duplicate or a capacity beyond ours.
bool is_valid_encoder_stream(Bytes bytes) {
  return std::ranges::all_of(bytes, [](uint8_t byte) { return byte == 0x20; });
}

}  // namespace

PeerStreams::Outcome PeerStreams::on_data(uint64_t stream, Bytes bytes, bool fin, IdleFrames& idle) {
  if (is_ignored(stream)) return {};
  if (!is_critical(stream)) {
    Untyped* untyped = find_untyped(stream);
    if (!untyped) {
      untyped = find_untyped(kNone);
      if (!untyped) return {.error = Error::kExcessiveLoad};
      *untyped = {.stream = stream};
    }
    const auto type = untyped->type.next(bytes);
    if (!type) {
      if (fin) *untyped = {};  // ended before its type was known: tolerated (RFC 9114 section 6.2)
      return {};
    }
    *untyped = {};
    const Outcome outcome = on_type(stream, *type);
    if (outcome.error || outcome.stop) return outcome;
  }
  Outcome outcome;
  if (stream == control_) outcome.error = on_control(bytes, idle);
  if (stream == encoder_ && !is_valid_encoder_stream(bytes)) outcome.error = Error::kQpackEncoderStreamError;
  if (stream == decoder_) outcome.error = on_decoder_instructions(bytes);
  if (!outcome.error && fin) outcome.error = Error::kClosedCriticalStream;
  return outcome;
}

PeerStreams::Outcome PeerStreams::on_reset(uint64_t stream) {
  if (is_critical(stream)) return {.error = Error::kClosedCriticalStream};
  if (Untyped* untyped = find_untyped(stream)) *untyped = {};
  return {};
}

PeerStreams::Outcome PeerStreams::on_type(uint64_t stream, uint64_t type) {
  switch (static_cast<StreamType>(type)) {
    case StreamType::kControl:
      return claim(control_, stream);
    case StreamType::kQpackEncoder:
      return claim(encoder_, stream);
    case StreamType::kQpackDecoder:
      return claim(decoder_, stream);
    case StreamType::kPush:
      // Only servers push (RFC 9114 section 6.2.2), and our clients never allow it (section 4.6).
      return {.error = self_ == Role::kServer ? Error::kStreamCreationError : Error::kIdError};
  }
  ignore(stream);
  return {.stop = true};
}

// One of each kind (RFC 9114 section 6.2.1, RFC 9204 section 4.2).
PeerStreams::Outcome PeerStreams::claim(uint64_t& slot, uint64_t stream) {
  if (slot != kNone) return {.error = Error::kStreamCreationError};
  slot = stream;
  return {};
}

std::optional<Error> PeerStreams::on_control(Bytes bytes, IdleFrames& idle) {
  for (;;) {
    const FrameReader::Item item = frames_.next(bytes);
    std::optional<Error> error;
    switch (item.kind) {
      case FrameReader::Item::Kind::kNone:
        return std::nullopt;
      case FrameReader::Item::Kind::kBegin:
        error = begin_frame(item.type, item.length, idle);
        break;
      case FrameReader::Item::Kind::kPayload:
        error = on_payload(item.type, item.bytes);
        break;
      case FrameReader::Item::Kind::kEnd:
        error = end_frame(item.type);
        break;
    }
    if (error) return error;
  }
}

// What may stand on a control stream: RFC 9114 sections 6.2.1 and 7.2, RFC 9218 section 7.
std::optional<Error> PeerStreams::begin_frame(uint64_t type, uint64_t length, IdleFrames& idle) {
  const bool is_settings = type == static_cast<uint64_t>(FrameType::kSettings);
  if (state_ == ControlState::kFirstFrame) {
    if (!is_settings) return Error::kMissingSettings;
    if (length > kMaxSettingsSize) return Error::kExcessiveLoad;
    state_ = ControlState::kSettings;
    return std::nullopt;
  }
  if (is_settings || is_reserved_http2_frame(type)) return Error::kFrameUnexpected;
  has_integer_ = false;
  integer_ = {};
  switch (static_cast<FrameType>(type)) {
    case FrameType::kData:
    case FrameType::kHeaders:
    case FrameType::kPushPromise:
      return Error::kFrameUnexpected;
    case FrameType::kMaxPushId:
      if (self_ == Role::kClient) return Error::kFrameUnexpected;
      [[fallthrough]];
    case FrameType::kGoaway:
    case FrameType::kCancelPush:
      if (length == 0 || length > 8) return Error::kFrameError;
      break;
    case FrameType::kPriorityUpdateRequest:
    case FrameType::kPriorityUpdatePush:
      if (self_ == Role::kClient) return Error::kFrameUnexpected;
      if (length > kMaxPriorityUpdateSize) return Error::kExcessiveLoad;
      break;
    default:
      break;
  }
  if (!idle.count()) return Error::kExcessiveLoad;
  return std::nullopt;
}

std::optional<Error> PeerStreams::on_payload(uint64_t type, Bytes payload) {
  if (state_ == ControlState::kSettings) return settings_.read(payload);
  const bool is_integer = has_integer_payload(type);
  if (!is_integer && (!is_priority_update(type) || has_integer_)) return std::nullopt;
  if (const auto value = integer_.next(payload)) {
    has_integer_ = true;
    integer_value_ = *value;
  }
  // The payload is the integer and nothing else (RFC 9114 section 7.1).
  return is_integer && !payload.empty() ? std::optional(Error::kFrameError) : std::nullopt;
}

std::optional<Error> PeerStreams::end_frame(uint64_t type) {
  if (state_ == ControlState::kSettings) {
    state_ = ControlState::kOpen;
    return settings_.finish();
  }
  if (!has_integer_payload(type) && !is_priority_update(type)) return std::nullopt;
  if (!has_integer_ || integer_.is_partial()) return Error::kFrameError;
  return on_integer(static_cast<FrameType>(type), integer_value_);
}

std::optional<Error> PeerStreams::on_integer(FrameType type, uint64_t value) {
  switch (type) {
    case FrameType::kGoaway:  // section 7.2.6: a client-initiated bidirectional stream; section 5.2: never grows
      if (self_ == Role::kClient && value % 4 != 0) return Error::kIdError;
      if (goaway_ && value > *goaway_) return Error::kIdError;
      goaway_ = value;
      return std::nullopt;
    case FrameType::kMaxPushId:  // section 7.2.7: never shrinks
      if (max_push_id_ && value < *max_push_id_) return Error::kIdError;
      max_push_id_ = value;
      return std::nullopt;
    case FrameType::kPriorityUpdateRequest:  // RFC 9218 section 7.2
      return value % 4 == 0 ? std::nullopt : std::optional(Error::kIdError);
    default:
      // CANCEL_PUSH and PRIORITY_UPDATE name pushes, and none was ever promised or allowed.
      return Error::kIdError;
  }
}

// Our encoder inserts nothing, so there is nothing to acknowledge; a stream may be cancelled at any time
// (RFC 9204 section 4.4).
std::optional<Error> PeerStreams::on_decoder_instructions(Bytes bytes) {
  static constexpr uint8_t kMostBytes = 10;
  for (const uint8_t byte : bytes) {
    if (instruction_bytes_ > 0) {
      if (++instruction_bytes_ > kMostBytes) return Error::kQpackDecoderStreamError;
      if (!(byte & 0x80)) instruction_bytes_ = 0;
      continue;
    }
    const bool is_cancellation = (byte & 0xc0) == 0x40;
    if (!is_cancellation) return Error::kQpackDecoderStreamError;
    if ((byte & 0x3f) == 0x3f) instruction_bytes_ = 1;
  }
  return std::nullopt;
}

bool PeerStreams::is_critical(uint64_t stream) const {
  return stream == control_ || stream == encoder_ || stream == decoder_;
}

PeerStreams::Untyped* PeerStreams::find_untyped(uint64_t stream) {
  const auto found = std::ranges::find(untyped_, stream, &Untyped::stream);
  return found == untyped_.end() ? nullptr : &*found;
}

bool PeerStreams::is_ignored(uint64_t stream) const {
  return std::ranges::find(ignored_, static_cast<uint32_t>(stream / 4 + 1)) != ignored_.end();
}

void PeerStreams::ignore(uint64_t stream) {
  ignored_[ignored_next_] = static_cast<uint32_t>(stream / 4 + 1);
  ignored_next_ = static_cast<uint8_t>((ignored_next_ + 1) % kRemembered);
}

}  // namespace viaduct::http3
