#include "apps/lb/id_stage.h"

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

}  // namespace

void route_by_id(Burst& burst, const SlotList& datagrams, const RoutingSnapshot& snapshot, SlotList& unroutable) {
  std::array<flowsteer::ServerIdJob, flowsteer::kMaxServerIdJobs> jobs;
  std::array<const IdRoute*, Burst::kMax> routes;
  SlotList decoded;
  for (const uint8_t i : datagrams) {
    const Pool& pool = snapshot.pool_of(snapshot.services()[burst.service[i]]);
    const IdRoute* route = route_of(burst.dcid[i], pool);
    if (!route) {
      unroutable.push(i);
      continue;
    }
    routes[decoded.size] = route;
    jobs[decoded.size].config = route->config;
    jobs[decoded.size].id = burst.dcid[i].data;
    decoded.push(i);
  }
  flowsteer::decode_server_ids(std::span(jobs).first(decoded.size));
  for (unsigned n = 0; n < decoded.size; ++n) {
    const uint8_t i = decoded.at[n];
    const uint16_t slot = routes[n]->servers.find(jobs[n].server_id);
    if (slot == flowsteer::ServerIdMap::kNone) {
      unroutable.push(i);
      continue;
    }
    burst.slot[i] = slot;
    burst.step[i] = RoutingStep::kId;
  }
}

uint16_t server_of_id(Bytes id, const Pool& pool) {
  const IdRoute* route = route_of({id.data(), static_cast<uint16_t>(id.size())}, pool);
  if (!route) return kNoSlot;
  flowsteer::ServerIdJob job{route->config, id.data(), {}};
  flowsteer::decode_server_ids({&job, 1});
  return route->servers.find(job.server_id);
}

}  // namespace viaduct::lb
