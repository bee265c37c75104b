// Reading the server ids of a burst of connection IDs, in as few passes of the cipher as there are.
#pragma once

#include <cstdint>
#include <span>

#include "flowsteer/quic_lb.h"
#include "flowsteer/server_id_map.h"

namespace viaduct::flowsteer {

// One ID. `id` has at least config->config().routable_length() bytes and names that configuration; kReadableId bytes
// can be read there, whatever they are.
struct ServerIdJob {
  const QuicLb* config;
  const uint8_t* id;
  ServerIdBlock server_id;  // the result
};

inline constexpr size_t kReadableId = 1 + crypto::BlockCipher::kHalvesRoom;
// Most jobs that one call takes.
inline constexpr size_t kMaxServerIdJobs = 64;

// What QuicLb::decode_server_id() says of each, with the ciphers of all in step. jobs: up to kMaxServerIdJobs.
void decode_server_ids(std::span<ServerIdJob> jobs);

}  // namespace viaduct::flowsteer
