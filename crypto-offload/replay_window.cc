#include "crypto-offload/replay_window.h"

#include <algorithm>
#include <bit>

namespace viaduct::crypto {
namespace {

constexpr int kTimeBits = 24;
constexpr uint64_t kTimeMask = (uint64_t{1} << kTimeBits) - 1;

}  // namespace

ReplayWindow::ReplayWindow(size_t capacity, int64_t refuse_until, int64_t seconds)
    : mask_(std::bit_ceil(std::max(capacity, kWays)) - 1),
      entries_(new std::atomic<uint64_t>[mask_ + 1]()),
      refuse_until_(refuse_until),
      seconds_(static_cast<uint64_t>(seconds)) {}

bool ReplayWindow::is_new(uint64_t fingerprint, int64_t now_seconds) {
  if (now_seconds < refuse_until_) return false;
  const uint64_t now = static_cast<uint64_t>(now_seconds) & kTimeMask;
  const uint64_t wanted = (fingerprint & ~kTimeMask) | now;
  std::atomic<uint64_t>* set = &entries_[fingerprint & mask_ & ~(kWays - 1)];
  const auto is_stale = [now, this](uint64_t entry) { return entry == 0 || ((now - entry) & kTimeMask) > seconds_; };
  // Two that bring the same fingerprint at once go through the places in the same order, so one of them
  // meets the other's entry.
  for (size_t way = 0; way < kWays; ++way) {
    uint64_t entry = set[way].load(std::memory_order_acquire);
    if (!is_stale(entry) && (entry & ~kTimeMask) == (wanted & ~kTimeMask)) return false;
  }
  for (size_t way = 0; way < kWays; ++way) {
    uint64_t entry = set[way].load(std::memory_order_acquire);
    while (is_stale(entry)) {
      if (set[way].compare_exchange_weak(entry, wanted, std::memory_order_acq_rel)) return true;
    }
    if ((entry & ~kTimeMask) == (wanted & ~kTimeMask)) return false;
  }
  return false;
}

}  // namespace viaduct::crypto
