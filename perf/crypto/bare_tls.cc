#include "perf/crypto/bare_tls.h"

#include <openssl/core_dispatch.h>
#include <openssl/err.h>

#include <cstdlib>
#include <deque>
#include <utility>

#include "perf/harness/measure.h"

namespace viaduct::perf {
namespace {

constexpr uint8_t kProtocol[] = {2, 'h', '3'};

int choose_protocol(SSL*, const uint8_t** chosen, uint8_t* size, const uint8_t*, unsigned, void*) {
  *chosen = kProtocol + 1;
  *size = kProtocol[0];
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

// What one side sends stands in the other's input, the bytes of each level apart.
struct BareTls::Side {
  SSL* ssl;
  std::deque<std::vector<uint8_t>> input;
  bool next_level = true;  // what is sent next is of another level than what was
  Side* peer = nullptr;

  Side(SSL_CTX* context, bool server) : ssl(SSL_new(context)) {
    SSL_set_quic_tls_cbs(ssl, table(), this);
    server ? SSL_set_accept_state(ssl) : SSL_set_connect_state(ssl);
    SSL_set_quic_tls_transport_params(ssl, kParameters, sizeof kParameters);
  }
  ~Side() { free(); }
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;

  void free() {
    if (ssl != nullptr) SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(std::exchange(ssl, nullptr));
  }
  void step() {
    ERR_clear_error();
    if (SSL_do_handshake(ssl) == 1) SSL_read(ssl, nullptr, 0);
  }

  static int send(SSL*, const unsigned char* bytes, size_t size, size_t* consumed, void* side) {
    auto& self = *static_cast<Side*>(side);
    auto& to = self.peer->input;
    if (std::exchange(self.next_level, false) || to.empty()) to.emplace_back();
    to.back().insert(to.back().end(), bytes, bytes + size);
    *consumed = size;
    return 1;
  }
  static int receive(SSL*, const unsigned char** bytes, size_t* size, void* side) {
    const auto& input = static_cast<Side*>(side)->input;
    *size = input.empty() ? 0 : input.front().size();
    *bytes = input.empty() ? nullptr : input.front().data();
    return 1;
  }
  static int release(SSL*, size_t, void* side) {
    static_cast<Side*>(side)->input.pop_front();  // given whole, taken whole
    return 1;
  }
  static int secret(SSL*, uint32_t, int direction, const unsigned char*, size_t, void* side) {
    if (direction == 1) static_cast<Side*>(side)->next_level = true;
    return 1;
  }
  static int parameters(SSL*, const unsigned char*, size_t, void*) { return 1; }
  static int alert(SSL*, unsigned char, void*) { return 1; }

  template <class Function>
  static OSSL_DISPATCH entry(int id, Function function) {
    return {id, reinterpret_cast<void (*)(void)>(function)};
  }
  static const OSSL_DISPATCH* table() {
    static const OSSL_DISPATCH entries[] = {entry(OSSL_FUNC_SSL_QUIC_TLS_CRYPTO_SEND, &send),
                                            entry(OSSL_FUNC_SSL_QUIC_TLS_CRYPTO_RECV_RCD, &receive),
                                            entry(OSSL_FUNC_SSL_QUIC_TLS_CRYPTO_RELEASE_RCD, &release),
                                            entry(OSSL_FUNC_SSL_QUIC_TLS_YIELD_SECRET, &secret),
                                            entry(OSSL_FUNC_SSL_QUIC_TLS_GOT_TRANSPORT_PARAMS, &parameters),
                                            entry(OSSL_FUNC_SSL_QUIC_TLS_ALERT, &alert),
                                            OSSL_DISPATCH_END};
    return entries;
  }
};

BareTls::BareTls(const std::string& certificate_file, const std::string& key_file, const std::string& groups)
    : server_(SSL_CTX_new(TLS_server_method())), client_(SSL_CTX_new(TLS_client_method())) {
  for (SSL_CTX* context : {server_.get(), client_.get()}) SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_use_certificate_chain_file(server_.get(), certificate_file.c_str());
  SSL_CTX_use_PrivateKey_file(server_.get(), key_file.c_str(), SSL_FILETYPE_PEM);
  SSL_CTX_set_alpn_select_cb(server_.get(), &choose_protocol, nullptr);
  SSL_CTX_set_session_cache_mode(server_.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(server_.get(), 1);
  SSL_CTX_set1_groups_list(client_.get(), groups.c_str());
  SSL_CTX_set_ciphersuites(client_.get(), "TLS_AES_128_GCM_SHA256");
  SSL_CTX_set_alpn_protos(client_.get(), kProtocol, sizeof kProtocol);
  SSL_CTX_set_session_cache_mode(client_.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_app_data(client_.get(), this);
  SSL_CTX_sess_set_new_cb(client_.get(), [](SSL* ssl, SSL_SESSION* session) {
    static_cast<BareTls*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))->last_.reset(session);
    return 1;
  });
}

double BareTls::handshake() {
  Side client(client_.get(), false);
  if (kept_) {  // a session is good for one connection
    const std::unique_ptr<SSL_SESSION, SessionFree> copy(SSL_SESSION_dup(kept_.get()));
    SSL_set_session(client.ssl, copy.get());
  }
  double begin = thread_ns();
  Side server(server_.get(), true);
  double ns = thread_ns() - begin;
  client.peer = &server;
  server.peer = &client;
  for (int flight = 0; flight < 2; ++flight) {
    client.step();
    begin = thread_ns();
    server.step();
    ns += thread_ns() - begin;
  }
  client.step();
  if (SSL_is_init_finished(server.ssl) != 1 || SSL_session_reused(server.ssl) != (kept_ ? 1 : 0)) std::abort();
  begin = thread_ns();
  server.free();
  return ns + thread_ns() - begin;
}

void BareTls::keep_ticket() {
  handshake();
  if (!last_) std::abort();
  kept_ = std::move(last_);
}

}  // namespace viaduct::perf
