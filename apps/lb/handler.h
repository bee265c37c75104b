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
#include "apps/settings/wall_clock.h"
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
    router_.set_worker(owners.worker, owners.workers);
    outgoing_.reserve(kMostOutgoing);
    undecided_.reserve(kBurst);
    released_.reserve(kMostOutgoing);
  }

  // What the time of day comes from, which tokens count by; before the first frame. It outlives the handler.
  void set_wall_clock(const settings::WallClock& wall) { wall_ = &wall; }

  unsigned owner_of(Packet& packet) const { return owners_.owner_of(packet, *snapshot_.read()); }

  void ingest(std::span<Packet*> burst, Instant now) {
    tell_time(now);
    control_.tap.before(burst);
    router_.route(*snapshot_.read(), burst, now,
                  {owners_.relay != nullptr, owners_.flows ? Dcid::kOwner : Dcid::kNobody});
    control_.tap.after(router_.burst());
    dispose(0, now);
    if (owners_.flows) ask_owners(now);
  }

  void step(Instant now) {
    tell_time(now);
    if (owners_.relay) take_errors(now);
    if (owners_.flows) take_messages(now);
    link_.step(router_, now);
    control_.desk.serve(router_, *snapshot_.read(), now);
  }
  size_t build(std::span<Packet*> burst, Instant now) {
    size_t filled = link_.build(burst, now);
    while (filled < burst.size() && control_.health.write(*burst[filled], router_, *snapshot_.read())) ++filled;
    return filled;
  }
  // At once where others have left something to do: whoever did so then need not find the worker asleep to wake it.
  Instant deadline() const {
    const bool is_awaited = (owners_.relay && !owners_.relay->is_empty(owners_.worker)) ||
                            (owners_.flows && !owners_.flows->is_empty(owners_.worker)) || control_.is_awaited();
    return is_awaited ? Instant() : link_.deadline();
  }
  // Gives back what other workers passed on. After the loop has ended on all of them.
  void stop() {
    IcmpRelay::Error error;
    while (owners_.relay && owners_.relay->take(owners_.worker, error)) released_.push_back(error.packet);
    FlowRelay::Message message;
    unsigned from = 0;
    while (owners_.flows && owners_.flows->take(owners_.worker, message, from)) {
      if (message.packet) released_.push_back(message.packet);
    }
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
  using Dcid = Asking::Dcid;
  using Message = FlowRelay::Message;

  // A worker may have slept for long.
  void tell_time(Instant now) {
    if (!wall_ || now < next_time_) return;
    router_.set_posix_seconds(static_cast<uint64_t>(wall_->unix_seconds(now)));
    next_time_ = now + Duration::milliseconds(100);
  }
  // What became of frames that `asked` other workers have seen already.
  void dispose(unsigned asked, Instant now) {
    queue(router_.outgoing());
    released_.insert(released_.end(), router_.finished().begin(), router_.finished().end());
    for (Packet* packet : router_.for_others()) {
      if (owners_.relay->pass(owners_.worker, {packet, asked + 1})) continue;
      router_.verdicts().count(kHandOffFull);
      released_.push_back(packet);
    }
    for (Packet* packet : router_.for_link()) take_for_link(packet, now);
  }
  void take_for_link(Packet* packet, Instant now) {
    const bool is_answer = control_.health.take(packet->bytes(), *snapshot_.read());
    if (is_answer) router_.verdicts().count(kHealthAnswered);
    if (!is_answer && link_.take(*packet, now)) return queue({&packet, 1});
    released_.push_back(packet);
  }
  // Errors that other workers passed on: one by one, there are few.
  void take_errors(Instant now) {
    IcmpRelay::Error error;
    for (unsigned taken = 0; taken < kBurst && owners_.relay->take(owners_.worker, error); ++taken) {
      router_.route(*snapshot_.read(), {&error.packet, 1}, now, {.icmp = owners_.relay->has_next(error.asked)});
      dispose(error.asked, now);
    }
  }
  // Asks the owners of destination IDs, and tells them of new flows. What finds no room is decided here, and not told.
  void ask_owners(Instant now) {
    undecided_.clear();
    for (const Router::DcidNote& ask : router_.for_owners()) {
      const Message message{.kind = Message::Kind::kAsk, .packet = ask.packet, .dcid = ask.hash};
      if (!owners_.flows->pass(owners_.worker, router_.owner_of_dcid(ask.hash), message))
        undecided_.push_back(ask.packet);
    }
    tell_owners();
    if (!undecided_.empty()) decide(undecided_, now);
  }
  void tell_owners() {
    for (const Router::DcidNote& note : router_.notes()) {
      const Message message{.kind = Message::Kind::kLearn, .slot = note.slot, .dcid = note.hash};
      if (owners_.flows) owners_.flows->pass(owners_.worker, router_.owner_of_dcid(note.hash), message);
    }
  }
  void decide(std::span<Packet*> packets, Instant now) {
    router_.route(*snapshot_.read(), packets, now);
    dispose(0, now);
    tell_owners();
  }
  void take_messages(Instant now) {
    Message message;
    unsigned from = 0;
    for (unsigned taken = 0; taken < kBurst && owners_.flows->take(owners_.worker, message, from); ++taken) {
      if (message.kind == Message::Kind::kLearn)
        router_.learn_dcid(message.dcid, message.slot, now);
      else if (message.kind == Message::Kind::kUnknown)
        decide({&message.packet, 1}, now);
      else
        answer(message.packet, from, now);
    }
  }
  void answer(Packet* packet, unsigned from, Instant now) {
    router_.route(*snapshot_.read(), {&packet, 1}, now, {.dcid = Dcid::kOnlyHere});
    if (router_.for_owners().empty()) return dispose(0, now);
    const Message message{.kind = Message::Kind::kUnknown, .packet = packet};
    if (!owners_.flows->pass(owners_.worker, from, message)) decide({&packet, 1}, now);
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
  std::vector<Packet*> outgoing_, released_, given_back_, undecided_;
  Counter send_drops_;
  const settings::WallClock* wall_ = nullptr;
  Instant next_time_;
};

}  // namespace viaduct::lb
