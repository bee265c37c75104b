#include "apps/lb/link.h"

#include <cstring>

#include "pmd-glue/arp.h"
#include "pmd-glue/ip_header.h"
#include "pmd-glue/neighbour_messages.h"
#include "pmd-glue/verdicts.h"
#include "pmd-glue/wire.h"

namespace viaduct::lb {
namespace {

// Questions that wait to be sent at most: the table asks again for those that find no room.
constexpr size_t kMostQuestions = 64;
// An address that is looked up is kept fresh: this often, however quiet the table is.
constexpr Duration kRefresh = Duration::seconds(1);

}  // namespace

Link::Link(net::IpInterface& interface, net::FramePort& frames, const Snapshot<RoutingSnapshot>& snapshot)
    : interface_(interface), frames_(frames), snapshot_(snapshot), echo_limit_(interface.config().echo_per_second) {
  questions_.reserve(kMostQuestions);
  if (frames.queue() == 0) announcements_ = interface.addresses();
}

bool Link::take(Packet& packet, Instant now) {
  const Taken taken = take_frame(packet, now);
  frames_.verdicts().count(taken.verdict);
  if (taken.answer == 0) return false;
  uint8_t* frame = packet.data();
  std::memcpy(frame, taken.to.is_zero() ? frame + 6 : taken.to.bytes.data(), 6);
  std::memcpy(frame + 6, frames_.mac().bytes.data(), 6);
  packet.length = static_cast<uint16_t>(taken.answer);
  packet.flags = 0;
  return true;
}

// The router has read the frame as far as it concerns services: it is whole, and so are its IP headers if it is for us.
Link::Taken Link::take_frame(Packet& packet, Instant now) {
  net::EthernetHeader ethernet;
  if (const Verdict verdict = read_ethernet(packet.bytes(), ethernet); verdict != Verdict::kNone) return {verdict};
  if (ethernet.destination != frames_.mac() && !ethernet.destination.is_group()) return {net::kFrameNotForUs};
  if (ethernet.vlan != interface_.config().vlan.value_or(0)) return {net::kVlanUnexpected};
  if (ethernet.type == net::kEtherTypeArp) {
    const auto result = handle_arp(packet.bytes().subspan(ethernet.length), interface_, frames_.mac(), now);
    return {result.verdict, result.answer ? ethernet.length + net::kArpSize : 0};
  }
  if (ethernet.type == net::kEtherTypeIpv4 || ethernet.type == net::kEtherTypeIpv6)
    return take_ip(packet, ethernet, now);
  return {net::kProtocolUnknown};
}

Link::Taken Link::take_ip(Packet& packet, const net::EthernetHeader& ethernet, Instant now) {
  const MutableBytes bytes = packet.bytes().subspan(ethernet.length);
  net::IpHeader ip;
  const Verdict verdict = ethernet.type == net::kEtherTypeIpv6 ? read_ipv6(bytes, ip) : read_ipv4(bytes, false, ip);
  if (verdict != Verdict::kNone) return {verdict};
  if (!interface_.is_for_us(ip.destination)) return {net::kIpNotOurs};
  if (ip.protocol == net::kProtocolUdp) return {net::kUdpPortClosed};
  const bool is_icmp = ip.protocol == (ip.is_v6 ? net::kProtocolIcmpv6 : net::kProtocolIcmp);
  if (!is_icmp) return {net::kIpProtocolUnhandled};

  const MutableBytes whole = bytes.first(ip.length + ip.payload_length);
  const net::IcmpContext context{interface_, echo_limit_, frames_.mac(), frames_.mtu(), now};
  const net::IcmpResult result = ip.is_v6 ? handle_icmp6(whole, ip, context) : handle_icmp4(whole, ip, context);
  const size_t answer = result.answer ? size_t{ethernet.length} + result.answer_length : 0;
  return {result.verdict, answer, result.answer_to};
}

void Link::step(Router& router, Instant now) {
  NextHops& hops = router.next_hops();
  const uint64_t serial = snapshot_.read()->serial();
  const uint32_t epoch = interface_.neighbours().epoch();
  if (serial != hops_of_ || epoch != epoch_ || now >= next_refresh_) {
    router.take_snapshot(*snapshot_.read());
    hops_of_ = serial;
    epoch_ = epoch;
    next_refresh_ = now + kRefresh;
    refresh(hops, now);
  }
  if (frames_.queue() == 0 && serial != announced_) announce_services();
  if (now >= interface_.neighbours().next_due()) ask_again(now);
}

// What the table knows goes to the router, and what it does not know is asked for, so that the first packet for a
// server finds its way. An address that the table gave up stays with the router until there is another one: the
// question may have been lost, and a wrong address costs no more than none.
void Link::refresh(NextHops& hops, Instant now) {
  for (size_t i = 0; i < hops.size(); ++i) {
    if (hops.hop(i).mac) continue;
    if (const auto mac = interface_.neighbours().find(hops.hop(i).ip))
      hops.learn(i, *mac);
    else
      look_for(hops.hop(i).ip, now);
  }
}

void Link::look_for(const IpAddress& ip, Instant now) {
  if (questions_.size() < kMostQuestions && interface_.neighbours().want(ip, now)) questions_.push_back({ip, {}, true});
}

void Link::ask_again(Instant now) {
  std::array<net::NeighbourTable::Question, 8> due;
  const size_t room = std::min(due.size(), kMostQuestions - questions_.size());
  const size_t count = interface_.neighbours().due(now, std::span(due).first(room));
  questions_.insert(questions_.end(), due.begin(), due.begin() + static_cast<ptrdiff_t>(count));
}

// Neighbours that knew a service somewhere else learn that it is here.
void Link::announce_services() {
  announced_ = snapshot_.read()->serial();
  for (const Service& service : snapshot_.read()->services()) {
    if (std::ranges::find(announcements_, service.address.ip) == announcements_.end())
      announcements_.push_back(service.address.ip);
  }
}

size_t Link::build(std::span<Packet*> burst, Instant) {
  size_t filled = 0;
  const auto fill = [&](size_t length) {
    if (length > 0) burst[filled++]->length = static_cast<uint16_t>(length);
  };
  while (filled < burst.size() && !questions_.empty()) {
    fill(write_question(burst[filled]->data(), interface_, questions_.back()));
    questions_.pop_back();
  }
  while (filled < burst.size() && !announcements_.empty()) {
    fill(write_announcement(burst[filled]->data(), interface_, announcements_.back()));
    announcements_.pop_back();
  }
  return filled;
}

static_assert(LinkSide<Link>);

}  // namespace viaduct::lb
