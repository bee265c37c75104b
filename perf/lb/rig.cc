#include "perf/lb/rig.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace viaduct::perf {

size_t Feeder::feed(size_t count) {
  size_t fed = 0;
  while (fed < count) {
    std::array<Packet*, kBurst> burst;
    const size_t room = far_.allocate(std::span(burst).first(std::min<size_t>(kBurst, count - fed)));
    for (Packet* packet : std::span(burst).first(room)) {
      const auto frame = traffic_->frame(next_);
      next_ = (next_ + 1) % kFrames;
      std::memcpy(packet->data(), frame.data(), frame.size());
      packet->length = static_cast<uint16_t>(frame.size());
      if (flows_ > 0) {
        // Steps through all flows in an order that no cache foresees.
        flow_ = static_cast<uint32_t>((uint64_t{flow_} + 618'033'989) % flows_);
        set_flow(packet->bytes(), flow_);
      }
    }
    const size_t sent = far_.send(std::span(burst).first(room));
    far_.release(std::span(burst).first(room).subspan(sent));
    fed += sent;
    if (sent < kBurst) break;
  }
  return fed;
}

void Feeder::drain() {
  std::array<Packet*, 2 * kBurst> burst;
  for (size_t count = far_.receive(burst); count > 0; count = far_.receive(burst))
    far_.release(std::span(burst).first(count));
}

void BareHandler::ingest(std::span<Packet*> burst, Instant) {
  // What the port did not take stays in front; there is room for eight bursts.
  std::copy(packets_.begin() + static_cast<ptrdiff_t>(sent_), packets_.begin() + static_cast<ptrdiff_t>(size_),
            packets_.begin());
  size_ -= std::exchange(sent_, 0);
  for (Packet* packet : burst) {
    std::swap_ranges(packet->data(), packet->data() + 6, packet->data() + 6);
    packets_[size_++] = packet;
  }
}

}  // namespace viaduct::perf
