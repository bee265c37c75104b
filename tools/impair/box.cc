#include "tools/impair/box.h"

#include <algorithm>
#include <array>

namespace viaduct::impair {

Way::~Way() {
  for (; !waiting_.empty(); waiting_.pop()) {
    Packet* packet = waiting_.top().packet;
    out_.release({&packet, 1});
  }
}

void Way::pass(Bytes frame, Instant now) {
  Packet* packet = empty_packet();
  if (!packet) return;
  if (frame.size() > packet->room()) {
    ++counters_.no_room;
    out_.release({&packet, 1});
    return;
  }
  ++counters_.passed_by;
  std::ranges::copy(frame, packet->data());
  packet->length = static_cast<uint16_t>(frame.size());
  wait(packet, now);
}

void Way::carry(UdpFrame frame, Instant now) {
  link_->send(std::move(frame.datagram), now, arrivals_);
  for (sim::Arrival& arrival : arrivals_) {
    Packet* packet = empty_packet();
    if (!packet) continue;
    if (write_udp({frame.ethernet, std::move(arrival.datagram)}, *packet)) {
      wait(packet, arrival.at);
    } else {
      ++counters_.no_room;
      out_.release({&packet, 1});
    }
  }
  arrivals_.clear();
}

bool Way::send_due(Instant now) {
  bool moved = false;
  while (!waiting_.empty() && waiting_.top().at <= now) {
    Packet* packet = waiting_.top().packet;
    if (out_.send({&packet, 1}) == 0) break;
    waiting_.pop();
    moved = true;
  }
  return moved;
}

Packet* Way::empty_packet() {
  Packet* packet = nullptr;
  if (waiting_.size() < kMaxWaiting && out_.allocate({&packet, 1}) == 1) return packet;
  ++counters_.no_room;
  return nullptr;
}

void Way::wait(Packet* packet, Instant at) { waiting_.push({at, order_++, packet}); }

bool Box::round(Instant now) {
  const bool received = receive(left_, forward_, true, now) | receive(right_, back_, false, now);
  const bool sent = forward_.send_due(now) | back_.send_due(now);
  return received || sent;
}

bool Box::receive(net::FramePort& port, Way& way, bool is_outward, Instant now) {
  std::array<Packet*, kBurst> burst;
  const size_t count = port.receive(burst);
  for (Packet* packet : std::span(burst).first(count)) {
    if (auto udp = read_udp(packet->bytes())) {
      if (translate(udp->datagram, way, is_outward)) way.carry(std::move(*udp), now);
    } else {
      way.pass(packet->bytes(), now);
    }
  }
  port.release(std::span(burst).first(count));
  return count > 0;
}

// False for a datagram that goes nowhere.
bool Box::translate(sim::Datagram& datagram, Way& way, bool is_outward) {
  SocketAddress& address = is_outward ? datagram.from : datagram.to;
  const SocketAddress before = address;
  const std::optional<SocketAddress> after = is_outward ? rebinding_.outward(before) : rebinding_.inward(before);
  if (!after) {
    ++way.counters().no_flow;
    return false;
  }
  way.counters().translated += *after != before;
  address = *after;
  return true;
}

}  // namespace viaduct::impair
