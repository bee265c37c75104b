// TLS 1.3 for QUIC (RFC 9001 section 4) as messages in and messages out.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "crypto-offload/packet_protector.h"

namespace viaduct::crypto {

enum class EncryptionLevel : uint8_t { kInitial = 0, kEarlyData = 1, kHandshake = 2, kOneRtt = 3 };
inline constexpr size_t kEncryptionLevels = 4;

enum class Direction : uint8_t { kRead = 0, kWrite = 1 };

inline constexpr size_t kMaxSecretSize = 48;

// What a session says. `bytes` is valid until the next call on the session.
struct TlsMessage {
  enum class Type : uint8_t {
    kCrypto,               // bytes: to be sent in CRYPTO frames at `level`
    kSecret,               // bytes: the traffic secret for `level`, `direction`, `aead`, `hash_size`
    kTransportParameters,  // bytes: the peer's, encoded; unauthenticated until kComplete. At kEarlyData, before all
                           // others: a client's, remembered from the session that it resumes with 0-RTT
    kAlert,                // alert: close with CRYPTO_ERROR 0x100 + alert (RFC 9001 section 4.8)
    kProtocolViolation,    // the peer breaks a rule of QUIC's for TLS: close with that (sections 4.1.3 and 4.6.1)
    kComplete,             // the handshake is complete (section 4.1.1); bytes: the ALPN chosen, never empty; is_resumed
    kTicket,               // client: bytes: a session to resume, in an encoding of the session's own
    kEarlyDataRejected,    // client: 0-RTT was refused; comes before kComplete
  };
  Type type = Type::kCrypto;
  EncryptionLevel level = EncryptionLevel::kInitial;
  Direction direction = Direction::kRead;
  Aead aead = Aead::kAes128Gcm;
  uint8_t hash_size = 32;  // 32: SHA-256; 48: SHA-384
  uint8_t alert = 0;
  bool is_resumed = false;
  Bytes bytes;
};

// One handshake. Owned by one connection; all calls are its worker's. Work is done inside provide() and start(), or on
// another lcore after them; poll() then hands out what came of it, in order.
class TlsSession {
 public:
  virtual ~TlsSession() = default;

  // Server, before the first provide(): our parameters may depend on the client's. Called with those, from inside
  // provide(); what it returns is sent in place of what accept() was given. False where that cannot be, because the
  // work is done elsewhere.
  using ChooseParameters = std::function<std::vector<uint8_t>(Bytes client)>;
  virtual bool choose_parameters(ChooseParameters) { return false; }  // NOLINT(performance-*)
  // Server: the version of QUIC that is spoken, at first and when it changes. Tickets hold for the version they were
  // given in (RFC 9369 section 5).
  virtual void set_version(uint32_t) {}

  // Client: makes the ClientHello. Server: nothing.
  virtual void start() = 0;
  // CRYPTO bytes from the peer, in order at each level.
  virtual void provide(EncryptionLevel level, Bytes bytes) = 0;
  // The next message; false where there is none.
  virtual bool poll(TlsMessage& message) = 0;
  // What TlsContext::ready() is to call this session.
  virtual void set_owner(uint64_t) {}
};

class CertificateStore;
class ReplayWindow;
class TicketKeys;

// Makes sessions; one per lcore that runs TLS.
class TlsContext {
 public:
  virtual ~TlsContext() = default;

  // transport_parameters: ours, encoded (RFC 9000 section 18); copied.
  virtual std::unique_ptr<TlsSession> accept(Bytes transport_parameters) = 0;
  // server_name: a host's, or an address, which is no SNI but what the certificate has to be for. Empty only where
  // certificates are not verified: otherwise null is returned, because any certificate of the authorities would do.
  // session: a kTicket's bytes, or empty.
  virtual std::unique_ptr<TlsSession> connect(const std::string& server_name, Bytes transport_parameters,
                                              Bytes session) = 0;
  // Server: handshakes that begin from now on use these; for certificates that changed.
  virtual void use_certificates(std::shared_ptr<const CertificateStore>) {}  // NOLINT(performance-*)

  // Where work is done elsewhere: takes the owners of sessions that have something to poll, as many as fit; the number.
  virtual size_t ready(std::span<uint64_t>) { return 0; }
  // Whether ready() would find something.
  virtual bool has_ready() const { return false; }
};

struct CertificateFiles {
  std::string certificate_file;  // PEM, the chain, leaf first
  std::string private_key_file;  // PEM
};

// A server's certificates and protocols.
struct TlsServerOptions {
  std::string certificate_file;   // PEM, the chain, leaf first
  std::string private_key_file;   // PEM
  std::vector<std::string> alpn;  // in order of preference; no overlap: alert no_application_protocol
  std::string ciphers;            // TLS 1.3 suites, OpenSSL's names, colon-separated; empty: all three, AES-128 first
  std::string groups;             // OpenSSL's names, colon-separated; empty: OpenSSL's default
  std::string key_log_file;       // SSLKEYLOGFILE format is appended where not empty

  std::vector<CertificateFiles> more_certificates;  // for other names or of other kinds, chosen by SNI
  std::shared_ptr<const TicketKeys> ticket_keys;    // shared by the workers of an origin; null: this context's own
  bool early_data = false;                          // accept 0-RTT: a kSecret to read at kEarlyData says so
  std::string early_data_context;                   // what tickets promise; others' early data is rejected
  std::shared_ptr<ReplayWindow> replay_window;      // shared by the workers; null: this context's own
};

struct TlsClientOptions {
  std::string ca_file;  // empty with verify: the system's
  bool verify = true;
  std::vector<std::string> alpn;
  std::string ciphers;
  std::string groups;
  std::string key_log_file;
  bool early_data = false;  // offer 0-RTT where the session resumed allows it
};

// The certificates that `options` names, read anew: for use_certificates(). Null with `error` filled. Any thread.
std::shared_ptr<const CertificateStore> load_certificates(const TlsServerOptions& options, std::string& error);

// Null with `error` filled for a file that cannot be used.
std::unique_ptr<TlsContext> make_tls_server(const TlsServerOptions& options, std::string& error);
std::unique_ptr<TlsContext> make_tls_client(const TlsClientOptions& options, std::string& error);

// Writes a new P-256 key and a certificate for `name` (a DNS name or an IP address), valid for a year.
// False with `error` filled where a file cannot be written; the key's mode is 0600.
bool make_self_signed(const std::string& name, const std::string& certificate_file, const std::string& key_file,
                      std::string& error);

}  // namespace viaduct::crypto
