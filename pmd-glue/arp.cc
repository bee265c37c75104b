#include "pmd-glue/arp.h"

#include "pmd-glue/verdicts.h"
#include "pmd-glue/wire.h"

namespace viaduct::net {
namespace {

constexpr uint16_t kRequest = 1;
constexpr uint16_t kReply = 2;
// Offsets: operation, then sender's MAC and IP, target's MAC and IP.
constexpr size_t kOperation = 6, kSenderMac = 8, kSenderIp = 14, kTargetMac = 18, kTargetIp = 24;
// Ethernet, IPv4, lengths 6 and 4.
constexpr uint8_t kFixed[6] = {0, 1, 8, 0, 6, 4};

}  // namespace

ArpResult handle_arp(MutableBytes packet, IpInterface& interface, const MacAddress& our_mac, Instant now) {
  uint8_t* p = packet.data();
  if (packet.size() < kArpSize || std::memcmp(p, kFixed, sizeof kFixed) != 0) return {kArpMalformed};
  const uint16_t operation = load_u16(p + kOperation);
  if (operation != kRequest && operation != kReply) return {kArpMalformed};
  MacAddress sender_mac;
  std::memcpy(sender_mac.bytes.data(), p + kSenderMac, 6);
  const IpAddress sender = IpAddress::v4(p + kSenderIp), target = IpAddress::v4(p + kTargetIp);
  if (sender_mac.is_group() || sender_mac.is_zero()) return {kArpMalformed};
  if (interface.is_ours(sender)) return {kArpIgnored};

  const bool asks_us = operation == kRequest && interface.is_ours(target);
  bool learned = interface.neighbours().learn(sender, sender_mac, now);
  if (!learned && asks_us && interface.config().learn_from_questions && interface.is_on_link(sender)) {
    learned = interface.neighbours().add(sender, sender_mac, now, false);
  }
  if (!asks_us) return {learned ? kArpLearned : kArpIgnored, false, learned};

  store_u16(p + kOperation, kReply);
  std::memcpy(p + kTargetMac, p + kSenderMac, 10);
  std::memcpy(p + kSenderMac, our_mac.bytes.data(), 6);
  std::memcpy(p + kSenderIp, target.v4_bytes(), 4);
  return {kArpAnswered, true, learned};
}

void write_arp_request(uint8_t* out, const MacAddress& our_mac, const IpAddress& sender, const IpAddress& target) {
  std::memcpy(out, kFixed, sizeof kFixed);
  store_u16(out + kOperation, kRequest);
  std::memcpy(out + kSenderMac, our_mac.bytes.data(), 6);
  std::memcpy(out + kSenderIp, sender.v4_bytes(), 4);
  std::memset(out + kTargetMac, 0, 6);
  std::memcpy(out + kTargetIp, target.v4_bytes(), 4);
}

}  // namespace viaduct::net
