#include "engine/connection/mtu_search.h"

#include <algorithm>

namespace viaduct::quic {

void MtuSearch::start(size_t base, size_t largest) {
  const Instant last_passed = last_passed_;
  *this = {};
  last_passed_ = last_passed;
  base_ = current_ = base;
  largest_ = std::max(base, largest);
  failed_ = largest_ + 1;
  probe_ = largest_ >= base + kWorthProbing ? largest_ : 0;
}

size_t MtuSearch::next_probe(Instant now) {
  if (in_flight_) return 0;
  if (probe_ > 0 || current_ + kWorthProbing > largest_) return probe_;
  if (raise_at_.is_never()) raise_at_ = now + kRaiseAfter;
  if (now < raise_at_) return 0;
  raise_at_ = Instant::never();
  failed_ = largest_ + 1;
  choose_probe();
  return probe_;
}

bool MtuSearch::on_probe_acked(size_t size) {
  in_flight_ = false;
  if (size <= current_) return false;
  current_ = size;
  failed_ = std::max(failed_, size + 1);  // a probe that was only late
  choose_probe();
  return true;
}

void MtuSearch::on_probe_lost(size_t size) {
  in_flight_ = false;
  if (size != probe_ || ++failures_ < kMaxProbes) return;
  failed_ = size;
  choose_probe();
}

void MtuSearch::choose_probe() {
  failures_ = 0;
  probe_ = failed_ > largest_ ? largest_ : (current_ + failed_) / 2;
  if (probe_ < current_ + kWorthProbing) probe_ = 0;
}

bool MtuSearch::on_lost(size_t size, Instant sent) {
  if (size <= base_ || sent <= last_passed_ || current_ == base_) return false;
  if (++lost_in_a_row_ < kBlackHoleLosses) return false;
  fall_back();
  return true;
}

bool MtuSearch::on_timeouts(unsigned in_a_row) {
  if (in_a_row < kBlackHoleTimeouts || current_ == base_) return false;
  fall_back();
  return true;
}

// What passed until now is probed first: it may have been an ordinary outage.
void MtuSearch::fall_back() {
  probe_ = current_;
  current_ = base_;
  failures_ = 0;
  lost_in_a_row_ = 0;
}

bool MtuSearch::on_too_big(size_t fits) {
  if (fits < base_ || fits + 1 >= failed_) return false;
  const bool fell = current_ > fits;
  if (fell) current_ = base_;
  failed_ = fits + 1;
  failures_ = 0;
  probe_ = fits;  // as the router says, rather than halfway
  if (probe_ < current_ + kWorthProbing) choose_probe();
  return fell;
}

}  // namespace viaduct::quic
