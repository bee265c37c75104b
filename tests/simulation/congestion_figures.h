// How congestion controllers do on a shared bottleneck: what of it they use, what they queue, and how they share it.
#pragma once

#include <vector>

#include "tests/simulation/scenario.h"

namespace viaduct::sim {

struct CongestionOptions {
  quic::ControllerKind controller = quic::ControllerKind::kCubic;
  double megabits = 20;
  Duration round_trip = Duration::milliseconds(50);
  double queue = 1;           // in bandwidth-delay products; at least 20 packets
  double loss = 0;            // at random, of the datagrams to the client
  double loss_tolerance = 0;  // see EndpointConfig
  size_t flows = 1;
  Duration length = Duration::seconds(20);
  Duration measured_from = Duration::seconds(5);
  std::vector<Blackhole> blackholes;
  std::vector<RateChange> rate_changes;
  uint64_t seed = 1;
};

// A tenth of a second.
struct CongestionSample {
  double megabits = 0;  // of UDP payload
  double queue_ms = 0;  // that datagrams waited on average
};
inline constexpr Duration kSampleTime = Duration::milliseconds(100);

struct CongestionFigures {
  double utilisation = 0;  // UDP payload delivered, of what the link carries
  double queue_ms = 0;     // mean wait
  double dropped = 0;      // share of datagrams that found the queue full
  double fairness = 0;     // Jain's index over the flows: 1 where all got the same
  std::vector<CongestionSample> series;

  // Mean of a stretch of the series.
  double megabits(Duration from, Duration until) const;
};

// The path and the flows, which have data for ever.
ScenarioConfig congestion_scenario(const CongestionOptions& options);
// They begin together.
CongestionFigures measure_congestion(const CongestionOptions& options);

}  // namespace viaduct::sim
