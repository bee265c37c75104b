// HyStart++ (RFC 9406): leaves slow start when the round-trip time rises, before the queue overflows.
#pragma once

#include <cstdint>

#include "base/instant.h"
#include "engine/congestion/controller.h"

namespace viaduct::quic {

class HyStart {
 public:
  // How fast slow start may grow now: kExit ends it, by setting the threshold to the window.
  enum class Advice : uint8_t { kSlowStart, kConservative, kExit };

  // For each newly acknowledged packet while in slow start.
  Advice on_packet_acked(const AckedPacket& packet, const AckSample& sample);

  // In conservative slow start the window grows by this fraction of what was acknowledged.
  static constexpr uint64_t kConservativeDivisor = 4;

 private:
  void begin_round(Instant now);

  Instant round_start_;
  Duration last_round_min_ = Duration::infinite();
  Duration round_min_ = Duration::infinite();
  Duration baseline_min_ = Duration::infinite();
  uint32_t samples_ = 0;
  uint32_t conservative_rounds_ = 0;
  Instant last_sample_;
  bool conservative_ = false;
  bool started_ = false;
};

}  // namespace viaduct::quic
