// What a worker runs between receiving and sending: an endpoint with its shard, or a balancer's stages.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>

#include "base/instant.h"
#include "base/packet.h"

namespace viaduct {

//   owner_of(packet)   which worker a received packet belongs to; asked only where there is more than one
//   ingest(burst, now) takes received packets, 1 to kBurst; they come back by released()
//   step(now)          what is to do besides packets: commands, a bounded amount of TLS, timers, the application;
//                      may say (bool) whether there was any, so that the round counts as busy
//   build(burst, now)  fills empty packets, 1 to kBurst, from the front and leaves the others as they are; how many
//                      it filled. Not called while the port has yet to take packets of an earlier round.
//   released()         packets that it needs no longer; each is returned once
//   deadline()         when it wants to run next without being given anything; not after now: there is work
template <class H>
concept PacketHandler =
    requires(H& handler, const H& unchanged, Packet& packet, std::span<Packet*> burst, Instant now) {
      { handler.owner_of(packet) } -> std::convertible_to<unsigned>;
      { handler.ingest(burst, now) };
      { handler.step(now) };
      { handler.build(burst, now) } -> std::convertible_to<size_t>;
      { handler.released() } -> std::convertible_to<std::span<Packet*>>;
      { unchanged.deadline() } -> std::convertible_to<Instant>;
    };

// A handler that sends on what it received, as a balancer does.
//   outgoing()    packets to be sent, in order; it keeps them until they were taken
//   taken(count)  the port took so many of these, from the front
template <class H>
concept ForwardingHandler = PacketHandler<H> && requires(H& handler, size_t count) {
  { handler.outgoing() } -> std::convertible_to<std::span<Packet*>>;
  { handler.taken(count) };
};

}  // namespace viaduct
