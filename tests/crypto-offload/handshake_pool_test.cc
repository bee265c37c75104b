// TLS sessions whose work handshake workers do: the same handshakes, and nothing shared.
#include "crypto-offload/handshake_pool.h"

#include <gtest/gtest.h>

#include <thread>

#include "crypto-offload/certificate_store.h"
#include "tests/crypto-offload/tls_pair.h"

namespace viaduct::crypto {
namespace {

class HandshakePools : public testing::Test {
 protected:
  HandshakePools() { make_certificate("origin"); }

  void make_certificate(const std::string& file) {
    std::string error;
    EXPECT_TRUE(make_self_signed("origin.example", folder_ / (file + ".pem"), folder_ / (file + "-key.pem"), error));
  }
  TlsServerOptions server_options(const std::string& file = "origin") const {
    return {.certificate_file = folder_ / (file + ".pem"),
            .private_key_file = folder_ / (file + "-key.pem"),
            .alpn = {"h3"}};
  }
  std::unique_ptr<TlsContext> make_server() const {
    std::string error;
    return make_tls_server(server_options(), error);
  }
  std::unique_ptr<TlsContext> make_client(const std::string& authority = "origin") const {
    std::string error;
    return make_tls_client({.ca_file = folder_ / (authority + ".pem"), .alpn = {"h3"}}, error);
  }
  std::vector<std::unique_ptr<TlsContext>> contexts(std::unique_ptr<TlsContext> context) const {
    std::vector<std::unique_ptr<TlsContext>> all;
    all.push_back(std::move(context));
    return all;
  }
  std::unique_ptr<HandshakePool> make_pool(unsigned workers, size_t sessions) {
    return std::make_unique<HandshakePool>(contexts(make_server()), workers, sessions, [](unsigned) {});
  }
  static TlsPair make_pair(TlsContext& server, TlsContext& client, Bytes ticket = {},
                           const std::string& name = "origin.example") {
    TlsPair pair;
    pair.server.session = server.accept(bytes_of("server's parameters"));
    pair.client.session = client.connect(name, bytes_of("client's parameters"), ticket);
    return pair;
  }
  // Takes what there is; the number of sessions that it is for.
  static size_t take_ready(TlsContext& context) {
    std::array<uint64_t, 8> owners;
    return context.ready(owners);
  }
  // Until neither side has anything to say. `work`: does or awaits what is under way elsewhere.
  template <class Work>
  static void run(TlsPair& pair, RemoteTlsContext& remote, Work work, size_t piece = 1 << 20) {
    pair.client.session->start();
    for (bool busy = true; busy;) {
      while (remote.under_way() > 0) work(), take_ready(remote);
      pair.client.collect();
      pair.server.collect();
      busy = pair.client.deliver_to(pair.server, piece);
      busy |= pair.server.deliver_to(pair.client, piece);
      busy |= remote.under_way() > 0;
    }
  }
  static void expect_complete(const TlsPair& pair) {
    EXPECT_TRUE(pair.client.is_complete());
    EXPECT_TRUE(pair.server.is_complete());
    EXPECT_EQ(pair.server.transport_parameters, "client's parameters");
    EXPECT_EQ(pair.client.transport_parameters, "server's parameters");
    EXPECT_TRUE(equal(pair.client.secret_bytes.at({EncryptionLevel::kOneRtt, Direction::kRead}).bytes(),
                      pair.server.secret_bytes.at({EncryptionLevel::kOneRtt, Direction::kWrite}).bytes()));
  }

  TemporaryFolder folder_;
};

TEST_F(HandshakePools, DoWhatASessionInlineDoes) {
  const auto pool = make_pool(1, 4);
  const auto remote = pool->context_for(0);
  const auto client = make_client();
  TlsPair pair = make_pair(*remote, *client);
  run(pair, *remote, [&] { pool->run_once(0); });
  expect_complete(pair);
  ASSERT_EQ(pair.client.tickets.size(), 1u);
  TlsPair again = make_pair(*remote, *client, pair.client.tickets[0]);
  run(again, *remote, [&] { pool->run_once(0); });
  expect_complete(again);
  EXPECT_LT(again.server.sent[2].size(), 300u) << "resumed: no certificate is sent";
}

// Packet workers and handshake workers, each on a thread of its own, with OpenSSL at work on all of them.
TEST_F(HandshakePools, ServeManyWorkersAtOnce) {
  constexpr unsigned kWorkers = 3;
  constexpr unsigned kHandshakeWorkers = 2;
  std::vector<std::unique_ptr<TlsContext>> servers;
  for (unsigned i = 0; i < kHandshakeWorkers; ++i) servers.push_back(make_server());
  std::array<std::atomic<uint32_t>, kWorkers> nudged{};
  HandshakePool pool(std::move(servers), kWorkers, 2, [&](unsigned worker) {
    nudged[worker].fetch_add(1, std::memory_order_release);
    nudged[worker].notify_one();
  });
  std::atomic<bool> stop{false};
  std::vector<std::thread> handshake_threads, worker_threads;
  for (unsigned i = 0; i < kHandshakeWorkers; ++i) handshake_threads.emplace_back([&, i] { pool.run(i, stop); });
  for (unsigned worker = 0; worker < kWorkers; ++worker) {
    worker_threads.emplace_back([&, worker] {
      const auto remote = pool.context_for(worker);
      const auto client = make_client();
      uint32_t seen = 0;
      const auto sleep = [&] {
        if (!remote->has_ready()) nudged[worker].wait(seen, std::memory_order_acquire);
        seen = nudged[worker].load(std::memory_order_acquire);
      };
      for (int i = 0; i < 5; ++i) {
        TlsPair pair = make_pair(*remote, *client);
        run(pair, *remote, sleep);
        expect_complete(pair);
      }
      while (remote->under_way() > 0) sleep(), take_ready(*remote);
      EXPECT_EQ(remote->use().used(), 0u);
    });
  }
  for (std::thread& thread : worker_threads) thread.join();
  stop.store(true, std::memory_order_release);
  pool.wake();
  for (std::thread& thread : handshake_threads) thread.join();
  EXPECT_GE(pool.steps(), uint64_t{kWorkers} * 5 * 3);
}

// What comes while the handshake worker has not answered waits in order, however small its pieces.
TEST_F(HandshakePools, KeepWhatArrivesBeforeTheAnswer) {
  const auto pool = make_pool(1, 4);
  const auto remote = pool->context_for(0);
  const auto client = make_client();
  TlsPair pair = make_pair(*remote, *client);
  run(pair, *remote, [&] { pool->run_once(0); }, 1);
  expect_complete(pair);
}

TEST_F(HandshakePools, BoundWhatWaits) {
  const auto pool = make_pool(1, 1);
  const auto remote = pool->context_for(0);
  const auto session = remote->accept({});
  const std::vector<uint8_t> piece(RemoteTlsSession::kMaxPending / 4);
  TlsMessage message;
  for (int i = 0; i < 4; ++i) session->provide(EncryptionLevel::kInitial, piece);
  EXPECT_FALSE(session->poll(message));
  session->provide(EncryptionLevel::kInitial, bytes_of("x"));
  ASSERT_TRUE(session->poll(message));
  EXPECT_EQ(message.type, TlsMessage::Type::kAlert);
  EXPECT_EQ(message.alert, 80);
  session->provide(EncryptionLevel::kInitial, bytes_of("x"));
  EXPECT_FALSE(session->poll(message));
}

TEST_F(HandshakePools, RefuseMoreSessionsThanTheyHaveRoomFor) {
  const auto pool = make_pool(1, 2);
  const auto remote = pool->context_for(0);
  auto first = remote->accept({});
  const auto second = remote->accept({});
  EXPECT_NE(second, nullptr);
  EXPECT_EQ(remote->accept({}), nullptr);
  EXPECT_EQ(remote->use().refused(), 1u);
  // Room comes back once the handshake worker has let go, not before.
  first.reset();
  EXPECT_EQ(remote->accept({}), nullptr);
  while (remote->under_way() > 0) pool->run_once(0), take_ready(*remote);
  EXPECT_EQ(remote->use().used(), 1u);
  EXPECT_NE(remote->accept({}), nullptr);
  EXPECT_EQ(remote->use().high_water(), 2u);
}

TEST_F(HandshakePools, SpreadSessionsOverHandshakeWorkers) {
  std::vector<std::unique_ptr<TlsContext>> servers;
  for (int i = 0; i < 2; ++i) servers.push_back(make_server());
  HandshakePool pool(std::move(servers), 1, 4, [](unsigned) {});
  const auto remote = pool.context_for(0);
  const auto first = remote->accept({});
  const auto second = remote->accept({});
  EXPECT_TRUE(pool.run_once(0));
  EXPECT_FALSE(pool.run_once(0));
  EXPECT_TRUE(pool.run_once(1));
  EXPECT_FALSE(pool.run_once(1));
}

// A connection may end at any moment of its handshake.
TEST_F(HandshakePools, LetGoOfASessionWhoseWorkIsUnderWay) {
  const auto pool = make_pool(1, 1);
  const auto remote = pool->context_for(0);
  const auto client = make_client();
  for (int stage = 0; stage < 3; ++stage) {
    TlsPair pair = make_pair(*remote, *client);
    ASSERT_NE(pair.server.session, nullptr);
    pair.client.session->start();
    pair.client.collect();
    if (stage > 0) pool->run_once(0);
    pair.client.deliver_to(pair.server, 100);
    if (stage > 1) pool->run_once(0), take_ready(*remote);
    pair.server.session.reset();
    EXPECT_EQ(remote->use().used(), 1u);
    while (remote->under_way() > 0) pool->run_once(0), take_ready(*remote);
    EXPECT_EQ(remote->use().used(), 0u);
  }
}

// One packet worker that doesn't take its replies must not stop the others.
TEST_F(HandshakePools, ServeOthersWhileOneDoesNotListen) {
  const auto pool = make_pool(2, 1);  // rings of few places
  const auto deaf = pool->context_for(0);
  const auto remote = pool->context_for(1);
  const auto client = make_client();
  TlsPair stuck = make_pair(*deaf, *client);
  stuck.client.session->start();
  stuck.client.collect();
  for (int i = 0; i < 3; ++i) pool->run_once(0), take_ready(*deaf);
  stuck.client.deliver_to(stuck.server, 1 << 20);
  TlsPair pair = make_pair(*remote, *client);
  run(pair, *remote, [&] { pool->run_once(0); });
  expect_complete(pair);
  run(stuck, *deaf, [&] { pool->run_once(0); });
  expect_complete(stuck);
}

TEST_F(HandshakePools, TakeNewCertificates) {
  const auto pool = make_pool(1, 2);
  const auto remote = pool->context_for(0);
  make_certificate("renewed");
  const auto client = make_client("renewed");
  TlsPair before = make_pair(*remote, *client);
  run(before, *remote, [&] { pool->run_once(0); });
  EXPECT_FALSE(before.client.is_complete());
  std::string error;
  remote->use_certificates(load_certificates(server_options("renewed"), error));
  TlsPair after = make_pair(*remote, *client);
  run(after, *remote, [&] { pool->run_once(0); });
  expect_complete(after);
}

TEST_F(HandshakePools, MakeClientsToo) {
  HandshakePool pool(contexts(make_client()), 1, 2, [](unsigned) {});
  const auto remote = pool.context_for(0);
  const auto server = make_server();
  const auto work = [&] { pool.run_once(0); };
  TlsPair pair = make_pair(*server, *remote);
  run(pair, *remote, work);
  expect_complete(pair);
  ASSERT_EQ(pair.client.tickets.size(), 1u);
  TlsPair again = make_pair(*server, *remote, pair.client.tickets[0]);
  run(again, *remote, work);
  expect_complete(again);
  EXPECT_LT(again.server.sent[2].size(), 300u) << "resumed: no certificate is sent";
}

TEST_F(HandshakePools, PassOnWhatAClientRefuses) {
  HandshakePool pool(contexts(make_client()), 1, 2, [](unsigned) {});
  const auto remote = pool.context_for(0);
  const auto server = make_server();
  TlsPair pair = make_pair(*server, *remote, {}, "other.example");
  run(pair, *remote, [&] { pool.run_once(0); });
  EXPECT_FALSE(pair.client.alerts.empty());
  EXPECT_EQ(remote->connect(std::string(1 << 16, 'x'), {}, {}), nullptr);
}

// A context that makes no sessions, as a server's does for connect().
TEST_F(HandshakePools, FailSessionsThatCannotBeMade) {
  const auto pool = make_pool(1, 2);
  const auto remote = pool->context_for(0);
  const auto session = remote->connect("origin.example", {}, {});
  ASSERT_NE(session, nullptr);
  session->set_owner(42);
  pool->run_once(0);
  std::array<uint64_t, 8> owners;
  ASSERT_EQ(remote->ready(owners), 1u);
  EXPECT_EQ(owners[0], 42u);
  TlsMessage message;
  ASSERT_TRUE(session->poll(message));
  EXPECT_EQ(message.type, TlsMessage::Type::kAlert);
  session->provide(EncryptionLevel::kInitial, bytes_of("still there"));
  pool->run_once(0);
}

}  // namespace
}  // namespace viaduct::crypto
