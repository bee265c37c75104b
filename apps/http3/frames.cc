#include "apps/http3/frames.h"

#include <algorithm>

namespace viaduct::http3 {

std::optional<uint64_t> VarintReader::next(Bytes& input) {
  if (input.empty()) return std::nullopt;
  if (missing_ == 0) {
    missing_ = static_cast<uint8_t>((1u << (input[0] >> 6)) - 1);
    value_ = input[0] & 0x3f;
    input = input.subspan(1);
  }
  const size_t count = std::min<size_t>(missing_, input.size());
  for (const uint8_t byte : input.first(count)) value_ = value_ << 8 | byte;
  input = input.subspan(count);
  missing_ = static_cast<uint8_t>(missing_ - count);
  if (missing_ > 0) return std::nullopt;
  return value_;
}

FrameReader::Item FrameReader::next(Bytes& input) {
  if (state_ == State::kType) {
    const auto type = varint_.next(input);
    if (!type) return {};
    type_ = *type;
    state_ = State::kLength;
  }
  if (state_ == State::kLength) {
    const auto length = varint_.next(input);
    if (!length) return {};
    remaining_ = *length;
    state_ = State::kPayload;
    return {Item::Kind::kBegin, type_, remaining_, {}};
  }
  if (remaining_ == 0) {
    state_ = State::kType;
    return {Item::Kind::kEnd, type_, 0, {}};
  }
  if (input.empty()) return {};
  const Bytes part = input.first(static_cast<size_t>(std::min<uint64_t>(remaining_, input.size())));
  input = input.subspan(part.size());
  remaining_ -= part.size();
  return {Item::Kind::kPayload, type_, remaining_, part};
}

Bytes only_section(Bytes message) {
  ByteReader reader(message);
  if (reader.u8() != static_cast<uint8_t>(FrameType::kHeaders)) return {};
  const uint64_t length = reader.varint();
  return reader.ok() && length == reader.remaining() ? reader.rest() : Bytes{};
}

void write_integer_frame(ByteWriter& out, FrameType type, uint64_t value) {
  write_frame_header(out, type, varint_size(value));
  out.varint(value);
}

}  // namespace viaduct::http3
