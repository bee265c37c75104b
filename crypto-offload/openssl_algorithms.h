// OpenSSL's algorithms, fetched once: a fetch by name costs more than the work on a packet.
#pragma once

#include <openssl/evp.h>

#include <memory>

#include "crypto-offload/packet_protector.h"

namespace viaduct::crypto {

struct OpensslAlgorithms {
  EVP_CIPHER* aes_128_gcm;
  EVP_CIPHER* aes_256_gcm;
  EVP_CIPHER* chacha20_poly1305;
  EVP_CIPHER* aes_128_ecb;
  EVP_CIPHER* aes_256_ecb;
  EVP_CIPHER* aes_256_cbc;
  EVP_CIPHER* chacha20;

  EVP_CIPHER* aead(Aead aead) const {
    if (aead == Aead::kAes128Gcm) return aes_128_gcm;
    return aead == Aead::kAes256Gcm ? aes_256_gcm : chacha20_poly1305;
  }
  EVP_CIPHER* header(Aead aead) const {
    if (aead == Aead::kAes128Gcm) return aes_128_ecb;
    return aead == Aead::kAes256Gcm ? aes_256_ecb : chacha20;
  }
};

// Lives until the process ends; any thread.
const OpensslAlgorithms& openssl_algorithms();

struct CipherContextFree {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, CipherContextFree>;

}  // namespace viaduct::crypto
