// Where the control thread asks a worker what it would do with a frame.
#pragma once

#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "apps/lb/router.h"
#include "base/bytes.h"

namespace viaduct::lb {

// One worker's. Only it may look into its tables, so it answers itself, between two bursts.
class ExplainDesk {
 public:
  // Of a frame, as a port could receive it.
  static constexpr size_t kMostBytes = 9'600;

  ExplainDesk() : room_(kHeadroom + kMostBytes + kHeadroom) {}

  // Control thread: the worker's answer. wake() is called once it is asked. Empty where the frame is too large or no
  // answer comes for a second; whatever it says to that later is for nobody.
  std::optional<Decision> ask(Bytes frame, const std::function<void()>& wake) {
    const State state = state_.load(std::memory_order_acquire);
    if (frame.size() > kMostBytes || state == State::kAsked) return std::nullopt;
    std::memcpy(room_.data() + kHeadroom, frame.data(), frame.size());
    packet_ = {};
    packet_.buffer = room_.data();
    packet_.capacity = static_cast<uint16_t>(room_.size());
    packet_.offset = kHeadroom;
    packet_.length = static_cast<uint16_t>(frame.size());
    state_.store(State::kAsked, std::memory_order_release);
    wake();
    for (int tries = 0; tries < 1000; ++tries) {
      if (state_.load(std::memory_order_acquire) == State::kAnswered) return decision_;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return std::nullopt;
  }

  bool is_asked() const { return state_.load(std::memory_order_acquire) == State::kAsked; }
  // Worker, once per round.
  void serve(Router& router, const RoutingSnapshot& snapshot, Instant now) {
    if (!is_asked()) return;
    decision_ = router.explain(snapshot, packet_, now);
    state_.store(State::kAnswered, std::memory_order_release);
  }

 private:
  enum class State : uint8_t { kIdle, kAsked, kAnswered };

  std::atomic<State> state_{State::kIdle};
  std::vector<uint8_t> room_;
  Packet packet_;
  Decision decision_;
};

}  // namespace viaduct::lb
