#include "perf/lb/traffic.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/random.h"
#include "flowsteer/quic_lb.h"
#include "pmd-glue/checksum.h"
#include "pmd-glue/wire.h"

namespace viaduct::perf {
namespace {

constexpr IpAddress kService = IpAddress::v4(192, 0, 2, 1);
constexpr size_t kHeaders = net::kEthernetHeader + net::kIpv4Header + net::kUdpHeader;
constexpr uint16_t kLeast = 64, kMost = 1350;

std::vector<uint8_t> server_id(unsigned backend, size_t length) {
  std::vector<uint8_t> id(length, 0xa5);
  id.back() = static_cast<uint8_t>(backend);
  return id;
}

SocketAddress client_of(uint32_t flow) {
  return {IpAddress::v4(198, 18, static_cast<uint8_t>(flow >> 8), static_cast<uint8_t>(flow)),
          static_cast<uint16_t>(1024 + (flow >> 16))};
}

void write_client(uint8_t* ip, const SocketAddress& client) {
  std::memcpy(ip + 12, client.ip.v4_bytes(), 4);
  net::store_u16(ip + net::kIpv4Header, client.port);
  net::store_u16(ip + 10, 0);
  net::store_checksum(ip + 10, net::checksum_finish(net::checksum_add(0, {ip, net::kIpv4Header})));
}

void write_headers(std::vector<uint8_t>& frame, const net::MacAddress& balancer, const SocketAddress& client) {
  uint8_t* p = frame.data();
  std::memcpy(p, balancer.bytes.data(), 6);
  p[6] = 2;
  net::store_u16(p + 12, net::kEtherTypeIpv4);
  uint8_t* ip = p + net::kEthernetHeader;
  ip[0] = 0x45;
  net::store_u16(ip + 2, static_cast<uint16_t>(frame.size() - net::kEthernetHeader));
  net::store_u16(ip + 6, 0x4000);
  ip[8] = 60;
  ip[9] = net::kProtocolUdp;
  std::memcpy(ip + 16, kService.v4_bytes(), 4);
  write_client(ip, client);
  uint8_t* udp = ip + net::kIpv4Header;
  net::store_u16(udp + 2, 443);
  net::store_u16(udp + 4, static_cast<uint16_t>(frame.size() - net::kEthernetHeader - net::kIpv4Header));
}

// A first packet: a long header with IDs that the client chose.
void write_initial(MutableBytes quic, uint32_t flow, Random& random) {
  ByteWriter writer(quic);
  writer.u8(0xc3);
  writer.u32(1);
  writer.u8(8);
  uint8_t id[8];
  random.fill(id);
  id[0] = flowsteer::first_octet(flowsteer::kUnroutableId, id[0]);
  writer.bytes(id);
  writer.u8(4);
  writer.u32(flow);
}

}  // namespace

void set_flow(std::span<uint8_t> frame, uint32_t flow) {
  constexpr size_t kDcid = kHeaders + 6, kScid = kDcid + 9;
  write_client(frame.data() + net::kEthernetHeader, client_of(flow));
  std::memcpy(frame.data() + kDcid + 1, &flow, sizeof flow);
  std::memcpy(frame.data() + kScid, &flow, sizeof flow);
}

lb::LinkFacts bench_link(const net::MacAddress& mac) {
  lb::LinkFacts link;
  link.mac = mac;
  link.mtu = 1500;
  link.source4 = IpAddress::v4(10, 0, 0, 254);
  link.source6 = IpAddress::parse("fd00::fe");
  return link;
}

std::string name_of(const Delivery& delivery) {
  return std::string(lb::kForwardingNames[static_cast<size_t>(delivery.forwarding)]) + (delivery.over_v6 ? "6" : "");
}

lb::Configuration bench_configuration(const Mix& mix, const Delivery& delivery, size_t flow_entries) {
  lb::Configuration configuration;
  configuration.flow_state.entries = flow_entries;
  flowsteer::QuicLbConfig config{.id = 2, .server_id_length = mix.server_id_length, .nonce_length = mix.nonce_length};
  if (mix.key) config.key.emplace().fill(0x3c);
  configuration.quic_lb.push_back(config);
  lb::PoolConfig pool{.name = "web"};
  for (unsigned i = 0; i < kBackends; ++i) {
    lb::BackendConfig backend{.name = std::to_string(i)};
    backend.address.ip = IpAddress::v4(10, 0, 1, static_cast<uint8_t>(i + 1));
    if (delivery.over_v6) backend.address.ip = *IpAddress::parse("fd00::1:" + std::to_string(i + 1));
    backend.mac = net::MacAddress{{2, 0, 0, 0, 1, static_cast<uint8_t>(i)}};
    backend.forwarding = delivery.forwarding;
    backend.server_ids.push_back({2, server_id(i, mix.server_id_length)});
    pool.backends.push_back(std::move(backend));
  }
  configuration.pools.push_back(std::move(pool));
  configuration.services.push_back({"web", {{kService, 443}}, "web"});
  return configuration;
}

Traffic::Traffic(const Mix& mix, const lb::Configuration& configuration, const net::MacAddress& balancer,
                 uint16_t size) {
  Random random = Random::from_seed(20);
  const flowsteer::QuicLb quic_lb(configuration.quic_lb.front());
  std::vector<uint8_t> frame;
  for (size_t i = 0; i < kFrames; ++i) {
    const uint16_t bytes = size != 0 ? size : static_cast<uint16_t>(kLeast + random.below(kMost - kLeast + 1));
    frame.assign(bytes, 0);
    const auto flow = static_cast<uint32_t>(random.below(mix.flows));
    // A flow that has moved has an address of the other half of its network.
    const bool has_moved = random.below(100) < mix.migrations;
    write_headers(frame, balancer, client_of(has_moved ? flow + mix.flows : flow));
    const MutableBytes quic(frame.data() + kHeaders, bytes - kHeaders);
    random.fill(quic);
    if (mix.unroutable || random.below(100) < mix.initials) {
      write_initial(quic, flow, random);
    } else {
      std::vector<uint8_t> nonce(mix.nonce_length);
      random.fill(nonce);
      std::array<uint8_t, flowsteer::ServerIdAndNonce::kMaxSize> block;
      quic_lb.encode(server_id(flow % kBackends, mix.server_id_length), nonce, block.data());
      // A short header: the ID stands behind the first octet, which is the packet's own.
      quic[0] = 0x40;
      quic[1] = flowsteer::first_octet(configuration.quic_lb.front().id, 7);
      std::copy_n(block.begin(), quic_lb.config().block_length(), quic.begin() + 2);
    }
    offsets_.push_back(bytes_.size());
    bytes_.insert(bytes_.end(), frame.begin(), frame.end());
  }
  offsets_.push_back(bytes_.size());
}

}  // namespace viaduct::perf
