// What an endpoint counts beside the verdicts of its datagrams.
#pragma once

#include <cstdint>
#include <string_view>

namespace viaduct::quic {

// Written by one thread; read by any, which may see a count a moment old.
class Counter {
 public:
  void add(uint64_t n = 1) { __atomic_store_n(&value_, value_ + n, __ATOMIC_RELAXED); }
  uint64_t value() const { return __atomic_load_n(&value_, __ATOMIC_RELAXED); }
  operator uint64_t() const { return value(); }

 private:
  uint64_t value_ = 0;
};

// Name, field and meaning of each: VIADUCT_ENDPOINT_COUNTERS(X) with X(field, "name", "help").
#define VIADUCT_ENDPOINT_COUNTERS(X)                                                                 \
  X(datagrams_received, "datagrams-received", "datagrams taken in")                                  \
  X(datagrams_sent, "datagrams-sent", "datagrams built, stateless replies included")                 \
  X(bytes_received, "bytes-received", "UDP payload bytes taken in")                                  \
  X(bytes_sent, "bytes-sent", "UDP payload bytes built")                                             \
  X(packets_received, "packets-received", "packets whose protection was removed")                    \
  X(packets_sent, "packets-sent", "packets sealed")                                                  \
  X(packets_undecryptable, "packets-undecryptable", "packets whose tag did not match")               \
  X(packets_without_keys, "packets-without-keys", "packets that came before their keys or after")    \
  X(packets_duplicate, "packets-duplicate", "packets received before")                               \
  X(packets_malformed, "packets-malformed", "packets whose header could not be read")                \
  X(packets_acknowledged, "packets-acknowledged", "sent packets that a peer acknowledged")           \
  X(packets_lost, "packets-lost", "sent packets declared lost")                                      \
  X(acks_refused, "acks-refused", "acknowledgements of packets that were never sent")                \
  X(probes_sent, "probes-sent", "probe timeouts that sent packets")                                  \
  X(connections_accepted, "connections-accepted", "connections that clients began")                  \
  X(connections_started, "connections-started", "connections that we began")                         \
  X(handshakes_completed, "handshakes-completed", "handshakes that reached completion")              \
  X(handshakes_resumed, "handshakes-resumed", "of these, by the ticket of an earlier connection")    \
  X(connections_closed, "connections-closed", "connections whose state is gone")                     \
  X(idle_timeouts, "idle-timeouts", "connections that ended for want of packets")                    \
  X(resets_received, "resets-received", "connections that a stateless reset ended")                  \
  X(resets_sent, "resets-sent", "stateless resets sent")                                             \
  X(versions_sent, "versions-sent", "Version Negotiation packets sent")                              \
  X(retries_sent, "retries-sent", "Retry packets sent")                                              \
  X(retries_received, "retries-received", "Retry packets that we followed")                          \
  X(tokens_sent, "tokens-sent", "address tokens given to clients for their next connection")         \
  X(tokens_accepted, "tokens-accepted", "connections whose token proved their address")              \
  X(early_data_offered, "early-data-offered", "connections that we began with 0-RTT")                \
  X(early_data_accepted, "early-data-accepted", "connections whose 0-RTT we took")                   \
  X(early_data_rejected, "early-data-rejected", "connections whose server refused our 0-RTT")        \
  X(versions_changed, "versions-changed", "connections that went on in another version")             \
  X(paths_changed, "paths-changed", "connections whose peer was followed to a new address")          \
  X(path_validations_failed, "path-validations-failed", "new addresses that did not answer")         \
  X(ecn_validated, "ecn-validated", "paths from which a peer has reported our marks")                \
  X(ecn_failed, "ecn-failed", "paths on which marks were lost, changed or not reported")             \
  X(mtu_reductions, "mtu-reductions", "paths that stopped carrying datagrams above 1,200 bytes")     \
  X(path_mtu_believed, "path-mtu-believed", "path-MTU messages that quoted a datagram of ours")      \
  X(path_mtu_ignored, "path-mtu-ignored", "path-MTU messages that did not, or were too many")        \
  X(datagram_frames_received, "datagram-frames-received", "DATAGRAM frames for the application")     \
  X(datagram_frames_sent, "datagram-frames-sent", "DATAGRAM frames of the application sent")         \
  X(datagram_frames_dropped, "datagram-frames-dropped", "DATAGRAM frames, either way, without room") \
  X(key_updates, "key-updates", "key updates that peers began")                                      \
  X(events_delayed, "events-delayed", "times that the event ring was full")                          \
  X(commands_ignored, "commands-ignored", "commands for connections or streams that are gone")       \
  X(owner_violations, "owner-violations", "calls by another thread than the endpoint's; always zero")

struct EndpointStats {
#define VIADUCT_COUNTER_FIELD(field, name, help) Counter field;
  VIADUCT_ENDPOINT_COUNTERS(VIADUCT_COUNTER_FIELD)
#undef VIADUCT_COUNTER_FIELD
};

struct CounterInfo {
  std::string_view name;
  std::string_view help;
  Counter EndpointStats::* field;
};
inline constexpr CounterInfo kEndpointCounters[] = {
#define VIADUCT_COUNTER_INFO(field, name, help) {name, help, &EndpointStats::field},
    VIADUCT_ENDPOINT_COUNTERS(VIADUCT_COUNTER_INFO)
#undef VIADUCT_COUNTER_INFO
};

// One bounded pool, as a moment's reading.
struct PoolGauge {
  std::string_view name;
  uint64_t used = 0;
  uint64_t high_water = 0;
  uint64_t capacity = 0;
  uint64_t refused = 0;
};

}  // namespace viaduct::quic
