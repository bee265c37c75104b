// The TLS context of a server, by OpenSSL.
#include <openssl/err.h>
#include <openssl/tls1.h>

#include "base/siphash.h"
#include "crypto-offload/certificate_store.h"
#include "crypto-offload/openssl_context.h"
#include "crypto-offload/replay_window.h"
#include "crypto-offload/ticket_keys.h"

namespace viaduct::crypto {
namespace {

// RFC 9001 section 8.2.
constexpr unsigned kTransportParametersExtension = 0x39;

// Early data that a context of its own remembers: half a minute of 500 resumptions a second.
constexpr size_t kReplayCapacity = 1 << 14;

// Of QUIC, in front of what a ticket remembers.
constexpr size_t kVersionSize = sizeof(uint32_t);

class OpensslServer final : public OpensslContext {
 public:
  OpensslServer() : OpensslContext(TLS_server_method()) {}

  bool configure(const TlsServerOptions& options, std::string& error);

  std::unique_ptr<TlsSession> accept(Bytes transport_parameters) override;
  void use_certificates(std::shared_ptr<const CertificateStore> certificates) override;

 private:
  static OpensslServer& of(const SSL* ssl) { return static_cast<OpensslServer&>(OpensslContext::of(ssl)); }

  static int check_client_hello(SSL* ssl, int* alert, void*);
  static int choose_certificate(SSL* ssl, void*);
  static int choose_alpn(SSL* ssl, const uint8_t** chosen, uint8_t* chosen_size, const uint8_t* offered,
                         unsigned offered_size, void*);
  static int prepare_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                            int seal) {
    return of(ssl).ticket_keys_->prepare(name, iv, cipher, mac, seal == 1);
  }
  static int fill_ticket(SSL* ssl, void*);
  static Bytes remembered(SSL_SESSION* session);
  static SSL_TICKET_RETURN read_ticket(SSL* ssl, SSL_SESSION* session, const unsigned char*, size_t,
                                       SSL_TICKET_STATUS status, void*);
  static int allow_early_data(SSL* ssl, void*);

  void configure_tickets(const TlsServerOptions& options);

  // What was chosen for a name that was asked for lately.
  struct Chosen {
    std::string name;
    CertificateStore::Choice choice;
  };
  static constexpr size_t kChosenNames = 64;
  const CertificateStore::Choice& choice_for(const char* name);

  std::shared_ptr<const CertificateStore> certificates_;
  bool context_has_certificates_ = false;  // those for clients that give no name
  std::array<Chosen, kChosenNames> chosen_;
  std::shared_ptr<const TicketKeys> ticket_keys_;
  bool early_data_ = false;
  std::string early_data_context_;
  std::shared_ptr<ReplayWindow> replay_window_;
};

bool OpensslServer::configure(const TlsServerOptions& options, std::string& error) {
  if (!OpensslContext::configure(options.alpn, options.ciphers, options.groups, options.key_log_file, error)) {
    return false;
  }
  auto certificates = load_certificates(options, error);
  if (!certificates) return false;
  use_certificates(std::move(certificates));
  SSL_CTX_set_options(context(), SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_client_hello_cb(context(), &check_client_hello, nullptr);
  SSL_CTX_set_cert_cb(context(), &choose_certificate, nullptr);
  SSL_CTX_set_alpn_select_cb(context(), &choose_alpn, nullptr);
  configure_tickets(options);
  return true;
}

void OpensslServer::configure_tickets(const TlsServerOptions& options) {
  ticket_keys_ = options.ticket_keys ? options.ticket_keys : TicketKeys::make();
  SSL_CTX_set_session_cache_mode(context(), SSL_SESS_CACHE_OFF);  // tickets carry all that there is to know
  SSL_CTX_set_num_tickets(context(), 1);
  SSL_CTX_set_timeout(context(), static_cast<long>(TicketKeys::kKeyLifeSeconds));
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context(), &prepare_ticket);
  SSL_CTX_set_session_ticket_cb(context(), &fill_ticket, &read_ticket, nullptr);
  early_data_ = options.early_data;
  if (!early_data_) return;
  early_data_context_ = options.early_data_context;
  replay_window_ = options.replay_window ? options.replay_window : std::make_shared<ReplayWindow>(kReplayCapacity);
  SSL_CTX_set_options(context(), SSL_OP_NO_ANTI_REPLAY);  // OpenSSL's own keeps sessions in this context's memory
  SSL_CTX_set_allow_early_data_cb(context(), &allow_early_data, nullptr);
}

std::unique_ptr<TlsSession> OpensslServer::accept(Bytes transport_parameters) {
  ERR_clear_error();
  SslPointer ssl(SSL_new(context()));
  if (!ssl) return nullptr;
  auto session = std::make_unique<OpensslSession>(std::move(ssl), TlsRole::kServer, transport_parameters);
  if (early_data_) session->enable_early_data();
  return session;
}

// What RFC 9001 asks of a ClientHello beyond TLS: sections 8.1, 8.2 and 8.4. The session is told first, because
// OpenSSL, which has chosen no version yet, would translate the alert for older ones.
int OpensslServer::check_client_hello(SSL* ssl, int* alert, void*) {
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

void OpensslServer::use_certificates(std::shared_ptr<const CertificateStore> certificates) {
  certificates_ = std::move(certificates);
  context_has_certificates_ = certificates_->apply(certificates_->choice_without_name(), context());
  ERR_clear_error();
  chosen_ = {};
}

// A handshake has its context's certificates to begin with; giving it others takes some tens of microseconds.
int OpensslServer::choose_certificate(SSL* ssl, void*) {
  OpensslServer& server = of(ssl);
  const CertificateStore::Choice& choice = server.choice_for(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
  if (server.context_has_certificates_ && choice == server.certificates_->choice_without_name()) return 1;
  return server.certificates_->apply(choice, ssl) ? 1 : 0;
}

const CertificateStore::Choice& OpensslServer::choice_for(const char* name) {
  if (name == nullptr) return certificates_->choice_without_name();
  const std::string_view wanted(name);
  const Bytes bytes(reinterpret_cast<const uint8_t*>(wanted.data()), wanted.size());
  Chosen& chosen = chosen_[siphash24(SipKey{}, bytes) % kChosenNames];
  if (chosen.name != wanted || chosen.choice.empty()) chosen = {std::string(wanted), certificates_->choose(name)};
  return chosen.choice;
}

// meets RFC 9001 8.1-2 8.1-5
int OpensslServer::choose_alpn(SSL* ssl, const uint8_t** chosen, uint8_t* chosen_size, const uint8_t* offered,
                               unsigned offered_size, void*) {
  const std::vector<uint8_t>& ours = of(ssl).alpn();
  const int found = SSL_select_next_proto(const_cast<uint8_t**>(chosen), chosen_size, ours.data(),
                                          static_cast<unsigned>(ours.size()), offered, offered_size);
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// What a ticket remembers: the version of QUIC (4 octets), and what early data was promised under.
int OpensslServer::fill_ticket(SSL* ssl, void*) {
  const std::string& promised = of(ssl).early_data_context_;
  std::vector<uint8_t> remembered(kVersionSize + promised.size());
  ByteWriter writer(remembered);
  writer.u32(session_of(ssl).version());
  writer.bytes({reinterpret_cast<const uint8_t*>(promised.data()), promised.size()});
  return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), remembered.data(), remembered.size());
}

Bytes OpensslServer::remembered(SSL_SESSION* session) {
  void* remembered = nullptr;
  size_t size = 0;
  if (session != nullptr) SSL_SESSION_get0_ticket_appdata(session, &remembered, &size);
  return {static_cast<const uint8_t*>(remembered), size};
}

SSL_TICKET_RETURN OpensslServer::read_ticket(SSL* ssl, SSL_SESSION* session, const unsigned char*, size_t,
                                             SSL_TICKET_STATUS status, void*) {
  // RFC 9369 section 5: a session of another version is none.
  ByteReader reader(remembered(session));
  if (reader.u32() != session_of(ssl).version() || !reader.ok()) return SSL_TICKET_RETURN_IGNORE_RENEW;
  if (status == SSL_TICKET_SUCCESS) return SSL_TICKET_RETURN_USE;
  return status == SSL_TICKET_SUCCESS_RENEW ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_IGNORE_RENEW;
}

// The session resumes in any case; its early data counts only under the promises that were made for it (RFC 9001
// section 4.6.3, RFC 9114 section 7.2.4.2) and once.
int OpensslServer::allow_early_data(SSL* ssl, void*) {
  const OpensslServer& server = of(ssl);
  ByteReader reader(remembered(SSL_get_session(ssl)));
  reader.skip(kVersionSize);
  const Bytes promised = reader.rest();
  if (std::string_view(reinterpret_cast<const char*>(promised.data()), promised.size()) != server.early_data_context_) {
    return 0;
  }
  std::array<uint8_t, SSL3_RANDOM_SIZE> random;
  SSL_get_client_random(ssl, random.data(), random.size());
  return server.replay_window_->is_new(siphash24(SipKey{}, random), TicketKeys::system_clock()) ? 1 : 0;
}

}  // namespace

std::shared_ptr<const CertificateStore> load_certificates(const TlsServerOptions& options, std::string& error) {
  std::vector<CertificateFiles> files = {{options.certificate_file, options.private_key_file}};
  files.insert(files.end(), options.more_certificates.begin(), options.more_certificates.end());
  return CertificateStore::load(files, error);
}

std::unique_ptr<TlsContext> make_tls_server(const TlsServerOptions& options, std::string& error) {
  auto server = std::make_unique<OpensslServer>();
  if (!server->configure(options, error)) return nullptr;
  return server;
}

}  // namespace viaduct::crypto
