// What the worker loop runs in the balancer: a router, and below it whoever keeps the link.
#pragma once

#include <algorithm>
#include <concepts>
#include <span>
#include <vector>

#include "apps/lb/owners.h"
#include "apps/lb/router.h"
#include "apps/lb/verdicts.h"
#include "apps/lb/worker_control.h"
#include "base/packet_handler.h"
#include "base/snapshot.h"
#include "base/verdicts.h"

namespace viaduct::lb {

// The link side of a balancer: it answers for our addresses and knows where neighbours are.
//
//   take(packet, now)             a frame that is not for a service. True: it was turned into an answer, to be sent;
//                                 false: it is done with. Counts its verdict.
//   step(router, now)             timers; tells router.next_hops() what it learned
//   build(burst, now)             messages of its own, into empty packets from the front: questions, health checks;
//                                 how many it filled
//   deadline()                    when it wants to run next
template <class L>
concept LinkSide =
    requires(L& link, const L& unchanged, Packet& packet, Router& router, std::span<Packet*> burst, Instant now) {
      { link.take(packet, now) } -> std::same_as<bool>;
      { link.step(router, now) };
      { link.build(burst, now) } -> std::same_as<size_t>;
      { unchanged.deadline() } -> std::same_as<Instant>;
    };

// Packets that one worker may have on its way to the port. What comes beyond is dropped: a balancer that queues makes
// every packet late.
inline constexpr size_t kMostOutgoing = 16 * kBurst;

// A PacketHandler that forwards (base/packet_handler.h). One worker's.
template <LinkSide Link>
class Handler {
 public:
  Handler(const Owners& owners, const Configuration& configuration, const FrameFacts& facts,
          const Snapshot<RoutingSnapshot>& snapshot, Link& link, Random random)
      : snapshot_(snapshot), link_(link), router_(configuration, facts, random), owners_(owners) {
    outgoing_.reserve(kMostOutgoing);
    released_.reserve(kMostOutgoing);
  }

  unsigned owner_of(Packet& packet) const { return owners_.owner_of(packet, *snapshot_.read()); }

  void ingest(std::span<Packet*> burst, Instant now) {
    const RoutingSnapshot& snapshot = *snapshot_.read();
    control_.tap.before(burst);
    router_.route(snapshot, burst, now, owners_.relay != nullptr);
    control_.tap.after(router_.burst());
    dispose(0);
    for (Packet* packet : router_.for_link()) {
      if (control_.health.take(packet->bytes(), snapshot.link())) {
        router_.verdicts().count(kHealthAnswered);
        released_.push_back(packet);
      } else if (link_.take(*packet, now)) {
        queue({&packet, 1});
      } else {
        released_.push_back(packet);
      }
    }
  }

  void step(Instant now) {
    if (owners_.relay) take_errors(now);
    link_.step(router_, now);
    control_.health.step(router_, *snapshot_.read());
    control_.desk.serve(router_, *snapshot_.read(), now);
  }
  size_t build(std::span<Packet*> burst, Instant now) {
    size_t filled = link_.build(burst, now);
    while (filled < burst.size() && control_.health.has_ready())
      control_.health.write(*burst[filled++], *snapshot_.read());
    return filled;
  }
  // At once where others have left something to do: whoever did so then need not find the worker asleep to wake it.
  Instant deadline() const {
    const bool is_awaited = (owners_.relay && !owners_.relay->is_empty(owners_.worker)) || control_.is_awaited();
    return is_awaited ? Instant() : link_.deadline();
  }
  // Gives back what other workers passed on. After the loop has ended on all of them.
  void stop() {
    IcmpRelay::Error error;
    while (owners_.relay && owners_.relay->take(owners_.worker, error)) released_.push_back(error.packet);
  }

  // Good until the next call.
  std::span<Packet*> released() {
    std::swap(given_back_, released_);
    released_.clear();
    return given_back_;
  }
  std::span<Packet*> outgoing() { return outgoing_; }
  void taken(size_t count) { outgoing_.erase(outgoing_.begin(), outgoing_.begin() + static_cast<ptrdiff_t>(count)); }

  const Router& router() const { return router_; }
  Router& router() { return router_; }
  WorkerControl& control() { return control_; }
  // Frames that had their verdict and then found no room on the way to the port.
  uint64_t send_drops() const { return send_drops_.value(); }

 private:
  // What became of frames that `asked` other workers have seen already.
  void dispose(unsigned asked) {
    queue(router_.outgoing());
    released_.insert(released_.end(), router_.finished().begin(), router_.finished().end());
    for (Packet* packet : router_.for_others()) {
      if (owners_.relay->pass(owners_.worker, {packet, asked + 1})) continue;
      router_.verdicts().count(kHandOffFull);
      released_.push_back(packet);
    }
  }
  // Errors that other workers passed on: one by one, there are few.
  void take_errors(Instant now) {
    IcmpRelay::Error error;
    for (unsigned taken = 0; taken < kBurst && owners_.relay->take(owners_.worker, error); ++taken) {
      router_.route(*snapshot_.read(), {&error.packet, 1}, now, owners_.relay->has_next(error.asked));
      dispose(error.asked);
    }
  }
  void queue(std::span<Packet*> packets) {
    const size_t room = std::min(kMostOutgoing - outgoing_.size(), packets.size());
    outgoing_.insert(outgoing_.end(), packets.begin(), packets.begin() + static_cast<ptrdiff_t>(room));
    released_.insert(released_.end(), packets.begin() + static_cast<ptrdiff_t>(room), packets.end());
    send_drops_.add(packets.size() - room);
  }

  const Snapshot<RoutingSnapshot>& snapshot_;
  Link& link_;
  Router router_;
  const Owners owners_;
  WorkerControl control_;
  std::vector<Packet*> outgoing_, released_, given_back_;
  Counter send_drops_;
};

}  // namespace viaduct::lb
