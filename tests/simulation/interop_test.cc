// The tests of the QUIC interop runner that are about the transport, each over the network of its simulator (15 ms one
// way, 10 Mbit/s, a queue of 25 packets), in both versions of QUIC, and with a balancer between that reads the server's
// connection IDs. Bands are the same for all of these: neither costs time or packets.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <set>
#include <tuple>

#include "apps/lb/verdicts.h"
#include "engine/wire/packet_header.h"
#include "tests/simulation/balancer.h"
#include "tests/simulation/expect_band.h"
#include "tests/simulation/real_tls.h"
#include "tests/simulation/scenario.h"

namespace viaduct::sim {
namespace {

constexpr Band kAny{0, 1'000'000'000};
// The cable carries 10 MB in 8.0 s; headers make it 8.3.
constexpr Band kTenMegabytes{8'250, 9'000}, kTenMegabytesUp{300, 5'000}, kTenMegabytesDown{6'900, 7'400};
// 3 MB are 2,068 datagrams and 2.48 s on the cable; beside them a handshake, a request, and what slow start loses.
constexpr Band kThreeMegabytes{2'500, 3'000}, kThreeMegabytesUp{100, 1'600}, kThreeMegabytesDown{2'060, 2'400};
constexpr Band kOneRequest{60, 68}, kFewPackets{3, 8};
// A handshake over this network, and one that has to begin again.
constexpr Band kOneRoundTrip{30, 35}, kTwoRoundTrips{60, 66};

// How a test runs. The first connection in TLS of its own may be there to be remembered by the second, which counts.
struct Setting {
  ScenarioConfig config;
  uint32_t version = 0;  // of the client's first packets
  std::unique_ptr<crypto::TlsContext> client_tls, server_tls;
  quic::ServerMemory memory;
  bool is_second = false;
  Duration limit = Duration::seconds(60);

  uint32_t other_version() const { return version == quic::kVersion1 ? quic::kVersion2 : quic::kVersion1; }
  void download(std::vector<uint64_t> sizes) {
    for (const uint64_t size : sizes) config.client.transfers.push_back({.download = size});
  }
  // Fifty connections, for each of which faults may take several datagrams in a row.
  void fifty_handshakes() {
    download({1'000});
    config.connections = 50;
    for (quic::EndpointConfig* endpoint : {&config.client_endpoint, &config.server_endpoint}) {
      // Probes are up to 16 s apart: two that are lost in a row leave a client without a word for longer than 30 s.
      endpoint->handshake_timeout = endpoint->idle_timeout = Duration::seconds(60);
    }
    limit = Duration::seconds(300);
  }
  void remember(bool early_data) {
    download({1'000});
    client_tls = make_real_tls_client({.early_data = early_data});
    server_tls = make_real_tls_server({.early_data = true});
    config.tls_client = client_tls.get();
    config.tls_server = server_tls.get();
    config.memory = &memory;
    is_second = true;
  }
  // The client has something to say now and then: one that only listens would never tell a server where it is now.
  void rebind(bool address) {
    download({10 * kMega});
    config.rebindings = {{Duration::seconds(1), address}, {Duration::seconds(6), address}};
    config.client.heartbeat = Duration::milliseconds(200);
  }
};

uint64_t at_server(Scenario& scenario, quic::Counter quic::EndpointStats::* counter) {
  return (scenario.server().endpoint().stats().*counter).value();
}
uint64_t at_client(Scenario& scenario, quic::Counter quic::EndpointStats::* counter) {
  return (scenario.client().endpoint().stats().*counter).value();
}
void expect_handshake(Scenario& scenario, Band band) { expect_in(band, scenario.handshake().ms(), "handshake, ms"); }

struct InteropTest {
  const char* name;
  void (*prepare)(Setting&);
  Band completion = kAny, up = kAny, down = kAny;
  void (*check)(Scenario&) = [](Scenario&) {};
  bool changes_version = false;
};

constexpr SocketAddress kElsewhere{IpAddress::v4(198, 18, 1, 77), 4'433};

const InteropTest kTests[] = {
    {"Handshake", [](Setting& s) { s.download({1'000}); }, kOneRequest, kFewPackets, kFewPackets,
     [](Scenario& s) { expect_handshake(s, kOneRoundTrip); }},
    // Larger than any window: limits must be raised as the client reads.
    {"Transfer", [](Setting& s) { s.download({2 * kMega, 3 * kMega, 5 * kMega}); }, kTenMegabytes, kTenMegabytesUp,
     kTenMegabytesDown, [](Scenario& s) { EXPECT_EQ(s.server_app().opened(), 1u); }},
    {"LongRtt",
     [](Setting& s) {
       s.download({1'000});
       s.config.to_server.delay = s.config.to_client.delay = Duration::milliseconds(750);
     },
     {3'000, 3'050},
     // The first timeout comes before the answer (RFC 9002 section 6.2.2).
     {4, 12},
     {3, 12},
     [](Scenario& s) { expect_handshake(s, {1'500, 1'520}); }},
    {"ChaCha20",
     [](Setting& s) {
       s.download({3 * kMega});
       s.config.tls.aead = crypto::Aead::kChaCha20Poly1305;
     },
     kThreeMegabytes, kThreeMegabytesUp, kThreeMegabytesDown},
    // More streams than may be open at a time.
    {"Multiplexing",
     [](Setting& s) {
       s.config.client.transfers = std::vector<Transfer>(1'999, {.download = 32});
       s.config.client.parallel = 500;
     },
     {500, 3'000},
     {100, 3'500},
     {100, 3'500}},
    {"Retry",
     [](Setting& s) {
       s.download({1'000});
       s.config.server_endpoint.retry = quic::RetryPolicy::kAlways;
     },
     {90, 98},
     {4, 9},
     {4, 9},
     [](Scenario& s) {
       expect_handshake(s, kTwoRoundTrips);
       EXPECT_EQ(at_server(s, &quic::EndpointStats::retries_sent), 1u);
     }},
    {"Resumption",
     [](Setting& s) { s.remember(false); },
     {60, 75},
     {3, 10},
     {3, 10},
     [](Scenario& s) {
       EXPECT_EQ(at_server(s, &quic::EndpointStats::handshakes_resumed), 1u);
       EXPECT_EQ(at_server(s, &quic::EndpointStats::early_data_accepted), 0u);
     }},
    // The answer is there after one round trip.
    {"ZeroRtt",
     [](Setting& s) { s.remember(true); },
     {30, 40},
     {3, 10},
     {3, 10},
     [](Scenario& s) { EXPECT_EQ(at_server(s, &quic::EndpointStats::early_data_accepted), 1u); }},
    {"Blackhole",
     [](Setting& s) {
       s.download({10 * kMega});
       s.config.to_client.blackholes = s.config.to_server.blackholes = {
           {Simulation::kStart + Duration::seconds(5), Simulation::kStart + Duration::seconds(7)}};
     },
     {10'250, 14'500},
     kTenMegabytesUp,
     {6'900, 7'600}},
    // RFC 9001 section 6: who is first to use up a key begins, the other follows.
    {"KeyUpdate",
     [](Setting& s) {
       s.download({3 * kMega});
       s.config.client_endpoint.key_update_after = 200;
       s.config.server_endpoint.key_update_after = 500;
     },
     kThreeMegabytes, kThreeMegabytesUp, kThreeMegabytesDown,
     [](Scenario& s) {
       EXPECT_GE(at_server(s, &quic::EndpointStats::key_updates) + at_client(s, &quic::EndpointStats::key_updates), 4u);
     }},
    {"Ecn", [](Setting& s) { s.download({3 * kMega}); }, kThreeMegabytes, kThreeMegabytesUp, kThreeMegabytesDown,
     [](Scenario& s) {
       EXPECT_EQ(at_server(s, &quic::EndpointStats::ecn_validated), 1u);
       EXPECT_EQ(at_client(s, &quic::EndpointStats::ecn_validated), 1u);
     }},
    // The client's second flight is lost, and the server may not go on.
    {"AmplificationLimit",
     [](Setting& s) {
       s.download({1'000});
       s.config.tls.server_flight_size = 9'000;
       s.config.to_server.loss_mask = 0b111'1110;
       for (quic::EndpointConfig* endpoint : {&s.config.client_endpoint, &s.config.server_endpoint})
         endpoint->handshake_timeout = Duration::seconds(60);
       s.limit = Duration::seconds(120);
     },
     {500, 2'000},
     {9, 25},
     {9, 25}},
    {"HandshakeLoss",
     [](Setting& s) {
       s.fifty_handshakes();
       s.config.to_server.loss = s.config.to_client.loss = 0.3;
       s.config.to_server.longest_loss = s.config.to_client.longest_loss = 3;
     }},
    {"TransferLoss",
     [](Setting& s) {
       s.download({2 * kMega});
       s.config.to_client.bursts = s.config.to_server.bursts = {.enter_bad = 0.01, .leave_bad = 0.33};
     },
     {1'700, 9'000},
     {60, 1'500},
     {1'400, 1'700}},
    {"HandshakeCorruption",
     [](Setting& s) {
       s.fifty_handshakes();
       s.config.to_server.corruption = s.config.to_client.corruption = 0.3;
     }},
    {"TransferCorruption",
     [](Setting& s) {
       s.download({2 * kMega});
       s.config.to_client.corruption = s.config.to_server.corruption = 0.02;
     },
     {1'700, 6'000},
     {60, 1'500},
     {1'400, 1'700}},
    {"Ipv6",
     [](Setting& s) {
       s.download({5'000, 10'000});
       s.config.client_ip = *IpAddress::parse("2001:db8::1");
       s.config.server_ip = *IpAddress::parse("2001:db8:1::1");
     },
     {72, 130},
     {5, 20},
     {15, 30}},
    // The server leads the client on, which takes no time.
    {"CompatibleVersion",
     [](Setting& s) {
       s.download({1'000});
       s.config.client_endpoint.versions = {s.version, s.other_version()};
       s.config.server_endpoint.preferred_version = s.other_version();
     },
     kOneRequest, kFewPackets, kFewPackets,
     [](Scenario& s) {
       expect_handshake(s, kOneRoundTrip);
       EXPECT_EQ(at_client(s, &quic::EndpointStats::versions_changed), 1u);
     },
     true},
    {"VersionNegotiation",
     [](Setting& s) {
       s.download({1'000});
       s.config.client_endpoint.versions = {s.version, s.other_version()};
       s.config.server_endpoint.versions = {s.other_version()};
     },
     {90, 98},
     {4, 9},
     {4, 9},
     [](Scenario& s) {
       expect_handshake(s, kTwoRoundTrips);
       EXPECT_EQ(at_server(s, &quic::EndpointStats::versions_sent), 1u);
     },
     true},
    // RFC 9000 section 9.3.
    {"RebindPort",
     [](Setting& s) { s.rebind(false); },
     {8'250, 10'500},
     {300, 5'500},
     {6'900, 7'500},
     [](Scenario& s) { EXPECT_EQ(at_server(s, &quic::EndpointStats::paths_changed), 2u); }},
    {"RebindAddress",
     [](Setting& s) { s.rebind(true); },
     {8'250, 11'500},
     {300, 5'500},
     {6'900, 7'500},
     [](Scenario& s) { EXPECT_EQ(at_server(s, &quic::EndpointStats::paths_changed), 2u); }},
    {"ConnectionMigration",
     [](Setting& s) {
       s.download({10 * kMega});
       s.config.moves = {{Duration::seconds(2), kElsewhere}};
     },
     {8'250, 11'500},
     kAny,
     kAny,
     [](Scenario& s) {
       EXPECT_EQ(at_client(s, &quic::EndpointStats::paths_changed), 1u);
       EXPECT_EQ(at_server(s, &quic::EndpointStats::paths_changed), 1u);
       // A quarter of it from the old address, the rest from the new one.
       const uint64_t to_new = s.simulation().link_stats(kServerIp, kElsewhere.ip).offered;
       expect_in({1'500, 2'200}, static_cast<int64_t>(s.packets_to_client()), "datagrams to the old address");
       expect_in({5'000, 5'700}, static_cast<int64_t>(to_new), "datagrams to the new address");
     }},
    {"Goodput", [](Setting& s) { s.download({10 * kMega}); }, kTenMegabytes, kTenMegabytesUp, kTenMegabytesDown},
    // With another connection of ours for the traffic.
    {"CrossTraffic",
     [](Setting& s) {
       s.download({5 * kMega});
       s.config.connections = 2;
     },
     {8'250, 9'500},
     {300, 5'500},
     {6'900, 7'500},
     [](Scenario& s) {
       const auto done = [&](uint64_t number) {
         return (s.client_app().connection(number).done_at - Simulation::kStart).ms();
       };
       // Two of one kind share the cable: none is done before it had a third.
       EXPECT_GT(std::min(done(0), done(1)), 5'500);
     }},
};

// A balancer before the scenario's server, which mints IDs that it can read.
class Between {
 public:
  explicit Between(ScenarioConfig& config)
      : ids_{.id = 3, .server_id_length = 3, .nonce_length = 9},
        configuration_(balancer_configuration({config.server_ip, kServer.port}, 1, with_key())),
        balancer_(configuration_) {
    flowsteer::ServerIdentity& identity = config.server_identity.emplace();
    identity.config = ids_;
    std::ranges::copy(configuration_.pools[0].backends[0].server_ids[0].bytes, identity.server_id.begin());
  }
  void attach(Scenario& scenario, const IpAddress& server) {
    scenario.simulation().set_receiver(server, [this, &scenario](Datagram datagram) {
      if (auto routed = balancer_.route(datagram, scenario.simulation().now()))
        scenario.server().receive(std::move(routed->datagram));
    });
  }
  uint64_t routed_by_id() { return balancer_.router().verdicts()[lb::kRoutedById]; }

 private:
  const flowsteer::QuicLbConfig& with_key() {
    ids_.key.emplace().fill(0x5b);
    return ids_;
  }
  flowsteer::QuicLbConfig ids_;
  lb::Configuration configuration_;
  Balancer balancer_;
};

// What the client's long headers say.
class VersionWatch {
 public:
  VersionWatch(Simulation& simulation, const IpAddress& server) {
    simulation.add_sent_tap([this, server](const Datagram& datagram) {
      if (datagram.to.ip != server || datagram.payload.size() < 5 || (datagram.payload[0] & 0x80) == 0) return;
      ByteReader reader(Bytes(datagram.payload).subspan(1));
      seen_.insert(reader.u32());
    });
  }
  const std::set<uint32_t>& seen() const { return seen_; }

 private:
  std::set<uint32_t> seen_;
};

enum class Way : uint8_t { kDirect, kBalanced };
using Parameter = std::tuple<const InteropTest*, uint32_t, Way>;

class Interop : public testing::TestWithParam<Parameter> {
 protected:
  void run(const InteropTest& test, Setting& setting, bool is_counted) {
    const auto way = std::get<2>(GetParam());
    std::optional<Between> between;
    if (way == Way::kBalanced) between.emplace(setting.config);
    Scenario scenario(setting.config);
    if (between) between->attach(scenario, setting.config.server_ip);
    const VersionWatch versions(scenario.simulation(), setting.config.server_ip);
    scenario.expect_success(setting.limit);
    if (!is_counted) return;
    expect_bands(scenario, test.completion, test.up, test.down);
    test.check(scenario);
    EXPECT_TRUE(versions.seen().contains(setting.version));
    EXPECT_EQ(versions.seen().size(), test.changes_version ? 2u : 1u);
    if (between) {
      EXPECT_GT(between->routed_by_id(), 0u);
    }
  }
};

TEST_P(Interop, Works) {
  const auto& [test, version, way] = GetParam();
  Setting setting;
  setting.version = version;
  setting.config.client_endpoint.versions = {version};
  test->prepare(setting);
  if (setting.is_second) run(*test, setting, false);
  run(*test, setting, true);
}

std::vector<const InteropTest*> all_tests() {
  std::vector<const InteropTest*> all;
  for (const InteropTest& test : kTests) all.push_back(&test);
  return all;
}

std::string name_of(const testing::TestParamInfo<Parameter>& tested) {
  const auto& [test, version, way] = tested.param;
  return std::string(test->name) + (version == quic::kVersion1 ? "V1" : "V2") + (way == Way::kDirect ? "" : "Balanced");
}

INSTANTIATE_TEST_SUITE_P(Runner, Interop,
                         testing::Combine(testing::ValuesIn(all_tests()),
                                          testing::Values(quic::kVersion1, quic::kVersion2),
                                          testing::Values(Way::kDirect, Way::kBalanced)),
                         name_of);

}  // namespace
}  // namespace viaduct::sim
