// Health questions on their way to a worker, and answers on their way back.
#pragma once

#include "apps/lb/health_probe.h"
#include "apps/lb/router.h"
#include "base/spsc_ring.h"

namespace viaduct::lb {

// One worker's. Control thread: ask(), send(), take_answers(), take_datagrams(). Worker: the rest.
class HealthChannel {
 public:
  // Questions, and answers, that may wait; datagrams of connections, each way.
  static constexpr size_t kMost = 1024;
  static constexpr size_t kMostDatagrams = 128;

  // False where there is no room. The worker is nudged by the caller.
  bool ask(const Probe& probe) { return questions_.push(probe); }
  bool send(const ProbeDatagram& datagram) { return outgoing_.push(datagram); }
  // Calls back with each token that came.
  template <class Take>
  void take_answers(Take&& take) {
    for (uint64_t token = 0; answers_.pop(token);) take(token);
  }
  // Calls back with each datagram that came to one of the ports of connections, from a service or a server.
  template <class Take>
  void take_datagrams(Take&& take) {
    for (ProbeDatagram datagram; incoming_.pop(datagram);) take(datagram);
  }

  // Whether a received frame is an answer; then it is done with. One that finds no room is none.
  // Datagrams of connections come from services, or from servers themselves; others are not taken, so that they push
  // nothing out.
  bool take(Bytes frame, const RoutingSnapshot& snapshot);
  bool has_questions() const { return !questions_.empty() || !outgoing_.empty(); }
  // Makes an empty packet the next question; false where there is none. One on whose way no link-layer address is known
  // is not asked, as if it were lost.
  bool write(Packet& packet, Router& router, const RoutingSnapshot& snapshot);

 private:
  bool take_datagram(Bytes payload, const SocketAddress& from, const SocketAddress& to);

  SpscRing<Probe> questions_{kMost};
  SpscRing<uint64_t> answers_{kMost};
  SpscRing<ProbeDatagram> outgoing_{kMostDatagrams}, incoming_{kMostDatagrams};
};

}  // namespace viaduct::lb
