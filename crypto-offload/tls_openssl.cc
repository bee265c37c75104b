// The TLS contexts of servers and clients, by OpenSSL.
#include <openssl/err.h>
#include <openssl/tls1.h>
#include <openssl/x509v3.h>

#include "crypto-offload/key_log.h"
#include "crypto-offload/openssl_session.h"
#include "crypto-offload/pem_files.h"
#include "crypto-offload/tls_session.h"

namespace viaduct::crypto {
namespace {

// RFC 9001 section 8.2.
constexpr unsigned kTransportParametersExtension = 0x39;

constexpr const char* kDefaultCiphers = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

struct ContextFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using ContextPointer = std::unique_ptr<SSL_CTX, ContextFree>;

class OpensslContext final : public TlsContext {
 public:
  explicit OpensslContext(TlsRole role)
      : role_(role), context_(SSL_CTX_new(role == TlsRole::kServer ? TLS_server_method() : TLS_client_method())) {
    SSL_CTX_set_app_data(context_.get(), this);
  }

  bool configure(const std::vector<std::string>& alpn, const std::string& ciphers, const std::string& groups,
                 const std::string& key_log_file, std::string& error);
  bool configure_server(const TlsServerOptions& options, std::string& error);
  bool configure_client(const TlsClientOptions& options, std::string& error);

  std::unique_ptr<TlsSession> accept(Bytes transport_parameters) override;
  std::unique_ptr<TlsSession> connect(const std::string& server_name, Bytes transport_parameters,
                                      Bytes session) override;

 private:
  static OpensslContext& of(const SSL* ssl) {
    return *static_cast<OpensslContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  }
  static OpensslSession& session_of(const SSL* ssl) { return *static_cast<OpensslSession*>(SSL_get_app_data(ssl)); }
  static int check_client_hello(SSL* ssl, int* alert, void*);
  static int select_alpn(SSL* ssl, const uint8_t** chosen, uint8_t* chosen_size, const uint8_t* offered,
                         unsigned offered_size, void*);
  static int take_ticket(SSL* ssl, SSL_SESSION* session);
  static void log_key(const SSL* ssl, const char* line) { of(ssl).key_log_->write(line); }

  bool set_ciphers(const std::string& names, std::string& error);
  bool set_alpn(const std::vector<std::string>& names, std::string& error);

  const TlsRole role_;
  std::vector<uint8_t> alpn_;  // each name after its length
  std::unique_ptr<KeyLog> key_log_;
  ContextPointer context_;
};

bool OpensslContext::configure(const std::vector<std::string>& alpn, const std::string& ciphers,
                               const std::string& groups, const std::string& key_log_file, std::string& error) {
  SSL_CTX* context = context_.get();
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
  if (!set_alpn(alpn, error) || !set_ciphers(ciphers.empty() ? kDefaultCiphers : ciphers, error)) return false;
  if (!groups.empty() && SSL_CTX_set1_groups_list(context, groups.c_str()) != 1) {
    return error = "groups " + groups + ": not a list of groups that OpenSSL knows", false;
  }
  if (!key_log_file.empty()) {
    key_log_ = KeyLog::open(key_log_file, error);
    if (!key_log_) return false;
    SSL_CTX_set_keylog_callback(context, &log_key);
  }
  return true;
}

bool OpensslContext::configure_server(const TlsServerOptions& options, std::string& error) {
  SSL_CTX* context = context_.get();
  if (!configure(options.alpn, options.ciphers, options.groups, options.key_log_file, error)) return false;
  if (!load_certificate(context, options.certificate_file, options.private_key_file, error)) return false;
  SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_client_hello_cb(context, &check_client_hello, nullptr);
  SSL_CTX_set_alpn_select_cb(context, &select_alpn, nullptr);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets carry all that there is to know
  SSL_CTX_set_num_tickets(context, 1);
  return true;
}

bool OpensslContext::configure_client(const TlsClientOptions& options, std::string& error) {
  SSL_CTX* context = context_.get();
  if (!configure(options.alpn, options.ciphers, options.groups, options.key_log_file, error)) return false;
  if (options.verify) {
    if (!load_authorities(context, options.ca_file, error)) return false;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  }
  SSL_CTX_set_alpn_protos(context, alpn_.data(), static_cast<unsigned>(alpn_.size()));
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, &take_ticket);
  return true;
}

std::unique_ptr<TlsSession> OpensslContext::accept(Bytes transport_parameters) {
  ERR_clear_error();
  SslPointer ssl(SSL_new(context_.get()));
  if (!ssl || role_ != TlsRole::kServer) return nullptr;
  return std::make_unique<OpensslSession>(std::move(ssl), role_, transport_parameters);
}

std::unique_ptr<TlsSession> OpensslContext::connect(const std::string& server_name, Bytes transport_parameters,
                                                    Bytes session) {
  ERR_clear_error();
  SslPointer ssl(SSL_new(context_.get()));
  if (!ssl || role_ != TlsRole::kClient) return nullptr;
  // An address is no server name (RFC 6066 section 3), but a certificate may be made out to it.
  if (!server_name.empty() && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), server_name.c_str()) != 1) {
    ERR_clear_error();
    if (SSL_set_tlsext_host_name(ssl.get(), server_name.c_str()) != 1) return nullptr;
    if (SSL_set1_host(ssl.get(), server_name.c_str()) != 1) return nullptr;
  }
  const uint8_t* encoded = session.data();
  if (SSL_SESSION* resumed =
          session.empty() ? nullptr : d2i_SSL_SESSION(nullptr, &encoded, static_cast<long>(session.size()))) {
    SSL_set_session(ssl.get(), resumed);
    SSL_SESSION_free(resumed);
  }
  return std::make_unique<OpensslSession>(std::move(ssl), role_, transport_parameters);
}

// What RFC 9001 asks of a ClientHello beyond TLS: sections 8.1, 8.2 and 8.4. The session is told first, because
// OpenSSL, which has chosen no version yet, would translate the alert for older ones.
int OpensslContext::check_client_hello(SSL* ssl, int* alert, void*) {
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, kTransportParametersExtension, &bytes, &size) != 1) {
    *alert = SSL_AD_MISSING_EXTENSION;
  } else if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &bytes, &size) != 1) {
    *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
  } else if (SSL_client_hello_get0_session_id(ssl, &bytes) != 0) {
    *alert = SSL_AD_ILLEGAL_PARAMETER;
  } else {
    return SSL_CLIENT_HELLO_SUCCESS;
  }
  session_of(ssl).fail(static_cast<uint8_t>(*alert));
  return SSL_CLIENT_HELLO_ERROR;
}

int OpensslContext::select_alpn(SSL* ssl, const uint8_t** chosen, uint8_t* chosen_size, const uint8_t* offered,
                                unsigned offered_size, void*) {
  const std::vector<uint8_t>& ours = of(ssl).alpn_;
  const int found = SSL_select_next_proto(const_cast<uint8_t**>(chosen), chosen_size, ours.data(),
                                          static_cast<unsigned>(ours.size()), offered, offered_size);
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int OpensslContext::take_ticket(SSL* ssl, SSL_SESSION* session) {
  session_of(ssl).take_ticket(session);
  return 0;  // no reference to the session was kept
}

// OpenSSL passes over names that it does not know, and knows suites that QUIC does not have.
bool OpensslContext::set_ciphers(const std::string& names, std::string& error) {
  const std::string known = std::string(":") + kDefaultCiphers + ":";
  for (size_t begin = 0; begin <= names.size();) {
    const size_t end = std::min(names.find(':', begin), names.size());
    const std::string name = names.substr(begin, end - begin);
    if (name.empty() || known.find(":" + name + ":") == std::string::npos) {
      return error = "TLS cipher suite \"" + name + "\": expected some of " + kDefaultCiphers, false;
    }
    begin = end + 1;
  }
  if (SSL_CTX_set_ciphersuites(context_.get(), names.c_str()) == 1) return true;
  return error = "TLS cipher suites " + names + ": " + openssl_reason(), false;
}

bool OpensslContext::set_alpn(const std::vector<std::string>& names, std::string& error) {
  if (names.empty()) return error = "no application protocol (ALPN) is given", false;
  for (const std::string& name : names) {
    if (name.empty() || name.size() > 255) {
      return error = "application protocol \"" + name + "\": expected 1 to 255 bytes", false;
    }
    alpn_.push_back(static_cast<uint8_t>(name.size()));
    alpn_.insert(alpn_.end(), name.begin(), name.end());
  }
  return true;
}

}  // namespace

std::unique_ptr<TlsContext> make_tls_server(const TlsServerOptions& options, std::string& error) {
  auto context = std::make_unique<OpensslContext>(TlsRole::kServer);
  if (!context->configure_server(options, error)) return nullptr;
  return context;
}

std::unique_ptr<TlsContext> make_tls_client(const TlsClientOptions& options, std::string& error) {
  auto context = std::make_unique<OpensslContext>(TlsRole::kClient);
  if (!context->configure_client(options, error)) return nullptr;
  return context;
}

}  // namespace viaduct::crypto
