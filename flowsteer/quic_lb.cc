#include "flowsteer/quic_lb.h"

#include <algorithm>
#include <cstring>

namespace viaduct::flowsteer {
namespace {

// The four passes over a block of any other length than AES's (section 5.4.2): two halves, each mixed in turn with a
// hash of the other. In a block of odd length the halves share the middle octet, left has its high nibble.
class FourPass {
 public:
  FourPass(const crypto::BlockCipher& cipher, MutableBytes block)
      : cipher_(cipher), block_(block), half_((block.size() + 1) / 2), odd_(block.size() % 2 != 0) {
    std::copy_n(block.begin(), half_, left_.begin());
    std::copy_n(block.end() - static_cast<ptrdiff_t>(half_), half_, right_.begin());
    trim_left();
    trim_right();
  }

  void mix_left(uint8_t pass) {
    mix(left_, right_, pass);
    trim_left();
  }
  void mix_right(uint8_t pass) {
    mix(right_, left_, pass);
    trim_right();
  }
  // Writes the halves back.
  void join() {
    std::copy_n(right_.begin(), half_, block_.end() - static_cast<ptrdiff_t>(half_));
    std::copy_n(left_.begin(), half_ - odd_, block_.begin());
    if (odd_) block_[half_ - 1] = left_[half_ - 1] | right_[0];
  }

 private:
  static constexpr size_t kMaxHalf = 10;
  using Half = std::array<uint8_t, kMaxHalf>;

  void mix(Half& half, const Half& other, uint8_t pass) const {
    crypto::Block expanded{};
    std::copy_n(other.begin(), half_, expanded.begin());
    expanded[14] = static_cast<uint8_t>(block_.size());
    expanded[15] = pass;
    const uint8_t* in = expanded.data();
    cipher_.encrypt({&in, 1}, &expanded);
    for (size_t i = 0; i < half_; ++i) half[i] ^= expanded[i];
  }
  void trim_left() {
    if (odd_) left_[half_ - 1] &= 0xf0;
  }
  void trim_right() {
    if (odd_) right_[0] &= 0x0f;
  }

  const crypto::BlockCipher& cipher_;
  MutableBytes block_;
  size_t half_;
  bool odd_;
  Half left_{};
  Half right_{};
};

// A block of AES's own length takes a single pass (section 5.4.1).
bool is_single_pass(Bytes block) { return block.size() == sizeof(crypto::Block); }

void encrypt(const crypto::BlockCipher& cipher, MutableBytes block) {
  if (is_single_pass(block)) {
    crypto::Block aes;
    const uint8_t* in = block.data();
    cipher.encrypt({&in, 1}, &aes);
    std::copy(aes.begin(), aes.end(), block.begin());
    return;
  }
  FourPass passes(cipher, block);
  passes.mix_right(1);
  passes.mix_left(2);
  passes.mix_right(3);
  passes.mix_left(4);
  passes.join();
}

// The same backwards. The last pass changes nothing but the right half.
void decrypt(const crypto::BlockCipher& cipher, MutableBytes block, bool right_wanted) {
  if (is_single_pass(block)) {
    crypto::Block aes;
    const uint8_t* in = block.data();
    cipher.decrypt({&in, 1}, &aes);
    std::copy(aes.begin(), aes.end(), block.begin());
    return;
  }
  FourPass passes(cipher, block);
  passes.mix_left(4);
  passes.mix_right(3);
  passes.mix_left(2);
  if (right_wanted) passes.mix_right(1);
  passes.join();
}

}  // namespace

std::string_view QuicLbConfig::problem() const {
  if (id > kMaxId) return "the configuration id must be 0 to 6";
  if (server_id_length < 1 || server_id_length > 15) return "the server id must have 1 to 15 bytes";
  if (nonce_length < 4 || nonce_length > 18) return "the nonce must have 4 to 18 bytes";
  if (block_length() > ServerIdAndNonce::kMaxSize) return "server id and nonce together must have at most 19 bytes";
  return {};
}

QuicLb::QuicLb(const QuicLbConfig& config) : config_(config) {
  if (config.key) cipher_.emplace(*config.key);
}

void QuicLb::encode(Bytes server_id, Bytes nonce, uint8_t* out) const {
  std::copy(server_id.begin(), server_id.end(), out);
  std::copy(nonce.begin(), nonce.end(), out + server_id.size());
  if (cipher_) encrypt(*cipher_, {out, config_.block_length()});
}

std::optional<ServerIdAndNonce> QuicLb::decode(Bytes connection_id) const { return decode(connection_id, true); }

std::optional<ServerIdAndNonce> QuicLb::decode_server_id(Bytes connection_id) const {
  return decode(connection_id, config_.server_id_length > config_.nonce_length);
}

std::optional<ServerIdAndNonce> QuicLb::decode(Bytes connection_id, bool right_wanted) const {
  if (connection_id.size() < config_.routable_length() || config_id(connection_id[0]) != config_.id)
    return std::nullopt;
  ServerIdAndNonce result;
  result.server_id_length = config_.server_id_length;
  result.nonce_length = config_.nonce_length;
  const MutableBytes block(result.block.data(), config_.block_length());
  std::memcpy(block.data(), &connection_id[1], block.size());
  if (cipher_) decrypt(*cipher_, block, right_wanted);
  return result;
}

}  // namespace viaduct::flowsteer
