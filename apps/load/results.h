// What a run came to, for people and as JSON.
#pragma once

#include <array>
#include <cstdint>
#include <iterator>
#include <string>

#include "apps/load/config.h"
#include "apps/load/histogram.h"
#include "base/instant.h"
#include "base/stage_meter.h"
#include "engine/endpoint/endpoint_stats.h"

namespace viaduct::load {

// What the engine counts that says what became of connections.
inline constexpr struct {
  const char* name;
  quic::Counter quic::EndpointStats::* field;
} kQuicCounters[] = {{"handshakes_resumed", &quic::EndpointStats::handshakes_resumed},
                     {"early_data_offered", &quic::EndpointStats::early_data_offered},
                     {"early_data_rejected", &quic::EndpointStats::early_data_rejected},
                     {"retries_followed", &quic::EndpointStats::retries_received},
                     {"versions_changed", &quic::EndpointStats::versions_changed},
                     {"key_updates_followed", &quic::EndpointStats::key_updates},
                     {"paths_changed", &quic::EndpointStats::paths_changed},
                     {"ecn_validated", &quic::EndpointStats::ecn_validated},
                     {"ecn_failed", &quic::EndpointStats::ecn_failed}};

// Counters of all workers at a moment.
struct Totals {
  Instant at;
  uint64_t requests_done = 0, requests_failed = 0;
  uint64_t body_bytes = 0, upload_bytes = 0;
  uint64_t handshakes = 0, handshakes_failed = 0;
  uint64_t connections_open = 0, connections_lost = 0;
  uint64_t migrations = 0;
  uint64_t packets_received = 0, packets_sent = 0, packets_lost = 0;
  std::array<uint64_t, 6> by_class{};
  std::array<uint64_t, kStages> cycles{};
  std::array<uint64_t, std::size(kQuicCounters)> quic{};  // in the order of kQuicCounters
  uint64_t handshakes_in_all = 0;                         // what quic's are part of

  // What was added since `before`; connections_open, `at`, and quic and handshakes_in_all, which begin with the first
  // handshake, stay.
  Totals since(const Totals& before) const;
  uint64_t busy_cycles() const;
  // Of the workers' time; 0 where no time passed.
  double busy_share() const;
};

// A client this busy may be what limits the run.
inline constexpr double kClientLimit = 0.95;

struct Results {
  Totals measured;
  double seconds = 0;  // of measuring
  bool was_interrupted = false;
  Histogram latencies;         // as they were
  Histogram corrected;         // for coordinated omission
  Duration expected_interval;  // that the correction took for granted; 0 at an open loop, which needs none
  Histogram handshake_times;
  std::string last_problem;
  uint64_t cycles_per_second = 0;

  bool is_client_limited() const { return measured.busy_share() > kClientLimit; }
  // Nothing failed, and something was done.
  bool is_good(const Config& config) const;
  std::string text(const Config& config) const;
  std::string json(const Config& config) const;
};

}  // namespace viaduct::load
