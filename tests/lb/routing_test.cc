// The order of decisions of draft-ietf-quic-load-balancers section 4, step by step.
#include <gtest/gtest.h>

#include <set>

#include "apps/lb/verdicts.h"
#include "flowsteer/quic_lb.h"
#include "pmd-glue/frame_port.h"
#include "pmd-glue/wire.h"
#include "tests/flowsteer/quic_lb_vectors.h"
#include "tests/lb/fixture.h"

namespace viaduct::lb {
namespace {

using flowsteer::from_hex;
using test::Balancer;
using test::configuration_of;
using test::Frame;
using test::id_of;
using test::long_packet;
using test::short_packet;

const Frame kClientId = {0xe7, 1, 2, 3, 4, 5, 6, 7};  // configuration 7: says nothing
const Frame kScid = {9, 9, 9, 9};

TEST(Routing, FollowsTheConnectionIdWhereverTheClientIs) {
  Balancer balancer(configuration_of(4));
  for (uint8_t server = 1; server <= 4; ++server) {
    for (const uint16_t port : {5000, 6000, 7000}) {
      const auto outcome = balancer.send4(short_packet(id_of(server)), port);
      EXPECT_EQ(outcome.verdict, kRoutedById);
      EXPECT_EQ(outcome.to(), server);
      EXPECT_EQ(balancer.send6(long_packet(id_of(server), kScid), port).to(), server);
    }
  }
}

// Nothing is read behind a packet's memory (which the sanitizers watch), and nothing is missing there.
TEST(Routing, ReadsAnIdThatEndsWithThePacketsRoom) {
  Balancer balancer(configuration_of(4));
  const Frame frame = test::FrameBuilder()
                          .eth(test::kOurMac, test::kRouterMac)
                          .ipv4(test::kClient4, test::kVip4)
                          .udp(5000, 443)
                          .payload(short_packet(id_of(3)))
                          .build();
  const size_t end = frame.size() - short_packet(id_of(3)).size() + 1 + id_of(3).size();
  Frame room(kHeadroom + end);
  std::copy_n(frame.begin(), end, room.begin() + kHeadroom);
  net::store_u16(room.data() + kHeadroom + 16, static_cast<uint16_t>(end - 14));  // the lengths, of IP and of UDP
  net::store_u16(room.data() + kHeadroom + 38, static_cast<uint16_t>(end - 34));
  Packet packet;
  packet.buffer = room.data();
  packet.capacity = static_cast<uint16_t>(room.size());
  packet.offset = kHeadroom;
  packet.length = static_cast<uint16_t>(end);
  packet.flags = net::FramePort::kIpChecksumGood;
  Packet* burst = &packet;
  balancer.router().route(balancer.snapshot(), {&burst, 1}, balancer.now());
  EXPECT_EQ(balancer.router().verdicts()[kRoutedById], 1u);
  EXPECT_EQ(packet.data()[5], 3);
}

// Addresses as operators choose them: one network, one port. A look-up has to stay short.
TEST(ServiceTable, FindsNeighboursInAFewSteps) {
  for (const char* network : {"192.0.2.", "2001:db8::"}) {
    std::vector<SocketAddress> addresses;
    for (int host = 1; host <= 250; ++host)
      addresses.push_back({test::ip((network + std::to_string(host)).c_str()), 443});
    const ServiceTable table(addresses);
    EXPECT_LE(table.longest_search(), 20u) << network;
    for (size_t i = 0; i < addresses.size(); ++i) EXPECT_EQ(table.find(addresses[i].ip.bytes.data(), 443), i);
  }
}

// Every published vector and every combination of lengths, each as the only configuration, in both header forms.
TEST(Routing, DecodesAllVectors) {
  for (const flowsteer::QuicLbVector& vector : flowsteer::kQuicLbVectors) {
    SCOPED_TRACE(vector.connection_id);
    const Frame server_id = from_hex(vector.server_id), id = from_hex(vector.connection_id);
    Configuration configuration = configuration_of(3);
    flowsteer::QuicLbConfig config{.id = static_cast<uint8_t>(vector.config_id),
                                   .server_id_length = static_cast<uint8_t>(server_id.size()),
                                   .nonce_length = static_cast<uint8_t>(from_hex(vector.nonce).size())};
    if (vector.key) {
      config.key.emplace();
      std::ranges::copy(from_hex(vector.key), config.key->begin());
    }
    configuration.quic_lb = {config};
    for (BackendConfig& backend : configuration.pools[0].backends) backend.server_ids.clear();
    configuration.pools[0].backends[1].server_ids = {{config.id, server_id}};
    Balancer balancer(configuration);
    const auto by_short = balancer.send4(short_packet(id));
    EXPECT_EQ(by_short.verdict, kRoutedById);
    EXPECT_EQ(by_short.to(), 2);
    EXPECT_EQ(balancer.send6(long_packet(id, kScid)).to(), 2);
  }
}

// All at once, so that a burst's ciphers mix: plaintext, single pass and four passes of several lengths.
TEST(Routing, KeepsSevenConfigurationsApart) {
  Configuration configuration = configuration_of(7);
  configuration.quic_lb.clear();
  struct Lengths {
    uint8_t server_id, nonce;
    bool is_encrypted;
  };
  constexpr Lengths kLengths[] = {{1, 4, false}, {8, 8, true}, {3, 4, true}, {15, 4, true},
                                  {9, 9, true},  {4, 5, true}, {2, 16, true}};
  for (uint8_t id = 0; id < 7; ++id) {
    flowsteer::QuicLbConfig config{
        .id = id, .server_id_length = kLengths[id].server_id, .nonce_length = kLengths[id].nonce};
    if (kLengths[id].is_encrypted) config.key.emplace().fill(static_cast<uint8_t>(0x10 + id));
    configuration.quic_lb.push_back(config);
  }
  for (uint8_t b = 0; b < 7; ++b) {
    auto& ids = configuration.pools[0].backends[b].server_ids;
    ids.clear();
    for (const auto& config : configuration.quic_lb)
      ids.push_back({config.id, Frame(config.server_id_length, static_cast<uint8_t>(b + 1))});
  }
  // Plaintext and encrypted configurations may not share server ids.
  for (uint8_t b = 0; b < 7; ++b)
    configuration.pools[0].backends[b].server_ids[0].bytes = {static_cast<uint8_t>(0x80 + b)};
  Balancer balancer(configuration);
  for (const auto& config : configuration.quic_lb) {
    const flowsteer::QuicLb quic_lb(config);
    for (uint8_t b = 0; b < 7; ++b) {
      Frame id(config.routable_length());
      id[0] = flowsteer::first_octet(config.id, 0x15);
      const Frame nonce(config.nonce_length, static_cast<uint8_t>(0x40 + b));
      quic_lb.encode(configuration.pools[0].backends[b].server_ids[config.id].bytes, nonce, &id[1]);
      EXPECT_EQ(balancer.send4(short_packet(id)).to(), b + 1) << "configuration " << int{config.id};
    }
  }
  EXPECT_EQ(balancer.router().id_counters()[3].packets.value(), 7u);
}

TEST(Routing, HashesANewFlowByItsAddressesAlone) {
  Balancer one(configuration_of(5)), two(configuration_of(5));
  std::set<int> servers;
  for (uint16_t port = 5000; port < 5100; ++port) {
    const auto outcome = one.send4(long_packet({0xe7, 1, 2, 3, 4, 5, 6, static_cast<uint8_t>(port)}, kScid), port);
    EXPECT_EQ(outcome.verdict, kRoutedAsNew);
    servers.insert(outcome.to());
    // Another balancer decides alike, whatever the IDs are and whatever the header.
    EXPECT_EQ(two.send4(short_packet({0xff, static_cast<uint8_t>(port)}), port).to(), outcome.to());
  }
  EXPECT_EQ(servers, (std::set<int>{1, 2, 3, 4, 5}));
}

// A pool changes: what was new before stays where it is, by each of the tables in turn.
class KnownFlow : public ::testing::Test {
 protected:
  void SetUp() override {
    first_ = balancer_.send4(long_packet(kClientId, kScid), 5000);
    ASSERT_EQ(first_.verdict, kRoutedAsNew);
    // Everything new goes elsewhere from now on.
    Configuration changed = configuration_of(5);
    changed.pools[0].backends[static_cast<size_t>(first_.to() - 1)].weight = 0;
    balancer_.load(changed);
  }
  Balancer balancer_{configuration_of(5)};
  test::Outcome first_;
};

TEST_F(KnownFlow, IsFoundByItsAddressesAndSourceId) {
  const auto outcome = balancer_.send4(long_packet({0xe7, 8, 8, 8, 8, 8, 8, 8}, kScid), 5000);
  EXPECT_EQ(outcome.verdict, kRoutedByScid);
  EXPECT_EQ(outcome.to(), first_.to());
}

TEST_F(KnownFlow, IsFoundByItsDestinationIdFromAnotherAddress) {
  const auto outcome = balancer_.send4(long_packet(kClientId, kScid), 5001);
  EXPECT_EQ(outcome.verdict, kRoutedByDcid);
  EXPECT_EQ(outcome.to(), first_.to());
}

TEST_F(KnownFlow, IsFoundByItsAddressesAlone) {
  const auto outcome = balancer_.send4(short_packet({0xe1, 5, 5, 5}), 5000);
  EXPECT_EQ(outcome.verdict, kRoutedByAddresses);
  EXPECT_EQ(outcome.to(), first_.to());
}

TEST_F(KnownFlow, IsForgottenOnlyAfterTheTimeout) {
  balancer_.pass(Duration::seconds(120));
  EXPECT_EQ(balancer_.send4(short_packet({0xe1}), 5000).to(), first_.to());
  balancer_.pass(Duration::seconds(182));
  const auto outcome = balancer_.send4(short_packet({0xe1}), 5000);
  EXPECT_EQ(outcome.verdict, kRoutedAsNew);
  EXPECT_NE(outcome.to(), first_.to());
}

// Anybody can send a packet with a routable ID from a spoofed address (section 4.3.3).
TEST_F(KnownFlow, IsNotForgottenBecauseOfARoutableId) {
  const uint8_t other = first_.to() == 1 ? 2 : 1;
  EXPECT_EQ(balancer_.send4(short_packet(id_of(other)), 5000).to(), other);
  EXPECT_EQ(balancer_.send4(short_packet({0xe1}), 5000).to(), first_.to());
}

TEST_F(KnownFlow, MovesOnWhenItsServerIsDown) {
  Configuration changed = configuration_of(5);
  changed.pools[0].backends[static_cast<size_t>(first_.to() - 1)].state = BackendState::kDown;
  balancer_.load(changed);
  const auto outcome = balancer_.send4(long_packet(kClientId, kScid), 5000);
  EXPECT_EQ(outcome.verdict, kRoutedAsNew);
  EXPECT_NE(outcome.to(), first_.to());
  // And stays there.
  balancer_.load(configuration_of(5));
  EXPECT_EQ(balancer_.send4(long_packet(kClientId, kScid), 5000).to(), outcome.to());
}

TEST(Routing, RoutesWhatIsUnroutableByAddressAndDropsNothing) {
  Balancer balancer(configuration_of(3));
  const int server = balancer.send4({}, 5000).to();
  const Frame kOddOnes[] = {
      {},                                               // nothing
      {0x40},                                           // a short header alone
      {0xc0, 0, 0},                                     // a long header that ends within its version
      {0xc0, 0, 0, 0, 1, 20, 1, 2},                     // … within its destination ID
      {0xc0, 0, 0, 0, 1, 2, 1, 2, 9, 1},                // … within its source ID
      long_packet({}, {}),                              // no IDs at all
      long_packet({0, 0xaa, 0}, {}),                    // too short for its configuration
      long_packet({7, 0xaa, 0, 99, 1, 2, 3, 4}, {}),    // a server that is not there
      long_packet({0x27, 0xaa, 0, 1, 1, 2, 3, 4}, {}),  // a configuration that is not in use
      long_packet(Frame(255, 0xe0), Frame(255, 1), 0x1a2a3a4a, 0xc0, 700),  // longest IDs of an unknown version
      from_hex("c05741495400000000"),                                       // the probe of an interoperability runner
      from_hex("16fefd0000000000000000"),                                   // DTLS 1.2: first octet 22, second 0xfe
  };
  for (const Frame& packet : kOddOnes)
    EXPECT_EQ(balancer.send4(packet, 5000).to(), server) << "of " << packet.size() << " bytes";
}

TEST(Routing, ReadsNothingButTheInvariants) {
  Balancer balancer(configuration_of(3));
  constexpr uint32_t kVersions[] = {0, 1, 0x6b3343cf, 0x1a2a3a4a, 0x6f7dc0fd, 0xef7dc0fd, 0xffffffff};
  for (const uint32_t version : kVersions) {
    for (const uint8_t first : {0x80, 0x90, 0xa0, 0xb0, 0xc0, 0xd3, 0xe5, 0xff})
      EXPECT_EQ(balancer.send4(long_packet(id_of(3), kScid, version, static_cast<uint8_t>(first))).to(), 3);
  }
  for (const uint8_t first : {0x00, 0x3f, 0x40, 0x7f})
    EXPECT_EQ(balancer.send4(short_packet(id_of(2), 40, static_cast<uint8_t>(first))).to(), 2);
}

TEST(Routing, SendsADrainingServerOnlyWhatItHas) {
  Configuration configuration = configuration_of(2);
  configuration.pools[0].backends[0].state = BackendState::kDraining;
  Balancer balancer(configuration);
  EXPECT_EQ(balancer.send4(short_packet(id_of(1))).to(), 1);
  for (uint16_t port = 5000; port < 5050; ++port) EXPECT_EQ(balancer.send4(long_packet(kClientId, {}), port).to(), 2);
}

TEST(Routing, HasNoServerWhereNoneMayGetWhatIsNew) {
  Configuration configuration = configuration_of(2);
  for (BackendConfig& backend : configuration.pools[0].backends) backend.weight = 0;
  Balancer balancer(configuration);
  const auto outcome = balancer.send4(long_packet(kClientId, kScid));
  EXPECT_EQ(outcome.verdict, kNoServer);
  EXPECT_TRUE(outcome.sent.empty());
}

TEST(Routing, DropsWhatItKnowsNoWayFor) {
  Configuration configuration = configuration_of(1);
  configuration.pools[0].backends[0].mac.reset();
  Balancer balancer(configuration);
  EXPECT_EQ(balancer.send4(short_packet(id_of(1))).verdict, kNextHopUnknown);
  EXPECT_EQ(balancer.router().next_hops().find(0), nullptr);
  balancer.router().next_hops().learn(0, test::backend_mac(9));
  EXPECT_EQ(balancer.send4(short_packet(id_of(1))).to(), 9);
}

TEST(Routing, AnswersForNoOtherPort) {
  Balancer balancer(configuration_of(1));
  const auto frame = test::FrameBuilder()
                         .eth(test::kOurMac, test::kRouterMac)
                         .ipv4(test::kClient4, test::kVip4)
                         .udp(5000, 444)
                         .payload("x")
                         .build();
  EXPECT_EQ(balancer.send(frame).verdict, kServicePortClosed);
}

TEST(Routing, ExplainsWithoutChangingAnything) {
  Balancer balancer(configuration_of(3));
  const auto frame = test::FrameBuilder()
                         .eth(test::kOurMac, test::kRouterMac)
                         .ipv4(test::kClient4, test::kVip4)
                         .udp(5000, 443)
                         .payload(long_packet(id_of(2), kScid))
                         .build();
  const Decision decision = balancer.explain(frame);
  EXPECT_EQ(decision.verdict, kRoutedById);
  EXPECT_EQ(decision.service, "four");
  EXPECT_EQ(decision.backend, "web/s2");
  EXPECT_EQ(decision.dcid, "07aa000201020304");
  EXPECT_EQ(decision.scid, "09090909");
  EXPECT_EQ(decision.config_id, 0);
  EXPECT_EQ(balancer.router().verdicts().sum(), 0u);

  const auto fresh = test::FrameBuilder()
                         .eth(test::kOurMac, test::kRouterMac)
                         .ipv4(test::kClient4, test::kVip4)
                         .udp(5000, 443)
                         .payload(long_packet(kClientId, kScid))
                         .build();
  EXPECT_EQ(balancer.explain(fresh).step, RoutingStep::kHash);
  EXPECT_EQ(balancer.explain(fresh).step, RoutingStep::kHash);
  EXPECT_EQ(balancer.router().flows().use().inserted, 0u);
}

}  // namespace
}  // namespace viaduct::lb
