// A balancer without a network: frames are built layer by layer, sent through a router and looked at.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "apps/lb/router.h"
#include "tests/flowsteer/hex.h"
#include "tests/support/fake_port.h"
#include "tests/support/frame_builder.h"

namespace viaduct::lb::test {

using viaduct::test::Frame;
using viaduct::test::FrameBuilder;

inline constexpr net::MacAddress kOurMac{{2, 0, 0, 0, 0, 1}};
inline constexpr net::MacAddress kRouterMac{{2, 0, 0, 0, 0, 2}};
inline net::MacAddress backend_mac(uint8_t number) { return {{2, 0, 0, 0, 1, number}}; }

inline constexpr uint16_t kFirstNatPort = 40000, kNatPorts = 8;
inline constexpr char kVip4[] = "192.0.2.1", kVip6[] = "2001:db8::1";
inline constexpr char kClient4[] = "198.51.100.7", kClient6[] = "2001:db8:c::7";
inline constexpr char kOurs4[] = "10.0.0.254", kOurs6[] = "fd00::254";

// A QUIC packet as far as all versions have it in common (RFC 8999).
inline Frame long_packet(const Frame& dcid, const Frame& scid, uint32_t version = 1, uint8_t first_octet = 0xc0,
                         size_t rest = 1150) {
  Frame packet = {first_octet, uint8_t(version >> 24), uint8_t(version >> 16), uint8_t(version >> 8), uint8_t(version)};
  packet.push_back(static_cast<uint8_t>(dcid.size()));
  packet.insert(packet.end(), dcid.begin(), dcid.end());
  packet.push_back(static_cast<uint8_t>(scid.size()));
  packet.insert(packet.end(), scid.begin(), scid.end());
  packet.resize(packet.size() + rest, 0x55);
  return packet;
}
inline Frame short_packet(const Frame& dcid, size_t rest = 40, uint8_t first_octet = 0x40) {
  Frame packet = {first_octet};
  packet.insert(packet.end(), dcid.begin(), dcid.end());
  packet.resize(packet.size() + rest, 0x66);
  return packet;
}

inline IpAddress ip(const char* text) { return *IpAddress::parse(text); }

// Two services, one of each family, on one pool of `backends` servers 10.0.0.1 … with the server id of their number.
inline Configuration configuration_of(unsigned backends, Forwarding forwarding = Forwarding::kDirect) {
  Configuration configuration;
  configuration.flow_state.entries = 1000;
  configuration.quic_lb.push_back({.id = 0, .server_id_length = 3, .nonce_length = 4});
  PoolConfig pool{.name = "web"};
  for (unsigned i = 1; i <= backends; ++i) {
    BackendConfig backend{.name = "s" + std::to_string(i)};
    backend.address.ip = IpAddress::v4(10, 0, 0, static_cast<uint8_t>(i));
    backend.mac = backend_mac(static_cast<uint8_t>(i));
    backend.forwarding = forwarding;
    backend.server_ids.push_back({0, {0xaa, 0, static_cast<uint8_t>(i)}});
    pool.backends.push_back(backend);
  }
  configuration.pools.push_back(pool);
  configuration.services.push_back({"four", {{ip(kVip4), 443}}, "web"});
  configuration.services.push_back({"six", {{ip(kVip6), 443}}, "web"});
  return configuration;
}

inline LinkFacts link_facts() {
  LinkFacts link;
  link.mac = kOurMac;
  link.source4 = ip(kOurs4);
  link.source6 = ip(kOurs6);
  return link;
}

// A connection ID of configuration 0 that names server `number` of configuration_of().
inline Frame id_of(uint8_t number, uint32_t nonce = 0x01020304) {
  return {7, 0xaa, 0, number, uint8_t(nonce >> 24), uint8_t(nonce >> 16), uint8_t(nonce >> 8), uint8_t(nonce)};
}

// What became of one frame.
struct Outcome {
  Verdict verdict = Verdict::kNone;  // kNone: it was left to the link side
  Frame sent;                        // empty: nothing was sent
  // The last octet of the MAC address that it was sent to: the number of a backend.
  int to() const { return sent.empty() ? -1 : sent[5]; }
};

// A balancer with a snapshot.
class Balancer {
 public:
  explicit Balancer(const Configuration& configuration, const LinkFacts& link = link_facts())
      : link_(link), router_(configuration, facts_of(link), Random::from_seed(1)) {
    load(configuration);
  }

  // Another configuration, as after a reload.
  void load(const Configuration& configuration) {
    auto made = RoutingSnapshot::make(configuration, link_, slots_);
    ASSERT_TRUE(made) << made.error().front();
    snapshot_ = std::move(*made);
  }

  Outcome send(const Frame& frame) {
    Packet* packet = pool_.take();
    packet->length = static_cast<uint16_t>(frame.size());
    std::copy(frame.begin(), frame.end(), packet->data());
    const uint64_t before = router_.verdicts().sum();
    std::array<uint64_t, kVerdictCount> counts;
    for (size_t i = 0; i < kVerdictCount; ++i) counts[i] = router_.verdicts()[static_cast<Verdict>(i)];
    router_.route(*snapshot_, {&packet, 1}, now_);
    Outcome outcome;
    if (!router_.outgoing().empty()) outcome.sent.assign(packet->bytes().begin(), packet->bytes().end());
    if (router_.for_link().empty()) {
      EXPECT_EQ(router_.verdicts().sum(), before + 1) << "a frame has one verdict";
      for (size_t i = 0; i < kVerdictCount; ++i) {
        if (router_.verdicts()[static_cast<Verdict>(i)] != counts[i]) outcome.verdict = static_cast<Verdict>(i);
      }
    }
    pool_.give_back({&packet, 1});
    return outcome;
  }

  // In one burst, of up to four; those that are sent.
  std::vector<Frame> send_together(const std::vector<Frame>& frames) {
    std::vector<Packet*> packets;
    for (const Frame& frame : frames) {
      packets.push_back(pool_.take());
      packets.back()->length = static_cast<uint16_t>(frame.size());
      std::copy(frame.begin(), frame.end(), packets.back()->data());
    }
    router_.route(*snapshot_, packets, now_);
    std::vector<Frame> sent;
    for (Packet* packet : router_.outgoing()) sent.emplace_back(packet->bytes().begin(), packet->bytes().end());
    pool_.give_back(packets);
    return sent;
  }

  // Of a QUIC packet from a client.
  Outcome send4(const Frame& quic, uint16_t port = 5000, const char* client = kClient4) {
    return send(FrameBuilder()
                    .eth(kOurMac, kRouterMac)
                    .ipv4(client, kVip4)
                    .dont_fragment()
                    .udp(port, 443)
                    .payload(quic)
                    .build());
  }
  Outcome send6(const Frame& quic, uint16_t port = 5000, const char* client = kClient6) {
    return send(FrameBuilder().eth(kOurMac, kRouterMac).ipv6(client, kVip6).udp(port, 443).payload(quic).build());
  }

  Decision explain(const Frame& frame) {
    Packet* packet = pool_.take();
    packet->length = static_cast<uint16_t>(frame.size());
    std::copy(frame.begin(), frame.end(), packet->data());
    const Decision decision = router_.explain(*snapshot_, *packet, now_);
    pool_.give_back({&packet, 1});
    return decision;
  }

  void pass(Duration time) { now_ = now_ + time; }
  Instant now() const { return now_; }
  Router& router() { return router_; }
  const RoutingSnapshot& snapshot() const { return *snapshot_; }

 private:
  static FrameFacts facts_of(const LinkFacts& link) {
    FrameFacts facts;
    facts.mac = link.mac;
    facts.vlan = link.vlan;
    facts.first_nat_port = facts.first_nat_port_of_worker = kFirstNatPort;
    facts.nat_ports_of_worker = kNatPorts;
    facts.last_nat_port = kFirstNatPort + kNatPorts - 1;
    return facts;
  }

  LinkFacts link_;
  SlotDirectory slots_;
  Router router_;
  std::unique_ptr<const RoutingSnapshot> snapshot_;
  viaduct::test::FakePool pool_{4};
  Instant now_ = Instant::from_ns(1'000'000'000);
};

}  // namespace viaduct::lb::test
