// Which end of a connection somebody is.
#pragma once

#include <cstdint>

namespace viaduct::quic {

enum class Role : uint8_t { kClient, kServer };

constexpr Role peer_of(Role role) { return role == Role::kClient ? Role::kServer : Role::kClient; }

}  // namespace viaduct::quic
