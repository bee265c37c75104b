// A server's certificates, chosen by the name that a client asks for.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

#include "crypto-offload/tls_session.h"

namespace viaduct::crypto {

// Read once, then immutable: one store serves the contexts of all workers, and a reload makes another.
class CertificateStore {
 public:
  // Null with `error` filled for a file that cannot be used.
  static std::shared_ptr<const CertificateStore> load(const std::vector<CertificateFiles>& files, std::string& error);

  // Gives a handshake the certificates made out to `name` (wildcards count), the first of each kind of key; where
  // there is none, or no name, the first of each kind of all. The kind that the client can verify is OpenSSL's
  // choice.
  bool apply(SSL* ssl, const char* name) const;

 private:
  struct ContextFree {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  // A context does no more than to hold a chain and its key.
  using Holder = std::unique_ptr<SSL_CTX, ContextFree>;

  bool apply_if(SSL* ssl, const char* name) const;

  std::vector<Holder> certificates_;
};

}  // namespace viaduct::crypto
