#include "pmd-glue/tunnel.h"

#include "pmd-glue/verdicts.h"
#include "pmd-glue/wire.h"

namespace viaduct::net {
namespace {

constexpr uint8_t kProtocolIpv4 = 4, kProtocolIpv6 = 41;
constexpr size_t kGueHeader = 4;

// Variant 0: a header of four bytes and options behind it; variant 1: the packet begins at once.
std::expected<std::optional<Tunnelled>, Verdict> open_gue(MutableBytes payload) {
  if (payload.empty()) return std::unexpected(kTunnelMalformed);
  const uint8_t variant = payload[0] >> 6;
  if (variant == 1) return Tunnelled{payload, payload[0] >> 4 == 6};
  const bool is_control = payload[0] & 0x20;
  const size_t header = kGueHeader + (payload[0] & 0x1fu) * 4;
  if (variant != 0 || is_control || payload.size() < header) return std::unexpected(kTunnelMalformed);
  if (payload[1] != kProtocolIpv4 && payload[1] != kProtocolIpv6) return std::unexpected(kTunnelMalformed);
  return Tunnelled{payload.subspan(header), payload[1] == kProtocolIpv6};
}

}  // namespace

std::expected<std::optional<Tunnelled>, Verdict> open_tunnel(MutableBytes whole, const IpHeader& ip,
                                                             const TunnelConfig& config) {
  const MutableBytes payload = whole.subspan(ip.length);
  if (config.ip_in_ip && (ip.protocol == kProtocolIpv4 || ip.protocol == kProtocolIpv6))
    return Tunnelled{payload, ip.protocol == kProtocolIpv6};
  const bool is_gue = config.gue_port && ip.protocol == kProtocolUdp && payload.size() >= kUdpHeader &&
                      load_u16(payload.data() + 2) == *config.gue_port;
  if (!is_gue) return std::nullopt;
  const uint16_t length = load_u16(payload.data() + 4);
  if (length < kUdpHeader || length > payload.size()) return std::unexpected(kTunnelMalformed);
  return open_gue(payload.first(length).subspan(kUdpHeader));
}

std::optional<Ecn> combined_ecn(Ecn outer, Ecn inner) {
  if (outer == Ecn::kCe) return inner == Ecn::kNotEct ? std::nullopt : std::optional(Ecn::kCe);
  if (outer == Ecn::kEct1 && inner == Ecn::kEct0) return Ecn::kEct1;
  return inner;
}

}  // namespace viaduct::net
