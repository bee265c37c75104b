// Packet protection that lets a test change packets before they are sealed: how a peer says what it must not.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "crypto-offload/packet_protector.h"

namespace viaduct::quic::test {

class TamperingProtector : public crypto::PacketProtector {
 public:
  // header: of the packet, its protection still to come. payload: frames; what it holds afterwards is sealed, and its
  // size may not change.
  using Tamper = std::function<void(MutableBytes header, MutableBytes payload)>;
  Tamper tamper;

  std::string_view name() const override { return inner_->name(); }
  std::unique_ptr<crypto::PacketKey> make_packet_key(const crypto::RawKeys& keys) override {
    return inner_->make_packet_key(keys);
  }
  std::unique_ptr<crypto::HeaderKey> make_header_key(const crypto::RawKeys& keys) override {
    return inner_->make_header_key(keys);
  }
  void open(std::span<crypto::OpenJob> jobs) override { inner_->open(jobs); }
  void header_masks(std::span<crypto::MaskJob> jobs) override { inner_->header_masks(jobs); }
  void seal(std::span<crypto::SealJob> jobs) override {
    std::deque<std::vector<uint8_t>> payloads;
    for (crypto::SealJob& job : jobs) {
      if (!tamper) break;
      auto& payload = payloads.emplace_back();
      for (const Bytes& part : job.in) payload.insert(payload.end(), part.begin(), part.end());
      tamper({const_cast<uint8_t*>(job.associated_data.data()), job.associated_data.size()}, payload);
      job.in = {Bytes(payload), {}, {}};
    }
    inner_->seal(jobs);
  }

 private:
  // One for all of them: choosing and trying one takes longer than a handshake.
  static crypto::PacketProtector* shared() {
    static const std::unique_ptr<crypto::PacketProtector> one = crypto::make_protector();
    return one.get();
  }
  crypto::PacketProtector* inner_ = shared();
};

// Frames in place of a payload, with PADDING behind them. False where they do not fit.
inline bool replace_payload(MutableBytes payload, const std::vector<uint8_t>& frames) {
  if (frames.size() > payload.size()) return false;
  std::copy(frames.begin(), frames.end(), payload.begin());
  std::fill(payload.begin() + static_cast<ptrdiff_t>(frames.size()), payload.end(), uint8_t{0});
  return true;
}

}  // namespace viaduct::quic::test
