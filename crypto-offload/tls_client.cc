// The TLS context of a client, by OpenSSL.
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "crypto-offload/openssl_context.h"
#include "crypto-offload/pem_files.h"

namespace viaduct::crypto {
namespace {

class OpensslClient final : public OpensslContext {
 public:
  OpensslClient() : OpensslContext(TLS_client_method()) {}

  bool configure(const TlsClientOptions& options, std::string& error);

  std::unique_ptr<TlsSession> connect(const std::string& server_name, Bytes transport_parameters,
                                      Bytes session) override;

 private:
  static int take_ticket(SSL* ssl, SSL_SESSION* session) {
    session_of(ssl).take_ticket(session);
    return 0;  // no reference to the session was kept
  }

  bool early_data_ = false;
  bool verify_ = false;
};

bool OpensslClient::configure(const TlsClientOptions& options, std::string& error) {
  if (!OpensslContext::configure(options.alpn, options.ciphers, options.groups, options.key_log_file, error)) {
    return false;
  }
  if (options.verify) {
    if (!load_authorities(context(), options.ca_file, error)) return false;
    // meets RFC 9001 4.4-1
    SSL_CTX_set_verify(context(), SSL_VERIFY_PEER, nullptr);
  }
  SSL_CTX_set_alpn_protos(context(), alpn().data(), static_cast<unsigned>(alpn().size()));
  SSL_CTX_set_session_cache_mode(context(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context(), &take_ticket);
  early_data_ = options.early_data;
  verify_ = options.verify;
  return true;
}

std::unique_ptr<TlsSession> OpensslClient::connect(const std::string& server_name, Bytes transport_parameters,
                                                   Bytes session) {
  if (verify_ && server_name.empty()) return nullptr;
  ERR_clear_error();
  SslPointer ssl(SSL_new(context()));
  if (!ssl) return nullptr;
  // An address is no server name (RFC 6066 section 3), but a certificate may be made out to it.
  if (!server_name.empty() && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), server_name.c_str()) != 1) {
    ERR_clear_error();
    if (SSL_set_tlsext_host_name(ssl.get(), server_name.c_str()) != 1) return nullptr;
    if (SSL_set1_host(ssl.get(), server_name.c_str()) != 1) return nullptr;
  }
  auto made = std::make_unique<OpensslSession>(std::move(ssl), TlsRole::kClient, transport_parameters);
  // meets RFC 9001 5.6-1
  made->resume(session, early_data_);
  return made;
}

}  // namespace

std::unique_ptr<TlsContext> make_tls_client(const TlsClientOptions& options, std::string& error) {
  auto client = std::make_unique<OpensslClient>();
  if (!client->configure(options, error)) return nullptr;
  return client;
}

}  // namespace viaduct::crypto
