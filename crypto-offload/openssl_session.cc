#include "crypto-offload/openssl_session.h"

#include <openssl/core_dispatch.h>
#include <openssl/err.h>

#include <algorithm>

namespace viaduct::crypto {
namespace {

// What a ticket that allows 0-RTT says in QUIC (RFC 9001 section 4.6.1).
constexpr uint32_t kQuicMaxEarlyData = 0xffffffff;

Aead aead_of(const SSL* ssl) {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  switch (cipher == nullptr ? 0 : SSL_CIPHER_get_id(cipher)) {
    case TLS1_3_CK_AES_256_GCM_SHA384:
      return Aead::kAes256Gcm;
    case TLS1_3_CK_CHACHA20_POLY1305_SHA256:
      return Aead::kChaCha20Poly1305;
    default:
      return Aead::kAes128Gcm;
  }
}

Bytes chosen_alpn(const SSL* ssl) {
  const uint8_t* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl, &name, &size);
  return {name, size};
}

}  // namespace

// QUIC sends no close_notify. Without these flags OpenSSL takes the session for broken and forgets it.
void SslFree::operator()(SSL* ssl) const {
  SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(ssl);
}

// OpenSSL's signatures, led to the session that is their argument.
struct OpensslSession::Callbacks {
  static int send(SSL*, const unsigned char* bytes, size_t size, size_t* consumed, void* session) {
    *consumed = size;
    return static_cast<OpensslSession*>(session)->send({bytes, size});
  }
  static int receive(SSL*, const unsigned char** bytes, size_t* size, void* session) {
    return static_cast<OpensslSession*>(session)->receive(bytes, size);
  }
  static int release(SSL*, size_t size, void* session) { return static_cast<OpensslSession*>(session)->release(size); }
  static int secret(SSL*, uint32_t level, int direction, const unsigned char* secret, size_t size, void* session) {
    return static_cast<OpensslSession*>(session)->secret(
        static_cast<EncryptionLevel>(level), direction == 0 ? Direction::kRead : Direction::kWrite, {secret, size});
  }
  static int parameters(SSL*, const unsigned char* bytes, size_t size, void* session) {
    return static_cast<OpensslSession*>(session)->transport_parameters({bytes, size});
  }
  // Of what TLS refuses, QUIC has its own error for two things: a ticket for another amount of early data, and bytes
  // behind the last message of a level.
  // meets RFC 9001 4.1.3-3 4.6.1-2
  static int alert(SSL*, unsigned char alert, void* session) {
    auto& self = *static_cast<OpensslSession*>(session);
    const int reason = ERR_GET_REASON(ERR_peek_last_error());
    const bool is_quics = reason == SSL_R_INVALID_MAX_EARLY_DATA || reason == SSL_R_NOT_ON_RECORD_BOUNDARY;
    is_quics ? self.violate() : self.fail(alert);
    return 1;
  }

  template <class Function>
  static OSSL_DISPATCH entry(int id, Function function) {
    return {id, reinterpret_cast<void (*)(void)>(function)};
  }
  static const OSSL_DISPATCH* table() {
    static const OSSL_DISPATCH entries[] = {
        entry(OSSL_FUNC_SSL_QUIC_TLS_CRYPTO_SEND, &send),
        entry(OSSL_FUNC_SSL_QUIC_TLS_CRYPTO_RECV_RCD, &receive),
        entry(OSSL_FUNC_SSL_QUIC_TLS_CRYPTO_RELEASE_RCD, &release),
        entry(OSSL_FUNC_SSL_QUIC_TLS_YIELD_SECRET, &secret),
        entry(OSSL_FUNC_SSL_QUIC_TLS_GOT_TRANSPORT_PARAMS, &parameters),
        entry(OSSL_FUNC_SSL_QUIC_TLS_ALERT, &alert),
        OSSL_DISPATCH_END,
    };
    return entries;
  }
};

static_assert(static_cast<int>(EncryptionLevel::kInitial) == OSSL_RECORD_PROTECTION_LEVEL_NONE &&
              static_cast<int>(EncryptionLevel::kEarlyData) == OSSL_RECORD_PROTECTION_LEVEL_EARLY &&
              static_cast<int>(EncryptionLevel::kHandshake) == OSSL_RECORD_PROTECTION_LEVEL_HANDSHAKE &&
              static_cast<int>(EncryptionLevel::kOneRtt) == OSSL_RECORD_PROTECTION_LEVEL_APPLICATION);

// meets RFC 9000 7-1
// meets RFC 9001 8.4-1
OpensslSession::OpensslSession(SslPointer ssl, TlsRole role, Bytes transport_parameters)
    : ssl_(std::move(ssl)),
      role_(role),
      transport_parameters_(transport_parameters.begin(), transport_parameters.end()) {
  SSL_set_quic_tls_cbs(ssl_.get(), Callbacks::table(), this);
  SSL_set_app_data(ssl_.get(), this);
  role == TlsRole::kServer ? SSL_set_accept_state(ssl_.get()) : SSL_set_connect_state(ssl_.get());
  SSL_set_quic_tls_transport_params(ssl_.get(), transport_parameters_.data(), transport_parameters_.size());
}

// OpenSSL may call back from SSL_free: everything that the callbacks touch must still be there.
OpensslSession::~OpensslSession() {
  failed_ = true;
  ssl_.reset();
  OPENSSL_cleanse(arena_.data(), arena_.size());  // a ticket holds a secret
}

void OpensslSession::start() {
  if (role_ == TlsRole::kClient) advance();
}

// meets RFC 9001 6-2
void OpensslSession::provide(EncryptionLevel level, Bytes bytes) {
  if (failed_ || bytes.empty()) return;
  if (entries_.empty()) arena_.clear();
  // A client has nothing to say after its Finished.
  if (!ssl_) return fail(SSL_AD_UNEXPECTED_MESSAGE);
  // meets RFC 9001 4.1.3-2
  if (level != read_level_) return violate();
  input_.insert(input_.end(), bytes.begin(), bytes.end());
  advance();
}

bool OpensslSession::poll(TlsMessage& message) {
  if (entries_.empty()) {
    if (!ssl_) arena_ = {};  // an idle connection keeps no handshake
    return false;
  }
  Entry& entry = entries_.front();
  message = entry.message;
  if (message.type == TlsMessage::Type::kSecret) {
    polled_secret_ = entry.secret;
    message.bytes = polled_secret_.bytes();
  } else {
    message.bytes = Bytes(arena_).subspan(entry.offset, entry.size);
  }
  entries_.pop_front();
  return true;
}

// meets RFC 9001 4.6.1-1 8.3-1
void OpensslSession::enable_early_data() { SSL_set_quic_tls_early_data_enabled(ssl_.get(), 1); }

// A ticket is, in our encoding: the size of the server's transport parameters (2 octets), those, OpenSSL's session.
void OpensslSession::resume(Bytes ticket, bool early_data) {
  ByteReader reader(ticket);
  const Bytes parameters = reader.bytes(reader.u16());
  const Bytes encoded = reader.rest();
  if (encoded.empty()) return;
  const uint8_t* begin = encoded.data();
  SSL_SESSION* session = d2i_SSL_SESSION(nullptr, &begin, static_cast<long>(encoded.size()));
  if (session == nullptr) return ERR_clear_error();
  if (SSL_set_session(ssl_.get(), session) == 1 && early_data &&
      SSL_SESSION_get_max_early_data(session) == kQuicMaxEarlyData) {
    early_data_ = SSL_set_quic_tls_early_data_enabled(ssl_.get(), 1) == 1;
  }
  SSL_SESSION_free(session);
  if (early_data_) push(TlsMessage::Type::kTransportParameters, parameters).message.level = EncryptionLevel::kEarlyData;
}

void OpensslSession::take_ticket(SSL_SESSION* session) {
  const int size = i2d_SSL_SESSION(session, nullptr);
  if (size <= 0) return;
  std::vector<uint8_t> ticket(2 + peer_parameters_.size() + static_cast<size_t>(size));
  ByteWriter writer(ticket);
  writer.u16(static_cast<uint16_t>(peer_parameters_.size()));
  writer.bytes(peer_parameters_);
  uint8_t* end = writer.position();
  i2d_SSL_SESSION(session, &end);
  push(TlsMessage::Type::kTicket, ticket);
  OPENSSL_cleanse(ticket.data(), ticket.size());
}

int OpensslSession::send(Bytes bytes) {
  if (failed_) return 1;
  // One flight comes in several pieces; the last message grows as long as it was not polled.
  if (!entries_.empty()) {
    Entry& last = entries_.back();
    if (last.message.type == TlsMessage::Type::kCrypto && last.message.level == write_level_) {
      arena_.insert(arena_.end(), bytes.begin(), bytes.end());
      last.size += bytes.size();
      return 1;
    }
  }
  push(TlsMessage::Type::kCrypto, bytes).message.level = write_level_;
  return 1;
}

int OpensslSession::receive(const uint8_t** bytes, size_t* size) {
  *bytes = input_.data();
  *size = input_.size();
  return 1;
}

int OpensslSession::release(size_t size) {
  input_.erase(input_.begin(), input_.begin() + static_cast<ptrdiff_t>(std::min(size, input_.size())));
  return 1;
}

int OpensslSession::secret(EncryptionLevel level, Direction direction, Bytes secret) {
  if (failed_) return 0;
  if (level == EncryptionLevel::kOneRtt && !peer_is_acceptable()) return 0;
  // Secrets of 0-RTT leave the levels alone: no CRYPTO frame is sent under them (RFC 9001 section 4.1.3).
  if (level != EncryptionLevel::kEarlyData) {
    if (direction == Direction::kWrite) {
      write_level_ = level;
    } else {
      // meets RFC 9001 4.1.3-3
      if (!input_.empty()) return violate(), 0;
      read_level_ = level;
    }
  }
  Entry& entry = push(TlsMessage::Type::kSecret);
  entry.message.level = level;
  entry.message.direction = direction;
  entry.message.aead = aead_of(ssl_.get());
  entry.message.hash_size = static_cast<uint8_t>(secret.size());
  entry.secret = Secret(secret);
  return 1;
}

int OpensslSession::transport_parameters(Bytes bytes) {
  if (failed_) return 1;
  has_transport_parameters_ = true;
  if (role_ == TlsRole::kClient) peer_parameters_.assign(bytes.begin(), bytes.end());
  if (choose_parameters_) {
    transport_parameters_ = choose_parameters_(bytes);
    SSL_set_quic_tls_transport_params(ssl_.get(), transport_parameters_.data(), transport_parameters_.size());
  }
  push(TlsMessage::Type::kTransportParameters, bytes);
  return 1;
}

// What OpenSSL leaves to us: both sides must send transport parameters (RFC 9001 section 8.2) and agree on
// a protocol (section 8.1). A server has checked the ClientHello for both before it answered.
// meets RFC 9001 8.1-3 8.1-6 8.2-1
bool OpensslSession::peer_is_acceptable() {
  if (!has_transport_parameters_) return fail(SSL_AD_MISSING_EXTENSION), false;
  if (chosen_alpn(ssl_.get()).empty()) return fail(SSL_AD_NO_APPLICATION_PROTOCOL), false;
  return true;
}

void OpensslSession::advance() {
  while (!failed_) {
    ERR_clear_error();  // SSL_get_error() looks at what others left on the thread's queue
    const int result = handshake_returned_ ? SSL_read(ssl_.get(), nullptr, 0) : SSL_do_handshake(ssl_.get());
    if (result == 1 && !handshake_returned_) {
      handshake_returned_ = true;  // which is not completion: with early data it comes before the client's Finished
      continue;
    }
    if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) fail(SSL_AD_INTERNAL_ERROR);
    break;
  }
  if (!failed_ && !complete_ && SSL_is_init_finished(ssl_.get()) == 1) complete();
  ERR_clear_error();
}

void OpensslSession::complete() {
  complete_ = true;
  if (early_data_ && SSL_get_early_data_status(ssl_.get()) != SSL_EARLY_DATA_ACCEPTED) {
    push(TlsMessage::Type::kEarlyDataRejected);
  }
  push(TlsMessage::Type::kComplete, chosen_alpn(ssl_.get())).message.is_resumed = SSL_session_reused(ssl_.get()) == 1;
  // meets RFC 9001 4.4-2
  if (role_ == TlsRole::kServer) ssl_.reset();  // the tickets are among the messages by now
}

void OpensslSession::fail(uint8_t alert) {
  if (failed_) return;
  failed_ = true;
  push(TlsMessage::Type::kAlert).message.alert = alert;
}

void OpensslSession::violate() {
  if (failed_) return;
  failed_ = true;
  push(TlsMessage::Type::kProtocolViolation);
}

OpensslSession::Entry& OpensslSession::push(TlsMessage::Type type, Bytes bytes) {
  Entry& entry = entries_.emplace_back();
  entry.message.type = type;
  entry.offset = arena_.size();
  entry.size = bytes.size();
  arena_.insert(arena_.end(), bytes.begin(), bytes.end());
  return entry;
}

}  // namespace viaduct::crypto
