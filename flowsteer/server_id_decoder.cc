#include "flowsteer/server_id_decoder.h"

#include <utility>

namespace viaduct::flowsteer {
namespace {

void decode(const QuicLb& quic_lb, std::span<const uint8_t* const> blocks, ServerIdBlock* out) {
  static_assert(sizeof(ServerIdBlock) == sizeof(crypto::Block));
  const QuicLbConfig& config = quic_lb.config();
  if (quic_lb.cipher())
    return quic_lb.cipher()->decrypt_fronts(blocks, config.block_length(), config.server_id_length, out->bytes.data());
  for (const uint8_t* block : blocks) *out++ = ServerIdBlock::front_of(block, config.server_id_length);
}

bool are_alike(const ServerIdJobs& jobs) {
  bool is_other = false;
  for (size_t i = 1; i < jobs.size; ++i) is_other |= jobs.configs[i] != jobs.configs[0];
  return !is_other;
}

// One configuration after the other: there are never many.
void decode_mixed(const ServerIdJobs& jobs, ServerIdBlock* out) {
  uint8_t left[ServerIdJobs::kMost], batch[ServerIdJobs::kMost];
  for (size_t i = 0; i < jobs.size; ++i) left[i] = static_cast<uint8_t>(i);
  for (size_t left_size = jobs.size; left_size > 0;) {
    const QuicLb* config = jobs.configs[left[0]];
    const uint8_t* blocks[ServerIdJobs::kMost];
    size_t size = 0;
    const size_t count = std::exchange(left_size, 0);
    for (size_t n = 0; n < count; ++n) {
      const uint8_t i = left[n];
      const bool is_alike = jobs.configs[i] == config;
      batch[size] = left[left_size] = i;
      blocks[size] = jobs.blocks[i];
      size += is_alike;
      left_size += !is_alike;
    }
    ServerIdBlock decoded[ServerIdJobs::kMost];
    decode(*config, {blocks, size}, decoded);
    for (size_t n = 0; n < size; ++n) out[batch[n]] = decoded[n];
  }
}

}  // namespace

void decode_server_ids(const ServerIdJobs& jobs, ServerIdBlock* out) {
  if (jobs.size == 0) return;
  are_alike(jobs) ? decode(*jobs.configs[0], {jobs.blocks, jobs.size}, out) : decode_mixed(jobs, out);
}

}  // namespace viaduct::flowsteer
