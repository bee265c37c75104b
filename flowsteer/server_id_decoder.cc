#include "flowsteer/server_id_decoder.h"

#include <algorithm>
#include <array>

namespace viaduct::flowsteer {
namespace {

// An ID of the four-pass kind under way: both halves with zeros behind them (section 5.4.2 of the draft).
struct Halves {
  ServerIdJob* job;
  uint8_t size;    // of the whole block
  uint8_t half;    // of a half, rounded up
  bool is_odd;     // the halves share the middle octet
  bool right_too;  // the server id reaches into the right half
  crypto::Block left{};
  crypto::Block right{};
};

void split(ServerIdJob& job, Halves& out) {
  const QuicLbConfig& config = job.config->config();
  out.job = &job;
  out.size = static_cast<uint8_t>(config.block_length());
  out.half = static_cast<uint8_t>((out.size + 1) / 2);
  out.is_odd = out.size % 2 != 0;
  out.right_too = config.server_id_length > config.nonce_length;
  out.left = out.right = {};
  std::memcpy(out.left.data(), job.id + 1, out.half);
  std::memcpy(out.right.data(), job.id + 1 + out.size - out.half, out.half);
  if (out.is_odd) {
    out.left[out.half - 1] &= 0xf0;
    out.right[0] &= 0x0f;
  }
}

// Mixes one half of each with a hash of the other.
void mix(std::span<Halves> all, uint8_t pass, crypto::Block Halves::* target, crypto::Block Halves::* source) {
  std::array<crypto::Block, kMaxServerIdJobs> blocks;
  std::array<crypto::BlockCipher::Job, kMaxServerIdJobs> jobs;
  for (size_t i = 0; i < all.size(); ++i) {
    blocks[i] = all[i].*source;
    blocks[i][14] = all[i].size;
    blocks[i][15] = pass;
    jobs[i] = {all[i].job->config->cipher(), &blocks[i]};
  }
  crypto::BlockCipher::encrypt_each(std::span(jobs).first(all.size()));
  const bool is_left = target == &Halves::left;
  for (size_t i = 0; i < all.size(); ++i) {
    crypto::Block& half = all[i].*target;
    for (size_t at = 0; at < all[i].half; ++at) half[at] ^= blocks[i][at];
    if (all[i].is_odd) half[is_left ? all[i].half - 1 : 0] &= is_left ? 0xf0 : 0x0f;
  }
}

// The server id, which begins in the left half.
void join(const Halves& halves) {
  const size_t length = halves.job->config->config().server_id_length;
  std::array<uint8_t, 2 * sizeof(crypto::Block)> whole{};
  std::copy_n(halves.left.begin(), halves.half, whole.begin());
  if (halves.right_too) {
    const size_t begin = halves.size - halves.half;
    for (size_t at = 0; at < halves.half; ++at) whole[begin + at] |= halves.right[at];
  }
  halves.job->server_id = ServerIdBlock({whole.data(), length});
}

void run_four_pass(std::span<Halves> all) {
  mix(all, 4, &Halves::left, &Halves::right);
  mix(all, 3, &Halves::right, &Halves::left);
  mix(all, 2, &Halves::left, &Halves::right);
  if (std::ranges::any_of(all, &Halves::right_too)) mix(all, 1, &Halves::right, &Halves::left);
  for (const Halves& halves : all) join(halves);
}

}  // namespace

void decode_server_ids(std::span<ServerIdJob> jobs) {
  std::array<Halves, kMaxServerIdJobs> four_pass;
  std::array<crypto::Block, kMaxServerIdJobs> single_pass;
  std::array<crypto::BlockCipher::Job, kMaxServerIdJobs> single_jobs;
  std::array<ServerIdJob*, kMaxServerIdJobs> single_owners;
  size_t fours = 0, singles = 0;
  for (ServerIdJob& job : jobs) {
    const QuicLbConfig& config = job.config->config();
    if (!config.key) {
      job.server_id = ServerIdBlock({job.id + 1, config.server_id_length});
    } else if (config.is_single_pass()) {
      std::memcpy(single_pass[singles].data(), job.id + 1, sizeof(crypto::Block));
      single_jobs[singles] = {job.config->cipher(), &single_pass[singles]};
      single_owners[singles++] = &job;
    } else {
      split(job, four_pass[fours++]);
    }
  }
  if (singles > 0) {
    crypto::BlockCipher::decrypt_each(std::span(single_jobs).first(singles));
    for (size_t i = 0; i < singles; ++i)
      single_owners[i]->server_id =
          ServerIdBlock({single_pass[i].data(), single_owners[i]->config->config().server_id_length});
  }
  if (fours > 0) run_four_pass(std::span(four_pass).first(fours));
}

}  // namespace viaduct::flowsteer
