#include "crypto-offload/openssl_algorithms.h"

namespace viaduct::crypto {

const OpensslAlgorithms& openssl_algorithms() {
  static const OpensslAlgorithms algorithms{
      .aes_128_gcm = EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr),
      .aes_256_gcm = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr),
      .chacha20_poly1305 = EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr),
      .aes_128_ecb = EVP_CIPHER_fetch(nullptr, "AES-128-ECB", nullptr),
      .aes_256_ecb = EVP_CIPHER_fetch(nullptr, "AES-256-ECB", nullptr),
      .aes_256_cbc = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr),
      .chacha20 = EVP_CIPHER_fetch(nullptr, "ChaCha20", nullptr),
  };
  return algorithms;
}

}  // namespace viaduct::crypto
