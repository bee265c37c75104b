// QUIC-LB connection IDs (draft-ietf-quic-load-balancers-21): first octet, server id, nonce, and the cipher over
// the two where a key is set.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "crypto-offload/cid_cipher.h"
#include "flowsteer/connection_id.h"

namespace viaduct::flowsteer {

// One configuration, shared by the balancer and all its servers (section 3).
struct QuicLbConfig {
  static constexpr uint8_t kMaxId = 6;
  static constexpr size_t kKeySize = 16;

  uint8_t id = 0;                // 0..6, the three high bits of the first octet
  uint8_t server_id_length = 1;  // bytes, 1..15
  uint8_t nonce_length = 4;      // bytes, 4..18; the two together at most 19
  bool encode_length = true;     // the five low bits say how long the ID is; otherwise they are random
  std::optional<std::array<uint8_t, kKeySize>> key;

  // Bytes that the cipher covers.
  size_t block_length() const { return size_t{server_id_length} + nonce_length; }
  // First octet, server id and nonce; a server may append bytes of its own.
  size_t routable_length() const { return 1 + block_length(); }
  // A block of AES's own length takes a single pass (section 5.4.1).
  bool is_single_pass() const { return block_length() == sizeof(crypto::Block); }
  // What is wrong with the values, for a configuration error; empty where nothing is.
  std::string_view problem() const;
};

// The configuration id that asks for routing by address: no QUIC-LB content follows (section 3.1).
inline constexpr uint8_t kUnroutableId = 7;

constexpr uint8_t config_id(uint8_t first_octet) { return first_octet >> 5; }
// `low_bits`: the length after the first octet where it is encoded, random otherwise.
constexpr uint8_t first_octet(uint8_t config_id, uint8_t low_bits) {
  return static_cast<uint8_t>(config_id << 5 | (low_bits & 0x1f));
}

// What a routable connection ID says.
struct ServerIdAndNonce {
  static constexpr size_t kMaxSize = 19;

  std::array<uint8_t, kMaxSize> block{};  // server id, then nonce
  uint8_t server_id_length = 0;
  uint8_t nonce_length = 0;

  Bytes server_id() const { return {block.data(), server_id_length}; }
  Bytes nonce() const { return {block.data() + server_id_length, nonce_length}; }
};

// A configuration ready for use: a cipher made once for many IDs. Calls change nothing in it.
class QuicLb {
 public:
  // config.problem() is empty.
  explicit QuicLb(const QuicLbConfig& config);

  const QuicLbConfig& config() const { return config_; }
  // Null: plaintext.
  const crypto::BlockCipher* cipher() const { return cipher_ ? &*cipher_ : nullptr; }

  // Writes the server id and the nonce, of the configured lengths, to out (block_length() bytes), encrypted where a
  // key is set (section 5.4).
  void encode(Bytes server_id, Bytes nonce, uint8_t* out) const;

  // Reads an ID with at least routable_length() bytes; what follows those is the server's own. Empty for a shorter
  // one or another configuration's (section 5.5).
  std::optional<ServerIdAndNonce> decode(Bytes connection_id) const;
  // The same for the server id alone, which takes one pass less where the server id is no longer than the nonce; the
  // nonce that comes with it is then meaningless.
  std::optional<ServerIdAndNonce> decode_server_id(Bytes connection_id) const;

 private:
  std::optional<ServerIdAndNonce> decode(Bytes connection_id, bool right_wanted) const;

  QuicLbConfig config_;
  std::optional<crypto::BlockCipher> cipher_;  // none: plaintext
};

}  // namespace viaduct::flowsteer
