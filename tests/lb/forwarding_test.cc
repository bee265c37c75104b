// What leaves the balancer, byte by byte.
#include <gtest/gtest.h>

#include "apps/lb/tunnel_headers.h"
#include "apps/lb/verdicts.h"
#include "pmd-glue/checksum.h"
#include "pmd-glue/ip_header.h"
#include "pmd-glue/verdicts.h"
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

FrameBuilder from_client4() {
  return FrameBuilder()
      .eth(test::kOurMac, test::kRouterMac)
      .ipv4(test::kClient4, test::kVip4)
      .dont_fragment()
      .udp(5000, 443);
}
FrameBuilder from_client6() {
  return FrameBuilder().eth(test::kOurMac, test::kRouterMac).ipv6(test::kClient6, test::kVip6).udp(5000, 443);
}

Frame tail(const Frame& frame, size_t from) { return {frame.begin() + static_cast<ptrdiff_t>(from), frame.end()}; }

// The backends with IPv6 addresses fd00::1 ….
Configuration with_ipv6_backends(Configuration configuration) {
  for (BackendConfig& backend : configuration.pools[0].backends)
    backend.address.ip = test::ip(("fd00::" + backend.name.substr(1)).c_str());
  return configuration;
}

TEST(Forwarding, ByMacAddressChangesNothingElse) {
  Balancer balancer(configuration_of(2));
  const Frame frame = from_client4().ecn(Ecn::kCe).hop_limit(9).payload(short_packet(id_of(2))).build();
  const auto outcome = balancer.send(frame);
  ASSERT_EQ(outcome.verdict, kRoutedById);
  EXPECT_EQ(tail(outcome.sent, 12), tail(frame, 12));
  EXPECT_EQ(tail(Frame(outcome.sent.begin(), outcome.sent.begin() + 12), 6), Frame({2, 0, 0, 0, 0, 1}));
  EXPECT_EQ(outcome.to(), 2);
}

TEST(Forwarding, LeavesLinkPaddingBehind) {
  Balancer balancer(configuration_of(2, Forwarding::kIpInIp));
  const Frame payload = {0x40, 7};
  const auto plain = balancer.send(from_client4().payload(payload).build());
  const auto padded = balancer.send(from_client4().payload(payload).padding(18).build());
  EXPECT_EQ(padded.sent, plain.sent);
}

TEST(Forwarding, TunnelsIpv4InIpv4) {
  Balancer balancer(configuration_of(2, Forwarding::kIpInIp));
  const Frame frame = from_client4().ecn(Ecn::kEct0).payload(short_packet(id_of(1))).build();
  const auto outcome = balancer.send(frame);
  ASSERT_EQ(outcome.verdict, kRoutedById);
  ASSERT_EQ(outcome.sent.size(), frame.size() + 20);
  net::IpHeader outer;
  ASSERT_EQ(read_ipv4(Bytes(outcome.sent).subspan(14), false, outer), Verdict::kNone);
  EXPECT_EQ(outer.source, test::ip(test::kOurs4));
  EXPECT_EQ(outer.destination, test::ip("10.0.0.1"));
  EXPECT_EQ(outer.protocol, 4);
  EXPECT_EQ(outer.ecn, Ecn::kEct0) << "RFC 6040 section 4.1";
  EXPECT_EQ(outer.payload_length, frame.size() - 14);
  EXPECT_EQ(tail(outcome.sent, 34), tail(frame, 14)) << "the packet inside is as it came";
}

TEST(Forwarding, TunnelsAcrossTheFamilies) {
  struct Case {
    bool inner_v6, outer_v6;
    uint8_t protocol;
  };
  for (const Case& c : {Case{false, false, 4}, Case{true, false, 41}, Case{false, true, 4}, Case{true, true, 41}}) {
    SCOPED_TRACE(testing::Message() << (c.inner_v6 ? 6 : 4) << " in " << (c.outer_v6 ? 6 : 4));
    Configuration configuration = configuration_of(2, Forwarding::kIpInIp);
    if (c.outer_v6) configuration = with_ipv6_backends(configuration);
    Balancer balancer(configuration);
    const Frame frame =
        (c.inner_v6 ? from_client6() : from_client4()).ecn(Ecn::kCe).payload(short_packet(id_of(2))).build();
    const auto outcome = balancer.send(frame);
    ASSERT_EQ(outcome.verdict, kRoutedById);
    net::IpHeader outer;
    const Bytes sent = Bytes(outcome.sent).subspan(14);
    ASSERT_EQ(c.outer_v6 ? read_ipv6(sent, outer) : read_ipv4(sent, false, outer), Verdict::kNone);
    EXPECT_EQ(net::load_u16(&outcome.sent[12]), c.outer_v6 ? 0x86dd : 0x0800);
    EXPECT_EQ(outer.source, test::ip(c.outer_v6 ? test::kOurs6 : test::kOurs4));
    EXPECT_EQ(outer.destination, test::ip(c.outer_v6 ? "fd00::2" : "10.0.0.2"));
    EXPECT_EQ(outer.protocol, c.protocol);
    EXPECT_EQ(outer.ecn, Ecn::kCe);
    EXPECT_EQ(outer.payload_length, frame.size() - 14);
    EXPECT_EQ(tail(outcome.sent, 14u + outer.length), tail(frame, 14));
  }
}

TEST(Forwarding, EncapsulatesInUdp) {
  for (const bool outer_v6 : {false, true}) {
    SCOPED_TRACE(outer_v6);
    Configuration configuration = configuration_of(2, Forwarding::kGue);
    if (outer_v6) configuration = with_ipv6_backends(configuration);
    Balancer balancer(configuration);
    const Frame frame = from_client6().payload(short_packet(id_of(2))).build();
    const auto outcome = balancer.send(frame);
    ASSERT_EQ(outcome.verdict, kRoutedById);
    net::IpHeader outer;
    const Bytes sent = Bytes(outcome.sent).subspan(14);
    ASSERT_EQ(outer_v6 ? read_ipv6(sent, outer) : read_ipv4(sent, false, outer), Verdict::kNone);
    ASSERT_EQ(outer.protocol, 17);
    const Bytes udp = sent.subspan(outer.length);
    EXPECT_GE(net::load_u16(udp.data()), 0xc000);
    EXPECT_EQ(net::load_u16(udp.data() + 2), 6080);
    EXPECT_EQ(net::load_u16(udp.data() + 4), udp.size());
    EXPECT_EQ(net::load_u16(udp.data() + 6), 0) << "RFC 6935: the packet inside has a checksum";
    const Frame gue(udp.begin() + 8, udp.begin() + 12);
    EXPECT_EQ(gue, Frame({0, 41, 0, 0})) << "variant 0, no options, IPv6 inside";
    EXPECT_EQ(Frame(udp.begin() + 12, udp.end()), tail(frame, 14));
  }
}

// Routers on the way spread flows by the outer ports.
TEST(Forwarding, GivesAFlowOneSourcePortAndFlowsMany) {
  Balancer balancer(configuration_of(1, Forwarding::kGue));
  std::set<uint16_t> ports;
  for (uint16_t client = 5000; client < 5020; ++client) {
    const auto port = [&] { return net::load_u16(&balancer.send4(short_packet(id_of(1)), client).sent[34]); };
    const uint16_t first = port();
    EXPECT_EQ(port(), first);
    ports.insert(first);
  }
  EXPECT_GT(ports.size(), 15u);
}

TEST(Forwarding, WritesTheHintForWhoAsks) {
  for (const Forwarding forwarding : {Forwarding::kDirect, Forwarding::kIpInIp, Forwarding::kGue}) {
    for (const bool is_v6 : {false, true}) {
      SCOPED_TRACE(testing::Message() << kForwardingNames[static_cast<size_t>(forwarding)] << " v6 " << is_v6);
      Configuration configuration = configuration_of(2, forwarding);
      if (is_v6) configuration = with_ipv6_backends(configuration);
      configuration.pools[0].backends[0].mcphint = true;
      Balancer balancer(configuration);
      const Frame frame = (is_v6 ? from_client6() : from_client4()).payload(short_packet(id_of(1))).build();
      const auto outcome = balancer.send(frame);
      ASSERT_EQ(outcome.verdict, kRoutedById);
      const Bytes sent = Bytes(outcome.sent).subspan(14);
      net::IpHeader header;
      ASSERT_EQ(is_v6 ? read_ipv6(sent, header) : read_ipv4(sent, false, header), Verdict::kNone);
      EXPECT_EQ(header.length, is_v6 ? 48 : 24);
      const auto hint = is_v6 ? flowsteer::read_mcphint6(sent.subspan(40, 8), configuration.mcphint)
                              : flowsteer::read_mcphint4(sent.subspan(20, 4), configuration.mcphint);
      ASSERT_TRUE(hint && *hint);
      // The rest is what it would be without.
      configuration.pools[0].backends[0].mcphint = false;
      const auto without = Balancer(configuration).send(frame);
      EXPECT_EQ(tail(outcome.sent, 14u + header.length), tail(without.sent, is_v6 ? 54 : 34));
      // The same flow, the same hint; another flow, another one.
      const auto hint_at = 14 + (is_v6 ? 44 : 22);
      const auto again = balancer.send(frame).sent;
      EXPECT_TRUE(std::equal(&again[hint_at], &again[hint_at] + 2, &outcome.sent[hint_at]));
    }
  }
}

// No router may fragment them, and nobody reassembles them here (RFC 9000 section 14).
TEST(Forwarding, DropsFragments) {
  Balancer balancer(configuration_of(1));
  EXPECT_EQ(balancer.send(from_client4().fragment(0, true).payload("x").build()).verdict, net::kIpFragment);
  EXPECT_EQ(balancer.send(from_client4().fragment(1480, false).payload("x").build()).verdict, net::kIpFragment);
  EXPECT_EQ(balancer.send(from_client6().fragment(0, true).payload("x").build()).verdict, net::kIpFragment);
}

TEST(Forwarding, LeavesToTheLinkWhatIsNotAService) {
  Balancer balancer(configuration_of(1));
  const Frame others[] = {
      FrameBuilder()
          .eth(net::kBroadcastMac, test::kRouterMac)
          .arp(1, test::kRouterMac, "10.0.0.9", {}, test::kVip4)
          .build(),
      FrameBuilder()
          .eth(test::kOurMac, test::kRouterMac)
          .ipv4(test::kClient4, test::kVip4)
          .icmp(8, 0, 1)
          .payload("hi")
          .build(),
      FrameBuilder()
          .eth(test::kOurMac, test::kRouterMac)
          .ipv4(test::kClient4, test::kOurs4)
          .udp(1, 2)
          .payload("hi")
          .build(),
  };
  for (const Frame& frame : others) {
    EXPECT_EQ(balancer.send(frame).verdict, Verdict::kNone);
    EXPECT_EQ(balancer.router().for_link().size(), 1u);
  }
}

TEST(Forwarding, EndsWhatIsMalformed) {
  Balancer balancer(configuration_of(1));
  EXPECT_EQ(balancer.send(from_client4().payload("x").cut(10).build()).verdict, net::kFrameTooShort);
  EXPECT_EQ(balancer.send(from_client4().payload("x").bad_ip_checksum().build()).verdict, net::kIpv4ChecksumWrong);
  EXPECT_EQ(balancer.send(from_client4().payload("x").udp_length(200).build()).verdict, net::kUdpMalformed);
  EXPECT_EQ(balancer.send(from_client4().payload("x").udp_length(7).build()).verdict, net::kUdpMalformed);
  EXPECT_EQ(balancer.send(from_client6().payload("x").ip_length(500).build()).verdict, net::kFrameShorterThanIp);
  EXPECT_EQ(balancer.send(from_client4().vlan(5).payload("x").build()).verdict, net::kVlanUnexpected);
}

TEST(Forwarding, KeepsTheTag) {
  LinkFacts link = test::link_facts();
  link.vlan = 5;
  for (const Forwarding forwarding : {Forwarding::kDirect, Forwarding::kIpInIp}) {
    Balancer balancer(configuration_of(1, forwarding), link);
    const auto outcome = balancer.send(from_client4().vlan(5).payload(short_packet(id_of(1))).build());
    ASSERT_EQ(outcome.verdict, kRoutedById);
    EXPECT_EQ(net::load_u16(&outcome.sent[12]), 0x8100);
    EXPECT_EQ(net::load_u16(&outcome.sent[14]), 5);
    EXPECT_EQ(net::load_u16(&outcome.sent[16]), 0x0800);
  }
}

// IEEE 802.1Q, 9.6: a tag with VLAN 0 says no more than a priority.
TEST(Forwarding, LeavesAPriorityTagBehind) {
  for (const Forwarding forwarding : {Forwarding::kDirect, Forwarding::kIpInIp}) {
    Balancer balancer(configuration_of(1, forwarding)), same(configuration_of(1, forwarding));
    const auto tagged = balancer.send(from_client4().vlan(0).payload(short_packet(id_of(1))).build());
    const auto plain = same.send(from_client4().payload(short_packet(id_of(1))).build());
    ASSERT_EQ(tagged.verdict, kRoutedById);
    EXPECT_EQ(tagged.sent, plain.sent);
  }
}

}  // namespace
}  // namespace viaduct::lb
