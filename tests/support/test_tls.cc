#include "tests/support/test_tls.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>

#include "base/random.h"

namespace viaduct::test {
namespace {

using crypto::Aead;
using crypto::Direction;
using crypto::EncryptionLevel;
using crypto::TlsMessage;

// RFC 8446 section 4 and section 6.
enum Message : uint8_t {
  kClientHello = 1,
  kServerHello = 2,
  kEncryptedExtensions = 8,
  kCertificate = 11,
  kFinished = 20
};
enum Alert : uint8_t {
  kUnexpectedMessage = 10,
  kDecodeError = 50,
  kDecryptError = 51,
  kMissingExtension = 109,
  kNoApplicationProtocol = 120,
};

constexpr size_t kMessageHeader = 4;
constexpr size_t kMaxMessage = 1 << 16;
constexpr size_t kNonceSize = 32;

using Text = std::vector<uint8_t>;

void append(Text& text, Bytes bytes) {
  const size_t size = text.size();
  text.resize(size + bytes.size());
  if (!bytes.empty()) std::memcpy(text.data() + size, bytes.data(), bytes.size());
}

// Builds one message, whose length is filled in at the end.
class MessageBuilder {
 public:
  explicit MessageBuilder(Message type) : text_{type, 0, 0, 0} {}

  void bytes(Bytes content) { append(text_, content); }
  void vector8(Bytes content) {
    text_.push_back(static_cast<uint8_t>(content.size()));
    bytes(content);
  }
  void vector16(Bytes content) {
    text_.push_back(static_cast<uint8_t>(content.size() >> 8));
    text_.push_back(static_cast<uint8_t>(content.size()));
    bytes(content);
  }
  void pad_to(size_t size) {
    if (text_.size() < size) text_.resize(size, 0x2a);
  }
  Text finish() {
    const size_t length = text_.size() - kMessageHeader;
    for (size_t i = 0; i < 3; ++i) text_[1 + i] = static_cast<uint8_t>(length >> (16 - 8 * i));
    return std::move(text_);
  }

 private:
  Text text_;
};

Bytes bytes_of(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

class TestTlsSession : public crypto::TlsSession {
 public:
  TestTlsSession(const TestTlsOptions& options, Bytes transport_parameters, uint64_t seed)
      : options_(options), transport_parameters_(transport_parameters.begin(), transport_parameters.end()) {
    Random::from_seed(seed).fill(nonce_);
  }

  void start() override {}
  bool choose_parameters(ChooseParameters choose) override { return choose_parameters_ = std::move(choose), true; }

  void provide(EncryptionLevel level, Bytes bytes) override {
    if (failed_) return;
    if (level != expected_level()) return violate();
    append(inbox_, bytes);
    while (!failed_ && inbox_.size() >= kMessageHeader) {
      const size_t size = kMessageHeader + (size_t{inbox_[1]} << 16 | size_t{inbox_[2]} << 8 | inbox_[3]);
      if (size > kMaxMessage) return fail(kDecodeError);
      if (inbox_.size() < size) return;
      const Text message(inbox_.begin(), inbox_.begin() + static_cast<ptrdiff_t>(size));
      inbox_.erase(inbox_.begin(), inbox_.begin() + static_cast<ptrdiff_t>(size));
      take(message);
      if (level != expected_level() && !inbox_.empty()) return violate();
    }
  }

  bool poll(TlsMessage& message) override {
    if (outbox_.empty()) return false;
    current_ = std::move(outbox_.front());
    outbox_.pop_front();
    message = current_.message;
    message.bytes = current_.bytes;
    return true;
  }

 protected:
  virtual EncryptionLevel expected_level() const = 0;
  virtual void take(const Text& message) = 0;

  void fail(uint8_t alert) {
    failed_ = true;
    TlsMessage message{.type = TlsMessage::Type::kAlert};
    message.alert = alert;
    outbox_.push_back({message, {}});
  }
  void violate() {
    failed_ = true;
    outbox_.push_back({{.type = TlsMessage::Type::kProtocolViolation}, {}});
  }
  void send(EncryptionLevel level, Bytes bytes) {
    append(transcript_, bytes);
    outbox_.push_back({{.type = TlsMessage::Type::kCrypto, .level = level}, {bytes.begin(), bytes.end()}});
  }
  void receive(const Text& message) { append(transcript_, message); }
  void tell_parameters(Bytes parameters) {
    outbox_.push_back({{.type = TlsMessage::Type::kTransportParameters}, {parameters.begin(), parameters.end()}});
  }
  void complete(Bytes alpn) { outbox_.push_back({{.type = TlsMessage::Type::kComplete}, {alpn.begin(), alpn.end()}}); }
  void tell_secret(EncryptionLevel level, Direction direction, const Text& secret) {
    TlsMessage message{.type = TlsMessage::Type::kSecret, .level = level, .direction = direction, .aead = aead_};
    message.hash_size = static_cast<uint8_t>(secret.size());
    outbox_.push_back({message, secret});
  }

  // A hash of the label and all messages so far, which both sides know alike.
  Text derive(std::string_view label) const {
    Text input = transcript_;
    append(input, {reinterpret_cast<const uint8_t*>(label.data()), label.size()});
    const bool long_hash = aead_ == Aead::kAes256Gcm;
    Text hash(long_hash ? SHA384_DIGEST_LENGTH : SHA256_DIGEST_LENGTH);
    if (long_hash) {
      SHA384(input.data(), input.size(), hash.data());
    } else {
      SHA256(input.data(), input.size(), hash.data());
    }
    return hash;
  }
  Text finished(std::string_view label) const {
    MessageBuilder builder(kFinished);
    builder.bytes(derive(label));
    return builder.finish();
  }
  Bytes own_parameters() const { return transport_parameters_; }
  void choose_own_parameters(Bytes client) {
    if (choose_parameters_ && !options_.omit_transport_parameters) transport_parameters_ = choose_parameters_(client);
  }

  const TestTlsOptions options_;
  std::array<uint8_t, kNonceSize> nonce_;
  Aead aead_ = Aead::kAes128Gcm;

 private:
  struct Outgoing {
    TlsMessage message;
    Text bytes;
  };

  Text transport_parameters_;
  ChooseParameters choose_parameters_;
  Text transcript_;
  Text inbox_;
  std::deque<Outgoing> outbox_;
  Outgoing current_;
  bool failed_ = false;
};

class TestTlsServer : public TestTlsSession {
 public:
  using TestTlsSession::TestTlsSession;

 private:
  enum class State { kHello, kFinished, kDone };

  EncryptionLevel expected_level() const override {
    if (state_ == State::kHello) return EncryptionLevel::kInitial;
    return state_ == State::kFinished ? EncryptionLevel::kHandshake : EncryptionLevel::kOneRtt;
  }

  void take(const Text& message) override {
    if (state_ == State::kHello && message[0] == kClientHello) return take_hello(message);
    if (state_ == State::kFinished && message[0] == kFinished) return take_finished(message);
    fail(kUnexpectedMessage);
  }

  void take_hello(const Text& message) {
    ByteReader reader(message);
    reader.skip(kMessageHeader + kNonceSize);
    reader.bytes(reader.u8());  // server name
    ByteReader offered(reader.bytes(reader.u8()));
    const Bytes parameters = reader.bytes(reader.u16());
    if (!reader.ok()) return fail(kDecodeError);
    if (options_.refuse_with_alert) return fail(*options_.refuse_with_alert);
    choose_alpn(offered);
    if (alpn_.empty()) return fail(kNoApplicationProtocol);
    if (parameters.empty()) return fail(kMissingExtension);
    receive(message);
    tell_parameters(parameters);
    choose_own_parameters(parameters);
    answer();
    state_ = State::kFinished;
  }

  void choose_alpn(ByteReader offered) {
    size_t best = options_.alpn.size();
    while (!offered.empty()) {
      const Bytes name = offered.bytes(offered.u8());
      for (size_t i = 0; i < best; ++i) {
        if (equal(name, bytes_of(options_.alpn[i]))) best = i;
      }
    }
    if (best < options_.alpn.size()) alpn_ = options_.alpn[best];
  }

  // In the order of OpenSSL's server.
  void answer() {
    MessageBuilder hello(kServerHello);
    hello.bytes(nonce_);
    const uint8_t aead = static_cast<uint8_t>(options_.aead);
    hello.bytes({&aead, 1});
    hello.pad_to(options_.server_hello_size);
    send(EncryptionLevel::kInitial, hello.finish());
    aead_ = options_.aead;
    tell_secret(EncryptionLevel::kHandshake, Direction::kWrite, derive("server handshake"));
    tell_secret(EncryptionLevel::kHandshake, Direction::kRead, derive("client handshake"));
    send_flight();
    tell_secret(EncryptionLevel::kOneRtt, Direction::kWrite, derive("server application"));
    client_secret_ = derive("client application");
    client_finished_ = finished("client finished");
  }

  void send_flight() {
    MessageBuilder extensions(kEncryptedExtensions);
    extensions.vector8(bytes_of(alpn_));
    extensions.vector16(own_parameters());
    Text flight = extensions.finish();
    MessageBuilder certificate(kCertificate);
    const size_t others = flight.size() + kMessageHeader + derive("").size();
    certificate.pad_to(options_.server_flight_size > others ? options_.server_flight_size - others : 0);
    const Text certificate_text = certificate.finish();
    append(flight, certificate_text);
    const Text end = finished("server finished");
    append(flight, end);
    send(EncryptionLevel::kHandshake, flight);
  }

  void take_finished(const Text& message) {
    if (message != client_finished_) return fail(kDecryptError);
    state_ = State::kDone;
    tell_secret(EncryptionLevel::kOneRtt, Direction::kRead, client_secret_);
    complete(bytes_of(alpn_));
  }

  State state_ = State::kHello;
  std::string alpn_;
  Text client_secret_;
  Text client_finished_;
};

class TestTlsClient : public TestTlsSession {
 public:
  TestTlsClient(const TestTlsOptions& options, std::string server_name, Bytes transport_parameters, uint64_t seed)
      : TestTlsSession(options, transport_parameters, seed), server_name_(std::move(server_name)) {}

  void start() override {
    MessageBuilder hello(kClientHello);
    hello.bytes(nonce_);
    hello.vector8(bytes_of(server_name_));
    Text names;
    for (const std::string& name : options_.alpn) {
      names.push_back(static_cast<uint8_t>(name.size()));
      append(names, bytes_of(name));
    }
    hello.vector8(names);
    hello.vector16(own_parameters());
    hello.pad_to(options_.client_hello_size);
    send(EncryptionLevel::kInitial, hello.finish());
  }

 private:
  enum class State { kHello, kExtensions, kCertificate, kFinished, kDone };

  EncryptionLevel expected_level() const override {
    if (state_ == State::kHello) return EncryptionLevel::kInitial;
    return state_ == State::kDone ? EncryptionLevel::kOneRtt : EncryptionLevel::kHandshake;
  }

  void take(const Text& message) override {
    if (state_ == State::kHello && message[0] == kServerHello) return take_hello(message);
    if (state_ == State::kExtensions && message[0] == kEncryptedExtensions) return take_extensions(message);
    if (state_ == State::kCertificate && message[0] == Message::kCertificate) return take_certificate(message);
    if (state_ == State::kFinished && message[0] == Message::kFinished) return take_finished(message);
    fail(kUnexpectedMessage);
  }

  void take_hello(const Text& message) {
    if (message.size() < kMessageHeader + kNonceSize + 1) return fail(kDecodeError);
    receive(message);
    aead_ = static_cast<Aead>(message[kMessageHeader + kNonceSize]);
    tell_secret(EncryptionLevel::kHandshake, Direction::kRead, derive("server handshake"));
    tell_secret(EncryptionLevel::kHandshake, Direction::kWrite, derive("client handshake"));
    state_ = State::kExtensions;
  }

  void take_extensions(const Text& message) {
    ByteReader reader(message);
    reader.skip(kMessageHeader);
    const Bytes alpn = reader.bytes(reader.u8());
    const Bytes parameters = reader.bytes(reader.u16());
    if (!reader.ok()) return fail(kDecodeError);
    if (parameters.empty()) return fail(kMissingExtension);
    alpn_.assign(alpn.begin(), alpn.end());
    tell_parameters(parameters);
    flight_ = message;
    state_ = State::kCertificate;
  }

  void take_certificate(const Text& message) {
    append(flight_, message);
    state_ = State::kFinished;
  }

  // The server's Finished covers what came before its flight, because the server sends that in one piece.
  void take_finished(const Text& message) {
    if (message != finished("server finished")) return fail(kDecryptError);
    append(flight_, message);
    receive(flight_);
    const Text write_secret = derive("client application");
    const Text read_secret = derive("server application");
    send(EncryptionLevel::kHandshake, finished("client finished"));
    tell_secret(EncryptionLevel::kOneRtt, Direction::kRead, read_secret);
    tell_secret(EncryptionLevel::kOneRtt, Direction::kWrite, write_secret);
    complete(bytes_of(alpn_));
    state_ = State::kDone;
  }

  const std::string server_name_;
  State state_ = State::kHello;
  std::string alpn_;
  Text flight_;
};

class TestTlsContext : public crypto::TlsContext {
 public:
  explicit TestTlsContext(const TestTlsOptions& options) : options_(options), seed_(options.seed << 32) {}

  std::unique_ptr<crypto::TlsSession> accept(Bytes transport_parameters) override {
    return std::make_unique<TestTlsServer>(options_, sent(transport_parameters), ++seed_);
  }
  std::unique_ptr<crypto::TlsSession> connect(const std::string& server_name, Bytes transport_parameters,
                                              Bytes) override {
    return std::make_unique<TestTlsClient>(options_, server_name, sent(transport_parameters), ++seed_);
  }

 private:
  Bytes sent(Bytes parameters) const { return options_.omit_transport_parameters ? Bytes() : parameters; }

  const TestTlsOptions options_;
  uint64_t seed_;  // of the last session
};

}  // namespace

std::unique_ptr<crypto::TlsContext> make_test_tls(const TestTlsOptions& options) {
  return std::make_unique<TestTlsContext>(options);
}

}  // namespace viaduct::test
