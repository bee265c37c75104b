// What is too big, and errors about what servers sent.
#include <gtest/gtest.h>

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
using test::long_packet;
using test::short_packet;

// A datagram from a client that makes `size` bytes of IP.
FrameBuilder sized4(size_t size, uint8_t server = 1) {
  return FrameBuilder()
      .eth(test::kOurMac, test::kRouterMac)
      .ipv4(test::kClient4, test::kVip4)
      .udp(5000, 443)
      .payload(short_packet(id_of(server), size - 28 - 9));
}
FrameBuilder sized6(size_t size, uint8_t server = 1) {
  return FrameBuilder()
      .eth(test::kOurMac, test::kRouterMac)
      .ipv6(test::kClient6, test::kVip6)
      .udp(5000, 443)
      .payload(short_packet(id_of(server), size - 48 - 9));
}

TEST(TooBig, IsSentOnWhereItFitsExactly) {
  Balancer balancer(configuration_of(1, Forwarding::kIpInIp));
  EXPECT_EQ(balancer.send(sized4(1480).dont_fragment().build()).sent.size(), 1514u);
  EXPECT_EQ(balancer.send(sized4(1481).dont_fragment().build()).verdict, kTooBigAnswered);
}

TEST(TooBig, TellsAnIpv4SenderWhatFits) {
  Balancer balancer(configuration_of(1, Forwarding::kGue));
  const Frame frame = sized4(1500).dont_fragment().build();
  const auto outcome = balancer.send(frame);
  ASSERT_EQ(outcome.verdict, kTooBigAnswered);
  // GUE over IPv4 takes 20 + 8 + 4 bytes. The message has 576 bytes at most.
  const Frame quoted(frame.begin() + 14, frame.begin() + 14 + 548);
  EXPECT_EQ(outcome.sent, FrameBuilder()
                              .eth(test::kRouterMac, test::kOurMac)
                              .ipv4(test::kVip4, test::kClient4)
                              .icmp(3, 4, 1500 - 32)
                              .payload(quoted)
                              .build());
}

TEST(TooBig, TellsAnIpv6SenderWhatFits) {
  Balancer balancer(configuration_of(1, Forwarding::kIpInIp));
  const Frame frame = sized6(1500).build();
  const auto outcome = balancer.send(frame);
  ASSERT_EQ(outcome.verdict, kTooBigAnswered);
  const Frame quoted(frame.begin() + 14, frame.begin() + 14 + 1232);
  EXPECT_EQ(outcome.sent, FrameBuilder()
                              .eth(test::kRouterMac, test::kOurMac)
                              .ipv6(test::kVip6, test::kClient6)
                              .icmp(2, 0, 1480)
                              .payload(quoted)
                              .build());
}

// A router could have fragmented it: its sender does not listen for such messages (RFC 1191 section 3).
TEST(TooBig, IsDroppedWhereFragmentsAreAllowed) {
  Balancer balancer(configuration_of(1, Forwarding::kIpInIp));
  EXPECT_EQ(balancer.send(sized4(1500).build()).verdict, kTooBigDropped);
}

TEST(TooBig, IsToldAtALimitedRate) {
  Configuration configuration = configuration_of(1, Forwarding::kIpInIp);
  configuration.icmp_per_second = 3;
  Balancer balancer(configuration);
  const Frame frame = sized6(1500).build();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(balancer.send(frame).verdict, kTooBigAnswered);
  EXPECT_EQ(balancer.send(frame).verdict, kTooBigDropped);
  balancer.pass(Duration::seconds(1));
  EXPECT_EQ(balancer.send(frame).verdict, kTooBigAnswered);
}

// The link takes frames that are larger than IP says: those are no business of the path.
TEST(TooBig, IsAboutIpAndNotAboutTheFrame) {
  Balancer balancer(configuration_of(1));
  EXPECT_EQ(balancer.send(sized4(1500).dont_fragment().build()).verdict, kRoutedById);
}

// An error from a router on the way to the client, about something that server `server` sent.
FrameBuilder error4(const Frame& quic, uint8_t type = 3, uint8_t code = 4, uint16_t port = 5000) {
  const Frame quoted =
      FrameBuilder().ipv4(test::kVip4, test::kClient4).dont_fragment().udp(443, port).payload(quic).build_ip();
  return FrameBuilder()
      .eth(test::kOurMac, test::kRouterMac)
      .ipv4("203.0.113.1", test::kVip4)
      .icmp(type, code, 1400)
      .payload(Frame(quoted.begin(), quoted.begin() + static_cast<ptrdiff_t>(std::min<size_t>(quoted.size(), 548))));
}
FrameBuilder error6(const Frame& quic, uint8_t type = 2) {
  const Frame quoted = FrameBuilder().ipv6(test::kVip6, test::kClient6).udp(443, 5000).payload(quic).build_ip();
  return FrameBuilder()
      .eth(test::kOurMac, test::kRouterMac)
      .ipv6("2001:db8:f::1", test::kVip6)
      .icmp(type, 0, 1400)
      .payload(quoted);
}

TEST(IcmpErrors, GoToTheServerWhoseIdTheQuotedPacketCarries) {
  Balancer balancer(configuration_of(4));
  for (uint8_t server = 1; server <= 4; ++server) {
    const Frame sent_by_server = long_packet({1, 2, 3, 4}, id_of(server));
    const auto four = balancer.send(error4(sent_by_server).build());
    EXPECT_EQ(four.verdict, kIcmpRouted);
    EXPECT_EQ(four.to(), server);
    const auto six = balancer.send(error6(sent_by_server).build());
    EXPECT_EQ(six.verdict, kIcmpRouted);
    EXPECT_EQ(six.to(), server);
  }
}

// A short header names the client alone: the way of the flow's own packets is asked.
TEST(IcmpErrors, GoTheWayOfTheFlow) {
  Balancer balancer(configuration_of(5));
  for (uint16_t port = 5000; port < 5020; ++port) {
    const int by_hash = balancer.send(error4(short_packet({1, 2, 3}), 3, 4, port).build()).to();
    EXPECT_EQ(balancer.send4(long_packet({0xe7, 1, 2, 3, 4, 5, 6, static_cast<uint8_t>(port)}, {}), port).to(),
              by_hash);
  }
  // Once the pool has changed, the flow's state tells.
  const int server = balancer.send4(short_packet({0xe1}), 5000).to();
  Configuration changed = configuration_of(5);
  changed.pools[0].backends[static_cast<size_t>(server - 1)].weight = 0;
  balancer.load(changed);
  EXPECT_EQ(balancer.send(error4(short_packet({1, 2, 3})).build()).to(), server);
}

TEST(IcmpErrors, FindFlowsWithRoutableIdsWhereTheseAreRemembered) {
  Configuration configuration = configuration_of(5);
  configuration.flow_state.remember_routable = true;
  Balancer balancer(configuration);
  for (uint8_t server = 1; server <= 5; ++server) {
    const auto port = static_cast<uint16_t>(5000 + server);
    balancer.send4(short_packet(id_of(server)), port);
    EXPECT_EQ(balancer.send(error4(short_packet({1, 2, 3}), 3, 4, port).build()).to(), server);
    // Somebody else's packet with another server's ID does not change that.
    balancer.send4(short_packet(id_of(static_cast<uint8_t>(server % 5 + 1))), port);
    EXPECT_EQ(balancer.send(error4(short_packet({1, 2, 3}), 3, 4, port).build()).to(), server);
  }
}

TEST(IcmpErrors, GoThroughTheTunnel) {
  Balancer balancer(configuration_of(2, Forwarding::kIpInIp));
  const Frame frame = error4(long_packet({1, 2, 3, 4}, id_of(2))).build();
  const auto outcome = balancer.send(frame);
  ASSERT_EQ(outcome.verdict, kIcmpRouted);
  EXPECT_EQ(Frame(outcome.sent.begin() + 34, outcome.sent.end()), Frame(frame.begin() + 14, frame.end()));
}

// A server behind translation hears about the packet that it sent itself.
TEST(IcmpErrors, AreTranslated) {
  Balancer balancer(configuration_of(2, Forwarding::kNat));
  balancer.send4(short_packet(id_of(2)), 5000);
  balancer.send6(short_packet(id_of(2)), 5000);
  const Frame quic = long_packet({1, 2, 3, 4}, id_of(2), 1, 0xc0, 100);
  const auto four = balancer.send(error4(quic).build());
  ASSERT_EQ(four.verdict, kIcmpRouted);
  Frame wanted_quote = FrameBuilder()
                           .ipv4("10.0.0.2", test::kOurs4)
                           .dont_fragment()
                           .udp(443, test::kFirstNatPort)
                           .payload(quic)
                           .build_ip();
  const Frame sent_quote(four.sent.begin() + 42, four.sent.end());
  ASSERT_EQ(sent_quote.size(), wanted_quote.size());
  std::copy_n(sent_quote.begin() + 26, 2, wanted_quote.begin() + 26);  // UDP's checksum is the one that was quoted
  EXPECT_EQ(sent_quote, wanted_quote);
  EXPECT_EQ(four.sent, FrameBuilder()
                           .eth(test::backend_mac(2), test::kOurMac)
                           .ipv4("203.0.113.1", "10.0.0.2")
                           .icmp(3, 4, 1400)
                           .payload(sent_quote)
                           .build());
  // The server has no address of the other family.
  EXPECT_EQ(balancer.send(error6(quic).build()).verdict, kIcmpRefused);
  // And there is no flow that this one could be about.
  EXPECT_EQ(balancer.send(error4(quic, 3, 4, 5999).build()).verdict, kIcmpRefused);
}

TEST(IcmpErrors, AreRefusedWhereTheyQuoteNothingOfOurs) {
  Balancer balancer(configuration_of(2));
  const Frame quic = long_packet({1, 2, 3, 4}, id_of(2));
  EXPECT_EQ(balancer.send(error4(quic).bad_icmp_checksum().build()).verdict, kIcmpRefused);
  const Frame other = FrameBuilder().ipv4(test::kVip4, test::kClient4).udp(444, 5000).payload(quic).build_ip();
  const auto with = [&](const Frame& quoted) {
    return balancer
        .send(FrameBuilder()
                  .eth(test::kOurMac, test::kRouterMac)
                  .ipv4("203.0.113.1", test::kVip4)
                  .icmp(3, 1, 0)
                  .payload(quoted)
                  .build())
        .verdict;
  };
  EXPECT_EQ(with(other), kIcmpRefused) << "a port that is not the service's";
  EXPECT_EQ(with({0x45, 0}), kIcmpRefused) << "hardly anything";
  EXPECT_EQ(with(FrameBuilder().ipv4(test::kVip4, test::kClient4).icmp(0, 0, 0).build_ip()), kIcmpRefused) << "not UDP";
}

TEST(IcmpErrors, HaveNowhereToGoWithoutServers) {
  Configuration configuration = configuration_of(1);
  configuration.pools[0].backends[0].weight = 0;
  Balancer balancer(configuration);
  EXPECT_EQ(balancer.send(error4(short_packet({1, 2, 3})).build()).verdict, kNoServer);
}

}  // namespace
}  // namespace viaduct::lb
