#include "tests/support/test_tls.h"

#include <gtest/gtest.h>

#include <map>

namespace viaduct::test {
namespace {

using crypto::Direction;
using crypto::EncryptionLevel;
using crypto::TlsMessage;
using crypto::TlsSession;

const std::vector<uint8_t> kClientParameters = {1, 2, 3};
const std::vector<uint8_t> kServerParameters = {4, 5, 6, 7};

// What one side said, and all that it has for the other.
struct Side {
  std::map<std::pair<EncryptionLevel, Direction>, std::vector<uint8_t>> secrets;
  std::map<EncryptionLevel, std::vector<uint8_t>> crypto;
  std::vector<uint8_t> parameters, alpn;
  bool complete = false;
  bool is_violated = false;
  int alert = -1;

  void drain(TlsSession& session) {
    TlsMessage message;
    while (session.poll(message)) {
      const std::vector<uint8_t> bytes(message.bytes.begin(), message.bytes.end());
      switch (message.type) {
        case TlsMessage::Type::kCrypto:
          crypto[message.level].insert(crypto[message.level].end(), bytes.begin(), bytes.end());
          break;
        case TlsMessage::Type::kSecret:
          EXPECT_EQ(message.hash_size, bytes.size());
          secrets[{message.level, message.direction}] = bytes;
          break;
        case TlsMessage::Type::kTransportParameters:
          parameters = bytes;
          break;
        case TlsMessage::Type::kAlert:
          alert = message.alert;
          break;
        case TlsMessage::Type::kProtocolViolation:
          is_violated = true;
          break;
        case TlsMessage::Type::kComplete:
          complete = true;
          alpn = bytes;
          break;
        default:
          ADD_FAILURE();
      }
    }
  }
};

struct Pair {
  std::unique_ptr<crypto::TlsContext> client_context, server_context;
  std::unique_ptr<TlsSession> client, server;
  Side client_side, server_side;
  std::map<EncryptionLevel, size_t> to_client, to_server;  // sizes

  Pair(const TestTlsOptions& client_options, const TestTlsOptions& server_options)
      : client_context(make_test_tls(client_options)), server_context(make_test_tls(server_options)) {
    client = client_context->connect("name", kClientParameters, {});
    server = server_context->accept(kServerParameters);
    client->start();
    server->start();
  }

  // Carries what there is to the other side, `piece` bytes at a time, until nobody has anything to say.
  void run(size_t piece) {
    do {
      client_side.drain(*client);
      carry(client_side, *server, to_server, piece);
      server_side.drain(*server);
      carry(server_side, *client, to_client, piece);
      client_side.drain(*client);
    } while (!client_side.crypto.empty() || !server_side.crypto.empty());
  }

  static void carry(Side& from, TlsSession& to, std::map<EncryptionLevel, size_t>& sizes, size_t piece) {
    for (const auto& [level, bytes] : from.crypto) {
      sizes[level] += bytes.size();
      for (size_t i = 0; i < bytes.size(); i += piece)
        to.provide(level, Bytes(bytes).subspan(i, std::min(piece, bytes.size() - i)));
    }
    from.crypto.clear();
  }
};

TEST(TestTls, CompletesWithSecretsThatMatch) {
  for (const crypto::Aead aead :
       {crypto::Aead::kAes128Gcm, crypto::Aead::kAes256Gcm, crypto::Aead::kChaCha20Poly1305}) {
    for (const size_t piece : {1u, 7u, 100'000u}) {
      Pair pair({}, {.aead = aead});
      pair.run(piece);
      ASSERT_TRUE(pair.client_side.complete && pair.server_side.complete);
      EXPECT_EQ(pair.client_side.parameters, kServerParameters);
      EXPECT_EQ(pair.server_side.parameters, kClientParameters);
      for (const auto level : {EncryptionLevel::kHandshake, EncryptionLevel::kOneRtt}) {
        auto& client = pair.client_side.secrets;
        auto& server = pair.server_side.secrets;
        EXPECT_EQ((client[{level, Direction::kRead}]), (server[{level, Direction::kWrite}]));
        EXPECT_EQ((client[{level, Direction::kWrite}]), (server[{level, Direction::kRead}]));
        EXPECT_NE((client[{level, Direction::kWrite}]), (server[{level, Direction::kWrite}]));
        EXPECT_EQ((client[{level, Direction::kRead}].size()), aead == crypto::Aead::kAes256Gcm ? 48u : 32u);
      }
    }
  }
}

TEST(TestTls, HasTheSizesAskedFor) {
  Pair pair({.client_hello_size = 1'500}, {.server_hello_size = 1'180, .server_flight_size = 4'000});
  pair.run(100'000);
  EXPECT_EQ(pair.to_server[EncryptionLevel::kInitial], 1'500u);
  EXPECT_EQ(pair.to_client[EncryptionLevel::kInitial], 1'180u);
  EXPECT_EQ(pair.to_client[EncryptionLevel::kHandshake], 4'000u);
}

TEST(TestTls, RepeatsForTheSameSeedAndDiffersForAnother) {
  const auto secret = [](uint64_t seed) {
    Pair pair({.seed = seed}, {.seed = seed + 1});
    pair.run(1'000);
    return pair.client_side.secrets[{EncryptionLevel::kOneRtt, Direction::kRead}];
  };
  EXPECT_EQ(secret(1), secret(1));
  EXPECT_NE(secret(1), secret(2));
}

TEST(TestTls, ChoosesTheServersFavouriteProtocol) {
  Pair pair({.alpn = {"a", "b", "c"}}, {.alpn = {"x", "c", "b"}});
  pair.run(1'000);
  EXPECT_EQ(pair.client_side.alpn, std::vector<uint8_t>{'c'});
  EXPECT_EQ(pair.server_side.alpn, std::vector<uint8_t>{'c'});
}

TEST(TestTls, AlertsSayWhatIsWrong) {
  const auto server_alert = [](const TestTlsOptions& client, const TestTlsOptions& server) {
    Pair pair(client, server);
    pair.run(1'000);
    EXPECT_FALSE(pair.server_side.complete);
    return pair.server_side.alert;
  };
  EXPECT_EQ(server_alert({.alpn = {"a"}}, {.alpn = {"b"}}), 120);
  EXPECT_EQ(server_alert({}, {.refuse_with_alert = 40}), 40);
  EXPECT_EQ(server_alert({.omit_transport_parameters = true}, {}), 109);
}

TEST(TestTls, RefusesMessagesAtTheWrongLevel) {
  Pair pair({}, {});
  pair.client_side.drain(*pair.client);
  pair.server->provide(EncryptionLevel::kHandshake, pair.client_side.crypto[EncryptionLevel::kInitial]);
  pair.server_side.drain(*pair.server);
  EXPECT_TRUE(pair.server_side.is_violated);
  EXPECT_EQ(pair.server_side.alert, -1) << "it is a rule of QUIC's that was broken, none of TLS's own";
}

TEST(TestTls, RefusesAWrongFinished) {
  Pair pair({}, {});
  pair.client_side.drain(*pair.client);
  Pair::carry(pair.client_side, *pair.server, pair.to_server, 1'000);
  pair.server_side.drain(*pair.server);
  Pair::carry(pair.server_side, *pair.client, pair.to_client, 1'000);
  pair.client_side.drain(*pair.client);
  pair.client_side.crypto[EncryptionLevel::kHandshake].back() ^= 1;
  Pair::carry(pair.client_side, *pair.server, pair.to_server, 1'000);
  pair.server_side.drain(*pair.server);
  EXPECT_EQ(pair.server_side.alert, 51);
  EXPECT_FALSE(pair.server_side.complete);
}

}  // namespace
}  // namespace viaduct::test
