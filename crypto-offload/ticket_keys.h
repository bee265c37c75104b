// Keys of session tickets, shared by all that should resume each other's sessions (RFC 8446 section 4.6.1).
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "crypto-offload/hkdf.h"

namespace viaduct::crypto {

// Makes its keys from secrets and the time, so that all who share the secrets change keys together. Immutable; any
// thread.
class TicketKeys {
 public:
  static constexpr size_t kSecretSize = 32;
  // A key seals for this long and opens for as long again. Tickets live no longer.
  static constexpr int64_t kKeyLifeSeconds = 12 * 3600;

  using Clock = int64_t (*)();  // seconds since 1970
  static int64_t system_clock();

  // For one process: nobody else knows the secret.
  static std::shared_ptr<const TicketKeys> make();
  // For a pool: a file of lines of 64 hexadecimal digits, each a secret; empty lines and those that begin with # are
  // passed over. The first seals, all open: to change it, put the new one second everywhere, then first. Null with
  // `error` filled for a file that is not so.
  static std::shared_ptr<const TicketKeys> load(const std::string& file, std::string& error);

  // secrets: at least one, of kSecretSize bytes.
  explicit TicketKeys(std::vector<Secret> secrets, Clock clock = &system_clock)
      : secrets_(std::move(secrets)), clock_(clock) {}

  // What OpenSSL's ticket callback is to do: see SSL_CTX_set_tlsext_ticket_key_evp_cb.
  int prepare(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, bool seal) const;

 private:
  static constexpr size_t kNameSize = 16;

  Secret derive(const Secret& secret, int64_t generation, const char* use) const;
  int start(const Secret& secret, int64_t generation, const unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
            bool seal) const;

  std::vector<Secret> secrets_;
  Clock clock_;
};

}  // namespace viaduct::crypto
