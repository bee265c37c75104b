// One TLS handshake by OpenSSL's QUIC callbacks (SSL_set_quic_tls_cbs).
#pragma once

#include <openssl/ssl.h>

#include <deque>
#include <memory>
#include <vector>

#include "crypto-offload/hkdf.h"
#include "crypto-offload/tls_session.h"

namespace viaduct::crypto {

struct SslFree {
  void operator()(SSL* ssl) const;
};
using SslPointer = std::unique_ptr<SSL, SslFree>;

enum class TlsRole : uint8_t { kServer, kClient };

class OpensslSession final : public TlsSession {
 public:
  // ssl: new, with nothing done on it but the choice of names and sessions.
  OpensslSession(SslPointer ssl, TlsRole role, Bytes transport_parameters);
  ~OpensslSession() override;
  OpensslSession(const OpensslSession&) = delete;
  OpensslSession& operator=(const OpensslSession&) = delete;

  bool choose_parameters(ChooseParameters choose) override { return choose_parameters_ = std::move(choose), true; }
  void set_version(uint32_t version) override { version_ = version; }
  uint32_t version() const { return version_; }
  void start() override;
  void provide(EncryptionLevel level, Bytes bytes) override;
  bool poll(TlsMessage& message) override;

  // Before start(). Server: takes 0-RTT from clients that resume.
  void enable_early_data();
  // Client, before start(): resumes the session of a ticket, with 0-RTT if asked for and allowed. What is no session
  // is passed over.
  void resume(Bytes ticket, bool early_data);

  // Ends the handshake with an alert. The first one counts.
  void fail(uint8_t alert);
  // A session to resume came with a ticket; for the context's callback.
  void take_ticket(SSL_SESSION* session);

 private:
  // Bytes of a message stand in arena_, those of a secret in their own place, which is wiped.
  struct Entry {
    TlsMessage message;
    size_t offset = 0;
    size_t size = 0;
    Secret secret;
  };

  // OpenSSL's callbacks; 0 is fatal to the connection.
  struct Callbacks;
  int send(Bytes bytes);
  int receive(const uint8_t** bytes, size_t* size);
  int release(size_t size);
  int secret(EncryptionLevel level, Direction direction, Bytes secret);
  int transport_parameters(Bytes bytes);

  void advance();
  void complete();
  void violate();
  Entry& push(TlsMessage::Type type, Bytes bytes = {});
  bool peer_is_acceptable();

  SslPointer ssl_;  // null once a server's handshake and tickets are done
  const TlsRole role_;
  bool handshake_returned_ = false;
  bool complete_ = false;
  bool failed_ = false;
  bool early_data_ = false;  // client: offered
  bool has_transport_parameters_ = false;
  EncryptionLevel read_level_ = EncryptionLevel::kInitial;
  EncryptionLevel write_level_ = EncryptionLevel::kInitial;
  std::vector<uint8_t> transport_parameters_;  // ours; OpenSSL keeps a pointer to them
  ChooseParameters choose_parameters_;
  uint32_t version_ = 0;
  std::vector<uint8_t> peer_parameters_;  // client: what a ticket remembers
  std::vector<uint8_t> input_;            // from the peer, at read_level_, not yet taken by OpenSSL
  std::deque<Entry> entries_;
  std::vector<uint8_t> arena_;
  Secret polled_secret_;
};

}  // namespace viaduct::crypto
