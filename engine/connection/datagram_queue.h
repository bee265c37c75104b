// DATAGRAM frames (RFC 9221) between their arrival and the application, and between the application and a packet.
#pragma once

#include <cstdint>

#include "base/chunk.h"
#include "base/intrusive_list.h"
#include "base/packet.h"
#include "base/pool.h"
#include "engine/app_channel.h"

namespace viaduct::quic {

// One that was received. It lies in its packet, which is held until the application has consumed it.
struct ReceivedDatagram : ListNode<> {
  Packet* packet = nullptr;
  ConnectionHandle connection;
  const uint8_t* data = nullptr;
  uint32_t length = 0;
};
using ReceivedDatagramPool = Pool<ReceivedDatagram>;

// One that is to be sent, once; or whose chunk is to be handed back.
struct OutgoingDatagram : ListNode<> {
  Chunk* chunk = nullptr;
  uint32_t offset = 0;
  uint32_t length = 0;
  uint64_t stream = 0;  // of the command: the application's own mark
};
using OutgoingDatagramPool = Pool<OutgoingDatagram>;

// Those of one connection, both ways. Bounded: what a peer sends faster than the application takes is dropped, as RFC
// 9221 section 5 allows; what the application sends faster than the path takes pushes the oldest out, because the
// newest are worth most. Pools are the endpoint's.
// meets RFC 9221 5.2-1 5.3-2
struct DatagramQueue {
  IntrusiveList<ReceivedDatagram> arrived;  // to be told
  uint32_t held = 0;                        // told ones that were not consumed included
  IntrusiveList<OutgoingDatagram> waiting;  // to be sent
  uint32_t waiting_count = 0;
  IntrusiveList<OutgoingDatagram> released;  // to be handed back
  uint64_t peer_limit = 0;                   // bytes of a whole frame; 0: the peer takes none
};

}  // namespace viaduct::quic
