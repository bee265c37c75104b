// Reading the server ids of a burst of connection IDs, in as few passes of the cipher as there are.
#pragma once

#include <cstdint>
#include <span>

#include "flowsteer/quic_lb.h"
#include "flowsteer/server_id_map.h"

namespace viaduct::flowsteer {

// How far beyond the start of an ID bytes are read, whatever they are.
inline constexpr size_t kReadableId = 1 + crypto::BlockCipher::kReadable;

// A burst of IDs. Of each: its configuration, and what follows its first octet, kReadableId - 1 bytes that can be read.
struct ServerIdJobs {
  static constexpr size_t kMost = 64;

  size_t size = 0;
  const QuicLb* configs[kMost];
  const uint8_t* blocks[kMost];

  void add(const QuicLb* config, const uint8_t* block) {
    configs[size] = config;
    blocks[size++] = block;
  }
};

// What QuicLb::decode_server_id() says of each, with the ciphers of all in step. out: one for each.
void decode_server_ids(const ServerIdJobs& jobs, ServerIdBlock* out);

}  // namespace viaduct::flowsteer
