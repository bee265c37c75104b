// Stream IDs (RFC 9000 section 2.1): bit 0 says who opened the stream, bit 1 whether it has one direction.
#pragma once

#include <cstdint>

#include "engine/wire/role.h"

namespace viaduct::quic {

constexpr Role initiator_of(uint64_t stream) { return (stream & 1) ? Role::kServer : Role::kClient; }
constexpr bool is_unidirectional(uint64_t stream) { return (stream & 2) != 0; }
// How many streams of its kind come before it.
constexpr uint64_t stream_index(uint64_t stream) { return stream >> 2; }
constexpr uint64_t make_stream_id(Role initiator, bool unidirectional, uint64_t index) {
  return index << 2 | (unidirectional ? 2 : 0) | (initiator == Role::kServer ? 1 : 0);
}

// Whether `role` sends, or receives, stream bytes on it.
constexpr bool can_send(uint64_t stream, Role role) {
  return !is_unidirectional(stream) || initiator_of(stream) == role;
}
constexpr bool can_receive(uint64_t stream, Role role) {
  return !is_unidirectional(stream) || initiator_of(stream) != role;
}

}  // namespace viaduct::quic
