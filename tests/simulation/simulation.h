// Virtual time and a network: what happens next happens at once, and in the same order for the same seed.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <vector>

#include "base/instant.h"
#include "tests/simulation/datagram.h"
#include "tests/simulation/link.h"
#include "tests/simulation/nat.h"

namespace viaduct::sim {

// Something with a life of its own: a worker.
class Node {
 public:
  virtual ~Node() = default;
  virtual void run_once() = 0;
  // When it wants to run; not after now: at once.
  virtual Instant wake_at() const = 0;
};

class Simulation {
 public:
  // 1,000 s, so that nothing gets away with taking zero for "never".
  static constexpr Instant kStart = Instant::from_ns(1'000'000'000'000);

  explicit Simulation(uint64_t seed) : seed_(seed) {}

  Instant now() const { return now_; }
  Duration elapsed() const { return now_ - kStart; }
  uint64_t seed() const { return seed_; }

  // --- what there is ---
  void add_node(Node& node) { nodes_.push_back(&node); }
  void remove_node(Node& node);
  // Datagrams to `ip` are given to `receive`, until it is replaced.
  void set_receiver(IpAddress ip, std::function<void(Datagram)> receive) { receivers_[ip] = std::move(receive); }
  // Both directions of a cable between two hosts.
  void connect(IpAddress a, IpAddress b, const LinkConfig& a_to_b, const LinkConfig& b_to_a);
  void connect(IpAddress a, IpAddress b, const LinkConfig& both) { connect(a, b, both, both); }
  // Puts a translator before a connected host; nobody else has its address or the few above it.
  void set_nat(IpAddress inside) { nats_.emplace_back(inside); }
  // The translator before a host forgets its mappings.
  void rebind(IpAddress inside, bool address);
  const LinkStats& link_stats(IpAddress from, IpAddress to) const { return links_.at({from, to})->stats(); }
  // See every datagram that enters a cable and every one that a host receives, addresses as they are on the cable.
  void add_sent_tap(std::function<void(const Datagram&)> tap) { sent_taps_.push_back(std::move(tap)); }
  void add_delivered_tap(std::function<void(const Datagram&)> tap) { delivered_taps_.push_back(std::move(tap)); }

  // --- what happens ---
  // At its `from` host, which the address before translation names. Dropped where there is no cable.
  void send(Datagram datagram);
  void at(Instant when, std::function<void()> action);
  void after(Duration delay, std::function<void()> action) { at(now_ + delay, std::move(action)); }
  // Until done() or for so long; whether it is done. Fails the test for a node that never rests.
  bool run_until(const std::function<bool()>& done, Duration limit);
  void run_for(Duration time) {
    run_until([] { return false; }, time);
  }

 private:
  struct Event {
    Instant at;
    uint64_t order;
    std::function<void()> action;
    bool operator>(const Event& other) const { return at != other.at ? at > other.at : order > other.order; }
  };

  void deliver(Datagram datagram, const Nat* nat);
  Nat* nat_before(IpAddress inside);
  const Nat* nat_with(IpAddress outside) const;
  bool run_nodes();

  const uint64_t seed_;
  Instant now_ = kStart;
  std::vector<Node*> nodes_;
  std::map<IpAddress, std::function<void(Datagram)>> receivers_;
  std::map<std::pair<IpAddress, IpAddress>, std::unique_ptr<Link>> links_;
  std::deque<Nat> nats_;
  std::vector<std::function<void(const Datagram&)>> sent_taps_;
  std::vector<std::function<void(const Datagram&)>> delivered_taps_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  uint64_t events_made_ = 0;
  std::vector<Arrival> arrivals_;
};

}  // namespace viaduct::sim
