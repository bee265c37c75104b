// HyStart++ (RFC 9406): leaves slow start when the round-trip time rises, before the queue overflows.
#pragma once

#include <cstdint>

#include "base/instant.h"
#include "engine/congestion/controller.h"

namespace viaduct::quic {

class HyStart {
 public:
  // How slow start goes on. kConservative: growing by 1 / kConservativeDivisor of what was acknowledged. kExit: no
  // further.
  enum class Advice : uint8_t { kGrow, kConservative, kExit };
  static constexpr uint64_t kConservativeDivisor = 4;

  // For each ACK while in the first slow start.
  Advice on_ack(const AckSample& sample);

 private:
  void begin_round(Instant now);
  void take_sample(Duration rtt);

  Instant round_start_;
  Duration round_min_ = Duration::infinite();
  Duration last_round_min_ = Duration::infinite();
  Duration baseline_ = Duration::infinite();  // the round trip that began conservative slow start
  uint32_t samples_ = 0;                      // in this round
  uint32_t conservative_rounds_ = 0;
  bool conservative_ = false;
};

}  // namespace viaduct::quic
