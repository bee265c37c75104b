// Between DPDK's packet buffers and ours. For this folder's own files only: it brings DPDK's headers.
#pragma once

#include <rte_mbuf.h>

#include "base/packet.h"

namespace viaduct::net {

// A Packet lives right behind its mbuf, in a cache line of its own.
inline constexpr uint16_t kMbufPrivate = 64;
static_assert(sizeof(Packet) <= kMbufPrivate && kMbufPrivate % RTE_MBUF_PRIV_ALIGN == 0);
static_assert(RTE_PKTMBUF_HEADROOM == kHeadroom);

inline Packet* packet_of(rte_mbuf* mbuf) { return static_cast<Packet*>(rte_mbuf_to_priv(mbuf)); }
inline rte_mbuf* mbuf_of(Packet* packet) {
  return reinterpret_cast<rte_mbuf*>(reinterpret_cast<char*>(packet) - sizeof(rte_mbuf));
}

}  // namespace viaduct::net
