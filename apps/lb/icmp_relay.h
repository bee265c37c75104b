// ICMP errors on their way from worker to worker, to the one that knows the flow that they are about.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/hand_off.h"
#include "base/packet.h"
#include "base/spsc_ring.h"

namespace viaduct::lb {

// Where the device spreads flows over the workers, a flow's state is with one of them, and nobody else can say with
// which: an error about the flow has another source, so that the device may have given it to any. Whoever does not know
// the flow passes the error on to the next worker; the last one that is asked decides without.
//
// pass() and take() are for the worker that they name.
class IcmpRelay {
 public:
  // Errors that may wait for one worker.
  static constexpr size_t kMost = 256;

  struct Error {
    Packet* packet = nullptr;
    unsigned asked = 0;  // workers that did not know the flow
  };

  // hand_off: how a worker that sleeps is woken. Outlives the relay.
  explicit IcmpRelay(HandOff& hand_off) : hand_off_(hand_off) {
    for (unsigned i = 0; i < hand_off.workers(); ++i) inboxes_.push_back(std::make_unique<SpscRing<Error>>(kMost));
  }

  // False where there is no room.
  bool pass(unsigned from, const Error& error) {
    const unsigned to = (from + 1) % hand_off_.workers();
    if (!inboxes_[to]->push(error)) return false;
    hand_off_.nudge(to);
    return true;
  }
  bool take(unsigned me, Error& error) { return inboxes_[me]->pop(error); }
  bool is_empty(unsigned me) const { return inboxes_[me]->empty(); }
  // Whether there is somebody left who may know.
  bool has_next(unsigned asked) const { return asked + 1 < hand_off_.workers(); }

 private:
  HandOff& hand_off_;
  std::vector<std::unique_ptr<SpscRing<Error>>> inboxes_;  // by receiver; the worker before it sends
};

}  // namespace viaduct::lb
