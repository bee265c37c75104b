// Translation, both ways: what a server that knows nothing of a balancer sees, and what its client sees.
#include <gtest/gtest.h>

#include <set>

#include "apps/lb/verdicts.h"
#include "pmd-glue/ip_header.h"
#include "pmd-glue/wire.h"
#include "tests/lb/fixture.h"

namespace viaduct::lb {
namespace {

using test::Balancer;
using test::configuration_of;
using test::Frame;
using test::FrameBuilder;
using test::id_of;
using test::short_packet;

const net::MacAddress kServerMac = test::backend_mac(1);

Configuration nat_configuration(bool server_v6 = false) {
  Configuration configuration = configuration_of(2, Forwarding::kNat);
  if (server_v6) {
    for (BackendConfig& backend : configuration.pools[0].backends)
      backend.address.ip = test::ip(("fd00::" + backend.name.substr(1)).c_str());
  }
  return configuration;
}

// A frame whose headers and checksums the plain builder agrees with, byte by byte.
void expect_datagram(const Frame& sent, const net::MacAddress& to, const char* source, const char* destination,
                     uint16_t source_port, uint16_t destination_port, const Frame& payload, Ecn ecn) {
  FrameBuilder wanted;
  wanted.eth(to, test::kOurMac);
  test::ip(source).is_v4() ? wanted.ipv4(source, destination).dont_fragment() : wanted.ipv6(source, destination);
  EXPECT_EQ(sent, wanted.ecn(ecn).udp(source_port, destination_port).payload(payload).build());
}

struct Families {
  bool client_v6, server_v6;
};

class Nat : public ::testing::TestWithParam<Families> {};

TEST_P(Nat, TranslatesThereAndBack) {
  const auto [client_v6, server_v6] = GetParam();
  Balancer balancer(nat_configuration(server_v6));
  const char* client = client_v6 ? test::kClient6 : test::kClient4;
  const char* service = client_v6 ? test::kVip6 : test::kVip4;
  const char* ours = server_v6 ? test::kOurs6 : test::kOurs4;
  const char* server = server_v6 ? "fd00::1" : "10.0.0.1";
  const Frame request = short_packet(id_of(1)), response = short_packet({1, 2, 3});

  FrameBuilder in;
  in.eth(test::kOurMac, test::kRouterMac);
  client_v6 ? in.ipv6(client, service) : in.ipv4(client, service).dont_fragment();
  const auto there = balancer.send(in.ecn(Ecn::kEct0).udp(5000, 443).payload(request).build());
  ASSERT_EQ(there.verdict, kRoutedById);
  expect_datagram(there.sent, kServerMac, ours, server, test::kFirstNatPort, 443, request, Ecn::kEct0);

  FrameBuilder out;
  out.eth(test::kOurMac, kServerMac);
  server_v6 ? out.ipv6(server, ours) : out.ipv4(server, ours).dont_fragment();
  const auto back = balancer.send(out.ecn(Ecn::kCe).udp(443, test::kFirstNatPort).payload(response).build());
  ASSERT_EQ(back.verdict, kNatReturned);
  // It goes to the link-layer address that the client's frames come from.
  expect_datagram(back.sent, test::kRouterMac, service, client, 443, 5000, response, Ecn::kCe);
}

INSTANTIATE_TEST_SUITE_P(AllFamilies, Nat,
                         ::testing::Values(Families{false, false}, Families{true, true}, Families{false, true},
                                           Families{true, false}),
                         [](const auto& parameter) {
                           return std::string(parameter.param.client_v6 ? "v6" : "v4") + "to" +
                                  (parameter.param.server_v6 ? "v6" : "v4");
                         });

uint16_t source_port(const test::Outcome& outcome) { return net::load_u16(&outcome.sent[34]); }

TEST(NatSessions, GiveAFlowOnePortAndFlowsDifferentOnes) {
  Balancer balancer(nat_configuration());
  std::set<uint16_t> ports;
  for (uint16_t client = 5000; client < 5000 + test::kNatPorts; ++client) {
    const uint16_t port = source_port(balancer.send4(short_packet(id_of(1)), client));
    EXPECT_EQ(source_port(balancer.send4(short_packet(id_of(1, 77)), client)), port);
    EXPECT_TRUE(ports.insert(port).second);
  }
  // All are in use: nobody's is taken away.
  EXPECT_EQ(balancer.send4(short_packet(id_of(1)), 6000).verdict, kNatPortsUsedUp);
  EXPECT_EQ(source_port(balancer.send4(short_packet(id_of(1)), 5000)), *ports.begin());
  balancer.pass(Duration::seconds(300));
  EXPECT_EQ(balancer.send4(short_packet(id_of(1)), 6000).verdict, kRoutedById);
}

// Client and server begin with several packets at once.
TEST(NatSessions, GiveAFlowOnePortWithinABurst) {
  Balancer balancer(nat_configuration());
  const auto request = [](uint16_t client) {
    return FrameBuilder()
        .eth(test::kOurMac, test::kRouterMac)
        .ipv4(test::kClient4, test::kVip4)
        .udp(client, 443)
        .payload(short_packet(id_of(1)))
        .build();
  };
  const auto sent = balancer.send_together({request(5000), request(5001), request(5000), request(5001)});
  ASSERT_EQ(sent.size(), 4u);
  std::vector<int> ports;
  for (const Frame& frame : sent) ports.push_back(net::load_u16(&frame[34]) - test::kFirstNatPort);
  EXPECT_EQ(ports, (std::vector<int>{0, 1, 0, 1}));
}

// A client that moves is a new flow to the same server, which then sees it move.
TEST(NatSessions, FollowAClientThatMoves) {
  Balancer balancer(nat_configuration());
  const auto before = balancer.send4(short_packet(id_of(2)), 5000);
  const auto after = balancer.send4(short_packet(id_of(2)), 5001, "203.0.113.9");
  EXPECT_EQ(before.to(), 2);
  EXPECT_EQ(after.to(), 2);
  EXPECT_NE(source_port(before), source_port(after));
}

TEST(NatSessions, BelongToTheirServer) {
  Balancer balancer(nat_configuration());
  balancer.send4(short_packet(id_of(1)));
  const auto from = [&](const char* server, uint16_t port, uint16_t to) {
    return balancer
        .send(
            FrameBuilder().eth(test::kOurMac, kServerMac).ipv4(server, test::kOurs4).udp(port, to).payload("x").build())
        .verdict;
  };
  EXPECT_EQ(from("10.0.0.1", 443, test::kFirstNatPort), kNatReturned);
  EXPECT_EQ(from("10.0.0.2", 443, test::kFirstNatPort), kNatStray) << "another server";
  EXPECT_EQ(from("10.0.0.1", 444, test::kFirstNatPort), kNatStray) << "another port";
  EXPECT_EQ(from("10.0.0.1", 443, test::kFirstNatPort + 1), kNatStray) << "nobody's port";
}

TEST(NatSessions, StayAliveByTheServersPackets) {
  Balancer balancer(nat_configuration());
  balancer.send4(short_packet(id_of(1)));
  for (int i = 0; i < 4; ++i) {
    balancer.pass(Duration::seconds(100));
    const auto back = balancer.send(FrameBuilder()
                                        .eth(test::kOurMac, kServerMac)
                                        .ipv4("10.0.0.1", test::kOurs4)
                                        .udp(443, test::kFirstNatPort)
                                        .payload("x")
                                        .build());
    ASSERT_EQ(back.verdict, kNatReturned);
  }
  EXPECT_EQ(source_port(balancer.send4(short_packet(id_of(1)))), test::kFirstNatPort);
}

TEST(NatSessions, KeepAWrongChecksumWrong) {
  Balancer balancer(nat_configuration());
  const auto outcome = balancer.send(FrameBuilder()
                                         .eth(test::kOurMac, test::kRouterMac)
                                         .ipv4(test::kClient4, test::kVip4)
                                         .dont_fragment()
                                         .udp(5000, 443)
                                         .bad_udp_checksum()
                                         .payload(short_packet(id_of(1)))
                                         .build());
  const Frame right = FrameBuilder()
                          .eth(kServerMac, test::kOurMac)
                          .ipv4(test::kOurs4, "10.0.0.1")
                          .dont_fragment()
                          .udp(test::kFirstNatPort, 443)
                          .payload(short_packet(id_of(1)))
                          .build();
  ASSERT_EQ(outcome.sent.size(), right.size());
  EXPECT_FALSE(std::equal(&right[40], &right[42], &outcome.sent[40]));
}

TEST(NatSessions, MakeAChecksumWhereIpv6NeedsOne) {
  Balancer balancer(nat_configuration(true));
  const Frame payload = short_packet(id_of(1));
  const auto outcome = balancer.send(FrameBuilder()
                                         .eth(test::kOurMac, test::kRouterMac)
                                         .ipv4(test::kClient4, test::kVip4)
                                         .udp(5000, 443)
                                         .no_udp_checksum()
                                         .payload(payload)
                                         .build());
  expect_datagram(outcome.sent, kServerMac, test::kOurs6, "fd00::1", test::kFirstNatPort, 443, payload, Ecn::kNotEct);
}

TEST(NatSessions, CarryTheHint) {
  Configuration configuration = nat_configuration();
  configuration.pools[0].backends[0].mcphint = true;
  Balancer balancer(configuration);
  const auto outcome = balancer.send4(short_packet(id_of(1)));
  net::IpHeader header;
  ASSERT_EQ(read_ipv4(Bytes(outcome.sent).subspan(14), false, header), Verdict::kNone);
  EXPECT_EQ(header.length, 24);
  EXPECT_TRUE(*flowsteer::read_mcphint4(Bytes(outcome.sent).subspan(34, 4), configuration.mcphint));
}

}  // namespace
}  // namespace viaduct::lb
