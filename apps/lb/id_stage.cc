#include "apps/lb/id_stage.h"

#include <algorithm>
#include <cstring>

#include "flowsteer/server_id_decoder.h"

namespace viaduct::lb {
namespace {

// The way that an ID's first octet chooses; null where it is not routable. In a short header an ID has no end: what
// follows it is taken for more of it.
const IdRoute* route_of(Slice id, const Pool& pool) {
  if (id.size == 0) return nullptr;
  const IdRoute& route = pool.routes[flowsteer::config_id(id.data[0])];
  return route.config && id.size >= route.length ? &route : nullptr;
}

using ReadableId = std::array<uint8_t, flowsteer::kReadableId>;

// Where the decoder can read the ID: nearly always in the packet, whose room goes on behind it.
const uint8_t* readable(const Packet& packet, Slice id, ReadableId& copy) {
  if (packet.buffer + packet.capacity - id.data >= static_cast<ptrdiff_t>(copy.size())) [[likely]]
    return id.data;
  std::memcpy(copy.data(), id.data, std::min<size_t>(id.size, copy.size()));
  return copy.data();
}

}  // namespace

void route_by_id(Burst& burst, const SlotList& datagrams, const RoutingSnapshot& snapshot, SlotList& unroutable) {
  flowsteer::ServerIdJob jobs[flowsteer::kMaxServerIdJobs];
  const IdRoute* routes[Burst::kMax];
  ReadableId copies[Burst::kMax];
  SlotList decoded;
  const auto route_to = [&](uint8_t i, uint16_t slot) {
    if (slot == flowsteer::ServerIdMap::kNone) return unroutable.push(i);
    burst.slot[i] = slot;
    burst.step[i] = RoutingStep::kId;
  };
  constexpr unsigned kAhead = 3;
  for (unsigned at = 0; at < datagrams.size; ++at) {
    if (at + kAhead < datagrams.size) __builtin_prefetch(burst.dcid[datagrams.at[at + kAhead]].data);
    const uint8_t i = datagrams.at[at];
    const Pool& pool = snapshot.pool_of(snapshot.service(burst.service[i]));
    const IdRoute* route = route_of(burst.dcid[i], pool);
    if (!route) {
      unroutable.push(i);
      continue;
    }
    const unsigned n = decoded.size;
    const uint8_t* id = readable(*burst.packet[i], burst.dcid[i], copies[n]);
    if (route->plain_length > 0) {
      route_to(i, route->servers.find(flowsteer::ServerIdBlock::front_of(id + 1, route->plain_length)));
      continue;
    }
    routes[n] = route;
    jobs[n].config = route->config;
    jobs[n].id = id;
    decoded.push(i);
  }
  if (decoded.empty()) return;
  flowsteer::decode_server_ids(std::span(jobs).first(decoded.size));
  for (unsigned n = 0; n < decoded.size; ++n) route_to(decoded.at[n], routes[n]->servers.find(jobs[n].server_id));
}

uint16_t server_of_id(Bytes id, const Pool& pool) {
  const IdRoute* route = route_of({id.data(), static_cast<uint16_t>(id.size())}, pool);
  if (!route) return kNoSlot;
  ReadableId copy;
  std::memcpy(copy.data(), id.data(), std::min(id.size(), copy.size()));
  flowsteer::ServerIdJob job{route->config, copy.data(), {}};
  flowsteer::decode_server_ids({&job, 1});
  return route->servers.find(job.server_id);
}

}  // namespace viaduct::lb
