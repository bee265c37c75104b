#include "crypto-offload/retry_offload.h"

#include <algorithm>
#include <cstring>

#include "crypto-offload/nonce.h"

// A token: type (0: Retry) and key sequence (1 octet), unique number (12); sealed: expiry (8), length of the original
// ID (1), original ID, client's port (2); tag (16).

namespace viaduct::crypto {
namespace {

constexpr size_t kNumberSize = 12;
constexpr size_t kPrefix = 1 + kNumberSize;
constexpr size_t kLeastId = 8, kMostId = 20;
constexpr uint64_t kClockSkew = 2;
constexpr size_t kMaxAad = 16 + kPrefix + 1 + kMostId;

struct Aad {
  std::array<uint8_t, kMaxAad> bytes;
  size_t size = 0;
};

// The client's address (IPv4 in front of zeros), the token's clear part, and the Retry's source ID.
Aad aad_of(const IpAddress& client, Bytes prefix, Bytes retry_id) {
  Aad aad;
  ByteWriter writer(aad.bytes);
  if (client.is_v4()) {
    writer.bytes({client.v4_bytes(), 4});
    writer.fill(0, 12);
  } else {
    writer.bytes(client.bytes);
  }
  writer.bytes(prefix);
  writer.u8(static_cast<uint8_t>(retry_id.size()));
  writer.bytes(retry_id);
  aad.size = writer.size();
  return aad;
}

std::array<uint8_t, kNumberSize> nonce_of(const RetryOffloadKey& key, const uint8_t* number) {
  std::array<uint8_t, kNumberSize> nonce;
  for (size_t i = 0; i < nonce.size(); ++i) nonce[i] = key.iv[i] ^ number[i];
  return nonce;
}

}  // namespace

RetryOffload::RetryOffload(const RetryOffloadKeys& keys) : keys_(keys), context_(EVP_CIPHER_CTX_new()) {}

void RetryOffload::change(const RetryOffloadKeys& keys, uint64_t until) {
  if (keys.front() != keys_.front()) sealed_ = 0;
  for (const RetryOffloadKey& key : keys_) {
    if (std::ranges::find(keys, key) == keys.end()) former_.push_back({key, until});
  }
  std::erase_if(former_, [&](const Former& former) { return std::ranges::find(keys, former.key) != keys.end(); });
  if (former_.size() > kMostFormer) former_.erase(former_.begin(), former_.end() - kMostFormer);
  keys_ = keys;
}

void RetryOffloadKeyring::change(RetryOffloadKeys keys, uint64_t at) {
  const std::lock_guard lock(mutex_);
  if (last_.size() == RetryOffload::kMostFormer) last_.erase(last_.begin());
  last_.push_back({keys, at});
  keys_ = std::move(keys);
  changes_.fetch_add(1, std::memory_order_release);
}

std::vector<RetryOffloadKeyring::Change> RetryOffloadKeyring::since(unsigned& seen) const {
  const std::lock_guard lock(mutex_);
  const unsigned changes = changes_.load(std::memory_order_relaxed);
  const size_t missed = std::min<size_t>(changes - seen, last_.size());
  seen = changes;
  return {last_.end() - static_cast<ptrdiff_t>(missed), last_.end()};
}

size_t RetryOffload::seal(const SocketAddress& client, Bytes original_id, Bytes retry_id, uint64_t expiry,
                          Random& random, MutableBytes token) {
  const bool fits = original_id.size() >= kLeastId && original_id.size() <= kMostId && retry_id.size() <= kMostId;
  const size_t size = kPrefix + 8 + 1 + original_id.size() + 2 + kTagSize;
  if (!fits || token.size() < size || sealed_ == kMaxTokens) return 0;
  ++sealed_;
  ByteWriter writer(token);
  writer.u8(keys_.front().sequence);
  random.fill({writer.position(), kNumberSize});
  writer.skip(kNumberSize);
  writer.u64(expiry);
  writer.u8(static_cast<uint8_t>(original_id.size()));
  writer.bytes(original_id);
  writer.u16(client.port);

  const Aad aad = aad_of(client.ip, token.first(kPrefix), retry_id);
  const auto nonce = nonce_of(keys_.front(), token.data() + 1);
  EVP_CIPHER_CTX* context = context_.get();
  uint8_t* body = token.data() + kPrefix;
  const auto body_size = static_cast<int>(writer.size() - kPrefix);
  int written = 0;
  EVP_EncryptInit_ex(context, openssl_algorithms().aes_128_gcm, nullptr, keys_.front().key.data(), nonce.data());
  EVP_EncryptUpdate(context, nullptr, &written, aad.bytes.data(), static_cast<int>(aad.size));
  EVP_EncryptUpdate(context, body, &written, body, body_size);
  EVP_EncryptFinal_ex(context, body, &written);
  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagSize, body + body_size);
  return size;
}

OpenedRetryToken RetryOffload::open(Bytes token, const SocketAddress& client, Bytes retry_id, uint64_t now) const {
  OpenedRetryToken opened;
  if (token.empty() || token[0] & 0x80) return opened;
  opened.state = RetryOffloadState::kBad;
  constexpr size_t kLeast = kPrefix + 8 + 1 + kLeastId + 2 + kTagSize;
  if (token.size() < kLeast || token.size() > kMaxToken || retry_id.size() > kMostId) return opened;
  for (const RetryOffloadKey& key : keys_) {
    if (open_with(key, token, client, retry_id, now, opened)) return opened;
  }
  for (const Former& former : former_) {
    if (now <= former.until && open_with(former.key, token, client, retry_id, now, opened)) break;
  }
  return opened;
}

// False where the token is not of this key.
bool RetryOffload::open_with(const RetryOffloadKey& key, Bytes token, const SocketAddress& client, Bytes retry_id,
                             uint64_t now, OpenedRetryToken& opened) const {
  if (token[0] != key.sequence) return false;
  const Aad aad = aad_of(client.ip, token.first(kPrefix), retry_id);
  const auto nonce = nonce_of(key, token.data() + 1);
  std::array<uint8_t, kMaxToken> body;
  const size_t size = token.size() - kPrefix - kTagSize;
  std::array<uint8_t, kTagSize> tag;
  std::copy_n(token.last(kTagSize).data(), kTagSize, tag.data());
  EVP_CIPHER_CTX* context = context_.get();
  int written = 0;
  EVP_DecryptInit_ex(context, openssl_algorithms().aes_128_gcm, nullptr, key.key.data(), nonce.data());
  EVP_DecryptUpdate(context, nullptr, &written, aad.bytes.data(), static_cast<int>(aad.size));
  EVP_DecryptUpdate(context, body.data(), &written, token.data() + kPrefix, static_cast<int>(size));
  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data());
  if (EVP_DecryptFinal_ex(context, body.data() + size, &written) <= 0) return false;

  ByteReader reader(Bytes(body).first(size));
  const uint64_t expiry = reader.u64();
  const Bytes original = reader.bytes(reader.u8());
  const uint16_t port = reader.u16();
  if (!reader.ok() || original.size() < kLeastId || original.size() > kMostId || port != client.port) return true;
  if (now > expiry + kClockSkew) return true;
  opened.state = RetryOffloadState::kGood;
  opened.original_id_size = static_cast<uint8_t>(original.size());
  std::ranges::copy(original, opened.original_id.begin());
  return true;
}

}  // namespace viaduct::crypto
