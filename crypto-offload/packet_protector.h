// Packet protection (RFC 9001 section 5) over arrays of jobs, each with its own key.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/bytes.h"

namespace viaduct::crypto {

enum class Aead : uint8_t { kAes128Gcm, kAes256Gcm, kChaCha20Poly1305 };

inline constexpr size_t kTagSize = 16;
inline constexpr size_t kIvSize = 12;
inline constexpr size_t kSampleSize = 16;
inline constexpr size_t kMaskSize = 5;
inline constexpr size_t kMaxKeySize = 32;
inline constexpr size_t kSealSpans = 3;

constexpr size_t key_size(Aead aead) { return aead == Aead::kAes128Gcm ? 16 : 32; }

// Keys of one direction as the key schedule gives them (RFC 9001 section 5.1); 77 bytes, wiped when they go.
struct RawKeys {
  Aead aead = Aead::kAes128Gcm;
  std::array<uint8_t, kMaxKeySize> key{};
  std::array<uint8_t, kIvSize> iv{};
  std::array<uint8_t, kMaxKeySize> header_key{};

  ~RawKeys();
};

// An AEAD key ready for use by the protector that installed it. Movable, wiped when dropped.
class PacketKey;
// A header-protection key ready for use by the protector that installed it.
class HeaderKey;

// Encrypts in[0] | in[1] | in[2] to out, followed by the tag. `out` may be the place of in[0] where the
// others are empty; otherwise it overlaps none. Its room is the sum of the spans and kTagSize.
struct SealJob {
  const PacketKey* key = nullptr;
  uint64_t packet_number = 0;
  Bytes associated_data;
  std::array<Bytes, kSealSpans> in;
  uint8_t* out = nullptr;
};

// Decrypts in place: data is ciphertext and tag, plaintext stands at its front afterwards. Where the tag
// does not match, ok is false and data is zeroed.
struct OpenJob {
  const PacketKey* key = nullptr;
  uint64_t packet_number = 0;
  Bytes associated_data;
  MutableBytes data;
  bool ok = false;
};

// Computes the mask over a sample of kSampleSize bytes (RFC 9001 section 5.4).
struct MaskJob {
  const HeaderKey* key = nullptr;
  const uint8_t* sample = nullptr;
  std::array<uint8_t, kMaskSize> mask{};
};

// A provider's cache of expanded keys. Keys without a place in it are expanded when they are used.
struct ScheduleUse {
  size_t capacity = 0;
  size_t used = 0;
  size_t high_water = 0;
  uint64_t expanded = 0;  // how often a key was expanded: the misses
  uint64_t evicted = 0;   // how often another key lost its place for it
};

struct ProtectorOptions {
  // Places for expanded packet keys, 1,280 bytes each, and as many for header keys, 256 bytes each, where the provider
  // keeps them apart.
  size_t schedules = 4096;
};

// One worker's packet protection. Calls are that worker's alone. The keys that it made go before it.
class PacketProtector {
 public:
  virtual ~PacketProtector() = default;

  // "openssl"; "ipsec-mb", or with its instruction-set class forced "ipsec-mb-sse", "-avx2" or "-avx512"; where AES-GCM
  // is ours on some or all sizes of packets, a name that begins with "vaes".
  virtual std::string_view name() const = 0;

  virtual std::unique_ptr<PacketKey> make_packet_key(const RawKeys& keys) = 0;
  virtual std::unique_ptr<HeaderKey> make_header_key(const RawKeys& keys) = 0;

  virtual void seal(std::span<SealJob> jobs) = 0;
  virtual void open(std::span<OpenJob> jobs) = 0;
  virtual void header_masks(std::span<MaskJob> jobs) = 0;

  // All zero where the provider keeps every key expanded. Any thread.
  virtual ScheduleUse schedule_use() const { return {}; }         // of packet keys
  virtual ScheduleUse header_schedule_use() const { return {}; }  // of header keys
};

// The named provider, or with an empty name the best one that this CPU has and whose self-test passes.
// Null for a name that is not known or not usable here.
std::unique_ptr<PacketProtector> make_protector(std::string_view name = {}, const ProtectorOptions& options = {});

class PacketKey {
 public:
  virtual ~PacketKey() = default;
  Aead aead = Aead::kAes128Gcm;
};

class HeaderKey {
 public:
  virtual ~HeaderKey() = default;
  Aead aead = Aead::kAes128Gcm;
};

}  // namespace viaduct::crypto
