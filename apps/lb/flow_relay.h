// What workers ask and tell each other of flows: the table by destination connection ID is one for all of them.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/hand_off.h"
#include "base/packet.h"
#include "base/spsc_ring.h"

namespace viaduct::lb {

// A client that comes from another address is known by the destination ID that it made up (QUIC-LB section 4.3), and by
// nothing that would bring it to the worker that met it first. So each ID has an owner, by its hash: whoever finds a
// long header that its own tables by addresses do not know asks the owner, by sending it the packet. The owner sends it
// on to the server that it knows, or gives it back; whoever asked then decides, remembers the flow, and tells the
// owner.
//
// pass() and take() are for the worker that they name first.
class FlowRelay {
 public:
  // Messages that may wait, of one worker for one other.
  static constexpr size_t kMost = 256;

  struct Message {
    enum class Kind : uint8_t {
      kAsk,      // packet: does the receiver know its ID?
      kUnknown,  // packet: it does not
      kLearn,    // dcid: belongs to `slot`
    };
    Kind kind = Kind::kAsk;
    uint16_t slot = 0;
    Packet* packet = nullptr;
    uint64_t dcid = 0;  // hash
  };

  // hand_off: how a worker that sleeps is woken. Outlives the relay.
  explicit FlowRelay(HandOff& hand_off) : hand_off_(hand_off), inboxes_(hand_off.workers()) {
    for (unsigned to = 0; to < workers(); ++to) {
      for (unsigned from = 0; from < workers(); ++from)
        inboxes_[to].rings.push_back(from == to ? nullptr : std::make_unique<SpscRing<Message>>(kMost));
    }
  }

  unsigned workers() const { return hand_off_.workers(); }

  // False where there is no room.
  bool pass(unsigned from, unsigned to, const Message& message) {
    Inbox& inbox = inboxes_[to];
    if (!inbox.rings[from]->push(message)) return false;
    inbox.ready.fetch_or(uint64_t{1} << from, std::memory_order_acq_rel);
    hand_off_.nudge(to);
    return true;
  }
  // The next message and whose it is, the senders by turns; false where there is none.
  bool take(unsigned me, Message& message, unsigned& from) {
    Inbox& inbox = inboxes_[me];
    for (uint64_t ready; (ready = inbox.ready.load(std::memory_order_acquire)) != 0;) {
      const auto ahead = static_cast<unsigned>(std::countr_zero(std::rotr(ready, static_cast<int>(inbox.turn))));
      from = (inbox.turn + ahead) % 64;
      // What is put there after this is found by the bit that is set after it.
      inbox.ready.fetch_and(~(uint64_t{1} << from), std::memory_order_acq_rel);
      if (!inbox.rings[from]->pop(message)) continue;
      inbox.turn = (from + 1) % 64;
      if (!inbox.rings[from]->empty()) inbox.ready.fetch_or(uint64_t{1} << from, std::memory_order_acq_rel);
      return true;
    }
    return false;
  }
  bool is_empty(unsigned me) const { return inboxes_[me].ready.load(std::memory_order_acquire) == 0; }

 private:
  struct alignas(64) Inbox {
    std::atomic<uint64_t> ready{0};                         // bit f: there may be messages of worker f
    std::vector<std::unique_ptr<SpscRing<Message>>> rings;  // by sender
    unsigned turn = 0;                                      // of the receiver: the sender that it looks at first
  };

  HandOff& hand_off_;
  std::vector<Inbox> inboxes_;
};

}  // namespace viaduct::lb
