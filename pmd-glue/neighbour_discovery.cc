#include "pmd-glue/neighbour_discovery.h"

#include <algorithm>
#include <optional>

#include "pmd-glue/checksum.h"
#include "pmd-glue/verdicts.h"
#include "pmd-glue/wire.h"

namespace viaduct::net {
namespace {

constexpr uint8_t kSolicitation = 135, kAdvertisement = 136;
constexpr uint8_t kSourceOption = 1, kTargetOption = 2;
constexpr uint8_t kSolicitedFlag = 0x40, kOverrideFlag = 0x20;
constexpr uint8_t kHopLimit = 255;  // proves that no router forwarded it
constexpr size_t kFixed = 24;       // type, code, checksum, flags, target
constexpr size_t kWithOption = 32;  // and one link-layer address option
constexpr IpAddress kAllNodes = {{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
constexpr IpAddress kUnspecified = {};

IpAddress solicited_node_group(const IpAddress& ip) {
  IpAddress group = {{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0}};
  std::copy(ip.bytes.begin() + 13, ip.bytes.end(), group.bytes.begin() + 13);
  return group;
}

MacAddress mac_of_group(const IpAddress& group) {
  const auto& b = group.bytes;
  return {{0x33, 0x33, b[12], b[13], b[14], b[15]}};
}

// The link-layer address option of this type. False if the options are malformed.
bool read_option(Bytes options, uint8_t type, std::optional<MacAddress>& mac) {
  while (!options.empty()) {
    const size_t size = options.size() >= 2 ? options[1] * 8u : 0;
    if (size == 0 || size > options.size()) return false;
    if (options[0] == type && size == 8) {
      mac.emplace();
      std::copy_n(options.begin() + 2, 6, mac->bytes.begin());
    }
    options = options.subspan(size);
  }
  return true;
}

// The IPv6 header of a message of ours and the fields that all have; checksums it.
void write_message(uint8_t* out, const IpAddress& source, const IpAddress& destination, uint8_t type, uint8_t flags,
                   const IpAddress& target, uint8_t option, const MacAddress& our_mac) {
  std::memset(out, 0, kNeighbourMessage);
  out[0] = 0x60;
  store_u16(out + 4, kWithOption);
  out[6] = kProtocolIcmpv6;
  out[7] = kHopLimit;
  std::memcpy(out + 8, source.bytes.data(), 16);
  std::memcpy(out + 24, destination.bytes.data(), 16);
  uint8_t* icmp = out + kIpv6Header;
  icmp[0] = type;
  icmp[4] = flags;
  std::memcpy(icmp + 8, target.bytes.data(), 16);
  icmp[24] = option;
  icmp[25] = 1;
  std::memcpy(icmp + 26, our_mac.bytes.data(), 6);
  const uint64_t pseudo = pseudo_header_sum({out + 8, 32}, kProtocolIcmpv6, kWithOption);
  store_checksum(icmp + 2, checksum_finish(checksum_add(pseudo, {icmp, kWithOption})));
}

// Turns a solicitation into its answer in place. Who probes for a duplicate has no address yet: everybody is told.
IcmpResult answer(MutableBytes packet, const IpHeader& ip, const IpAddress& target, const IcmpContext& context) {
  const bool is_probe = ip.source == kUnspecified;
  const IpAddress to = is_probe ? kAllNodes : ip.source;
  const uint8_t flags = is_probe ? kOverrideFlag : kSolicitedFlag | kOverrideFlag;
  write_message(packet.data(), target, to, kAdvertisement, flags, target, kTargetOption, context.our_mac);
  IcmpResult result{kNdAnswered, true, kNeighbourMessage};
  if (is_probe) result.answer_to = mac_of_group(kAllNodes);
  return result;
}

// RFC 4861 section 7.2.3.
IcmpResult handle_solicitation(MutableBytes packet, const IpHeader& ip, const IpAddress& target, Bytes options,
                               const IcmpContext& context) {
  std::optional<MacAddress> mac;
  const bool is_probe = ip.source == kUnspecified;
  if (!read_option(options, kSourceOption, mac) || (is_probe && mac)) return {kNdMalformed};
  if (!context.interface.is_ours(target)) return {kNdIgnored};
  bool learned = false;
  if (mac && !mac->is_group()) {
    NeighbourTable& table = context.interface.neighbours();
    learned = table.learn(ip.source, *mac, context.now);
    if (!learned && context.interface.config().learn_from_questions && context.interface.is_on_link(ip.source)) {
      learned = table.add(ip.source, *mac, context.now, false);
    }
  }
  IcmpResult result = answer(packet, ip, target, context);
  result.learned = learned;
  return result;
}

// RFC 4861 section 7.2.5, without the difference that the override flag makes: the newest word counts.
IcmpResult handle_advertisement(const IpHeader& ip, const IpAddress& target, uint8_t flags, Bytes options,
                                const IcmpContext& context) {
  std::optional<MacAddress> mac;
  const bool is_to_group = ip.destination.bytes[0] == 0xff;
  if (!read_option(options, kTargetOption, mac) || (is_to_group && (flags & kSolicitedFlag))) return {kNdMalformed};
  if (!mac || mac->is_group() || context.interface.is_ours(target)) return {kNdIgnored};
  const bool learned = context.interface.neighbours().learn(target, *mac, context.now);
  return {learned ? kNdLearned : kNdIgnored, false, 0, {}, learned};
}

}  // namespace

IcmpResult handle_neighbour_discovery(MutableBytes packet, const IpHeader& ip, const IcmpContext& context) {
  const MutableBytes icmp = packet.subspan(ip.length);
  if (ip.hop_limit != kHopLimit || icmp.size() < kFixed || icmp[1] != 0 || icmp[8] == 0xff) return {kNdMalformed};
  const IpAddress target = IpAddress::v6(icmp.data() + 8);
  const Bytes options = icmp.subspan(kFixed);
  if (icmp[0] == kSolicitation) return handle_solicitation(packet, ip, target, options, context);
  return handle_advertisement(ip, target, icmp[4], options, context);
}

bool is_our_group(const IpAddress& group, std::span<const IpAddress> ours) {
  if (group == kAllNodes) return true;
  return std::any_of(ours.begin(), ours.end(),
                     [&](const IpAddress& ip) { return !ip.is_v4() && solicited_node_group(ip) == group; });
}

MacAddress write_neighbour_solicitation(uint8_t* out, const MacAddress& our_mac, const IpAddress& source,
                                        const NeighbourTable::Question& question) {
  const IpAddress to = question.to_everybody ? solicited_node_group(question.ip) : question.ip;
  write_message(out, source, to, kSolicitation, 0, question.ip, kSourceOption, our_mac);
  return question.to_everybody ? mac_of_group(to) : question.mac;
}

MacAddress write_neighbour_announcement(uint8_t* out, const MacAddress& our_mac, const IpAddress& ours) {
  write_message(out, ours, kAllNodes, kAdvertisement, kOverrideFlag, ours, kTargetOption, our_mac);
  return mac_of_group(kAllNodes);
}

IpAddress link_local_of(const MacAddress& mac) {
  const auto& m = mac.bytes;
  return {{0xfe, 0x80, 0, 0, 0, 0, 0, 0, static_cast<uint8_t>(m[0] ^ 2), m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}};
}

}  // namespace viaduct::net
