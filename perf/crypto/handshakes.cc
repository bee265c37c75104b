// Handshakes through our TLS interface, the server's side of them, against OpenSSL's objects alone.
#include <stdexcept>

#include "base/temporary_folder.h"
#include "crypto-offload/tls_session.h"
#include "perf/crypto/bare_tls.h"
#include "perf/crypto/provider_worker.h"
#include "perf/crypto/suites.h"

namespace viaduct::perf {
namespace {

using crypto::EncryptionLevel;
using crypto::TlsMessage;
using crypto::TlsSession;

constexpr int kHandshakes = 8;  // in one run of a case

// A certificate on P-256 in a folder that goes with it.
class Certificate {
 public:
  Certificate() {
    std::string error;
    if (!crypto::make_self_signed("localhost", certificate_file(), key_file(), error)) fail(error);
  }

  std::string certificate_file() const { return folder_ / "certificate.pem"; }
  std::string key_file() const { return folder_ / "key.pem"; }

  // The folder goes as the stack is unwound.
  [[noreturn]] static void fail(const std::string& error) { throw std::runtime_error(error); }

 private:
  TemporaryFolder folder_;
};

// One side's session and what it said, as an endpoint would take it.
struct Side {
  struct Piece {
    EncryptionLevel level;
    std::vector<uint8_t> bytes;
  };
  std::unique_ptr<TlsSession> session;
  std::vector<Piece> said;
  bool complete = false;
  std::vector<uint8_t> ticket;

  void take() {
    TlsMessage message;
    while (session->poll(message)) {
      if (message.type == TlsMessage::Type::kCrypto)
        said.push_back({message.level, {message.bytes.begin(), message.bytes.end()}});
      if (message.type == TlsMessage::Type::kComplete) complete = true;
      if (message.type == TlsMessage::Type::kTicket) ticket.assign(message.bytes.begin(), message.bytes.end());
    }
  }
  void hear(Side& other) {
    for (const Piece& piece : other.said) session->provide(piece.level, piece.bytes);
    other.said.clear();
    take();
  }
};

class OurTls {
 public:
  OurTls(const Certificate& certificate, const std::string& groups) {
    std::string error;
    server_ = crypto::make_tls_server({.certificate_file = certificate.certificate_file(),
                                       .private_key_file = certificate.key_file(),
                                       .alpn = {"h3"}},
                                      error);
    client_ = crypto::make_tls_client(
        {.verify = false, .alpn = {"h3"}, .ciphers = "TLS_AES_128_GCM_SHA256", .groups = groups}, error);
    if (!server_ || !client_) Certificate::fail(error);
  }

  // As BareTls::handshake().
  double handshake() {
    Side client{client_->connect("localhost", kParameters, kept_), {}, false, {}};
    double begin = thread_ns();
    Side server{server_->accept(kParameters), {}, false, {}};
    double ns = thread_ns() - begin;
    client.session->start();
    client.take();
    for (int flight = 0; flight < 2; ++flight) {
      begin = thread_ns();
      server.hear(client);
      ns += thread_ns() - begin;
      client.hear(server);
    }
    if (!server.complete || !client.complete || client.ticket.empty()) std::abort();
    last_ = std::move(client.ticket);
    begin = thread_ns();
    server.session.reset();
    return ns + thread_ns() - begin;
  }
  void keep_ticket() {
    handshake();
    kept_ = last_;
  }

 private:
  std::unique_ptr<crypto::TlsContext> server_;
  std::unique_ptr<crypto::TlsContext> client_;
  std::vector<uint8_t> last_;
  std::vector<uint8_t> kept_;
};

template <class Tls>
Case handshakes(const std::string& name, Tls& tls) {
  return {.name = name,
          .run = {},
          .items = kHandshakes,
          .timed =
              [&tls] {
                double ns = 0;
                for (int i = 0; i < kHandshakes; ++i) ns += tls.handshake();
                return ns;
              },
          .rate = "handshakes/s"};
}

}  // namespace

std::vector<Row> bench_handshakes(size_t turns) {
  const Certificate certificate;
  std::vector<Row> rows;
  for (const char* group : {"X25519", "X25519MLKEM768"}) {
    BareTls bare(certificate.certificate_file(), certificate.key_file(), group);
    OurTls ours(certificate, group);
    for (const bool resumed : {false, true}) {
      if (resumed) bare.keep_ticket(), ours.keep_ticket();
      const std::string front =
          std::string("handshake/ecdsa-p256/") + group + "/" + (resumed ? "resumed" : "full") + "/";
      append(rows,
             measure("crypto", {handshakes(front + "openssl", bare), handshakes(front + "viaduct", ours)}, turns));
    }
  }
  return rows;
}

}  // namespace viaduct::perf
