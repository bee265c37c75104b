// What TLS contexts of servers and of clients have in common.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

#include "crypto-offload/key_log.h"
#include "crypto-offload/openssl_session.h"
#include "crypto-offload/tls_session.h"

namespace viaduct::crypto {

struct SslContextFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslContext = std::unique_ptr<SSL_CTX, SslContextFree>;

class OpensslContext : public TlsContext {
 public:
  std::unique_ptr<TlsSession> accept(Bytes) override { return nullptr; }
  std::unique_ptr<TlsSession> connect(const std::string&, Bytes, Bytes) override { return nullptr; }

 protected:
  explicit OpensslContext(const SSL_METHOD* method);

  // False with `error` filled for an option that cannot be used.
  bool configure(const std::vector<std::string>& alpn, const std::string& ciphers, const std::string& groups,
                 const std::string& key_log_file, std::string& error);

  SSL_CTX* context() const { return context_.get(); }
  // As in the extension: each name after its length.
  const std::vector<uint8_t>& alpn() const { return alpn_; }

  // In OpenSSL's callbacks.
  static OpensslContext& of(const SSL* ssl) {
    return *static_cast<OpensslContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  }
  static OpensslSession& session_of(const SSL* ssl) { return *static_cast<OpensslSession*>(SSL_get_app_data(ssl)); }

 private:
  static void log_key(const SSL* ssl, const char* line) { of(ssl).key_log_->write(line); }
  bool set_ciphers(const std::string& names, std::string& error);
  bool set_alpn(const std::vector<std::string>& names, std::string& error);

  std::vector<uint8_t> alpn_;
  std::unique_ptr<KeyLog> key_log_;
  SslContext context_;
};

}  // namespace viaduct::crypto
