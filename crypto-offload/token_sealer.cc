#include "crypto-offload/token_sealer.h"

#include <algorithm>

#include "base/siphash.h"
#include "crypto-offload/nonce.h"

// A token: kind (1 octet), generation of its key modulo 256 (1), nonce (12); sealed: expiry in
// nanoseconds (8), contents; tag (16). Kind and generation are authenticated with what it is bound to.

namespace viaduct::crypto {
namespace {

constexpr size_t kHeaderSize = 2;
constexpr size_t kPrefixSize = kHeaderSize + kIvSize;
constexpr size_t kExpirySize = sizeof(uint64_t);
static_assert(TokenSealer::kOverhead == kPrefixSize + kExpirySize + kTagSize);

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int64_t kLongestMemory = 180 * 24 * 3600;
constexpr int64_t seconds_of(Duration duration) { return duration.ns() / kNsPerSecond; }

void update(EVP_CIPHER_CTX* context, uint8_t* out, Bytes in) {
  int written = 0;
  if (!in.empty()) EVP_CipherUpdate(context, out, &written, in.data(), static_cast<int>(in.size()));
}

}  // namespace

TokenSealer::TokenSealer(Bytes secret, Duration key_life)
    : secret_(secret),
      key_life_(std::max(key_life, Duration::nanoseconds(1))),
      used_(kRemembered, 0, std::min(seconds_of(key_life_) + 1, kLongestMemory)) {
  for (Key& key : keys_) key.context.reset(EVP_CIPHER_CTX_new());
}

size_t TokenSealer::seal(TokenKind kind, Bytes contents, Bytes bound_to, Instant now, Duration lifetime, Random& random,
                         MutableBytes token) {
  const size_t size = contents.size() + kOverhead;
  if (contents.size() > kMaxContents || token.size() < size) return 0;
  const int64_t generation = generation_at(now);
  token[0] = static_cast<uint8_t>(kind);
  token[1] = static_cast<uint8_t>(generation);
  const MutableBytes nonce = token.subspan(kHeaderSize, kIvSize);
  random.fill(nonce);
  uint8_t expiry[kExpirySize];
  ByteWriter(expiry).u64(static_cast<uint64_t>((now + std::min(lifetime, key_life_)).ns()));

  EVP_CIPHER_CTX* context = key_of(generation);
  int written = 0;
  EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, nonce.data());
  update(context, nullptr, token.first(kHeaderSize));
  update(context, nullptr, bound_to);
  update(context, token.data() + kPrefixSize, expiry);
  update(context, token.data() + kPrefixSize + kExpirySize, contents);
  uint8_t* tag = token.data() + size - kTagSize;
  EVP_EncryptFinal_ex(context, tag, &written);
  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagSize, tag);
  return size;
}

OpenedToken TokenSealer::open(Bytes token, Bytes bound_to, Instant now) {
  OpenedToken opened;
  if (!token.empty() && token[0] == static_cast<uint8_t>(TokenKind::kRetry)) opened.kind = TokenKind::kRetry;
  if (token.size() < kOverhead || token.size() > kOverhead + kMaxContents) return opened;
  if (token[0] != static_cast<uint8_t>(opened.kind)) return opened;

  // The one of the generations around now's whose last octet the token names.
  const int64_t current = generation_at(now);
  const auto ahead = static_cast<int8_t>(token[1] - static_cast<uint8_t>(current));
  if (ahead < -2 || ahead > 1 || current + ahead < 0) return opened;
  EVP_CIPHER_CTX* context = key_of(current + ahead);
  const Bytes sealed = token.subspan(kPrefixSize, token.size() - kPrefixSize - kTagSize);
  std::array<uint8_t, kTagSize> tag;
  std::copy_n(token.last(kTagSize).data(), kTagSize, tag.data());
  int written = 0;
  EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, token.data() + kHeaderSize);
  update(context, nullptr, token.first(kHeaderSize));
  update(context, nullptr, bound_to);
  update(context, opened_.data(), sealed);
  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data());
  if (EVP_DecryptFinal_ex(context, tag.data(), &written) <= 0) return opened;

  ByteReader reader(Bytes(opened_).first(sealed.size()));
  const auto expiry = static_cast<int64_t>(reader.u64());
  opened.state = now.ns() > expiry ? TokenState::kExpired : TokenState::kGood;
  // A Retry token is bound to one attempt to connect already, and comes with each of its first packets.
  if (opened.state == TokenState::kGood && opened.kind == TokenKind::kNewToken &&
      !is_first_use(token.subspan(kHeaderSize, kIvSize), now)) {
    opened.state = TokenState::kUsed;
  }
  if (opened.state == TokenState::kGood) opened.contents = reader.rest();
  return opened;
}

// The nonce is random, so it stands for the token.
bool TokenSealer::is_first_use(Bytes nonce, Instant now) {
  return used_.is_new(siphash24(SipKey{}, nonce), now.ns() / kNsPerSecond);
}

EVP_CIPHER_CTX* TokenSealer::key_of(int64_t generation) {
  Key& key = keys_[static_cast<size_t>(generation) % kKeys];
  if (key.generation != generation) {
    static constexpr uint8_t kLabel[] = {'t', 'o', 'k', 'e', 'n'};
    uint8_t number[sizeof(uint64_t)];
    ByteWriter(number).u64(static_cast<uint64_t>(generation));
    Secret derived;
    hmac(kSha256Size, secret_.bytes(), {kLabel, number}, derived.resize(kSha256Size).data());
    EVP_EncryptInit_ex(key.context.get(), openssl_algorithms().aes_256_gcm, nullptr, derived.bytes().data(), nullptr);
    key.generation = generation;
  }
  return key.context.get();
}

}  // namespace viaduct::crypto
