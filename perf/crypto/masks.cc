// Header masks and the ciphers of connection IDs.
#include <immintrin.h>

#include <array>
#include <memory>
#include <random>

#include "crypto-offload/cid_cipher.h"
#include "flowsteer/server_id_decoder.h"
#include "perf/crypto/bare_cipher.h"
#include "perf/crypto/provider_worker.h"
#include "perf/crypto/suites.h"

namespace viaduct::perf {
namespace {

using crypto::Aead;
using crypto::BlockCipher;

// As many instructions as `blocks` blocks of `rounds` rounds take, eight chains in registers: the cipher without
// loading or storing anything.
[[gnu::target("aes")]] void run_aesenc(size_t blocks, size_t rounds) {
  constexpr size_t kChains = 8;
  __m128i state[kChains] = {};
  const __m128i key = _mm_set1_epi32(0x3c);
  for (__m128i& chain : state) asm volatile("" : "+x"(chain));  // to the compiler they are all different
  for (size_t round = 0; round < blocks / kChains * rounds; ++round) {
#pragma GCC unroll 8
    for (__m128i& chain : state) chain = _mm_aesenc_si128(chain, key);
  }
  for (const __m128i& chain : state) asm volatile("" ::"x"(chain));
}

std::vector<Row> bench_masks_of(Aead aead, size_t connections, size_t turns) {
  std::mt19937_64 random(connections);
  const auto raw = random_keys(aead, connections, random);
  const Buffers packets(kBurst, 64, random);
  Bursts bursts(connections, random);
  BareCipher bare(raw);
  ProviderWorker ours("ipsec-mb", raw);
  ProviderWorker openssl("openssl", raw);
  for (ProviderWorker* worker : {&ours, &openssl}) worker->prepare_masks(bursts.next(), packets);
  std::array<const uint8_t*, kBurst> samples;
  std::array<std::array<uint8_t, crypto::kMaskSize>, kBurst> masks;
  std::array<uint8_t*, kBurst> out;
  for (size_t i = 0; i < kBurst; ++i) samples[i] = packets[i], out[i] = masks[i].data();
  const std::string front = std::string("header-masks/") + name_of(aead) + "/keys=" + std::to_string(connections) + "/";
  std::vector<Case> cases = {{front + "bare", [&] { bare.masks(bursts.next(), samples.data(), out.data()); }, kBurst},
                             {front + "ipsec-mb", [&] { ours.masks(); }, kBurst},
                             {front + "openssl", [&] { openssl.masks(); }, kBurst}};
  if (aead != Aead::kChaCha20Poly1305) {
    const size_t rounds = aead == Aead::kAes128Gcm ? 10 : 14;
    cases.push_back({front + "rounds-alone", [rounds] { run_aesenc(kBurst, rounds); }, kBurst});
  }
  return measure("crypto", cases, turns);
}

// A burst of connection IDs of several configurations.
class IdBurst {
 public:
  IdBurst(size_t configurations, uint8_t server_id_length, uint8_t nonce_length, std::mt19937_64& random) {
    for (uint8_t id = 0; id < configurations; ++id) {
      flowsteer::QuicLbConfig config{.id = id, .server_id_length = server_id_length, .nonce_length = nonce_length};
      for (uint8_t& byte : config.key.emplace()) byte = static_cast<uint8_t>(random());
      configs_.push_back(std::make_unique<flowsteer::QuicLb>(config));
    }
    for (size_t i = 0; i < kBurst; ++i) {
      for (uint8_t& byte : ids_[i]) byte = static_cast<uint8_t>(random());
      jobs_.add(configs_[i % configurations].get(), ids_[i].data() + 1);
    }
  }
  void decode() {
    flowsteer::decode_server_ids(jobs_, decoded_.data());
    asm volatile("" ::"r"(decoded_.data()) : "memory");
  }
  // The blocks' part of it by OpenSSL's call for a block, one after the other.
  void decode_portably(const BlockCipher& cipher) {
    const flowsteer::QuicLbConfig& config = configs_[0]->config();
    cipher.decrypt_fronts({jobs_.blocks, jobs_.size}, config.block_length(), config.server_id_length,
                          decoded_[0].bytes.data());
  }

 private:
  std::vector<std::unique_ptr<flowsteer::QuicLb>> configs_;
  std::array<std::array<uint8_t, flowsteer::kReadableId>, kBurst> ids_;
  flowsteer::ServerIdJobs jobs_;
  std::array<flowsteer::ServerIdBlock, kBurst> decoded_;
};

struct IdKind {
  const char* name;
  uint8_t server_id_length, nonce_length;
  size_t passes;
};

}  // namespace

std::vector<Row> bench_header_masks(size_t turns) {
  std::vector<Row> rows;
  for (const Aead aead : kAeads) {
    for (const size_t connections : {size_t{1}, size_t{kBurst}}) append(rows, bench_masks_of(aead, connections, turns));
  }
  return rows;
}

// Reading the server ids of QUIC-LB connection IDs, in bursts of one configuration and of four mixed ones. What it is
// compared with is the cipher's rounds alone.
std::vector<Row> bench_connection_ids(size_t turns) {
  constexpr IdKind kKinds[] = {{"single-pass", 8, 8, 1}, {"four-pass", 3, 7, 3}, {"four-pass-18", 8, 10, 3}};
  const BlockCipher portable(std::array<uint8_t, BlockCipher::kKeySize>{7}, BlockCipher::Code::kPortable);
  std::vector<Row> rows;
  for (const IdKind& kind : kKinds) {
    std::mt19937_64 random(1);
    IdBurst one(1, kind.server_id_length, kind.nonce_length, random);
    IdBurst four(4, kind.server_id_length, kind.nonce_length, random);
    const std::string front = std::string("connection-id/") + kind.name;
    append(rows, measure("crypto",
                         {{front + "/rounds-alone", [&] { run_aesenc(kBurst, kind.passes * 10); }, kBurst},
                          {front + "/keys=1/openssl", [&] { one.decode_portably(portable); }, kBurst},
                          {front + "/keys=1/aes-ni", [&] { one.decode(); }, kBurst},
                          {front + "/keys=4/aes-ni", [&] { four.decode(); }, kBurst}},
                         turns));
  }
  return rows;
}

}  // namespace viaduct::perf
