#include "flowsteer/server_id_decoder.h"

#include <algorithm>
#include <array>

namespace viaduct::flowsteer {
namespace {

using Halves = crypto::BlockCipher::Halves;

// An encrypted ID of the four-pass kind (section 5.4.2 of the draft), cut into halves.
void split(const ServerIdJob& job, Halves& halves) {
  const size_t size = job.config->config().block_length(), half = (size + 1) / 2;
  std::memcpy(halves.left.data(), job.id + 1, half);
  std::memcpy(halves.right.data(), job.id + 1 + size - half, half);
  if (size % 2 == 0) return;
  halves.left[half - 1] &= 0xf0;
  halves.right[0] &= 0x0f;
}

// The server id begins in the left half and may reach into the right one.
void join(const Halves& halves, ServerIdJob& job) {
  const QuicLbConfig& config = job.config->config();
  const size_t size = config.block_length(), half = (size + 1) / 2, length = config.server_id_length;
  std::array<uint8_t, 2 * sizeof(crypto::Block)> whole{};
  std::memcpy(whole.data(), halves.left.data(), sizeof halves.left);
  if (length > half - size % 2) {
    for (size_t at = 0; at < half; ++at) whole[size - half + at] |= halves.right[at];
  }
  job.server_id = ServerIdBlock({whole.data(), length});
}

// Jobs of the same kind and a cipher: at most kMaxServerIdJobs.
void run_four_pass(std::span<ServerIdJob* const> jobs) {
  std::array<Halves, kMaxServerIdJobs> halves;
  std::array<crypto::BlockCipher::HalvesJob, kMaxServerIdJobs> ciphers;
  bool all_passes = false;
  for (size_t i = 0; i < jobs.size(); ++i) {
    const QuicLbConfig& config = jobs[i]->config->config();
    split(*jobs[i], halves[i]);
    ciphers[i] = {jobs[i]->config->cipher(), &halves[i], static_cast<uint8_t>(config.block_length())};
    all_passes |= config.server_id_length > config.nonce_length;
  }
  crypto::BlockCipher::unmix_each(std::span(ciphers).first(jobs.size()), all_passes);
  for (size_t i = 0; i < jobs.size(); ++i) join(halves[i], *jobs[i]);
}

void run_single_pass(std::span<ServerIdJob* const> jobs) {
  std::array<crypto::Block, kMaxServerIdJobs> blocks;
  std::array<crypto::BlockCipher::Job, kMaxServerIdJobs> ciphers;
  for (size_t i = 0; i < jobs.size(); ++i) {
    std::memcpy(blocks[i].data(), jobs[i]->id + 1, sizeof blocks[i]);
    ciphers[i] = {jobs[i]->config->cipher(), &blocks[i]};
  }
  crypto::BlockCipher::decrypt_each(std::span(ciphers).first(jobs.size()));
  for (size_t i = 0; i < jobs.size(); ++i)
    jobs[i]->server_id = ServerIdBlock({blocks[i].data(), jobs[i]->config->config().server_id_length});
}

}  // namespace

void decode_server_ids(std::span<ServerIdJob> jobs) {
  std::array<ServerIdJob*, kMaxServerIdJobs> four_pass, single_pass;
  size_t fours = 0, singles = 0;
  for (ServerIdJob& job : jobs) {
    const QuicLbConfig& config = job.config->config();
    if (!config.key) {
      job.server_id = ServerIdBlock({job.id + 1, config.server_id_length});
    } else if (config.is_single_pass()) {
      single_pass[singles++] = &job;
    } else {
      four_pass[fours++] = &job;
    }
  }
  if (singles > 0) run_single_pass(std::span(single_pass).first(singles));
  if (fours > 0) run_four_pass(std::span(four_pass).first(fours));
}

}  // namespace viaduct::flowsteer
