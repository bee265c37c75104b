// One direction of a simulated cable: a rate, a queue, a delay, and everything that can happen to a datagram.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <vector>

#include "base/instant.h"
#include "base/random.h"
#include "tests/simulation/datagram.h"

namespace viaduct::sim {

inline constexpr size_t kUnlimited = std::numeric_limits<size_t>::max();

// A stretch of time in which nothing comes through.
struct Blackhole {
  Instant from;
  Instant until;
};

// From an instant on, the cable has another rate.
struct RateChange {
  Instant at;
  uint64_t bits_per_second = 0;
};

// Gilbert's model of losses in bursts: a good and a bad state, changed with these probabilities at each datagram.
struct GilbertLoss {
  double enter_bad = 0;
  double leave_bad = 1;
  double loss_in_bad = 1;
};

// Probabilities are 0 to 1, per datagram.
struct LinkConfig {
  // --- the cable ---
  uint64_t bits_per_second = 0;          // of IP packets; 0: no limit
  std::vector<RateChange> rate_changes;  // ascending; only where there is a limit to begin with
  size_t queue_packets = kUnlimited;     // that wait, beside the one being sent; more are dropped
  size_t queue_bytes = kUnlimited;
  Duration delay;     // one way
  Duration jitter;    // up to so much more, in order
  size_t mtu = 1500;  // of the IP packet; larger ones are dropped in silence

  // --- faults, at the far end ---
  uint64_t loss_mask = 0;  // bit i: the datagram i, of the first 64 that are offered, is lost
  double loss = 0;
  unsigned longest_loss = 0;  // random losses in a row at most; 0: any number
  GilbertLoss bursts;
  double corruption = 0;  // one bit of the payload is flipped
  double duplication = 0;
  double reordering = 0;  // held back by reorder_delay while others pass
  Duration reorder_delay = Duration::milliseconds(10);
  std::vector<Blackhole> blackholes;

  // --- ECN ---
  size_t mark_above = kUnlimited;  // ECT packets are marked CE when so many wait
  bool bleach_ecn = false;         // codepoints are cleared
};

struct LinkStats {
  uint64_t offered = 0;
  uint64_t offered_bytes = 0;  // of UDP payload, as the three below
  uint64_t delivered = 0;      // duplicates count twice
  uint64_t delivered_bytes = 0;
  uint64_t dropped_by_queue = 0;
  uint64_t dropped_by_mtu = 0;
  uint64_t lost = 0;  // by mask, probability, burst or blackhole
  uint64_t corrupted = 0;
  uint64_t duplicated = 0;
  uint64_t reordered = 0;
  uint64_t marked = 0;
  Duration waited;  // sum over the datagrams that were not dropped, in the queue
};

struct Arrival {
  Instant at;
  Datagram datagram;
};

class Link {
 public:
  Link(const LinkConfig& config, uint64_t seed) : config_(config), random_(Random::from_seed(seed)) {}

  // Sends a datagram at `now`, which never goes back; appends what arrives and when: nothing, one or two.
  void send(Datagram datagram, Instant now, std::vector<Arrival>& arrivals);

  const LinkStats& stats() const { return stats_; }
  const LinkConfig& config() const { return config_; }

 private:
  struct Waiting {
    Instant departs;
    size_t bytes;
  };

  bool chance(double probability);
  bool enqueue(size_t bytes, Ecn& ecn, Instant now, Instant& departs);
  bool is_lost(uint64_t index, Instant arrives);
  Instant arrival_of(Instant departs);
  uint64_t rate_at(Instant when) const;

  const LinkConfig config_;
  Random random_;
  LinkStats stats_;
  std::deque<Waiting> queue_;  // the one being sent at the front
  size_t queued_bytes_ = 0;
  Instant last_departure_;
  Instant last_arrival_;
  bool in_bad_state_ = false;
  unsigned losses_in_a_row_ = 0;
};

}  // namespace viaduct::sim
