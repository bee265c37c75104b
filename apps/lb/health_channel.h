// Health questions on their way to a worker, and answers on their way back.
#pragma once

#include <vector>

#include "apps/lb/health_probe.h"
#include "apps/lb/router.h"
#include "base/spsc_ring.h"

namespace viaduct::lb {

// One worker's. Control thread: ask(), take_answers(). Worker: the rest.
class HealthChannel {
 public:
  // Questions, and answers, that may wait.
  static constexpr size_t kMost = 1024;

  HealthChannel() { ready_.reserve(kMostReady); }

  // False where there is no room. The worker is nudged by the caller.
  bool ask(const Probe& probe) { return questions_.push(probe); }
  // Calls back with each token that came.
  template <class Take>
  void take_answers(Take&& take) {
    for (uint64_t token = 0; answers_.pop(token);) take(token);
  }

  // Whether a received frame answers a question; then it is done with.
  bool take(Bytes frame, const LinkFacts& link);
  // Readies questions for write(). One on whose way no link-layer address is known is not asked, as if it were lost.
  void step(Router& router, const RoutingSnapshot& snapshot);
  bool has_questions() const { return ready_.size() < kMostReady && !questions_.empty(); }
  bool has_ready() const { return !ready_.empty(); }
  void write(Packet& packet, const RoutingSnapshot& snapshot) {
    write_probe(packet, ready_.back().probe, snapshot, ready_.back().to);
    ready_.pop_back();
  }

 private:
  static constexpr size_t kMostReady = 64;
  struct Ready {
    Probe probe;
    net::MacAddress to;
  };

  SpscRing<Probe> questions_{kMost};
  SpscRing<uint64_t> answers_{kMost};
  std::vector<Ready> ready_;
};

}  // namespace viaduct::lb
