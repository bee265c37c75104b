#include "crypto-offload/openssl_protector.h"

#include <openssl/crypto.h>

#include "crypto-offload/nonce.h"
#include "crypto-offload/openssl_algorithms.h"

namespace viaduct::crypto {
namespace {

// OpenSSL wipes a context's key when the context is freed.
class OpensslPacketKey final : public PacketKey {
 public:
  explicit OpensslPacketKey(const RawKeys& keys) : context_(EVP_CIPHER_CTX_new()), iv_(keys.iv) {
    aead = keys.aead;
    EVP_EncryptInit_ex(context_.get(), openssl_algorithms().aead(aead), nullptr, keys.key.data(), nullptr);
  }
  ~OpensslPacketKey() override { OPENSSL_cleanse(iv_.data(), iv_.size()); }

  void seal(const SealJob& job) const {
    const Nonce nonce = make_nonce(iv_, job.packet_number);
    int written = 0;
    EVP_EncryptInit_ex(context_.get(), nullptr, nullptr, nullptr, nonce.data());
    add_associated_data(job.associated_data);
    uint8_t* out = job.out;
    for (const Bytes span : job.in) {
      if (span.empty()) continue;
      EVP_CipherUpdate(context_.get(), out, &written, span.data(), static_cast<int>(span.size()));
      out += span.size();
    }
    EVP_EncryptFinal_ex(context_.get(), out, &written);
    EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kTagSize, out);
  }

  bool open(const OpenJob& job) const {
    if (job.data.size() < kTagSize) return false;
    const Nonce nonce = make_nonce(iv_, job.packet_number);
    const MutableBytes text = job.data.first(job.data.size() - kTagSize);
    uint8_t* tag = job.data.data() + text.size();
    int written = 0;
    EVP_DecryptInit_ex(context_.get(), nullptr, nullptr, nullptr, nonce.data());
    add_associated_data(job.associated_data);
    if (!text.empty()) {
      EVP_CipherUpdate(context_.get(), text.data(), &written, text.data(), static_cast<int>(text.size()));
    }
    EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, kTagSize, tag);
    return EVP_DecryptFinal_ex(context_.get(), tag, &written) > 0;
  }

 private:
  void add_associated_data(Bytes data) const {
    int written = 0;
    if (!data.empty()) {
      EVP_CipherUpdate(context_.get(), nullptr, &written, data.data(), static_cast<int>(data.size()));
    }
  }

  CipherContext context_;
  Nonce iv_;
};

class OpensslHeaderKey final : public HeaderKey {
 public:
  explicit OpensslHeaderKey(const RawKeys& keys) : context_(EVP_CIPHER_CTX_new()) {
    aead = keys.aead;
    EVP_EncryptInit_ex(context_.get(), openssl_algorithms().header(aead), nullptr, keys.header_key.data(), nullptr);
    EVP_CIPHER_CTX_set_padding(context_.get(), 0);
  }

  void mask(MaskJob& job) const {
    static constexpr uint8_t kZeros[kMaskSize] = {};
    uint8_t block[kSampleSize];
    int written = 0;
    if (aead == Aead::kChaCha20Poly1305) {
      // The sample is counter and nonce in the order in which OpenSSL takes both as its IV.
      EVP_EncryptInit_ex(context_.get(), nullptr, nullptr, nullptr, job.sample);
      EVP_EncryptUpdate(context_.get(), block, &written, kZeros, kMaskSize);
    } else {
      EVP_EncryptUpdate(context_.get(), block, &written, job.sample, kSampleSize);
    }
    std::memcpy(job.mask.data(), block, kMaskSize);
  }

 private:
  CipherContext context_;
};

class OpensslProtector final : public PacketProtector {
 public:
  std::string_view name() const override { return "openssl"; }

  std::unique_ptr<PacketKey> make_packet_key(const RawKeys& keys) override {
    return std::make_unique<OpensslPacketKey>(keys);
  }
  std::unique_ptr<HeaderKey> make_header_key(const RawKeys& keys) override {
    return std::make_unique<OpensslHeaderKey>(keys);
  }

  void seal(std::span<SealJob> jobs) override {
    for (const SealJob& job : jobs) static_cast<const OpensslPacketKey*>(job.key)->seal(job);
  }
  void open(std::span<OpenJob> jobs) override {
    for (OpenJob& job : jobs) {
      job.ok = static_cast<const OpensslPacketKey*>(job.key)->open(job);
      if (!job.ok) OPENSSL_cleanse(job.data.data(), job.data.size());
    }
  }
  void header_masks(std::span<MaskJob> jobs) override {
    for (MaskJob& job : jobs) static_cast<const OpensslHeaderKey*>(job.key)->mask(job);
  }
};

}  // namespace

std::unique_ptr<PacketProtector> make_openssl_protector() { return std::make_unique<OpensslProtector>(); }

}  // namespace viaduct::crypto
