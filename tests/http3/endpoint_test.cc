// HTTP/3 over real endpoints and a simulated network: loss, two workers, new ports on the way, and goodbye.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/http3/client.h"
#include "apps/http3/server.h"
#include "tests/simulation/scenario.h"
#include "tests/support/test_tls.h"

namespace viaduct::http3 {
namespace {

// "/N" has N bytes of the alphabet over and over, in pieces of one chunk.
class AlphabetServer : public sim::Application, public Application {
 public:
  AlphabetServer() {
    for (size_t i = 0; i < kPiece; ++i) bytes_[i] = static_cast<uint8_t>('a' + i % 26);
  }
  void run(quic::AppChannel& channel, Instant now) override {
    if (!server) server.emplace(ServerLimits{.max_connections = 64, .max_requests = 512}, channel, chunks_, *this);
    if (shutting_down) server->shut_down(now);
    server->step(now);
  }
  Instant deadline() const override { return server ? server->deadline() : Instant::never(); }

  void on_request(RequestId id, const RequestHead& head) override {
    const uint64_t length = parse_decimal(head.path.substr(1)).value_or(0);
    left_[id.index] = length;
    const std::string text = std::to_string(length);
    const Field fields[] = {{"content-length", text}};
    ASSERT_TRUE(server->respond(id, 200, fields, length));
    on_writable(id);
  }
  void on_writable(RequestId id) override {
    uint64_t& left = left_[id.index];
    for (size_t room = server->room(id); room > 0 && left > 0; --room) {
      const auto length = static_cast<uint32_t>(std::min<uint64_t>(left, kPiece));
      left -= length;
      piece_.hold();
      server->write(id, &piece_, 0, length);
    }
  }
  void on_gone(RequestId) override { ++gone; }

  std::optional<Server> server;
  bool shutting_down = false;
  size_t gone = 0;

 private:
  static constexpr uint32_t kPiece = 26 * 100;
  std::array<uint8_t, kPiece> bytes_;
  Chunk piece_{bytes_.data(), kPiece, [](Chunk*) {}};
  ChunkPool chunks_{1024, 1024};
  std::vector<uint64_t> left_ = std::vector<uint64_t>(512);
};

// Asks each connection for the lengths, all at once.
class AskingClient : public sim::Application, public ClientHandler {
 public:
  explicit AskingClient(std::vector<uint64_t> lengths) : lengths_(std::move(lengths)) {}

  void run(quic::AppChannel& channel, Instant) override {
    if (!client) client.emplace(ClientLimits{.max_connections = 64, .max_requests = 2048}, channel, chunks_, *this);
    client->step();
  }
  void on_connected(quic::ConnectionHandle connection, uint64_t) override {
    connections.push_back(connection);
    for (const uint64_t length : lengths_) {
      answers_.push_back({.expected = length});
      const std::string path = "/" + std::to_string(length);
      ASSERT_TRUE(
          client->request(connection, {.authority = "server.test", .path = path, .cookie = answers_.size() - 1}));
    }
  }
  void on_disconnected(quic::ConnectionHandle, uint64_t error, bool is_application_error) override {
    ++disconnected;
    if (is_application_error && error == code(Error::kNoError)) ++goodbyes;
  }
  void on_head(uint64_t cookie, const ResponseHead& head) override { answers_[cookie].status = head.status; }
  void on_body(uint64_t cookie, Bytes bytes) override {
    Answer& answer = answers_[cookie];
    for (const uint8_t byte : bytes) answer.is_right &= byte == 'a' + answer.received++ % 26;
  }
  void on_end(uint64_t cookie, const Ending& ending) override { answers_[cookie].is_complete = ending.is_complete; }

  size_t complete() const {
    return static_cast<size_t>(std::ranges::count_if(answers_, [](const Answer& answer) {
      return answer.is_complete && answer.is_right && answer.status == 200 && answer.received == answer.expected;
    }));
  }

  std::optional<Client> client;
  std::vector<quic::ConnectionHandle> connections;
  size_t disconnected = 0, goodbyes = 0;

 private:
  struct Answer {
    uint64_t expected = 0, received = 0;
    uint16_t status = 0;
    bool is_right = true, is_complete = false;
  };
  std::vector<uint64_t> lengths_;
  std::vector<Answer> answers_;
  ChunkPool chunks_{2048, 512};
};

class OverEndpoints : public testing::Test {
 protected:
  void make(const std::vector<uint64_t>& lengths, const sim::LinkConfig& link, unsigned workers) {
    client_app = std::make_unique<AskingClient>(lengths);
    std::vector<sim::Application*> applications;
    for (unsigned i = 0; i < workers; ++i) {
      server_apps.push_back(std::make_unique<AlphabetServer>());
      applications.push_back(server_apps.back().get());
    }
    quic::EndpointConfig endpoint = sim::small_endpoint();
    endpoint.max_connections = 64;
    endpoint.max_streams = 2048;
    server.emplace(
        simulation,
        sim::HostConfig{.ip = sim::kServerIp, .workers = workers, .endpoint = endpoint, .tls_server = tls.get()},
        applications);
    client.emplace(simulation,
                   sim::HostConfig{.ip = sim::kClientIp, .endpoint = endpoint, .tls_client = tls.get(), .seed = 2},
                   std::vector<sim::Application*>{client_app.get()});
    simulation.connect(sim::kClientIp, sim::kServerIp, link);
  }
  // The applications read their channels, which are the hosts', to the end.
  void TearDown() override {
    client_app->client.reset();
    for (auto& app : server_apps) app->server.reset();
  }
  void connect(unsigned connections) {
    for (unsigned i = 0; i < connections; ++i)
      ASSERT_TRUE(client->connect(sim::kServer, static_cast<uint16_t>(sim::Nat::kFirstPort + i)));
  }
  bool run_until_complete(size_t answers, Duration limit) {
    return simulation.run_until([&] { return client_app->complete() == answers; }, limit);
  }
  std::string progress() {
    return std::to_string(client_app->complete()) + " complete; client: " + client->counters() +
           "; server: " + server->counters();
  }
  // Servers say goodbye, and nobody is left with anything.
  void expect_goodbye(size_t connections) {
    for (auto& app : server_apps) app->shutting_down = true;
    for (unsigned i = 0; i < server->workers(); ++i) server->wake(i);
    EXPECT_TRUE(simulation.run_until(
        [&] { return client_app->disconnected == connections && server->is_empty() && client->is_empty(); },
        Duration::seconds(20)));
    EXPECT_EQ(client_app->goodbyes, connections);
    server->expect_baseline();
    client->expect_baseline();
    for (auto& app : server_apps) {
      if (!app->server) continue;
      EXPECT_EQ(app->server->connections(), 0u);
      EXPECT_EQ(app->server->requests().used(), 0u);
    }
  }

  sim::Simulation simulation{7};
  std::unique_ptr<crypto::TlsContext> tls = test::make_test_tls({.alpn = {"h3"}});
  std::unique_ptr<AskingClient> client_app;
  std::vector<std::unique_ptr<AlphabetServer>> server_apps;
  std::optional<sim::Host> server, client;
};

TEST_F(OverEndpoints, requests_are_answered_side_by_side) {
  make({0, 1, 100, 1'000, 10'000, 100'000, 250'000}, sim::interop_link(), 1);
  connect(3);
  EXPECT_TRUE(run_until_complete(21, Duration::seconds(20))) << progress();
  expect_goodbye(3);
  EXPECT_EQ(server_apps[0]->server->verdicts()[kRequestAnswered], 21u);
}

TEST_F(OverEndpoints, requests_are_answered_where_packets_are_lost_and_reordered) {
  sim::LinkConfig link = sim::interop_link();
  link.loss = 0.03;
  link.reordering = 0.03;
  link.reorder_delay = Duration::milliseconds(5);
  make(std::vector<uint64_t>(50, 3'000), link, 1);
  connect(2);
  EXPECT_TRUE(run_until_complete(100, Duration::seconds(60))) << progress();
  expect_goodbye(2);
}

TEST_F(OverEndpoints, two_workers_serve_clients_whose_ports_change) {
  make({400'000, 400'000}, sim::interop_link(), 2);
  simulation.set_nat(sim::kClientIp);
  connect(6);
  simulation.after(Duration::milliseconds(800), [&] { simulation.rebind(sim::kClientIp, false); });
  EXPECT_TRUE(run_until_complete(12, Duration::seconds(60))) << progress();
  EXPECT_GT(server->handed_off(), 0u);
  uint64_t changes = 0;
  for (unsigned i = 0; i < 2; ++i) changes += server->endpoint(i).stats().paths_changed;
  EXPECT_GE(changes, 6u);
  expect_goodbye(6);
}

TEST_F(OverEndpoints, a_shutdown_lets_requests_finish_and_refuses_new_ones) {
  make({500'000}, sim::interop_link(), 1);
  connect(2);
  simulation.after(Duration::milliseconds(300), [&] {
    server_apps[0]->shutting_down = true;
    server->wake();
  });
  bool asked_late = false;
  simulation.after(Duration::milliseconds(700), [&] {
    asked_late = client_app->client->request(client_app->connections[0], {.authority = "server.test", .path = "/10"});
    client->wake();
  });
  EXPECT_TRUE(simulation.run_until([&] { return client_app->disconnected == 2; }, Duration::seconds(20)));
  EXPECT_TRUE(asked_late);
  EXPECT_EQ(client_app->complete(), 2u);
  EXPECT_EQ(server_apps[0]->server->verdicts()[kRequestRejected], 1u);
  expect_goodbye(2);
}

}  // namespace
}  // namespace viaduct::http3
