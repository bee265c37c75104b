// Sessions that outlive a connection, early data, and certificates that are chosen or change.
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "crypto-offload/certificate_store.h"
#include "crypto-offload/replay_window.h"
#include "crypto-offload/ticket_keys.h"
#include "tests/crypto-offload/tls_pair.h"

namespace viaduct::crypto {
namespace {

using Level = EncryptionLevel;

class Resumption : public testing::Test {
 protected:
  Resumption() { make_certificate("origin.example", "origin"); }

  CertificateFiles make_certificate(const std::string& name, const std::string& file) {
    const CertificateFiles files{folder_ / (file + ".pem"), folder_ / (file + "-key.pem")};
    std::string error;
    EXPECT_TRUE(make_self_signed(name, files.certificate_file, files.private_key_file, error)) << error;
    return files;
  }
  std::unique_ptr<TlsContext> make_server() {
    std::string error;
    auto context = make_tls_server(server_options_, error);
    EXPECT_NE(context, nullptr) << error;
    return context;
  }
  std::unique_ptr<TlsContext> make_client() {
    std::string error;
    auto context = make_tls_client(client_options_, error);
    EXPECT_NE(context, nullptr) << error;
    return context;
  }
  static TlsPair make_pair(TlsContext& server, TlsContext& client, Bytes ticket = {},
                           const std::string& name = "origin.example") {
    TlsPair pair;
    pair.server.session = server.accept(bytes_of("server's parameters"));
    pair.client.session = client.connect(name, bytes_of("client's parameters"), ticket);
    return pair;
  }
  // A ticket of `server`.
  std::vector<uint8_t> get_ticket(TlsContext& server, TlsContext& client) {
    TlsPair pair = make_pair(server, client);
    pair.run();
    EXPECT_EQ(pair.client.tickets.size(), 1u);
    return pair.client.tickets.empty() ? std::vector<uint8_t>() : pair.client.tickets[0];
  }
  // Whether a complete handshake was a resumption: it sends no certificate.
  static bool was_resumed(const TlsPair& pair) {
    EXPECT_TRUE(pair.client.is_complete());
    EXPECT_TRUE(pair.server.is_complete());
    const bool is_short = pair.server.sent[2].size() < 300;
    EXPECT_EQ(pair.client.is_resumed, is_short);
    EXPECT_EQ(pair.server.is_resumed, is_short);
    return is_short;
  }
  bool resumes(TlsContext& issuer, TlsContext& other) {
    const auto client = make_client();
    const auto ticket = get_ticket(issuer, *client);
    TlsPair pair = make_pair(other, *client, ticket);
    pair.run();
    return was_resumed(pair);
  }
  static bool has(TlsSide& side, Level level, Direction direction) { return side.secrets.contains({level, direction}); }

  TemporaryFolder folder_;
  TlsServerOptions server_options_{
      .certificate_file = folder_ / "origin.pem", .private_key_file = folder_ / "origin-key.pem", .alpn = {"h3"}};
  TlsClientOptions client_options_{.ca_file = folder_ / "origin.pem", .alpn = {"h3"}};
};

TEST_F(Resumption, WorksAcrossWorkersThatShareKeys) {
  server_options_.ticket_keys = TicketKeys::make();
  EXPECT_TRUE(resumes(*make_server(), *make_server()));
}

// proves RFC 9001 4.6.1-1 4.6.1-2
TEST_F(Resumption, RefusesATicketWhoseEarlyDataHasAnotherSize) {
  server_options_.early_data = true;
  const auto server = make_server(), client = make_client();
  TlsPair pair = make_pair(*server, *client);
  pair.client.session->start();
  pair.client.collect();
  for (int turn = 0; turn < 4 && pair.server.sent[3].empty(); ++turn) {
    pair.client.deliver_to(pair.server, 1 << 20);
    if (pair.server.sent[3].empty()) pair.server.deliver_to(pair.client, 1 << 20);
  }
  std::vector<uint8_t> ticket = pair.server.sent[3];
  const std::array<uint8_t, 8> early_data = {0x00, 0x2a, 0x00, 0x04,
                                             0xff, 0xff, 0xff, 0xff};  // RFC 8446 section 4.2.10
  const auto extension = std::ranges::search(ticket, early_data);
  ASSERT_EQ(extension.size(), early_data.size());
  extension.back() = 0xfe;
  pair.client.session->provide(Level::kOneRtt, ticket);
  pair.client.collect();
  EXPECT_TRUE(pair.client.violation);
  EXPECT_TRUE(pair.client.tickets.empty());
}

TEST_F(Resumption, FallsBackToAFullHandshakeWithStrangers) { EXPECT_FALSE(resumes(*make_server(), *make_server())); }

TEST_F(Resumption, WorksAcrossHostsThatShareAFile) {
  const std::string one(64, '1');
  const std::string two(64, '2');
  std::string error;
  write_text(folder_ / "old", one + "\n");
  write_text(folder_ / "both", "# the new one first\n\n" + two + "\n" + one + "\n");
  write_text(folder_ / "new", two + "\n");
  const auto server_with = [&](const char* file) {
    server_options_.ticket_keys = TicketKeys::load(folder_ / file, error);
    EXPECT_NE(server_options_.ticket_keys, nullptr) << error;
    return make_server();
  };
  EXPECT_TRUE(resumes(*server_with("old"), *server_with("old")));
  EXPECT_TRUE(resumes(*server_with("old"), *server_with("both")));
  EXPECT_TRUE(resumes(*server_with("both"), *server_with("new")));
  EXPECT_FALSE(resumes(*server_with("both"), *server_with("old")));
}

TEST_F(Resumption, ExplainsTicketKeyFilesThatCannotBeUsed) {
  const std::pair<std::string, std::string> kCases[] = {
      {std::string(64, '1') + "\nxyz\n", ", line 2: expected 64 hexadecimal digits"},
      {std::string(63, '1') + "g\n", ", line 1: expected 64 hexadecimal digits"},
      {"# nothing\n", ": has no key"}};
  std::string error;
  for (const auto& [text, expected] : kCases) {
    write_text(folder_ / "keys", text);
    EXPECT_EQ(TicketKeys::load(folder_ / "keys", error), nullptr);
    EXPECT_EQ(error, "ticket key file " + folder_ / "keys" + expected);
  }
  EXPECT_EQ(TicketKeys::load(folder_ / "absent", error), nullptr);
  EXPECT_EQ(error, "ticket key file " + folder_ / "absent" + ": No such file or directory");
}

int64_t now_seconds = 0;
int64_t test_clock() { return now_seconds; }

TEST_F(Resumption, OutlivesOneChangeOfKeys) {
  const std::vector<Secret> secrets{Secret(std::vector<uint8_t>(TicketKeys::kSecretSize, 1))};
  server_options_.ticket_keys = std::make_shared<TicketKeys>(secrets, &test_clock);
  const auto server = make_server();
  const auto client = make_client();
  const std::pair<int64_t, bool> kCases[] = {{0, true}, {1, true}, {2, false}, {-1, true}, {-2, false}};
  for (const auto& [generations, expected] : kCases) {
    now_seconds = 100 * TicketKeys::kKeyLifeSeconds;
    const auto ticket = get_ticket(*server, *client);
    now_seconds += generations * TicketKeys::kKeyLifeSeconds;
    TlsPair pair = make_pair(*server, *client, ticket);
    pair.run();
    EXPECT_EQ(was_resumed(pair), expected) << generations;
  }
}

class EarlyData : public Resumption {
 protected:
  EarlyData() {
    server_options_.early_data = true;
    server_options_.early_data_context = "limits";
    server_options_.ticket_keys = TicketKeys::make();
    client_options_.early_data = true;
  }
};

TEST_F(EarlyData, HasKeysBeforeTheServersFirstByte) {
  const auto server = make_server();
  const auto client = make_client();
  TlsPair pair = make_pair(*server, *client, get_ticket(*server, *client));
  pair.client.session->start();
  pair.client.collect();
  EXPECT_TRUE(has(pair.client, Level::kEarlyData, Direction::kWrite));
  EXPECT_EQ(pair.client.transport_parameters, "server's parameters");  // remembered
  pair.run();
  EXPECT_TRUE(was_resumed(pair));
  EXPECT_TRUE(has(pair.server, Level::kEarlyData, Direction::kRead));
  EXPECT_TRUE(equal(pair.server.secret_bytes[std::pair(Level::kEarlyData, Direction::kRead)].bytes(),
                    pair.client.secret_bytes[std::pair(Level::kEarlyData, Direction::kWrite)].bytes()));
  EXPECT_FALSE(pair.client.early_data_rejected);
  EXPECT_EQ(pair.client.tickets.size(), 1u);
}

TEST_F(EarlyData, IsNotOfferedWithoutATicketOrUnasked) {
  const auto server = make_server();
  const auto client = make_client();
  TlsPair fresh = make_pair(*server, *client);
  fresh.run();
  EXPECT_FALSE(has(fresh.client, Level::kEarlyData, Direction::kWrite));
  EXPECT_FALSE(fresh.client.early_data_rejected);
  client_options_.early_data = false;
  const auto cautious = make_client();
  TlsPair pair = make_pair(*server, *cautious, get_ticket(*server, *cautious));
  pair.run();
  EXPECT_TRUE(was_resumed(pair));
  EXPECT_FALSE(has(pair.client, Level::kEarlyData, Direction::kWrite));
}

// A server that takes early data is told "done" by OpenSSL before the client's Finished came. It is not.
TEST_F(EarlyData, DoesNotCompleteBeforeTheClientsFinished) {
  const auto server = make_server();
  const auto client = make_client();
  const auto ticket = get_ticket(*server, *client);
  for (const Bytes resumed : {Bytes(), Bytes(ticket)}) {
    TlsPair pair = make_pair(*server, *client, resumed);
    pair.client.session->start();
    pair.client.collect();
    pair.client.deliver_to(pair.server, 1 << 20);
    EXPECT_FALSE(pair.server.sent[2].empty());
    EXPECT_FALSE(pair.server.alpn.has_value());
    EXPECT_TRUE(pair.server.sent[3].empty()) << "a ticket for a client that nobody knows yet";
    pair.run();
    EXPECT_TRUE(pair.server.is_complete());
    EXPECT_TRUE(pair.client.is_complete());
  }
}

// RFC 9000 section 7.4.1: what was promised must still hold.
// proves RFC 9000 7.4.1-8
TEST_F(EarlyData, IsRejectedUnderOtherPromises) {
  const auto client = make_client();
  const auto before = make_server();
  const auto ticket = get_ticket(*before, *client);
  server_options_.early_data_context = "lower limits";
  const auto after = make_server();
  TlsPair pair = make_pair(*after, *client, ticket);
  pair.run();
  EXPECT_TRUE(was_resumed(pair));
  EXPECT_FALSE(has(pair.server, Level::kEarlyData, Direction::kRead));
  EXPECT_TRUE(pair.client.early_data_rejected);
}

// The same first flight, sent again by somebody on the way, to another worker.
// proves RFC 9001 9.2-1
TEST_F(EarlyData, IsRejectedTheSecondTime) {
  server_options_.replay_window = std::make_shared<ReplayWindow>(64);
  const auto first = make_server();
  const auto second = make_server();
  const auto client = make_client();
  TlsPair pair = make_pair(*first, *client, get_ticket(*first, *client));
  pair.client.session->start();
  pair.client.collect();
  TlsSide replayed;
  replayed.session = second->accept(bytes_of("server's parameters"));
  pair.client.deliver_to(pair.server, 1 << 20);
  EXPECT_TRUE(has(pair.server, Level::kEarlyData, Direction::kRead));
  replayed.session->provide(Level::kInitial, pair.client.sent[0]);
  replayed.collect();
  EXPECT_FALSE(replayed.sent[0].empty());
  EXPECT_FALSE(has(replayed, Level::kEarlyData, Direction::kRead));
}

TEST(ReplayWindows, KnowWhatTheySaw) {
  ReplayWindow window(64);
  EXPECT_TRUE(window.is_new(0x1234567890abcdef, 1000));
  EXPECT_FALSE(window.is_new(0x1234567890abcdef, 1000));
  EXPECT_FALSE(window.is_new(0x1234567890abcdef, 1000 + ReplayWindow::kSeconds));
  EXPECT_TRUE(window.is_new(0x1234567890abcdef, 1001 + ReplayWindow::kSeconds));
}

TEST(ReplayWindows, RefuseWhatTheyCouldNotRemember) {
  ReplayWindow window(8);
  for (uint64_t i = 1; i <= 8; ++i) EXPECT_TRUE(window.is_new(i << 40, 1000));
  EXPECT_FALSE(window.is_new(uint64_t{9} << 40, 1000));
  EXPECT_TRUE(window.is_new(uint64_t{9} << 40, 1031));
}

TEST(ReplayWindows, RefuseAllWhileAPredecessorsAreUnknown) {
  ReplayWindow window(64, 1030);
  EXPECT_FALSE(window.is_new(1, 1029));
  EXPECT_TRUE(window.is_new(1, 1030));
}

TEST(ReplayWindows, LetOneOfManyThreadsIn) {
  ReplayWindow window(1 << 12);
  std::atomic<int> let_in = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (uint64_t i = 1; i <= 100; ++i) let_in += window.is_new(i * 0x9e3779b97f4a7c15, 1000) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(let_in, 100);
}

class Certificates : public Resumption {
 protected:
  // Whether the server shows a certificate for `name` that the authority `file` vouches for.
  bool shows(TlsContext& server, const std::string& name, const std::string& file) {
    client_options_.ca_file = folder_ / file;
    const auto client = make_client();
    TlsPair pair = make_pair(server, *client, {}, name);
    pair.run();
    return pair.client.is_complete();
  }
};

TEST_F(Certificates, AreChosenByName) {
  server_options_.more_certificates = {make_certificate("*.wild.example", "wild"), make_certificate("b.example", "b")};
  const auto server = make_server();
  EXPECT_TRUE(shows(*server, "origin.example", "origin.pem"));
  EXPECT_TRUE(shows(*server, "a.wild.example", "wild.pem"));
  EXPECT_TRUE(shows(*server, "B.example", "b.pem"));
  EXPECT_FALSE(shows(*server, "a.b.wild.example", "wild.pem"));
  EXPECT_FALSE(shows(*server, "unknown.example", "origin.pem"));  // shown the first, and refuses it
}

TEST_F(Certificates, MayHaveRsaKeys) {
  const CertificateFiles rsa{folder_ / "rsa.pem", folder_ / "rsa-key.pem"};
  ASSERT_EQ(
      std::system(("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=rsa -addext subjectAltName=DNS:rsa.example"
                   " -keyout " +
                   rsa.private_key_file + " -out " + rsa.certificate_file + " 2>/dev/null")
                      .c_str()),
      0);
  server_options_.more_certificates = {rsa};
  const auto server = make_server();
  EXPECT_TRUE(shows(*server, "rsa.example", "rsa.pem"));
  EXPECT_TRUE(shows(*server, "origin.example", "origin.pem"));
}

TEST_F(Certificates, ChangeWithoutARestart) {
  const auto server = make_server();
  const std::string old = read_text(folder_ / "origin.pem");
  TlsPair begun = make_pair(*server, *make_client());
  make_certificate("origin.example", "origin");
  ASSERT_NE(read_text(folder_ / "origin.pem"), old);
  EXPECT_FALSE(shows(*server, "origin.example", "origin.pem"));
  std::string error;
  server->use_certificates(load_certificates(server_options_, error));
  EXPECT_TRUE(shows(*server, "origin.example", "origin.pem"));
  server_options_.private_key_file = folder_ / "absent.pem";
  EXPECT_EQ(load_certificates(server_options_, error), nullptr);
  EXPECT_EQ(error, "private key file " + folder_ / "absent.pem" + ": No such file or directory");
}

}  // namespace
}  // namespace viaduct::crypto
