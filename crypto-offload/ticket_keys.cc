#include "crypto-offload/ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>

#include "crypto-offload/openssl_algorithms.h"

namespace viaduct::crypto {
namespace {

// A ticket that is used is replaced, so that no two connections of a client can be linked by it (RFC 8446 appendix
// C.4).
constexpr int kGoodAndRenew = 2;

// The secret that a line spells; empty for anything else.
Secret parse_secret(const std::string& line) {
  Secret secret;
  if (line.size() != 2 * TicketKeys::kSecretSize ||
      line.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
    return secret;
  }
  const MutableBytes value = secret.resize(TicketKeys::kSecretSize);
  for (size_t i = 0; i < value.size(); ++i) {
    value[i] = static_cast<uint8_t>(std::stoul(line.substr(2 * i, 2), nullptr, 16));
  }
  return secret;
}

}  // namespace

int64_t TicketKeys::system_clock() { return std::time(nullptr); }

std::shared_ptr<const TicketKeys> TicketKeys::make() {
  Secret secret;
  RAND_priv_bytes(secret.resize(kSecretSize).data(), kSecretSize);
  return std::make_shared<TicketKeys>(std::vector{secret});
}

std::shared_ptr<const TicketKeys> TicketKeys::load(const std::string& file, std::string& error) {
  std::ifstream in(file);
  if (!in) return error = "ticket key file " + file + ": " + std::strerror(errno), nullptr;
  std::vector<Secret> secrets;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    secrets.push_back(parse_secret(line));
    OPENSSL_cleanse(line.data(), line.size());
    if (secrets.back().empty()) {
      error = "ticket key file " + file + ", line " + std::to_string(number) + ": expected 64 hexadecimal digits";
      return nullptr;
    }
  }
  if (secrets.empty()) return error = "ticket key file " + file + ": has no key", nullptr;
  return std::make_shared<TicketKeys>(std::move(secrets));
}

int TicketKeys::prepare(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                        bool seal) const {
  const int64_t current = clock_() / kKeyLifeSeconds;
  if (seal) {
    std::copy_n(derive(secrets_[0], current, "name").bytes().data(), kNameSize, name);
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(openssl_algorithms().aes_256_cbc)) != 1) return -1;
    return start(secrets_[0], current, iv, cipher, mac, true);
  }
  for (const Secret& secret : secrets_) {
    for (const int64_t generation : {current, current - 1, current + 1}) {
      const Secret expected = derive(secret, generation, "name");
      if (CRYPTO_memcmp(name, expected.bytes().data(), kNameSize) != 0) continue;
      const int started = start(secret, generation, iv, cipher, mac, false);
      return started == 1 ? kGoodAndRenew : started;
    }
  }
  return 0;
}

Secret TicketKeys::derive(const Secret& secret, int64_t generation, const char* use) const {
  uint8_t number[sizeof(uint64_t)];
  ByteWriter(number).u64(static_cast<uint64_t>(generation));
  Secret derived;
  hmac(kSha256Size, secret.bytes(), {Bytes(reinterpret_cast<const uint8_t*>(use), std::strlen(use)), number},
       derived.resize(kSha256Size).data());
  return derived;
}

int TicketKeys::start(const Secret& secret, int64_t generation, const unsigned char* iv, EVP_CIPHER_CTX* cipher,
                      EVP_MAC_CTX* mac, bool seal) const {
  const Secret cipher_key = derive(secret, generation, "cipher");
  Secret mac_key = derive(secret, generation, "mac");
  const MutableBytes mac_bytes = mac_key.resize(kSha256Size);
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, mac_bytes.data(), mac_bytes.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>("SHA256"), 0),
      OSSL_PARAM_construct_end(),
  };
  if (EVP_MAC_CTX_set_params(mac, parameters) != 1) return -1;
  const EVP_CIPHER* aes = openssl_algorithms().aes_256_cbc;
  const uint8_t* key = cipher_key.bytes().data();
  const int started =
      seal ? EVP_EncryptInit_ex2(cipher, aes, key, iv, nullptr) : EVP_DecryptInit_ex2(cipher, aes, key, iv, nullptr);
  return started == 1 ? 1 : -1;
}

}  // namespace viaduct::crypto
