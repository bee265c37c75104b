#include "pmd-glue/packet_pool.h"

#include <rte_errno.h>
#include <rte_mempool.h>

#include <algorithm>
#include <new>

#include "pmd-glue/mbuf.h"

namespace viaduct::net {
namespace {

void make_packet(rte_mempool*, void*, void* object, unsigned) {
  new (packet_of(static_cast<rte_mbuf*>(object))) Packet;
}

std::string next_name() {
  static std::atomic<unsigned> next{0};
  return "viaduct-" + std::to_string(next++);
}

}  // namespace

std::expected<std::shared_ptr<PacketPool>, std::string> PacketPool::make(unsigned packets, uint16_t data_room,
                                                                         int node) {
  rte_mempool* mempool = rte_pktmbuf_pool_create(next_name().c_str(), packets, kCache, kMbufPrivate,
                                                 static_cast<uint16_t>(data_room + kHeadroom), node);
  if (!mempool) {
    const size_t megabytes = (packets * bytes_for(data_room) >> 20) + 1;
    return std::unexpected("no memory for " + std::to_string(packets) + " packets (" + std::to_string(megabytes) +
                           " MB): " + rte_strerror(rte_errno) +
                           "; give DPDK more memory, or configure fewer descriptors or held packets");
  }
  rte_mempool_obj_iter(mempool, make_packet, nullptr);
  return std::make_shared<PacketPool>(mempool);
}

PacketPool::~PacketPool() { rte_mempool_free(mempool_); }

void PacketPool::sample() const {
  const uint64_t used = rte_mempool_in_use_count(mempool_);
  if (used > high_water_.load(std::memory_order_relaxed)) high_water_.store(used, std::memory_order_relaxed);
}

PoolGauge PacketPool::gauge() const {
  sample();
  return {mempool_->size, rte_mempool_in_use_count(mempool_), high_water_.load(std::memory_order_relaxed),
          refused_.load(std::memory_order_relaxed)};
}

size_t PacketPool::bytes_for(uint16_t data_room) {
  constexpr size_t kBookkeeping = 128;  // the pool's own header and ring slot, rounded up
  return sizeof(rte_mbuf) + kMbufPrivate + kHeadroom + data_room + kBookkeeping;
}

}  // namespace viaduct::net
