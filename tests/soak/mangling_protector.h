// Packet protection that spoils what it protects: wrong frames behind a valid tag.
#pragma once

#include <memory>
#include <vector>

#include "base/random.h"
#include "crypto-offload/packet_protector.h"

namespace viaduct::testing {

// Seals, with a provider of the real kind, contents that a peer of good will would never send. Receiving is left alone.
class ManglingProtector : public crypto::PacketProtector {
 public:
  // Of 256 packets, `one_rtt` 1-RTT ones and `handshake` others are mangled.
  ManglingProtector(uint64_t seed, unsigned one_rtt, unsigned handshake);

  std::string_view name() const override { return "mangling"; }
  std::unique_ptr<crypto::PacketKey> make_packet_key(const crypto::RawKeys& keys) override;
  std::unique_ptr<crypto::HeaderKey> make_header_key(const crypto::RawKeys& keys) override;
  void seal(std::span<crypto::SealJob> jobs) override;
  void open(std::span<crypto::OpenJob> jobs) override { real_->open(jobs); }
  void header_masks(std::span<crypto::MaskJob> jobs) override { real_->header_masks(jobs); }

  uint64_t mangled() const { return mangled_; }

 private:
  void mangle(crypto::SealJob& job, std::vector<uint8_t>& plaintext);

  std::unique_ptr<crypto::PacketProtector> real_;
  Random random_;
  unsigned one_rtt_;
  unsigned handshake_;
  uint64_t mangled_ = 0;
  std::vector<std::vector<uint8_t>> scratch_;
};

}  // namespace viaduct::testing
