// What these tests' packets measure.
#pragma once

#include <cstdint>

namespace viaduct::quic {

inline constexpr uint64_t kPacketSize = 1200;  // bytes

}  // namespace viaduct::quic
