// How much may be in flight: what every congestion controller can be told and asked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/instant.h"

namespace viaduct::quic {

// One newly acknowledged packet that was in flight.
struct AckedPacket {
  uint64_t bytes = 0;
  Instant sent_time;
};

// What holds for all packets that one ACK frame newly acknowledges.
struct AckSample {
  Instant now;
  Duration smoothed_rtt;
  Duration min_rtt;
  Duration latest_rtt;         // zero: this ACK gave no sample
  uint64_t recent_flight = 0;  // the most bytes that were in flight at once within the last round trip or two
};

// Windows are in bytes of UDP payload. Not told of packets whose loss says nothing about congestion.
class Controller {
 public:
  virtual ~Controller() = default;

  virtual std::string_view name() const = 0;

  virtual void on_packet_sent(uint64_t bytes, uint64_t bytes_in_flight, Instant now) = 0;
  // A packet left the network well. Called for each packet of an ACK, losses that the ACK reveals are told later.
  virtual void on_packet_acked(const AckedPacket& packet, const AckSample& sample) = 0;
  // Packets were lost (or CE was reported); `sent_time` is of the last of them. Begins a recovery period unless the
  // packet was sent before the present one began (RFC 9002 section 7.3.2). True if it did.
  virtual bool on_congestion_event(Instant sent_time, Instant now) = 0;
  // All that was sent over a long time was lost (RFC 9002 section 7.6.2).
  virtual void on_persistent_congestion() = 0;
  // Every loss that began the last recovery period has proved spurious: the reduction may be taken back.
  virtual void on_spurious_congestion() = 0;
  // The largest datagram changed: the minimum window follows it.
  virtual void set_max_datagram_size(uint64_t bytes) = 0;

  virtual uint64_t window() const = 0;
  virtual bool in_slow_start() const = 0;
  // Whether a packet sent then belongs to the present recovery period: its loss was answered already.
  virtual bool in_recovery(Instant sent_time) const = 0;
};

enum class ControllerKind : uint8_t { kNewReno, kCubic };

// "newreno", "cubic"; nothing for another name.
std::optional<ControllerKind> controller_kind(std::string_view name);

// RFC 9002 section 7.2.
constexpr uint64_t initial_window(uint64_t max_datagram_size) {
  const uint64_t floor = 2 * max_datagram_size > 14720 ? 2 * max_datagram_size : 14720;
  return 10 * max_datagram_size < floor ? 10 * max_datagram_size : floor;
}
constexpr uint64_t minimum_window(uint64_t max_datagram_size) { return 2 * max_datagram_size; }

}  // namespace viaduct::quic
