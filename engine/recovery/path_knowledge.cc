// What a connection is told of its path by an earlier one, and what it leaves to later ones (RFC 9959).
#include <algorithm>
#include <utility>

#include "engine/recovery/recovery.h"

namespace viaduct::quic {

namespace {
constexpr uint64_t kUnseenDivisor = 2;  // of what was remembered and not seen again
constexpr uint64_t kNewsFactor = 2;     // so much more, or less, is worth telling

uint32_t bounded(uint64_t window) { return static_cast<uint32_t>(std::min<uint64_t>(window, UINT32_MAX)); }
}  // namespace

void Recovery::resume(const PathKnowledge& known) {
  if (known.window == 0) return;
  resume_ = std::make_unique<CarefulResume>(known, has_bbr() ? Bbr::kLossThreshold : 0);
  told_window_ = bounded(path_knowledge().window);
}

void Recovery::advance_resume(PacketSpace space, uint64_t acked_bytes, Duration latest_rtt, Instant now) {
  const Space& application = spaces_[index_of(PacketSpace::kApplication)];
  const bool has_numbers = space == PacketSpace::kApplication && application.largest_acked != kNoneAcked;
  resume_->advance({.now = now,
                    .acked_bytes = acked_bytes,
                    .in_flight = bytes_in_flight_,
                    .recent_flight = std::max(flight_peak_, last_flight_peak_),
                    .largest_acked = has_numbers ? application.largest_acked : 0,
                    .next_number = next_packet_number(PacketSpace::kApplication),
                    .latest_rtt = latest_rtt,
                    .smoothed_rtt = rtt_.smoothed(),
                    .lost_bytes = std::exchange(unanswered_lost_, 0),
                    .is_application = has_numbers},
                   config_.max_datagram_size, controller_.get());
  if (!resume_->is_active()) resume_.reset();
}

// Once in a round trip. Neither a window that is being tried nor one that is held small on purpose says what the path
// carries.
void Recovery::watch_path() {
  if (resume_ || controller().holds_back()) return;
  seen_window_ = std::min(std::max(seen_window_, last_flight_peak_), controller().window());
  const uint32_t known = bounded(path_knowledge().window);
  if (known < std::max<uint64_t>(told_window_, 1) * kNewsFactor && known * kNewsFactor >= told_window_) return;
  told_window_ = known;
  path_news_ = true;
}

PathKnowledge Recovery::path_knowledge() const {
  PathKnowledge known{seen_window_, rtt_.min()};
  if (resume_) known = {resume_->known().window / kUnseenDivisor, resume_->known().round_trip};
  return known.window >= PathKnowledge::worth_keeping(config_.max_datagram_size) ? known : PathKnowledge();
}

}  // namespace viaduct::quic
