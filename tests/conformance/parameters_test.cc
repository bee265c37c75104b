// Transport parameters that do not say what the packets say (RFC 9000 section 7.3).
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "tests/conformance/watch.h"
#include "tests/simulation/real_tls.h"

namespace viaduct::quic::test {
namespace {

using Encoded = std::vector<uint8_t>;

constexpr uint64_t kOriginalDestination = 0x00, kInitialSource = 0x0f, kRetrySource = 0x10;

// The parameters with another value for `id`; without one the parameter goes.
Encoded with(Bytes encoded, uint64_t id, const std::optional<Encoded>& value) {
  Encoded result(2'000);
  ByteWriter writer(result);
  for (ByteReader reader(encoded); !reader.empty();) {
    const uint64_t name = reader.varint();
    const Bytes old = reader.bytes(reader.varint());
    if (name == id) continue;
    writer.varint(name);
    writer.varint(old.size());
    writer.bytes(old);
  }
  if (value) {
    writer.varint(id);
    writer.varint(value->size());
    writer.bytes(*value);
  }
  result.resize(writer.size());
  return result;
}

using Lie = std::function<Encoded(Bytes)>;

// A session of the test TLS that says something else than it was told to.
class LyingSession final : public crypto::TlsSession {
 public:
  LyingSession(std::unique_ptr<crypto::TlsSession> honest, Lie lie)
      : honest_(std::move(honest)), lie_(std::move(lie)) {}

  bool choose_parameters(ChooseParameters choose) override {
    return honest_->choose_parameters(
        [choose = std::move(choose), this](Bytes client) { return lie_(choose(client)); });
  }
  void start() override { honest_->start(); }
  void provide(crypto::EncryptionLevel level, Bytes bytes) override { honest_->provide(level, bytes); }
  bool poll(crypto::TlsMessage& message) override { return honest_->poll(message); }

 private:
  std::unique_ptr<crypto::TlsSession> honest_;
  Lie lie_;
};

class LyingTls final : public crypto::TlsContext {
 public:
  explicit LyingTls(Lie lie) : lie_(std::move(lie)) {}

  std::unique_ptr<crypto::TlsSession> accept(Bytes transport_parameters) override {
    return std::make_unique<LyingSession>(honest_->accept(lie_(transport_parameters)), lie_);
  }
  std::unique_ptr<crypto::TlsSession> connect(const std::string& server_name, Bytes transport_parameters,
                                              Bytes session) override {
    return std::make_unique<LyingSession>(honest_->connect(server_name, lie_(transport_parameters), session), lie_);
  }

 private:
  Lie lie_;
  std::unique_ptr<crypto::TlsContext> honest_ = viaduct::test::make_test_tls();
};

// How the side that is lied to closes; nothing where it does not.
std::optional<uint64_t> error_of(Role liar, const Lie& lie) {
  LyingTls lying(lie);
  PairOptions options{.client = small_config(), .server = small_config()};
  (liar == Role::kServer ? options.real_server : options.real_client) = &lying;
  TwoEndpoints pair(options);
  pair.connect();
  pair.run_until([&] { return pair.client.saw(EventType::kClosed); }, Duration::seconds(2));
  const Event* closed = pair.client.find(EventType::kClosed);
  return closed ? std::optional(closed->error) : std::nullopt;
}

constexpr auto kParameterError = static_cast<uint64_t>(ErrorCode::kTransportParameterError);

// proves RFC 9000 7.3-1 7.3-2
TEST(Parameters, ThatSayWhatThePacketsSayAreTaken) {
  for (const Role liar : {Role::kClient, Role::kServer})
    EXPECT_EQ(error_of(liar, [](Bytes said) { return Encoded(said.begin(), said.end()); }), std::nullopt);
}

// proves RFC 9000 7.3-3
TEST(Parameters, ThatLackAConnectionIdCloseTheConnection) {
  const auto without = [](uint64_t id) { return [id](Bytes said) { return with(said, id, std::nullopt); }; };
  EXPECT_EQ(error_of(Role::kClient, without(kInitialSource)), kParameterError);
  EXPECT_EQ(error_of(Role::kServer, without(kInitialSource)), kParameterError);
  EXPECT_EQ(error_of(Role::kServer, without(kOriginalDestination)), kParameterError);
}

// proves RFC 9000 7.3-4
TEST(Parameters, WithAnotherConnectionIdCloseTheConnection) {
  const auto another = [](uint64_t id) { return [id](Bytes said) { return with(said, id, Encoded(8, 0x77)); }; };
  EXPECT_EQ(error_of(Role::kClient, another(kInitialSource)), kParameterError);
  EXPECT_EQ(error_of(Role::kServer, another(kInitialSource)), kParameterError);
  EXPECT_EQ(error_of(Role::kServer, another(kOriginalDestination)), kParameterError);
  EXPECT_EQ(error_of(Role::kServer, another(kRetrySource)), kParameterError) << "there was no Retry";
}

// The ClientHello of OpenSSL: TLS 1.3 alone, and nothing that makes it look like an older one.
// proves RFC 9001 4.2-1 8.4-1
TEST(ClientHello, OffersTls13WithoutCompatibilityMode) {
  const auto tls = sim::make_real_tls_client();
  const auto session = tls->connect("server.test", Encoded{0x01, 0x02, 0x47, 0xd0}, {});
  session->start();
  crypto::TlsMessage message;
  ASSERT_TRUE(session->poll(message));
  ASSERT_EQ(message.type, crypto::TlsMessage::Type::kCrypto);
  const Encoded hello(message.bytes.begin(), message.bytes.end());
  constexpr size_t kSessionId = 4 + 2 + 32;
  ASSERT_GT(hello.size(), kSessionId);
  EXPECT_EQ(hello[0], 1);
  EXPECT_EQ(hello[kSessionId], 0) << "legacy_session_id is empty";
  const Encoded only_tls13 = {0x00, 0x2b, 0x00, 0x03, 0x02, 0x03, 0x04};
  EXPECT_NE(std::ranges::search(hello, only_tls13).begin(), hello.end());
}

}  // namespace
}  // namespace viaduct::quic::test
