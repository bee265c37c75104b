#include "crypto-offload/tls_session.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include "crypto-offload/openssl_session.h"
#include "tests/crypto-offload/tls_pair.h"

namespace viaduct::crypto {
namespace {

using Level = EncryptionLevel;

class Tls : public testing::Test {
 protected:
  Tls() {
    std::string error;
    EXPECT_TRUE(
        make_self_signed("origin.example", server_options_.certificate_file, server_options_.private_key_file, error))
        << error;
  }

  void make_contexts() {
    std::string error;
    server_context_ = make_tls_server(server_options_, error);
    ASSERT_NE(server_context_, nullptr) << error;
    client_context_ = make_tls_client(client_options_, error);
    ASSERT_NE(client_context_, nullptr) << error;
  }

  TlsPair make_pair(const std::string& name = "origin.example", Bytes ticket = {}) {
    if (!server_context_) make_contexts();
    TlsPair pair;
    pair.server.session = server_context_->accept(bytes_of("server's parameters"));
    pair.client.session = client_context_->connect(name, bytes_of("client's parameters"), ticket);
    return pair;
  }

  // A session of a context that is set up as ours never are. configure: what to do to it.
  template <class Configure>
  std::unique_ptr<TlsSession> make_odd_session(TlsRole role, Configure configure) {
    SSL_CTX* context = SSL_CTX_new(role == TlsRole::kServer ? TLS_server_method() : TLS_client_method());
    if (role == TlsRole::kServer) {
      SSL_CTX_use_certificate_chain_file(context, server_options_.certificate_file.c_str());
      SSL_CTX_use_PrivateKey_file(context, server_options_.private_key_file.c_str(), SSL_FILETYPE_PEM);
    }
    SslPointer ssl(SSL_new(context));
    SSL_CTX_free(context);
    configure(ssl.get());
    return std::make_unique<OpensslSession>(std::move(ssl), role, bytes_of("odd parameters"));
  }

  TemporaryFolder folder_;
  TlsServerOptions server_options_{.certificate_file = folder_ / "certificate.pem",
                                   .private_key_file = folder_ / "key.pem",
                                   .alpn = {"h3", "hq-interop"}};
  TlsClientOptions client_options_{.ca_file = folder_ / "certificate.pem", .alpn = {"hq-interop", "h3"}};
  std::unique_ptr<TlsContext> server_context_;
  std::unique_ptr<TlsContext> client_context_;
};

// proves RFC 9000 7-1
TEST_F(Tls, CompletesAndAgreesOnSecrets) {
  TlsPair pair = make_pair();
  pair.run();
  ASSERT_TRUE(pair.client.is_complete());
  ASSERT_TRUE(pair.server.is_complete());
  EXPECT_EQ(*pair.client.alpn, "h3");  // the server's preference
  EXPECT_EQ(*pair.server.alpn, "h3");
  EXPECT_EQ(pair.client.transport_parameters, "server's parameters");
  EXPECT_EQ(pair.server.transport_parameters, "client's parameters");
  for (const Level level : {Level::kHandshake, Level::kOneRtt}) {
    EXPECT_TRUE(equal(pair.client.secret_bytes[std::pair(level, Direction::kWrite)].bytes(),
                      pair.server.secret_bytes[std::pair(level, Direction::kRead)].bytes()));
    EXPECT_TRUE(equal(pair.client.secret_bytes[std::pair(level, Direction::kRead)].bytes(),
                      pair.server.secret_bytes[std::pair(level, Direction::kWrite)].bytes()));
  }
  EXPECT_EQ(pair.server.secrets.size(), 4u);
}

TEST_F(Tls, TakesBytesOneAtATime) {
  TlsPair pair = make_pair();
  pair.run(1);
  EXPECT_TRUE(pair.client.is_complete());
  EXPECT_TRUE(pair.server.is_complete());
  EXPECT_EQ(pair.client.tickets.size(), 1u);
}

// proves RFC 9001 5.3-1
TEST_F(Tls, NegotiatesEachCipherSuite) {
  const std::tuple<const char*, Aead, size_t> kSuites[] = {
      {"TLS_AES_128_GCM_SHA256", Aead::kAes128Gcm, kSha256Size},
      {"TLS_AES_256_GCM_SHA384", Aead::kAes256Gcm, kSha384Size},
      {"TLS_CHACHA20_POLY1305_SHA256", Aead::kChaCha20Poly1305, kSha256Size}};
  for (const auto& [name, aead, hash_size] : kSuites) {
    client_options_.ciphers = name;
    make_contexts();
    TlsPair pair = make_pair();
    pair.run();
    ASSERT_TRUE(pair.client.is_complete()) << name;
    for (TlsSide* side : {&pair.client, &pair.server}) {
      for (const auto& [where, message] : side->secrets) {
        EXPECT_EQ(message.aead, aead) << name;
        EXPECT_EQ(message.hash_size, hash_size) << name;
        EXPECT_EQ(side->secret_bytes[where].size(), hash_size) << name;
      }
    }
  }
}

TEST_F(Tls, PrefersAes128) {
  TlsPair pair = make_pair();
  pair.run();
  EXPECT_EQ((pair.server.secrets[std::pair(Level::kOneRtt, Direction::kRead)].aead), Aead::kAes128Gcm);
}

TEST_F(Tls, NegotiatesEachGroup) {
  for (const char* group : {"X25519MLKEM768", "X25519", "P-256"}) {
    client_options_.groups = group;
    make_contexts();
    TlsPair pair = make_pair();
    pair.run();
    EXPECT_TRUE(pair.client.is_complete()) << group;
    EXPECT_TRUE(pair.server.is_complete()) << group;
    // A key share with ML-KEM does not fit one packet.
    EXPECT_EQ(pair.client.sent[0].size() > 1200, group == std::string("X25519MLKEM768")) << group;
  }
}

TEST_F(Tls, RetriesTheHelloForAnotherGroup) {
  server_options_.groups = "P-256";
  client_options_.groups = "X25519:P-256";
  TlsPair pair = make_pair();
  pair.run();
  EXPECT_TRUE(pair.client.is_complete());
  EXPECT_TRUE(pair.server.is_complete());
}

TEST_F(Tls, ResumesWithATicket) {
  TlsPair first = make_pair();
  first.run();
  ASSERT_EQ(first.client.tickets.size(), 1u);
  first = {};
  TlsPair second = make_pair("origin.example", Bytes());
  TlsPair third = make_pair("origin.example", Bytes());
  third.run();
  ASSERT_EQ(third.client.tickets.size(), 1u);
  second = make_pair("origin.example", third.client.tickets[0]);
  second.run();
  EXPECT_TRUE(second.client.is_complete());
  EXPECT_TRUE(second.server.is_complete());
  // Resumption sends no certificate.
  EXPECT_LT(second.server.sent[2].size() + 300, third.server.sent[2].size());
  EXPECT_EQ(second.client.tickets.size(), 1u);
}

TEST_F(Tls, TakesATicketThatIsNoneForNone) {
  TlsPair pair = make_pair("origin.example", bytes_of("not a session"));
  pair.run();
  EXPECT_TRUE(pair.client.is_complete());
}

// RFC 9001 section 8.1.
// proves RFC 9000 7-2
// proves RFC 9001 8.1-1 8.1-2 8.1-5
TEST_F(Tls, RefusesAClientWithoutACommonProtocol) {
  client_options_.alpn = {"smtp"};
  TlsPair pair = make_pair();
  pair.run();
  EXPECT_EQ(pair.server.alerts, std::vector<uint8_t>{SSL_AD_NO_APPLICATION_PROTOCOL});
  EXPECT_FALSE(pair.server.alpn.has_value());
}

TEST_F(Tls, RefusesAClientWithoutProtocols) {
  TlsPair pair = make_pair();
  pair.client.session = make_odd_session(TlsRole::kClient, [](SSL*) {});
  pair.run();
  EXPECT_EQ(pair.server.alerts, std::vector<uint8_t>{SSL_AD_NO_APPLICATION_PROTOCOL});
  EXPECT_TRUE(pair.server.sent[0].empty());
}

// proves RFC 9001 8.1-3 8.1-6
TEST_F(Tls, RefusesAServerThatChoosesNoProtocol) {
  TlsPair pair = make_pair();
  pair.server.session = make_odd_session(TlsRole::kServer, [](SSL*) {});
  pair.run();
  EXPECT_EQ(pair.client.alerts, std::vector<uint8_t>{SSL_AD_NO_APPLICATION_PROTOCOL});
  EXPECT_FALSE(pair.client.alpn.has_value());
  EXPECT_TRUE(pair.client.sent[3].empty());
}

// The ClientHello without its extension `type`.
std::vector<uint8_t> without_extension(Bytes hello, uint16_t type) {
  ByteReader reader(hello);
  reader.skip(4 + 2 + 32);
  reader.skip(reader.u8());
  reader.skip(reader.u16());
  reader.skip(reader.u8());
  std::vector<uint8_t> changed(hello.size());
  ByteWriter writer(changed);
  writer.bytes(hello.first(hello.size() - reader.remaining()));
  uint8_t* list_size = writer.position();
  writer.u16(0);
  reader.u16();
  while (reader.remaining() > 0) {
    ByteReader at = reader;
    const uint16_t found = reader.u16();
    reader.skip(reader.u16());
    const size_t size = at.remaining() - reader.remaining();
    if (found != type) writer.bytes(at.bytes(size));
  }
  changed.resize(writer.size());
  ByteWriter({list_size, 2}).u16(static_cast<uint16_t>(changed.data() + changed.size() - list_size - 2));
  ByteWriter({changed.data() + 1, 3}).u24(static_cast<uint32_t>(changed.size() - 4));
  return changed;
}

// RFC 9001 section 8.2.
TEST_F(Tls, RefusesAClientWithoutTransportParameters) {
  TlsPair pair = make_pair();
  pair.client.session->start();
  pair.client.collect();
  pair.client.sent[0] = without_extension(pair.client.sent[0], 0x39);
  pair.run();
  EXPECT_EQ(pair.server.alerts, std::vector<uint8_t>{SSL_AD_MISSING_EXTENSION});
  EXPECT_TRUE(pair.server.sent[0].empty());
}

// proves RFC 9001 4.4-1
TEST_F(Tls, RefusesACertificateForAnotherName) {
  TlsPair pair = make_pair("other.example");
  pair.run();
  EXPECT_EQ(pair.client.alerts, std::vector<uint8_t>{SSL_AD_BAD_CERTIFICATE});
  EXPECT_FALSE(pair.client.alpn.has_value());
  EXPECT_FALSE(pair.server.alpn.has_value());
}

TEST_F(Tls, RefusesACertificateOfAnUnknownAuthority) {
  std::string error;
  ASSERT_TRUE(make_self_signed("origin.example", folder_ / "other.pem", folder_ / "other-key.pem", error)) << error;
  client_options_.ca_file = folder_ / "other.pem";
  TlsPair pair = make_pair();
  pair.run();
  EXPECT_EQ(pair.client.alerts.size(), 1u);
  EXPECT_FALSE(pair.client.alpn.has_value());
  client_options_.verify = false;
  make_contexts();
  TlsPair trusting = make_pair();
  trusting.run();
  EXPECT_TRUE(trusting.client.is_complete());
}

TEST_F(Tls, AcceptsACertificateForAnAddress) {
  for (const char* address : {"198.18.0.2", "2001:db8::2"}) {
    std::string error;
    ASSERT_TRUE(make_self_signed(address, server_options_.certificate_file, server_options_.private_key_file, error));
    make_contexts();
    TlsPair pair = make_pair(address);
    pair.run();
    EXPECT_TRUE(pair.client.is_complete()) << address;
    TlsPair other = make_pair("198.18.0.3");
    other.run();
    EXPECT_FALSE(other.client.is_complete()) << address;
  }
}

// Whoever names nobody would take any certificate of the authorities for the right one.
TEST_F(Tls, NeedsANameOrAnAddressToVerifyACertificateFor) {
  make_contexts();
  EXPECT_EQ(client_context_->connect("", bytes_of("client's parameters"), {}), nullptr);
  client_options_.verify = false;
  make_contexts();
  TlsPair pair = make_pair("");
  pair.run();
  EXPECT_TRUE(pair.client.is_complete());
}

// RFC 9001 section 6: the only TLS message that a client may still send is none.
// proves RFC 9001 4.4-2
TEST_F(Tls, RefusesMessagesAfterAServersHandshake) {
  TlsPair pair = make_pair();
  pair.run();
  ASSERT_TRUE(pair.server.is_complete());
  const uint8_t key_update[] = {24, 0, 0, 1, 0};
  pair.server.session->provide(Level::kOneRtt, key_update);
  pair.server.collect();
  EXPECT_EQ(pair.server.alerts, std::vector<uint8_t>{SSL_AD_UNEXPECTED_MESSAGE});
}

// proves RFC 9001 6-2
TEST_F(Tls, RefusesAKeyUpdateFromAServer) {
  TlsPair pair = make_pair();
  pair.run();
  const uint8_t key_update[] = {24, 0, 0, 1, 0};
  pair.client.session->provide(Level::kOneRtt, key_update);
  pair.client.collect();
  EXPECT_EQ(pair.client.alerts, std::vector<uint8_t>{SSL_AD_UNEXPECTED_MESSAGE});
}

// proves RFC 9001 4.1.3-2
TEST_F(Tls, RefusesBytesAtAnotherLevel) {
  for (const Level level : {Level::kEarlyData, Level::kHandshake, Level::kOneRtt}) {
    TlsPair pair = make_pair();
    pair.client.session->start();
    pair.client.collect();
    pair.server.session->provide(level, pair.client.sent[0]);
    pair.server.collect();
    EXPECT_TRUE(pair.server.violation);
    EXPECT_TRUE(pair.server.alerts.empty());
  }
}

// A handshake message must not straddle two levels (RFC 9001 section 4.1.3).
// proves RFC 9001 4.1.3-3
TEST_F(Tls, RefusesBytesBehindTheLastMessageOfALevel) {
  TlsPair pair = make_pair();
  pair.client.session->start();
  pair.client.collect();
  pair.client.sent[0].push_back(20);
  pair.run();
  EXPECT_TRUE(pair.server.violation);
  EXPECT_TRUE(pair.server.alerts.empty());
}

// TLS 1.2, in a ClientHello that is well formed otherwise.
// proves RFC 9001 4.2-2
TEST_F(Tls, RefusesAClientThatSpeaksAnOlderTls) {
  TlsPair pair = make_pair();
  pair.client.session->start();
  pair.client.collect();
  std::vector<uint8_t>& hello = pair.client.sent[0];
  const std::array<uint8_t, 7> only_tls13 = {0x00, 0x2b, 0x00, 0x03, 0x02, 0x03, 0x04};  // supported_versions
  const auto versions = std::ranges::search(hello, only_tls13);
  ASSERT_EQ(versions.size(), only_tls13.size());
  versions.back() = 0x03;
  pair.server.session->provide(Level::kInitial, hello);
  pair.server.collect();
  EXPECT_EQ(pair.server.alerts, std::vector<uint8_t>{SSL_AD_PROTOCOL_VERSION});
}

TEST_F(Tls, RefusesGarbage) {
  const std::vector<std::vector<uint8_t>> kInputs = {
      {1, 0, 0, 4, 3, 3, 0, 0},  // a ClientHello cut off within
      {2, 0, 0, 4, 3, 3, 0, 0},  // a message that only servers send
      {1, 255, 255, 255, 3, 3},  // too large for any buffer
      std::vector<uint8_t>(1000, 0x16),
  };
  for (const auto& input : kInputs) {
    TlsPair pair = make_pair();
    pair.server.session->provide(Level::kInitial, input);
    pair.server.collect();
    EXPECT_EQ(pair.server.alerts.size(), 1u) << int{input[1]};
    pair.server.session->provide(Level::kInitial, input);
    pair.server.collect();
    EXPECT_EQ(pair.server.alerts.size(), 1u) << "said more after an alert";
  }
}

TEST_F(Tls, MayBeDroppedAtAnyMoment) {
  TlsPair pair = make_pair();
  pair.client.session->start();
  pair.client.collect();
  pair.server.session->provide(Level::kInitial, Bytes(pair.client.sent[0]).first(40));
  pair.server.collect();
  EXPECT_TRUE(pair.server.alerts.empty());
}

TEST_F(Tls, LogsKeysWhereAsked) {
  server_options_.key_log_file = folder_ / "keys.txt";
  client_options_.key_log_file = folder_ / "keys.txt";
  TlsPair pair = make_pair();
  pair.run();
  const std::string log = read_text(folder_ / "keys.txt");
  EXPECT_NE(log.find("CLIENT_TRAFFIC_SECRET_0 "), std::string::npos);
  EXPECT_NE(log.find("SERVER_HANDSHAKE_TRAFFIC_SECRET "), std::string::npos);
  EXPECT_EQ(log.back(), '\n');
}

TEST_F(Tls, NamesTheFileThatCannotBeUsed) {
  std::string error;
  ASSERT_TRUE(make_self_signed("other.example", folder_ / "other.pem", folder_ / "other-key.pem", error));
  write_text(folder_ / "empty.pem", "");
  write_text(folder_ / "text.pem", "no certificate\n");
  const std::string good_certificate = server_options_.certificate_file;
  const std::string good_key = server_options_.private_key_file;
  const std::tuple<std::string, std::string, std::string> kCases[] = {
      {"", good_key, "certificate file (none given): "},
      {folder_ / "absent.pem", good_key, "certificate file " + folder_ / "absent.pem" + ": No such file"},
      {folder_ / "empty.pem", good_key, "certificate file " + folder_ / "empty.pem" + ": is empty"},
      {folder_ / "text.pem", good_key, "certificate file " + folder_ / "text.pem" + ": no certificate in PEM"},
      {folder_ / ".", good_key, "certificate file " + folder_ / "." + ": Is a directory"},
      {good_certificate, folder_ / "absent.pem", "private key file " + folder_ / "absent.pem" + ": No such file"},
      {good_certificate, good_certificate, "private key file " + good_certificate + ": no private key in PEM"},
      {good_certificate, folder_ / "other-key.pem",
       "private key file " + folder_ / "other-key.pem" + ": is not the key of the certificate in " + good_certificate},
  };
  for (const auto& [certificate, key, expected] : kCases) {
    server_options_.certificate_file = certificate;
    server_options_.private_key_file = key;
    EXPECT_EQ(make_tls_server(server_options_, error), nullptr);
    EXPECT_EQ(error.substr(0, expected.size()), expected);
  }
}

TEST_F(Tls, ExplainsOtherOptionsThatCannotBeUsed) {
  const std::pair<TlsServerOptions, std::string> kCases[] = {
      {{.alpn = {}}, "no application protocol"},
      {{.alpn = {std::string(256, 'x')}}, "application protocol"},
      {{.alpn = {"h3"}, .ciphers = "TLS_AES_128_CCM_SHA256"}, "TLS cipher suite \"TLS_AES_128_CCM_SHA256\""},
      {{.alpn = {"h3"}, .groups = "X25519:nonsense"}, "groups X25519:nonsense"},
      {{.alpn = {"h3"}, .key_log_file = folder_ / "absent/keys"}, "key log file " + folder_ / "absent/keys"},
  };
  for (auto [options, expected] : kCases) {
    options.certificate_file = server_options_.certificate_file;
    options.private_key_file = server_options_.private_key_file;
    std::string error;
    EXPECT_EQ(make_tls_server(options, error), nullptr);
    EXPECT_EQ(error.substr(0, expected.size()), expected);
  }
  std::string error;
  client_options_.ca_file = folder_ / "absent.pem";
  EXPECT_EQ(make_tls_client(client_options_, error), nullptr);
  EXPECT_EQ(error, "CA file " + folder_ / "absent.pem" + ": No such file or directory");
}

TEST_F(Tls, DoesNotAskForPassphrases) {
  const std::string key = folder_ / "encrypted.pem";
  ASSERT_EQ(
      std::system(("openssl pkey -aes128 -passout pass:secret -in " + server_options_.private_key_file + " -out " + key)
                      .c_str()),
      0);
  server_options_.private_key_file = key;
  std::string error;
  EXPECT_EQ(make_tls_server(server_options_, error), nullptr);
  EXPECT_EQ(error, "private key file " + key + ": is encrypted; a key without a passphrase is expected");
}

TEST_F(Tls, KeepsASelfSignedKeyToItsOwner) {
  struct stat status{};
  ASSERT_EQ(stat(server_options_.private_key_file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  std::string error;
  EXPECT_FALSE(make_self_signed("a,DNS:b", folder_ / "c.pem", folder_ / "k.pem", error));
  EXPECT_FALSE(make_self_signed("", folder_ / "c.pem", folder_ / "k.pem", error));
  EXPECT_FALSE(make_self_signed("a", folder_ / "absent/c.pem", folder_ / "k.pem", error));
  EXPECT_EQ(error, "certificate file " + folder_ / "absent/c.pem" + ": No such file or directory");
}

}  // namespace
}  // namespace viaduct::crypto
