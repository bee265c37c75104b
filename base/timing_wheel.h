// Timers by the million: scheduling and cancelling cost the same however many there are.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/instant.h"
#include "base/intrusive_list.h"

namespace viaduct {

struct TimerTag;

// To be a base or a member of what has a deadline. Destroying it cancels it.
class TimerNode : public ListNode<TimerTag> {
 public:
  bool is_scheduled() const { return is_linked(); }
  // When it is due, or was when it last was scheduled.
  Instant deadline() const { return deadline_; }

 private:
  friend class TimingWheel;
  Instant deadline_;
};

// A hierarchy of wheels with 64 slots each. A slot of the lowest wheel is one tick; a slot of each further one is
// as long as all of the wheel below. A timer sits in the wheel of the highest base-64 digit in which its tick
// differs from the current one, so that every timer of a lower wheel comes before all of a higher one, and moves
// down when time reaches its slot. Nine wheels hold every instant there is. A tick is short, because every look at
// the wheel goes through the timers of the current one, and of thousands of paced connections some are due in every
// 10 microseconds. One thread; never allocates.
class TimingWheel {
 public:
  static constexpr Duration kTick = Duration::nanoseconds(1 << 10);

  // Schedules the node, or moves it where it is scheduled already. An instant that has passed is due at the next
  // expire(); never() cancels.
  void schedule(TimerNode& node, Instant deadline) {
    node.unlink();
    node.deadline_ = deadline;
    if (!deadline.is_never()) place(node);
  }
  void cancel(TimerNode& node) { node.unlink(); }

  // Calls back with every node whose deadline is not after now; each is no longer scheduled when it is called with.
  // Exact to the nanosecond, but timers due in one tick come in no particular order. The callback may schedule,
  // cancel and destroy any node; what it schedules is not due before the next call. Returns how many were due.
  template <class Callback>
  size_t expire(Instant now, Callback&& callback) {
    IntrusiveList<TimerNode, TimerTag> due;
    advance(now, due);
    size_t count = 0;
    while (TimerNode* node = due.pop_front()) {
      ++count;
      callback(*node);
    }
    return count;
  }

  // When expire() should be called next: not after the earliest deadline, and exactly then unless its slot lies
  // ahead and is crowded, in which case it is the slot's start. never() where nothing is scheduled. An expire() at
  // this instant always gets on: something is due, or a crowded slot has been reached.
  Instant next_deadline() const {
    const Slot slot = first_slot();
    if (!slot.timers) return Instant::never();
    Instant earliest = Instant::never();
    size_t seen = 0;
    for (TimerNode* node = slot.timers->front(); node; node = slot.timers->next(*node)) {
      if (++seen > kCrowd && slot.start > current_) return Instant::from_ns(slot.start << kTickBits);
      earliest = std::min(earliest, node->deadline_);
    }
    return earliest;
  }

 private:
  using Timers = IntrusiveList<TimerNode, TimerTag>;

  static constexpr int kTickBits = 10;
  static constexpr int kDigitBits = 6;
  static constexpr size_t kSlots = 1 << kDigitBits;
  static constexpr size_t kWheels = 9;
  static constexpr size_t kCrowd = 16;  // timers of a slot ahead that next_deadline() looks at

  struct Slot {
    Timers* timers = nullptr;  // not empty; null where nothing is scheduled
    int64_t start = 0;         // its first tick
    bool lowest = false;       // one tick long
  };

  static int64_t tick_of(Instant instant) { return std::max<int64_t>(instant.ns(), 0) >> kTickBits; }

  void place(TimerNode& node) {
    const int64_t tick = std::max(tick_of(node.deadline_), current_);
    const auto difference = static_cast<uint64_t>(tick ^ current_);
    const size_t wheel = difference == 0 ? 0 : static_cast<size_t>(std::bit_width(difference) - 1) / kDigitBits;
    const size_t slot = static_cast<size_t>(tick >> (wheel * kDigitBits)) % kSlots;
    slots_[wheel][slot].push_back(node);
    occupied_[wheel] |= uint64_t{1} << slot;
  }

  // The earliest slot that holds timers. Cancelling leaves a slot's bit; it is cleared here when met.
  Slot first_slot() const {
    for (size_t wheel = 0; wheel < kWheels; ++wheel) {
      while (occupied_[wheel] != 0) {
        const auto slot = static_cast<size_t>(std::countr_zero(occupied_[wheel]));
        if (!slots_[wheel][slot].empty()) {
          const size_t shift = wheel * kDigitBits;
          const int64_t above = current_ >> shift >> kDigitBits << kDigitBits;
          return {&slots_[wheel][slot], (above | static_cast<int64_t>(slot)) << shift, wheel == 0};
        }
        occupied_[wheel] &= occupied_[wheel] - 1;
      }
    }
    return {};
  }

  // Moves what is due out, and what comes closer down, slot by slot up to now.
  void advance(Instant now, Timers& due) {
    const int64_t target = std::max(tick_of(now), current_);
    for (Slot slot = first_slot(); slot.timers && slot.start <= target; slot = first_slot()) {
      current_ = slot.start;
      Timers timers;
      timers.splice_back(*slot.timers);
      Timers later;
      while (TimerNode* node = timers.pop_front()) {
        if (node->deadline_ <= now) {
          due.push_back(*node);
        } else {
          later.push_back(*node);
        }
      }
      while (TimerNode* node = later.pop_front()) place(*node);
      if (slot.lowest && slot.start == target) break;
    }
    current_ = target;
  }

  int64_t current_ = 0;  // ticks; no later than any deadline that had not passed when it was scheduled
  mutable std::array<uint64_t, kWheels> occupied_{};
  mutable std::array<std::array<Timers, kSlots>, kWheels> slots_;
};

}  // namespace viaduct
