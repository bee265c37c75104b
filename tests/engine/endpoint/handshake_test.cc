// Two endpoints meet, exchange bytes and part.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "crypto-offload/tls_session.h"
#include "engine/verdicts.h"
#include "tests/engine/endpoint/two_endpoints.h"
#include "tests/simulation/real_tls.h"

namespace viaduct::quic::test {
namespace {

// proves RFC 9000 7.3-2 19.20-1
// proves RFC 9001 4.1.2-1
TEST(Handshake, OpensBothSides) {
  TwoEndpoints pair;
  ASSERT_TRUE(pair.handshake());
  EXPECT_EQ(pair.client.find(EventType::kOpened)->value, 7u);
  EXPECT_EQ(pair.server.find(EventType::kOpened)->value, 0u);
  EXPECT_EQ(pair.server.verdict(kNewConnection), 1u);
  EXPECT_EQ(pair.server.verdict(kProtocolError), 0u);
}

TEST(Handshake, CarriesAStreamBothWays) {
  TwoEndpoints pair;
  ASSERT_TRUE(pair.handshake());
  const auto request = some_bytes(100'000, 1);
  const auto answer = some_bytes(3'000'000, 2);
  pair.client.write(pair.client.opened[0], 0, request, true);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.finished[0]; }));
  EXPECT_EQ(pair.server.received[0], request);
  pair.server.write(pair.accepted(), 0, answer, true);
  ASSERT_TRUE(pair.run_until([&] { return pair.client.finished[0]; }));
  EXPECT_EQ(pair.client.received[0], answer);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.released_bytes == answer.size(); }));
}

TEST(Handshake, WorksWithOpenSsl) {
  const auto server = sim::make_real_tls_server();
  const auto client = sim::make_real_tls_client();
  TwoEndpoints pair(
      {.client = small_config(), .server = small_config(), .real_server = server.get(), .real_client = client.get()});
  ASSERT_TRUE(pair.handshake());
  const auto request = some_bytes(50'000, 1);
  pair.client.write(pair.client.opened[0], 0, request, true);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.finished[0]; }));
  EXPECT_EQ(pair.server.received[0], request);
}

// Who names no host means the one at the address that it connects to.
TEST(Handshake, NeedsACertificateForTheAddressWhereNoNameIsGiven) {
  const auto folder = std::filesystem::temp_directory_path() / ("viaduct-address-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const std::string certificate = folder / "certificate.pem", key = folder / "key.pem";
  const std::string address = TwoEndpoints().client_path.remote.ip.to_string();
  for (const std::string& name : {address, std::string("server.test")}) {
    std::string error;
    ASSERT_TRUE(crypto::make_self_signed(name, certificate, key, error)) << error;
    const auto server =
        crypto::make_tls_server({.certificate_file = certificate, .private_key_file = key, .alpn = {"test"}}, error);
    const auto client = crypto::make_tls_client({.ca_file = certificate, .alpn = {"test"}}, error);
    ASSERT_TRUE(server && client) << error;
    TwoEndpoints pair(
        {.client = small_config(), .server = small_config(), .real_server = server.get(), .real_client = client.get()});
    ASSERT_TRUE(pair.client.endpoint().connect({.path = pair.client_path}, pair.now));
    ASSERT_TRUE(
        pair.run_until([&] { return pair.client.saw(EventType::kOpened) || pair.client.saw(EventType::kClosed); }));
    EXPECT_EQ(pair.client.saw(EventType::kOpened), name == address);
    if (name == address) continue;
    EXPECT_EQ(pair.client.find(EventType::kClosed)->error, 0x100u + 42u) << "an alert: bad certificate";
  }
  std::filesystem::remove_all(folder);
}

TEST(Handshake, SurvivesTheLossOfEveryThirdDatagram) {
  TwoEndpoints pair;
  unsigned count[2] = {0, 0};
  pair.filter = [&](bool to_server, Datagram&) { return ++count[to_server] % 3 != 0; };
  ASSERT_TRUE(pair.handshake());
  const auto answer = some_bytes(200'000, 2);
  pair.client.write(pair.client.opened[0], 0, some_bytes(10), true);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.finished[0]; }, Duration::seconds(60)));
  pair.server.write(pair.accepted(), 0, answer, true);
  ASSERT_TRUE(pair.run_until([&] { return pair.client.finished[0]; }, Duration::seconds(60)));
  EXPECT_EQ(pair.client.received[0], answer);
  EXPECT_GT(pair.server.stats().packets_lost, 0u);
}

TEST(Handshake, GivesUpWhereNobodyAnswers) {
  TwoEndpoints pair;
  pair.filter = [](bool, Datagram&) { return false; };
  pair.connect();
  ASSERT_TRUE(pair.run_until([&] { return pair.client.saw(EventType::kClosed); }, Duration::seconds(15)));
  EXPECT_EQ(pair.client.find(EventType::kClosed)->error, 0x10u);
  EXPECT_FALSE(pair.client.saw(EventType::kOpened));
  ASSERT_TRUE(pair.run_until([&] { return pair.client.endpoint().is_empty(); }));
}

// proves RFC 9001 4.8-1
TEST(Handshake, EndsWithTheAlertThatTlsGives) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.tls.refuse_with_alert = 120;
  TwoEndpoints pair(options);
  pair.connect();
  ASSERT_TRUE(pair.run_until([&] { return pair.client.saw(EventType::kClosed); }));
  EXPECT_EQ(pair.client.find(EventType::kClosed)->error, 0x100u + 120u);
  EXPECT_FALSE(pair.server.saw(EventType::kClosed));
}

// proves RFC 9001 8.2-1
TEST(Handshake, IsRefusedWithoutTransportParameters) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.tls.omit_transport_parameters = true;
  TwoEndpoints pair(options);
  pair.connect();
  ASSERT_TRUE(pair.run_until([&] { return pair.client.saw(EventType::kClosed); }));
  EXPECT_EQ(pair.client.find(EventType::kClosed)->error, 0x100u + 109u);
}

// proves RFC 9000 7.5-1
TEST(Handshake, TakesAClientHelloOfSeveralDatagramsAndALongCertificate) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.tls.client_hello_size = 1700;
  options.tls.server_hello_size = 1200;
  options.tls.server_flight_size = 6000;
  TwoEndpoints pair(options);
  ASSERT_TRUE(pair.handshake());
}

// RFC 9000 section 8.1: three times what came, until the client has proved its address.
// proves RFC 9000 8-1 8.1-1 8.1-2 14.1-4
TEST(Handshake, SendsNoMoreThanThreeTimesWhatCame) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.tls.server_flight_size = 9000;
  TwoEndpoints pair(options);
  uint64_t to_server = 0, to_client = 0;
  bool blocked = false;
  pair.filter = [&](bool up, Datagram& datagram) {
    if (up && to_server > 0) return false;  // nothing after the first
    (up ? to_server : to_client) += datagram.bytes.size();
    blocked |= !up;
    return up;
  };
  pair.connect();
  pair.run_for(Duration::seconds(5));
  EXPECT_GT(to_client, 0u);
  EXPECT_LE(to_client, 3 * to_server);
}

}  // namespace
}  // namespace viaduct::quic::test
