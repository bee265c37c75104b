// What a worker asks of a port. DPDK ports, and the simulated ones of the tests, have these.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>

#include "base/instant.h"
#include "base/packet.h"

namespace viaduct {

// All calls but wake() are the owning worker's; none blocks but wait().
//
//   receive(burst)   fills the front of burst with received packets, now the caller's; their number
//   allocate(burst)  fills the front of burst with empty packets (offset = kHeadroom, length = 0,
//                    capacity for the port's largest datagram); their number, short when the pool is
//   send(burst)      takes the packets at the front that fit its queue; their number. The caller
//                    keeps the rest and offers them first next time.
//   release(burst)   takes every packet back, whoever received or allocated it
//   wait(deadline)   sleeps until something came, wake() was called or the deadline passed; may
//                    return early; a port with the poll policy returns at once
//   wake()           ends a wait(), one under way or the next; any thread
template <class P>
concept PacketPort = requires(P& port, std::span<Packet*> burst, Instant deadline) {
  { port.receive(burst) } -> std::same_as<size_t>;
  { port.allocate(burst) } -> std::same_as<size_t>;
  { port.send(burst) } -> std::same_as<size_t>;
  { port.release(burst) };
  { port.wait(deadline) };
  { port.wake() };
};

}  // namespace viaduct
