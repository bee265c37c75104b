#include "tests/simulation/balancer.h"

#include <gtest/gtest.h>

#include <cstring>

#include "pmd-glue/checksum.h"
#include "pmd-glue/tunnel.h"
#include "pmd-glue/wire.h"

namespace viaduct::sim {
namespace {

constexpr net::MacAddress kMac{{2, 0, 0, 0, 0, 1}};
constexpr size_t kMostHeaders = net::kEthernetHeader + net::kIpv6Header + net::kUdpHeader;

size_t ip_header_of(const Datagram& datagram) { return datagram.to.ip.is_v4() ? net::kIpv4Header : net::kIpv6Header; }

IpAddress origin_ip(size_t number) { return IpAddress::v4(10, 0, 0, static_cast<uint8_t>(number + 1)); }

void write_ipv4(uint8_t* ip, const Datagram& datagram, size_t udp_length) {
  ip[0] = 0x45;
  ip[1] = static_cast<uint8_t>(datagram.ecn);
  net::store_u16(ip + 2, static_cast<uint16_t>(net::kIpv4Header + udp_length));
  net::store_u16(ip + 6, 0x4000);
  ip[8] = 60;
  ip[9] = net::kProtocolUdp;
  std::memcpy(ip + 12, datagram.from.ip.v4_bytes(), 4);
  std::memcpy(ip + 16, datagram.to.ip.v4_bytes(), 4);
  net::store_checksum(ip + 10, net::checksum_finish(net::checksum_add(0, {ip, net::kIpv4Header})));
}

// Without the UDP checksum, which no router of ours looks at.
void write_ipv6(uint8_t* ip, const Datagram& datagram, size_t udp_length) {
  ip[0] = 0x60;
  ip[1] = static_cast<uint8_t>(static_cast<uint8_t>(datagram.ecn) << 4);
  net::store_u16(ip + 4, static_cast<uint16_t>(udp_length));
  ip[6] = net::kProtocolUdp;
  ip[7] = 60;
  std::memcpy(ip + 8, datagram.from.ip.bytes.data(), 16);
  std::memcpy(ip + 24, datagram.to.ip.bytes.data(), 16);
}

lb::LinkFacts link() {
  lb::LinkFacts facts;
  facts.mac = kMac;
  facts.mtu = 1600;  // the network behind a balancer has room for its tunnels
  facts.source4 = IpAddress::v4(10, 0, 0, 254);
  return facts;
}

lb::FrameFacts frame_facts() {
  lb::FrameFacts facts;
  facts.mac = kMac;
  return facts;
}

}  // namespace

Balancer::Balancer(const lb::Configuration& configuration)
    : router_(configuration, frame_facts(), Random::from_seed(1)) {
  load(configuration);
}

void Balancer::load(const lb::Configuration& configuration) {
  auto made = lb::RoutingSnapshot::make(configuration, link(), slots_);
  ASSERT_TRUE(made) << made.error().front();
  snapshot_ = std::move(*made);
}

size_t Balancer::write_frame(const Datagram& datagram) {
  uint8_t* frame = packet_.data();
  std::memset(frame, 0, kMostHeaders);
  std::memcpy(frame, kMac.bytes.data(), 6);
  uint8_t* ip = frame + net::kEthernetHeader;
  uint8_t* udp = ip + ip_header_of(datagram);
  const size_t udp_length = net::kUdpHeader + datagram.payload.size();
  const bool is_v4 = datagram.to.ip.is_v4();
  net::store_u16(frame + 12, is_v4 ? net::kEtherTypeIpv4 : net::kEtherTypeIpv6);
  is_v4 ? write_ipv4(ip, datagram, udp_length) : write_ipv6(ip, datagram, udp_length);
  net::store_u16(udp, datagram.from.port);
  net::store_u16(udp + 2, datagram.to.port);
  net::store_u16(udp + 4, static_cast<uint16_t>(udp_length));
  if (!datagram.payload.empty()) std::memcpy(udp + net::kUdpHeader, datagram.payload.data(), datagram.payload.size());
  return static_cast<size_t>(udp - frame) + udp_length;
}

std::optional<Balancer::Routed> Balancer::route(const Datagram& datagram, Instant now) {
  packet_ =
      Packet{.buffer = room_.data(), .capacity = static_cast<uint16_t>(room_.size()), .offset = kHeadroom, .path = {}};
  packet_.length = static_cast<uint16_t>(write_frame(datagram));
  Packet* packet = &packet_;
  router_.route(*snapshot_, {&packet, 1}, now);
  if (router_.outgoing().empty()) return std::nullopt;

  const MutableBytes outer = packet_.bytes().subspan(net::kEthernetHeader);
  net::IpHeader ip;
  EXPECT_EQ(read_ipv4(outer, false, ip), Verdict::kNone);
  const auto tunnelled = net::open_tunnel(outer, ip, {.ip_in_ip = true});
  if (!tunnelled || !*tunnelled) {
    ADD_FAILURE() << "not a tunnel";
    return std::nullopt;
  }
  // What is inside is what the client sent.
  Datagram inner = datagram;
  const Bytes payload = Bytes((*tunnelled)->packet).subspan(ip_header_of(datagram) + net::kUdpHeader);
  EXPECT_TRUE(equal(payload, datagram.payload));
  inner.ecn = net::combined_ecn(ip.ecn, datagram.ecn).value_or(datagram.ecn);
  EXPECT_EQ(inner.ecn, datagram.ecn);
  return Routed{size_t{ip.destination.bytes[15]} - 1, std::move(inner)};
}

lb::Configuration balancer_configuration(SocketAddress service, size_t origins,
                                         const flowsteer::QuicLbConfig& connection_ids) {
  lb::Configuration configuration;
  configuration.flow_state.entries = 4096;
  configuration.quic_lb.push_back(connection_ids);
  lb::PoolConfig pool{.name = "origins"};
  for (size_t i = 0; i < origins; ++i) {
    lb::BackendConfig backend{.name = std::to_string(i)};
    backend.address.ip = origin_ip(i);
    backend.mac = net::MacAddress{{2, 0, 0, 0, 1, static_cast<uint8_t>(i)}};
    backend.forwarding = lb::Forwarding::kIpInIp;
    backend.server_ids.push_back({connection_ids.id, {0xb0, static_cast<uint8_t>(i), 0x0b}});
    pool.backends.push_back(std::move(backend));
  }
  configuration.pools.push_back(std::move(pool));
  configuration.services.push_back({"service", {service}, "origins"});
  return configuration;
}

}  // namespace viaduct::sim
