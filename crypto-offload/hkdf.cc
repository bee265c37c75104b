// The low-level hashes: their state is a value that can be copied, which EVP's is only by way of the heap.
#include "crypto-offload/hkdf.h"

#include <openssl/crypto.h>

#include <algorithm>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace viaduct::crypto {
namespace {

constexpr size_t kSha256Block = 64;
constexpr size_t kSha384Block = 128;
constexpr uint8_t kInnerPad = 0x36;
constexpr uint8_t kOuterPad = 0x5c;

void start(SHA256_CTX& state) { SHA256_Init(&state); }
void update(SHA256_CTX& state, Bytes bytes) { SHA256_Update(&state, bytes.data(), bytes.size()); }
void finish(SHA256_CTX& state, uint8_t* digest) { SHA256_Final(digest, &state); }
void start(SHA512_CTX& state) { SHA384_Init(&state); }
void update(SHA512_CTX& state, Bytes bytes) { SHA384_Update(&state, bytes.data(), bytes.size()); }
void finish(SHA512_CTX& state, uint8_t* digest) { SHA384_Final(digest, &state); }

// The states after the key's block, inner and outer (RFC 2104 section 2).
template <class State, size_t kBlock>
void absorb_key(State (&states)[2], Bytes key) {
  std::array<uint8_t, kBlock> block{};
  if (key.size() > kBlock) {
    start(states[0]);
    update(states[0], key);
    finish(states[0], block.data());
  } else {
    std::copy(key.begin(), key.end(), block.begin());
  }
  const uint8_t pads[2] = {kInnerPad, kInnerPad ^ kOuterPad};  // the second undoes the first
  for (size_t i = 0; i < 2; ++i) {
    for (uint8_t& byte : block) byte ^= pads[i];
    start(states[i]);
    update(states[i], block);
  }
  OPENSSL_cleanse(block.data(), block.size());
}

template <class State, size_t kDigest>
void make_mac(const State (&states)[2], std::initializer_list<Bytes> message, uint8_t* mac) {
  State state = states[0];
  for (const Bytes part : message) {
    if (!part.empty()) update(state, part);
  }
  std::array<uint8_t, kDigest> inner;
  finish(state, inner.data());
  state = states[1];
  update(state, inner);
  finish(state, mac);
  OPENSSL_cleanse(&state, sizeof state);
  OPENSSL_cleanse(inner.data(), inner.size());
}

}  // namespace

Secret::Secret(Bytes bytes) {
  const size_t count = std::min(bytes.size(), bytes_.size());
  std::copy_n(bytes.data(), count, resize(count).data());
}

Secret::~Secret() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

MutableBytes Secret::resize(size_t size) {
  size_ = static_cast<uint8_t>(std::min(size, bytes_.size()));
  return {bytes_.data(), size_};
}

HmacKey::HmacKey(size_t hash_size, Bytes key) : hash_size_(hash_size) {
  if (hash_size == kSha384Size) {
    absorb_key<SHA512_CTX, kSha384Block>(sha384_, key);
  } else {
    absorb_key<SHA256_CTX, kSha256Block>(sha256_, key);
  }
}

HmacKey::~HmacKey() { OPENSSL_cleanse(&sha384_, sizeof sha384_); }

void HmacKey::mac(std::initializer_list<Bytes> message, uint8_t* mac) const {
  if (hash_size_ == kSha384Size) {
    make_mac<SHA512_CTX, kSha384Size>(sha384_, message, mac);
  } else {
    make_mac<SHA256_CTX, kSha256Size>(sha256_, message, mac);
  }
}

void HmacKey::expand_label(std::string_view label, MutableBytes out) const {
  static constexpr std::string_view kPrefix = "tls13 ";
  uint8_t info[64];
  ByteWriter writer(info);
  writer.u16(static_cast<uint16_t>(out.size()));
  writer.u8(static_cast<uint8_t>(kPrefix.size() + label.size()));
  for (const char c : kPrefix) writer.u8(static_cast<uint8_t>(c));
  for (const char c : label) writer.u8(static_cast<uint8_t>(c));
  writer.u8(0);  // no context
  writer.u8(1);  // the first block of HKDF-Expand, and the last: no output is longer than the hash
  Secret block;
  mac({writer.written()}, block.resize(hash_size_).data());
  std::copy_n(block.bytes().data(), std::min(out.size(), block.size()), out.data());
}

void hmac(size_t hash_size, Bytes key, std::initializer_list<Bytes> message, uint8_t* mac) {
  HmacKey(hash_size, key).mac(message, mac);
}

Secret hkdf_extract(size_t hash_size, Bytes salt, Bytes input) {
  Secret secret;
  hmac(hash_size, salt, {input}, secret.resize(hash_size).data());
  return secret;
}

}  // namespace viaduct::crypto
