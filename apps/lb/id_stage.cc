#include "apps/lb/id_stage.h"

#include <algorithm>
#include <cstring>

namespace viaduct::lb {

void IdStage::take_carefully(unsigned i, Slice dcid, const Pool& pool) {
  if (dcid.size == 0) return leave(i);
  const Packet& packet = *burst_.packet[i];
  if (packet.buffer + packet.capacity - dcid.data < static_cast<ptrdiff_t>(flowsteer::kReadableId)) {
    uint8_t* copy = copies_[copied_++].data();
    std::memcpy(copy, dcid.data, std::min<size_t>(dcid.size, flowsteer::kReadableId));
    dcid.data = copy;
  }
  take(i, dcid, pool);
}

void IdStage::decrypt() {
  flowsteer::ServerIdBlock ids[Burst::kMax];
  flowsteer::decode_server_ids(jobs_, ids);
  for (size_t n = 0; n < jobs_.size; ++n)
    settle(slots_[n], routes_[n]->config->config().id, routes_[n]->servers.find(ids[n]));
}

uint16_t server_of_id(Bytes id, const Pool& pool) {
  if (id.empty()) return kNoSlot;
  const IdRoute& route = pool.routes[flowsteer::config_id(id[0])];
  if (id.size() < route.length) return kNoSlot;
  const auto decoded = route.config->decode_server_id(id);
  return decoded ? route.servers.find(flowsteer::ServerIdBlock(decoded->server_id())) : kNoSlot;
}

}  // namespace viaduct::lb
