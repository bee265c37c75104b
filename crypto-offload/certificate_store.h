// A server's certificates, chosen by the name that a client asks for.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "crypto-offload/tls_session.h"

namespace viaduct::crypto {

// Read once, then immutable: one store serves the contexts of all workers, and a reload makes another.
class CertificateStore {
 public:
  // Certificates of one name, by their place in the store: one of each kind of key.
  using Choice = std::vector<uint16_t>;

  // Null with `error` filled for a file that cannot be used.
  static std::shared_ptr<const CertificateStore> load(const std::vector<CertificateFiles>& files, std::string& error);

  // The certificates made out to `name` (wildcards count), the first of each kind; where there is none, or no name, the
  // first of each kind of all. Which of them the client can verify is for OpenSSL to find out.
  Choice choose(const char* name) const;
  const Choice& choice_without_name() const { return without_name_; }
  // Gives a handshake these and no others. False where there are none.
  bool apply(const Choice& choice, SSL* ssl) const;
  // Gives them to all handshakes that a context begins from now on. False where it has others that would stay.
  bool apply(const Choice& choice, SSL_CTX* context) const;

 private:
  struct ContextFree {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  // A context does no more than to hold a chain and its key.
  using Holder = std::unique_ptr<SSL_CTX, ContextFree>;

  // name null: any.
  Choice choose_if(const char* name) const;
  int kind_of(uint16_t certificate) const;

  std::vector<Holder> certificates_;
  Choice without_name_;
};

}  // namespace viaduct::crypto
