// A provider with keys of many connections, and what a worker does to a burst of their packets.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/packet.h"
#include "crypto-offload/packet_protector.h"
#include "perf/crypto/buffers.h"
#include "perf/harness/measure.h"

namespace viaduct::perf {

inline constexpr size_t kHeaderSize = 20;      // a short header, or so: the associated data
inline constexpr size_t kFrameHeaderSize = 8;  // of a STREAM frame
inline constexpr size_t kPacketNumberSize = 2;
inline constexpr size_t kSampleOffset = kHeaderSize - kPacketNumberSize + 4;

class ProviderWorker {
 public:
  ProviderWorker(const std::string& provider, const std::vector<crypto::RawKeys>& raw, size_t schedules = 4096);

  // False where this CPU has no such provider; nothing else may be called then.
  bool usable() const { return protector_ != nullptr; }

  // Packet i of the burst belongs to connection connections[i]; seals and masks it. `split`: the text begins with a
  // frame header elsewhere.
  void seal(std::span<const uint32_t> connections, const Buffers& packets, const Buffers& texts, size_t size,
            bool split);
  // Removes header protection and opens in place; packets hold what seal() made of the first burst.
  void open(std::span<const uint32_t> connections, const Buffers& packets, size_t size);
  // Masks alone, of a burst that was prepared, as the bare cipher's is.
  void prepare_masks(std::span<const uint32_t> connections, const Buffers& packets);
  void masks();

 private:
  std::unique_ptr<crypto::PacketProtector> protector_;
  std::vector<std::unique_ptr<crypto::PacketKey>> keys_;
  std::vector<std::unique_ptr<crypto::HeaderKey>> header_keys_;
  std::array<std::array<uint8_t, kFrameHeaderSize>, kBurst> frame_headers_{};
  uint64_t packet_number_ = 0;
  // Filled anew for each burst; kept, because making them anew would cost as much as a mask.
  std::array<crypto::SealJob, kBurst> seals_;
  std::array<crypto::OpenJob, kBurst> opens_;
  std::array<crypto::MaskJob, kBurst> masks_;
};

// Bursts over connections: with as many as a burst has packets, each has one; with more, they are drawn.
class Bursts {
 public:
  Bursts(size_t connections, std::mt19937_64& random);
  std::span<const uint32_t> next() {
    at_ = at_ + kBurst >= order_.size() ? 0 : at_ + kBurst;
    return std::span<const uint32_t>(order_).subspan(at_, kBurst);
  }

 private:
  std::vector<uint32_t> order_;
  size_t at_ = 0;
};

inline constexpr crypto::Aead kAeads[] = {crypto::Aead::kAes128Gcm, crypto::Aead::kAes256Gcm,
                                          crypto::Aead::kChaCha20Poly1305};
const char* name_of(crypto::Aead aead);
std::vector<crypto::RawKeys> random_keys(crypto::Aead aead, size_t count, std::mt19937_64& random);
// A case's name, such as seal/aes-128-gcm/1200/keys=32/openssl/one-span.
std::string case_path(const char* operation, crypto::Aead aead, size_t size, size_t keys, const std::string& what);
void append(std::vector<Row>& rows, std::vector<Row> more);

}  // namespace viaduct::perf
