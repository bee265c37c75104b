#include "engine/congestion/careful_resume.h"

#include <algorithm>

namespace viaduct::quic {

namespace {
// Round trips outside of these, relative to the one remembered, are another path's.
constexpr int64_t kLeastRttDivisor = 2;
constexpr int64_t kMostRttFactor = 10;
constexpr uint64_t kJumpDivisor = 2;
// What is left after a retreat, of what the path has carried: at once, and as the end of the slow start that follows.
constexpr uint64_t kRetreatDivisor = 2;
constexpr double kRetreatBeta = 0.7;
}  // namespace

void CarefulResume::advance(const Progress& progress, uint64_t max_datagram_size, Controller& controller) {
  carried_ += progress.acked_bytes;
  lost_ += progress.lost_bytes;
  if (phase_ == Phase::kReconnaissance) return reconnoitre(progress, max_datagram_size, controller);
  if (phase_ != Phase::kSafeRetreat && is_too_much_lost()) retreat(progress, max_datagram_size, controller);
  const auto has_acked = [&](uint64_t number) { return progress.is_application && progress.largest_acked >= number; };
  if (phase_ == Phase::kUnvalidated) {
    if (has_acked(first_jump_) || progress.now > jumped_ + progress.smoothed_rtt)
      begin_validating(progress, controller);
  }
  if (phase_ == Phase::kUnvalidated || !has_acked(last_jump_)) return;
  if (phase_ == Phase::kSafeRetreat) {
    const auto carried = static_cast<uint64_t>(kRetreatBeta * static_cast<double>(carried_));
    controller.resume_slow_start_until(carried);
  }
  end();
}

void CarefulResume::reconnoitre(const Progress& progress, uint64_t max_datagram_size, Controller& controller) {
  const uint64_t jump = known_.window / kJumpDivisor;
  if (lost_ > 0 || is_another_path(progress.latest_rtt)) {
    known_ = {};
    return end();
  }
  if (controller.window() >= jump) return end();
  // All of the first window was sent at once, but for what is too little for a datagram, and has arrived.
  const auto is_all = [&](uint64_t bytes) { return bytes + max_datagram_size > initial_window(max_datagram_size); };
  if (!progress.is_application || !is_all(carried_) || !is_all(progress.recent_flight)) return;
  carried_ = progress.in_flight;
  first_jump_ = progress.next_number;
  jumped_ = progress.now;
  proved_ = controller.window();
  phase_ = Phase::kUnvalidated;
  controller.resume_at(jump, progress.smoothed_rtt);
}

bool CarefulResume::is_another_path(Duration round_trip) const {
  if (round_trip == Duration()) return false;
  return round_trip < known_.round_trip / kLeastRttDivisor || round_trip > known_.round_trip * kMostRttFactor;
}

bool CarefulResume::is_too_much_lost() const {
  const uint64_t jump = known_.window / kJumpDivisor;
  return static_cast<double>(lost_) > tolerated_ * static_cast<double>(jump);
}

// What was not sent of the jump is not tried any more; the window before it has proved itself.
void CarefulResume::begin_validating(const Progress& progress, Controller& controller) {
  phase_ = Phase::kValidating;
  last_jump_ = progress.next_number - 1;
  controller.resume_at(std::max({carried_, progress.in_flight, proved_}), progress.smoothed_rtt);
}

void CarefulResume::retreat(const Progress& progress, uint64_t max_datagram_size, Controller& controller) {
  if (phase_ == Phase::kUnvalidated) last_jump_ = progress.next_number - 1;
  phase_ = Phase::kSafeRetreat;
  known_ = {};
  controller.retreat_to(std::max(carried_ / kRetreatDivisor, initial_window(max_datagram_size)));
}

}  // namespace viaduct::quic
