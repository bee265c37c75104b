// Packets from the worker that received them to the worker that owns them, and waking a worker that sleeps.
#pragma once

#include <atomic>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/packet.h"
#include "base/spsc_ring.h"

namespace viaduct {

// A ring from each worker to each other one, and one word per receiving worker that says which of its rings have
// something in them. Nothing blocks; a ring that is full takes no more.
//
// A worker's own bit in its own word means that it sleeps, or is about to. One word for both is why no wake-up is
// lost: a producer puts into the ring and then sets its bit, a sleeper sets its own, and of two changes to one
// word the later sees the earlier. Either the producer finds the sleeper's bit and wakes it, or the sleeper finds
// the producer's and stays up. Whatever else a sleeper looks at between announce_sleep() and its wait (a command
// ring, say) is safe in the same way if its producer calls nudge() afterwards.
//
// Word is that word's type: a test puts its own there and tries every order in which threads can reach it.
template <class Word>
class BasicHandOff {
 public:
  static constexpr unsigned kMaxWorkers = 64;

  // ring_size: packets that each ring holds, at least.
  BasicHandOff(unsigned workers, size_t ring_size) : inboxes_(workers) {
    assert(workers >= 1 && workers <= kMaxWorkers);
    for (unsigned to = 0; to < workers; ++to) {
      for (unsigned from = 0; from < workers; ++from) {
        inboxes_[to].rings.push_back(from == to ? nullptr : std::make_unique<Ring>(ring_size));
      }
    }
  }

  unsigned workers() const { return static_cast<unsigned>(inboxes_.size()); }

  // How to wake a worker: by wake() of its port, which any thread may call. Set before the workers start.
  template <class Port>
  void set_port(unsigned worker, Port& port) {
    inboxes_[worker].port = &port;
    inboxes_[worker].wake = [](void* target) { static_cast<Port*>(target)->wake(); };
  }

  // Worker `from`: gives packets to another worker. The number taken, from the front; the rest stays the caller's.
  size_t put(unsigned from, unsigned to, std::span<Packet* const> packets) {
    Inbox& inbox = inboxes_[to];
    const size_t count = inbox.rings[from]->push(packets);
    if (count > 0 && inbox.state.fetch_or(bit(from), std::memory_order_acq_rel) & bit(to)) nudge(to);
    return count;
  }

  // Worker `me`: takes packets that others gave it; the number. Rings take turns to be first.
  size_t take(unsigned me, std::span<Packet*> packets) {
    Inbox& inbox = inboxes_[me];
    if (inbox.state.load(std::memory_order_relaxed) == 0) return 0;
    uint64_t ready = std::rotr(inbox.state.exchange(0, std::memory_order_acq_rel) & ~bit(me), inbox.turn);
    uint64_t left_over = 0;
    size_t count = 0;
    for (; ready != 0; ready &= ready - 1) {
      const unsigned from = (static_cast<unsigned>(std::countr_zero(ready)) + inbox.turn) % 64;
      Ring& ring = *inbox.rings[from];
      count += ring.pop(packets.subspan(count));
      if (!ring.empty()) left_over |= bit(from);
    }
    if (left_over != 0) inbox.state.fetch_or(left_over, std::memory_order_acq_rel);
    inbox.turn = (inbox.turn + 1) % 64;
    return count;
  }

  // Worker `me`: it is about to sleep. False where packets wait for it: then it must not. After true it looks once
  // more at what else could be to do, waits, and calls end_sleep().
  bool announce_sleep(unsigned me) {
    if ((inboxes_[me].state.fetch_or(bit(me), std::memory_order_acq_rel) & ~bit(me)) == 0) return true;
    end_sleep(me);
    return false;
  }
  void end_sleep(unsigned me) { inboxes_[me].state.fetch_and(~bit(me), std::memory_order_acq_rel); }

  // Any thread, after it made something for a worker to do: wakes it if it sleeps. Of many callers one wakes.
  void nudge(unsigned worker) {
    Inbox& inbox = inboxes_[worker];
    const uint64_t before = inbox.state.fetch_and(~bit(worker), std::memory_order_acq_rel);
    if (before & bit(worker) && inbox.wake) inbox.wake(inbox.port);
  }

 private:
  using Ring = SpscRing<Packet*>;
  struct alignas(64) Inbox {
    Word state{0};  // bit f: the ring from worker f has packets; the worker's own bit: it sleeps
    unsigned turn = 0;
    void* port = nullptr;
    void (*wake)(void*) = nullptr;
    std::vector<std::unique_ptr<Ring>> rings;  // by sender
  };
  static constexpr uint64_t bit(unsigned worker) { return uint64_t{1} << worker; }

  std::vector<Inbox> inboxes_;
};

using HandOff = BasicHandOff<std::atomic<uint64_t>>;

}  // namespace viaduct
