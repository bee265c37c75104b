// Where a worker's time goes: cycles of each stage of its loop, for telemetry in production.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/worker_stats.h"

namespace viaduct {

enum class Stage : uint8_t {
  kReceive,      // the port: frames in, packets given back to it
  kHeaders,      // packet headers, the owner's look-up, hand-off
  kOpen,         // header masks and AEAD of received 1-RTT packets
  kFrames,       // what the frames say; handshake packets with their AEAD
  kCommands,     // what the application wants
  kTls,          // handshakes
  kTimers,       // loss detection, acknowledgement delays, idle time-outs
  kEvents,       // what the application is told
  kApplication,  // HTTP/3 and what is behind it
  kBuild,        // packets to send, without their protection
  kSeal,         // AEAD and header masks of packets to send
  kSend,         // the port: frames out
  kIdle,         // rounds that moved nothing, and sleep
};
inline constexpr size_t kStages = static_cast<size_t>(Stage::kIdle) + 1;

inline constexpr std::array<std::string_view, kStages> kStageNames = {
    "receive", "headers",     "open",  "frames", "commands", "tls", "timers",
    "events",  "application", "build", "seal",   "send",     "idle"};

// Reads the time-stamp counter once per stage and burst, never per packet. One worker's, but for cycles() and total().
class StageMeter {
 public:
  using ReadCycles = uint64_t (*)();

  explicit StageMeter(ReadCycles read = &read_tsc) : read_(read), since_(read()) {}

  // What follows belongs to `stage`.
  void enter(Stage stage) {
    if (stage == current_) return;
    book();
    current_ = stage;
  }
  // Ends a round of the loop and begins the next in kReceive. All of a round that moved nothing was idle.
  void end_round(bool was_busy) {
    book();
    current_ = Stage::kReceive;
    for (size_t i = 0; i < kStages; ++i) {
      cycles_[was_busy ? i : index_of(Stage::kIdle)].add(round_[i]);
      round_[i] = 0;
    }
  }

  uint64_t cycles(Stage stage) const { return cycles_[index_of(stage)].value(); }
  uint64_t busy() const { return total() - cycles(Stage::kIdle); }
  uint64_t total() const {
    uint64_t sum = 0;
    for (const Counter& counter : cycles_) sum += counter.value();
    return sum;
  }

 private:
  static constexpr size_t index_of(Stage stage) { return static_cast<size_t>(stage); }
  void book() {
    const uint64_t now = read_();
    round_[index_of(current_)] += now - since_;
    since_ = now;
  }
  static uint64_t read_tsc() { return __builtin_ia32_rdtsc(); }

  ReadCycles read_;
  uint64_t since_;
  Stage current_ = Stage::kReceive;
  std::array<uint64_t, kStages> round_{};
  std::array<Counter, kStages> cycles_;
};

// What follows belongs to `stage`. Without a meter, as in simulations, nothing is booked.
inline void enter_stage(StageMeter* meter, Stage stage) {
  if (meter) meter->enter(stage);
}

}  // namespace viaduct
