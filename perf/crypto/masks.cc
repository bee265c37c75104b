// Header masks and the ciphers of connection IDs.
#include <array>
#include <random>

#include "crypto-offload/cid_cipher.h"
#include "perf/crypto/bare_cipher.h"
#include "perf/crypto/provider_worker.h"
#include "perf/crypto/suites.h"

namespace viaduct::perf {
namespace {

using crypto::Aead;
using crypto::Block;
using crypto::BlockCipher;

std::vector<Row> bench_masks_of(Aead aead, size_t connections, size_t turns) {
  std::mt19937_64 random(connections);
  const auto raw = random_keys(aead, connections, random);
  const Buffers packets(kBurst, 64, random);
  Bursts bursts(connections, random);
  BareCipher bare(raw);
  ProviderWorker ours("ipsec-mb", raw);
  ProviderWorker openssl("openssl", raw);
  std::array<const uint8_t*, kBurst> samples;
  std::array<std::array<uint8_t, crypto::kMaskSize>, kBurst> masks;
  std::array<uint8_t*, kBurst> out;
  for (size_t i = 0; i < kBurst; ++i) samples[i] = packets[i], out[i] = masks[i].data();
  const std::string front = std::string("header-masks/") + name_of(aead) + "/keys=" + std::to_string(connections) + "/";
  return measure("crypto",
                 {{front + "bare", [&] { bare.masks(bursts.next(), samples.data(), out.data()); }, kBurst},
                  {front + "ipsec-mb", [&] { ours.masks(bursts.next(), packets); }, kBurst},
                  {front + "openssl", [&] { openssl.masks(bursts.next(), packets); }, kBurst}},
                 turns);
}

std::vector<BlockCipher> ciphers(size_t count, BlockCipher::Code code, std::mt19937_64& random) {
  std::vector<BlockCipher> made;
  for (size_t i = 0; i < count; ++i) {
    std::array<uint8_t, BlockCipher::kKeySize> key;
    for (uint8_t& byte : key) byte = static_cast<uint8_t>(random());
    made.emplace_back(key, code);
  }
  return made;
}

// The blocks of a burst, each with the cipher of its configuration.
class IdBurst {
 public:
  IdBurst(const std::vector<BlockCipher>& ciphers) {
    for (size_t i = 0; i < kBurst; ++i) jobs_[i] = {&ciphers[i % ciphers.size()], &blocks_[i]};
  }
  void single_pass() { BlockCipher::decrypt_each(jobs_); }
  // Three encryptions that depend on each other read a server id.
  void four_pass() {
    for (int pass = 0; pass < 3; ++pass) BlockCipher::encrypt_each(jobs_);
  }

 private:
  std::array<Block, kBurst> blocks_{};
  std::array<BlockCipher::Job, kBurst> jobs_;
};

}  // namespace

std::vector<Row> bench_header_masks(size_t turns) {
  std::vector<Row> rows;
  for (const Aead aead : kAeads) {
    for (const size_t connections : {size_t{1}, size_t{kBurst}}) append(rows, bench_masks_of(aead, connections, turns));
  }
  return rows;
}

// The cipher's part of reading QUIC-LB connection IDs in bursts of one configuration and of four mixed ones.
std::vector<Row> bench_connection_ids(size_t turns) {
  std::vector<Row> rows;
  for (const size_t configurations : {size_t{1}, size_t{4}}) {
    std::mt19937_64 random(1);
    const auto best = ciphers(configurations, BlockCipher::Code::kBest, random);
    const auto portable = ciphers(configurations, BlockCipher::Code::kPortable, random);
    IdBurst ours(best);
    IdBurst reference(portable);
    const std::string keys = "/keys=" + std::to_string(configurations) + "/";
    append(rows, measure("crypto",
                         {{"connection-id/four-pass" + keys + "openssl", [&] { reference.four_pass(); }, kBurst},
                          {"connection-id/four-pass" + keys + "aes-ni", [&] { ours.four_pass(); }, kBurst}},
                         turns));
    append(rows, measure("crypto",
                         {{"connection-id/single-pass" + keys + "openssl", [&] { reference.single_pass(); }, kBurst},
                          {"connection-id/single-pass" + keys + "aes-ni", [&] { ours.single_pass(); }, kBurst}},
                         turns));
  }
  return rows;
}

}  // namespace viaduct::perf
