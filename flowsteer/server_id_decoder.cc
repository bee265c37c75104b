#include "flowsteer/server_id_decoder.h"

#include <array>
#include <utility>

namespace viaduct::flowsteer {
namespace {

using Halves = crypto::BlockCipher::Halves;

// Jobs of one configuration, and where their blocks are.
struct Batch {
  const QuicLb* quic_lb = nullptr;
  size_t size = 0;
  ServerIdJob* jobs[kMaxServerIdJobs];
  const uint8_t* blocks[kMaxServerIdJobs];

  void add(ServerIdJob& job) {
    jobs[size] = &job;
    blocks[size++] = job.id + 1;
  }
};

// The server id begins in the left half and may reach into the right one (section 5.4.2 of the draft).
ServerIdBlock server_id_of(const Halves& halves, const QuicLbConfig& config) {
  const size_t size = config.block_length(), half = (size + 1) / 2, length = config.server_id_length;
  if (length <= half - size % 2) return ServerIdBlock::front_of(halves.left.data(), length);
  std::array<uint8_t, 2 * sizeof(crypto::Block)> whole{};
  std::memcpy(whole.data(), halves.left.data(), sizeof halves.left);
  for (size_t at = 0; at < half; ++at) whole[size - half + at] |= halves.right[at];
  return ServerIdBlock::front_of(whole.data(), length);
}

void decode(const Batch& batch) {
  const QuicLbConfig& config = batch.quic_lb->config();
  const crypto::BlockCipher& cipher = *batch.quic_lb->cipher();
  const std::span blocks(batch.blocks, batch.size);
  if (config.is_single_pass()) {
    crypto::Block plain[kMaxServerIdJobs];
    cipher.decrypt(blocks, plain);
    for (size_t i = 0; i < batch.size; ++i)
      batch.jobs[i]->server_id = ServerIdBlock::front_of(plain[i].data(), config.server_id_length);
  } else {
    Halves halves[kMaxServerIdJobs];
    const bool is_right_wanted = config.server_id_length > config.nonce_length;
    cipher.unmix(blocks, config.block_length(), is_right_wanted, halves);
    for (size_t i = 0; i < batch.size; ++i) batch.jobs[i]->server_id = server_id_of(halves[i], config);
  }
}

}  // namespace

// One configuration after the other: nearly always there is one, and never are there many.
void decode_server_ids(std::span<ServerIdJob> jobs) {
  Batch batch;
  ServerIdJob* others[kMaxServerIdJobs];
  size_t left = 0;
  const auto sort = [&](ServerIdJob& job) {
    if (!batch.quic_lb) batch.quic_lb = job.config;
    if (job.config == batch.quic_lb)
      batch.add(job);
    else
      others[left++] = &job;
  };
  for (ServerIdJob& job : jobs) {
    if (job.config == batch.quic_lb || job.config->cipher())
      sort(job);
    else
      job.server_id = ServerIdBlock::front_of(job.id + 1, job.config->config().server_id_length);
  }
  while (batch.size > 0) {
    decode(batch);
    batch.quic_lb = nullptr;
    batch.size = 0;
    const size_t count = std::exchange(left, 0);
    for (size_t i = 0; i < count; ++i) sort(*others[i]);
  }
}

}  // namespace viaduct::flowsteer
