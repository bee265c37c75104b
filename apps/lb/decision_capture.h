// Received frames with what was decided about them, on their way to a pcapng file.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "apps/lb/burst.h"
#include "apps/lb/routing_snapshot.h"
#include "base/worker_stats.h"
#include "pmd-glue/pcapng.h"

namespace viaduct::lb {

// A frame as it was received, and the decision.
struct DecidedFrame {
  static constexpr size_t kMostBytes = 512;

  uint64_t time_ns = 0;   // since 1970
  uint32_t length = 0;    // of the frame
  uint16_t captured = 0;  // bytes of it in data
  Verdict verdict = Verdict::kNone;
  FrameKind kind = FrameKind::kLink;
  RoutingStep step = RoutingStep::kNone;
  uint16_t slot = kNoSlot;
  std::array<uint8_t, kMostBytes> data;
};

// One worker's tap: a ring that it fills while a capture is on, and the writer empties. Off, it costs one look per
// burst.
class DecisionTap {
 public:
  static constexpr size_t kFrames = 4096;

  // Worker: before the burst is routed, and after. Frames that find no room are counted.
  void before(std::span<Packet* const> burst);
  void after(const Burst& burst);

  // Control thread. The ring is made with the first start().
  void start();
  void stop() { is_on_.store(false, std::memory_order_release); }
  const DecidedFrame* front() const;
  void pop() { head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }
  uint64_t dropped() const { return dropped_.value(); }

 private:
  std::vector<DecidedFrame> ring_;
  std::atomic<bool> is_on_{false};
  unsigned pending_ = 0;  // frames of this burst that are in the ring and not published yet
  Counter dropped_;
  alignas(64) std::atomic<uint64_t> tail_{0};
  alignas(64) std::atomic<uint64_t> head_{0};
};

struct CaptureFigures {
  bool is_running = false;
  uint64_t written = 0, dropped = 0;
  std::string error;
};

// Writes what the taps caught. Control thread.
class DecisionCapture {
 public:
  explicit DecisionCapture(std::vector<DecisionTap*> taps) : taps_(std::move(taps)) {}
  ~DecisionCapture();
  DecisionCapture(const DecisionCapture&) = delete;
  DecisionCapture& operator=(const DecisionCapture&) = delete;

  // The error is one sentence.
  std::string start(const std::string& file, Duration length, Instant now);
  // Writes what there is; ends when the time is over.
  void tend(const RoutingSnapshot& snapshot, Instant now);
  bool is_running() const { return file_ != nullptr; }
  CaptureFigures figures() const;

 private:
  void end();
  void write(uint32_t interface, const DecidedFrame& frame, const RoutingSnapshot& snapshot);
  void flush();

  const std::vector<DecisionTap*> taps_;
  std::FILE* file_ = nullptr;
  net::PcapngWriter pcapng_;
  Instant end_;
  uint64_t written_ = 0, dropped_before_ = 0;
  std::string error_;
};

}  // namespace viaduct::lb
