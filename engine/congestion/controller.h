// How much may be in flight: what every congestion controller can be told and asked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "base/instant.h"
#include "engine/congestion/delivery.h"

namespace viaduct::quic {

// What one ACK frame newly acknowledges of packets that were in flight, and what is known at that moment.
struct AckSample {
  Instant now;
  uint64_t acked_bytes = 0;
  uint64_t growth_bytes = 0;  // of those, in packets sent after the present recovery period began: they grow the window
  Instant latest_sent;        // when the last sent of them was
  Duration smoothed_rtt;
  Duration latest_rtt;         // zero: this ACK gave no sample
  uint64_t recent_flight = 0;  // the most bytes in flight at once within the last round trip or two
  uint64_t in_flight = 0;      // bytes that still are
  RateSample rate;             // only for who needs_rate()
};

// A packet that was declared lost, no probe of the path MTU.
struct LostPacket {
  Instant now;
  uint64_t number = 0;      // within its space
  uint64_t size = 0;        // bytes
  uint64_t in_flight = 0;   // bytes, when it was sent
  uint64_t lost_since = 0;  // bytes declared lost since then, its own included
  bool app_limited = false;
  bool tolerated = false;  // one of few, on a path that loses some by itself
};

// Windows are in bytes of UDP payload. Not told of packets whose loss says nothing about congestion.
class Controller {
 public:
  virtual ~Controller() = default;

  virtual std::string_view name() const = 0;

  // An ACK was processed, the losses it revealed included.
  virtual void on_ack(const AckSample& sample) = 0;
  // Packets were lost, or reported as marked with CE; `sent_time` is of the last of them. Begins a recovery period,
  // unless that packet was sent before the present one began (RFC 9002 section 7.3.2). True if it did.
  virtual bool on_congestion_event(Instant sent_time, Instant now) = 0;
  // The same, because routers have marked packets.
  virtual bool on_ecn_congestion(Instant sent_time, Instant now) { return on_congestion_event(sent_time, now); }
  // Each packet that is lost, before on_congestion_event().
  virtual void on_packet_lost(const LostPacket&) {}
  // Something is sent after nothing was in flight, because there was nothing to send.
  virtual void on_restart_from_idle(Instant) {}
  // All that was sent over a long time was lost (RFC 9002 section 7.6.2).
  virtual void on_persistent_congestion() = 0;
  // Every loss that began the last recovery period has proved spurious: its reduction is taken back.
  virtual void on_spurious_congestion() = 0;
  // Careful Resume (RFC 9959), which see: the window is so large from now on, and slow start goes on from there.
  virtual void resume_at(uint64_t window, Duration smoothed_rtt) = 0;
  // That was too much: the window is no larger than this from now on, and its reduction is not taken back.
  virtual void retreat_to(uint64_t window) = 0;
  // Where that window grows again, slow start ends here.
  virtual void resume_slow_start_until(uint64_t window) = 0;
  // The largest datagram changed: the minimum window follows it.
  virtual void set_max_datagram_size(uint64_t bytes) = 0;

  virtual uint64_t window() const = 0;
  // Bytes per second; 0: the rate follows from window and round trip.
  virtual double pacing_rate() const { return 0; }
  // Whether AckSample::rate and on_packet_lost() mean something to it: they cost memory for each packet in flight.
  virtual bool needs_rate() const { return false; }
  // It sends less than it could, so that rates measured now are not the path's.
  virtual bool holds_back() const { return false; }
  virtual bool in_slow_start() const = 0;
  // When the present recovery period began: packets sent until then belong to what caused it.
  virtual Instant recovery_start() const = 0;
};

enum class ControllerKind : uint8_t { kNewReno, kCubic, kBbr };

// "newreno", "cubic", "bbr"; nothing for another name.
std::optional<ControllerKind> controller_kind(std::string_view name);

// RFC 9002 section 7.2.
// meets RFC 9002 7.2-1
constexpr uint64_t initial_window(uint64_t max_datagram_size) {
  const uint64_t floor = 2 * max_datagram_size > 14720 ? 2 * max_datagram_size : 14720;
  return 10 * max_datagram_size < floor ? 10 * max_datagram_size : floor;
}
// RFC 9002 section 7.2.
// meets RFC 9002 7.2-4
constexpr uint64_t minimum_window(uint64_t max_datagram_size) { return 2 * max_datagram_size; }

// A window that was not used must not grow (RFC 9002 section 7.8). It was, if within the last round trip at least half
// of it was in flight in slow start, or all but a few packets later: so a sender held up by pacing is not mistaken for
// one with nothing to send.
// meets RFC 9002 7.8-1 7.8-2
constexpr bool slow_start_is_used(uint64_t window, const AckSample& sample) {
  return window <= 2 * sample.recent_flight;
}
constexpr bool avoidance_is_used(uint64_t window, const AckSample& sample, uint64_t max_datagram_size) {
  return window <= sample.recent_flight + 3 * max_datagram_size;
}

// Before any recovery period.
inline constexpr Instant kNoRecovery = Instant::from_ns(std::numeric_limits<int64_t>::min());

}  // namespace viaduct::quic
