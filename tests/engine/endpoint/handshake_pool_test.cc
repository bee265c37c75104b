// Handshakes on other lcores: what connections see of it.
#include "crypto-offload/handshake_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "engine/verdicts.h"
#include "tests/engine/endpoint/two_endpoints.h"
#include "tests/simulation/real_tls.h"

namespace viaduct::quic::test {
namespace {

using crypto::HandshakePool;
using crypto::RemoteTlsContext;

// Sessions whose work takes until the gate is open.
class GatedContext final : public crypto::TlsContext {
 public:
  struct Gate {
    std::atomic<bool> is_open{true};
    std::atomic<bool> is_waited_at{false};

    void pass() {
      if (is_open.load(std::memory_order_acquire)) return;
      is_waited_at.store(true, std::memory_order_release);
      is_open.wait(false, std::memory_order_acquire);
    }
    void open() {
      is_open.store(true, std::memory_order_release);
      is_open.notify_all();
    }
  };

  GatedContext(std::unique_ptr<crypto::TlsContext> inner, Gate& gate) : inner_(std::move(inner)), gate_(gate) {}

  std::unique_ptr<crypto::TlsSession> accept(Bytes parameters) override {
    gate_.pass();
    return inner_->accept(parameters);
  }
  std::unique_ptr<crypto::TlsSession> connect(const std::string&, Bytes, Bytes) override { return nullptr; }

 private:
  std::unique_ptr<crypto::TlsContext> inner_;
  Gate& gate_;
};

// Two endpoints, the server's TLS on a thread of its own. Virtual time stands while that thread works, unless it waits
// at the gate.
class HandshakesElsewhere : public testing::Test {
 protected:
  void start(std::unique_ptr<crypto::TlsContext> context) {
    std::vector<std::unique_ptr<crypto::TlsContext>> contexts;
    contexts.push_back(std::make_unique<GatedContext>(std::move(context), gate_));
    pool_ = std::make_unique<HandshakePool>(std::move(contexts), 1, small_config().max_half_open, [](unsigned) {});
    remote_ = pool_->context_for(0);
    thread_ = std::thread([this] { pool_->run(0, stop_); });
  }
  void TearDown() override {
    gate_.open();
    stop_.store(true, std::memory_order_release);
    if (pool_) pool_->wake();
    if (thread_.joinable()) thread_.join();
  }
  template <class Done>
  bool run_until(TwoEndpoints& pair, Done done) {
    return pair.run_until([&] {
      while (remote_->under_way() > 0 && !remote_->has_ready() && !gate_.is_waited_at.load(std::memory_order_acquire)) {
        std::this_thread::yield();
      }
      return done();
    });
  }
  bool handshake(TwoEndpoints& pair) {
    pair.connect();
    return run_until(pair, [&] { return !pair.client.opened.empty() && !pair.server.opened.empty(); });
  }

  GatedContext::Gate gate_;
  std::unique_ptr<HandshakePool> pool_;
  std::unique_ptr<RemoteTlsContext> remote_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

TEST_F(HandshakesElsewhere, OpenConnectionsWithOpenSsl) {
  start(sim::make_real_tls_server());
  const auto client = sim::make_real_tls_client();
  TwoEndpoints pair(
      {.client = small_config(), .server = small_config(), .real_server = remote_.get(), .real_client = client.get()});
  ASSERT_TRUE(handshake(pair));
  const auto request = some_bytes(50'000);
  pair.client.write(pair.client.opened[0], 0, request, true);
  ASSERT_TRUE(run_until(pair, [&] { return pair.server.finished[0]; }));
  EXPECT_EQ(pair.server.received[0], request);
}

// A handshake that stands still for as long as it likes does not hold up the packets of other connections.
TEST_F(HandshakesElsewhere, DoNotStandBeforeData) {
  start(viaduct::test::make_test_tls());
  TwoEndpoints pair({.client = small_config(), .server = small_config(), .real_server = remote_.get()});
  ASSERT_TRUE(handshake(pair));
  gate_.is_open.store(false, std::memory_order_release);
  pair.connect(8);
  ASSERT_TRUE(run_until(pair, [&] { return gate_.is_waited_at.load(std::memory_order_acquire); }));
  const auto bytes = some_bytes(300'000);
  pair.client.write(pair.client.opened[0], 0, bytes, true);
  ASSERT_TRUE(run_until(pair, [&] { return pair.server.finished[0]; }));
  EXPECT_EQ(pair.server.received[0], bytes);
  EXPECT_EQ(pair.server.opened.size(), 1u);
  EXPECT_GT(remote_->under_way(), 0u) << "the second handshake was not worked on meanwhile";

  gate_.is_waited_at.store(false, std::memory_order_release);
  gate_.open();
  ASSERT_TRUE(run_until(pair, [&] { return pair.client.opened.size() == 2 && pair.server.opened.size() == 2; }));
}

// The connection goes while its handshake is elsewhere; what comes of it finds nobody.
TEST_F(HandshakesElsewhere, OutliveTheirConnections) {
  start(viaduct::test::make_test_tls());
  TwoEndpoints pair({.client = small_config(), .server = small_config(), .real_server = remote_.get()});
  gate_.is_open.store(false, std::memory_order_release);
  pair.connect();
  EXPECT_FALSE(
      pair.run_until([&] { return pair.server.endpoint().is_empty() && gate_.is_waited_at; }, Duration::seconds(1)));
  ASSERT_TRUE(pair.run_until([&] { return pair.server.endpoint().is_empty(); }, Duration::seconds(60)))
      << "a handshake has its time";
  gate_.is_waited_at.store(false, std::memory_order_release);
  gate_.open();
  ASSERT_TRUE(run_until(pair, [&] { return remote_->use().used() == 0; }));
  pair.client.opened.clear();
  ASSERT_TRUE(handshake(pair));
}

}  // namespace
}  // namespace viaduct::quic::test
