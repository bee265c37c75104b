#include "tests/simulation/link.h"

#include <algorithm>

namespace viaduct::sim {
namespace {

// What the headers of IP and UDP add on the cable.
size_t bytes_on_cable(const Datagram& datagram) {
  return datagram.payload.size() + 8 + (datagram.to.ip.is_v4() ? 20 : 40);
}

}  // namespace

void Link::send(Datagram datagram, Instant now, std::vector<Arrival>& arrivals) {
  const uint64_t index = stats_.offered++;
  stats_.offered_bytes += datagram.payload.size();
  const size_t size = bytes_on_cable(datagram);
  if (size > config_.mtu) {
    ++stats_.dropped_by_mtu;
    return;
  }
  if (config_.bleach_ecn) datagram.ecn = Ecn::kNotEct;
  Instant departs = now;
  if (!enqueue(size, datagram.ecn, now, departs)) {
    ++stats_.dropped_by_queue;
    return;
  }
  const Instant arrives = arrival_of(departs);
  if (is_lost(index, arrives)) {
    ++stats_.lost;
    return;
  }
  if (chance(config_.corruption) && !datagram.payload.empty()) {
    ++stats_.corrupted;
    datagram.payload[random_.below(datagram.payload.size())] ^= static_cast<uint8_t>(1u << random_.below(8));
  }
  const int copies = chance(config_.duplication) ? 2 : 1;
  stats_.duplicated += copies - 1;
  stats_.delivered += copies;
  stats_.delivered_bytes += copies * datagram.payload.size();
  if (copies == 2) arrivals.push_back({arrives, datagram});
  arrivals.push_back({arrives, std::move(datagram)});
}

bool Link::chance(double probability) {
  if (probability <= 0) return false;
  constexpr uint64_t kScale = uint64_t{1} << 53;
  return static_cast<double>(random_.below(kScale)) < probability * static_cast<double>(kScale);
}

// Drop-tail. When it leaves follows from what waits before it, so no event is needed for that.
bool Link::enqueue(size_t bytes, Ecn& ecn, Instant now, Instant& departs) {
  if (config_.bits_per_second == 0) return true;
  while (!queue_.empty() && queue_.front().departs <= now) {
    queued_bytes_ -= queue_.front().bytes;
    queue_.pop_front();
  }
  const size_t waiting = queue_.empty() ? 0 : queue_.size() - 1;
  if (!queue_.empty() && (waiting >= config_.queue_packets || queued_bytes_ + bytes > config_.queue_bytes))
    return false;
  if (waiting >= config_.mark_above && ecn != Ecn::kNotEct) {
    ecn = Ecn::kCe;
    ++stats_.marked;
  }
  const Instant begins = std::max(now, last_departure_);
  const auto sending = static_cast<int64_t>(bytes * 8 * 1'000'000'000 / rate_at(begins));
  last_departure_ = departs = begins + Duration::nanoseconds(sending);
  stats_.waited += begins - now;
  queue_.push_back({departs, bytes});
  queued_bytes_ += bytes;
  return true;
}

uint64_t Link::rate_at(Instant when) const {
  uint64_t rate = config_.bits_per_second;
  for (const RateChange& change : config_.rate_changes) {
    if (change.at <= when) rate = change.bits_per_second;
  }
  return rate;
}

// Every source of loss is asked each time, so that one of them does not shift the draws of another.
bool Link::is_lost(uint64_t index, Instant arrives) {
  bool lost = index < 64 && (config_.loss_mask >> index & 1) != 0;
  if (chance(in_bad_state_ ? config_.bursts.leave_bad : config_.bursts.enter_bad)) in_bad_state_ = !in_bad_state_;
  bool by_chance = chance(config_.loss);
  if (in_bad_state_) by_chance |= chance(config_.bursts.loss_in_bad);
  if (config_.longest_loss > 0 && losses_in_a_row_ >= config_.longest_loss) by_chance = false;
  losses_in_a_row_ = by_chance ? losses_in_a_row_ + 1 : 0;
  for (const Blackhole& hole : config_.blackholes) lost |= hole.from <= arrives && arrives < hole.until;
  return lost || by_chance;
}

// In order, jitter included, but for what is held back.
Instant Link::arrival_of(Instant departs) {
  Instant arrives = departs + config_.delay;
  if (config_.jitter > Duration())
    arrives = arrives + Duration::nanoseconds(
                            static_cast<int64_t>(random_.below(static_cast<uint64_t>(config_.jitter.ns()) + 1)));
  last_arrival_ = arrives = std::max(arrives, last_arrival_);
  if (!chance(config_.reordering)) return arrives;
  ++stats_.reordered;
  return arrives + config_.reorder_delay;
}

}  // namespace viaduct::sim
