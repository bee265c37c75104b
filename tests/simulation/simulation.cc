#include "tests/simulation/simulation.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace viaduct::sim {
namespace {

// Rounds of one node in one instant; a burst is 32 packets, so this is a lot of work for no time.
constexpr int kRestlessRounds = 200'000;

}  // namespace

void Simulation::remove_node(Node& node) { std::erase(nodes_, &node); }

void Simulation::connect(IpAddress a, IpAddress b, const LinkConfig& a_to_b, const LinkConfig& b_to_a) {
  const uint64_t number = links_.size();
  links_[{a, b}] = std::make_unique<Link>(a_to_b, seed_ * 1'000 + number);
  links_[{b, a}] = std::make_unique<Link>(b_to_a, seed_ * 1'000 + number + 1);
}

void Simulation::send(Datagram datagram) {
  const Nat* to_nat = nat_with(datagram.to.ip);
  const auto link = links_.find({datagram.from.ip, to_nat ? to_nat->inside() : datagram.to.ip});
  if (link == links_.end()) return;
  if (const Nat* nat = nat_before(datagram.from.ip)) datagram.from = nat->outward(datagram.from);
  for (const auto& tap : sent_taps_) tap(datagram);
  arrivals_.clear();
  link->second->send(std::move(datagram), now_, arrivals_);
  for (Arrival& arrival : arrivals_) {
    at(arrival.at, [this, to_nat, sent = std::move(arrival.datagram)]() mutable { deliver(std::move(sent), to_nat); });
  }
}

void Simulation::deliver(Datagram datagram, const Nat* nat) {
  for (const auto& tap : delivered_taps_) tap(datagram);
  if (nat) {
    const auto inside = nat->inward(datagram.to);
    if (!inside) return;
    datagram.to = *inside;
  }
  const auto receiver = receivers_.find(datagram.to.ip);
  if (receiver != receivers_.end()) receiver->second(std::move(datagram));
}

void Simulation::rebind(IpAddress inside, bool address) {
  if (Nat* nat = nat_before(inside)) nat->rebind(address);
}

Nat* Simulation::nat_before(IpAddress inside) {
  const auto nat = std::ranges::find(nats_, inside, &Nat::inside);
  return nat == nats_.end() ? nullptr : &*nat;
}

// By its network: a translator may take any address of it.
const Nat* Simulation::nat_with(IpAddress outside) const {
  outside.bytes.back() = 0;
  const auto nat = std::ranges::find_if(nats_, [&](const Nat& candidate) {
    IpAddress inside = candidate.inside();
    inside.bytes.back() = 0;
    return inside == outside;
  });
  return nat == nats_.end() ? nullptr : &*nat;
}

void Simulation::at(Instant when, std::function<void()> action) {
  events_.push({std::max(when, now_), ++events_made_, std::move(action)});
}

bool Simulation::run_until(const std::function<bool()>& done, Duration limit) {
  const Instant end = now_ + limit;
  while (true) {
    if (!run_nodes()) return false;
    if (done()) return true;
    Instant next = events_.empty() ? Instant::never() : events_.top().at;
    for (const Node* node : nodes_) next = std::min(next, node->wake_at());
    if (next > end) {
      now_ = end;
      return false;
    }
    now_ = std::max(now_, next);
    while (!events_.empty() && events_.top().at <= now_) {
      const auto action = std::move(const_cast<Event&>(events_.top()).action);
      events_.pop();
      action();
    }
  }
}

// All that want to run now, in turn, until none does.
bool Simulation::run_nodes() {
  for (int round = 0; round < kRestlessRounds; ++round) {
    bool ran = false;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i]->wake_at() > now_) continue;
      nodes_[i]->run_once();
      ran = true;
    }
    if (!ran) return true;
  }
  ADD_FAILURE() << "a worker always has something to do at " << elapsed().ms() << " ms; seed " << seed_;
  return false;
}

}  // namespace viaduct::sim
