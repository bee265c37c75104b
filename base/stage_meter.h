// Where a worker's time goes: cycles of each stage of its loop, for telemetry in production.
#pragma once

#include <sys/resource.h>

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
  kStolen,       // the CPU was with somebody else
};
inline constexpr size_t kStages = static_cast<size_t>(Stage::kStolen) + 1;

inline constexpr std::array<std::string_view, kStages> kStageNames = {
    "receive", "headers",     "open",  "frames", "commands", "tls",  "timers",
    "events",  "application", "build", "seal",   "send",     "idle", "stolen"};

// Reads the time-stamp counter once per stage and burst, never per packet. One worker's, but for cycles() and total().
class StageMeter {
 public:
  using ReadCounter = uint64_t (*)();
  // Cycles: between half a millisecond and a whole one. A scheduler's slice takes several times as long, and of our own
  // work a burst of handshakes alone. So a stage that took longer was stolen where the kernel says that it took the
  // CPU away meanwhile.
  static constexpr uint64_t kLongest = 2'000'000;

  // A test's own counters; null: the CPU's, and the kernel's of the calling thread.
  explicit StageMeter(ReadCounter read_cycles = nullptr, ReadCounter read_preemptions = nullptr)
      : read_cycles_(read_cycles), read_preemptions_(read_preemptions), since_(now()) {}

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
      const bool is_kept = was_busy || i == index_of(Stage::kStolen);
      cycles_[is_kept ? i : index_of(Stage::kIdle)].add(round_[i]);
      round_[i] = 0;
    }
  }

  uint64_t cycles(Stage stage) const { return cycles_[index_of(stage)].value(); }
  uint64_t busy() const { return total() - cycles(Stage::kIdle) - cycles(Stage::kStolen); }
  uint64_t total() const {
    uint64_t sum = 0;
    for (const Counter& counter : cycles_) sum += counter.value();
    return sum;
  }

 private:
  static constexpr size_t index_of(Stage stage) { return static_cast<size_t>(stage); }
  uint64_t now() const { return read_cycles_ ? read_cycles_() : __builtin_ia32_rdtsc(); }
  // True where the CPU was taken away since the last time that this was asked.
  bool was_preempted() {
    rusage usage{};
    if (!read_preemptions_) getrusage(RUSAGE_THREAD, &usage);
    const uint64_t before = preemptions_;
    preemptions_ = read_preemptions_ ? read_preemptions_() : static_cast<uint64_t>(usage.ru_nivcsw);
    return preemptions_ != before;
  }
  void book() {
    const uint64_t at = now();
    const uint64_t passed = at - since_;
    const bool is_stolen = passed > kLongest && current_ != Stage::kIdle && was_preempted();
    round_[index_of(is_stolen ? Stage::kStolen : current_)] += passed;
    since_ = at;
  }

  ReadCounter read_cycles_;
  ReadCounter read_preemptions_;
  uint64_t preemptions_ = 0;
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
