#include <algorithm>
#include <format>

#include "apps/lb/control_json.h"
#include "apps/lb/explain_steps.h"
#include "apps/settings/hex.h"

namespace viaduct::lb {
namespace {

const Backend* find_backend(const RoutingSnapshot& snapshot, const std::string& name) {
  const auto found = std::ranges::find(snapshot.backends(), name, &Backend::name);
  return found == snapshot.backends().end() ? nullptr : &*found;
}

Json show_services(const ControlTarget& target) {
  Json rows = Json::array();
  const RoutingSnapshot& routing = target.routing();
  for (const Service& service : routing.services()) {
    const std::string prefix = routing.pool_of(service).name + "/";
    const auto count = [&](bool Backend::* quality) {
      return std::ranges::count_if(routing.backends(), [&](const Backend& backend) {
        return backend.name.starts_with(prefix) && backend.*quality;
      });
    };
    rows.push_back({{"service", service.name},
                    {"address", service.address.to_string()},
                    {"pool", routing.pool_of(service).name},
                    {"active", count(&Backend::is_active)},
                    {"usable", count(&Backend::is_usable)}});
  }
  return rows;
}

// Why it has the state that it has.
std::string_view reason_of(const Overrides& overrides, const std::string& name, BackendState state) {
  if (state == BackendState::kDown && !overrides.is_healthy(name)) return "health";
  return overrides.state_of(name) ? "operator" : "file";
}

Json count_packets(const ControlTarget& target, size_t slot) {
  const BackendFigures figures = figures_of(target, slot);
  Json packets = Json::object();
  for (size_t step = 1; step < std::size(figures.packets); ++step)
    packets[kRoutingStepNames[step]] = figures.packets[step];
  return {{"packets", std::move(packets)}, {"bytes", figures.bytes}};
}

double share_of(const RoutingSnapshot& routing, const std::string& pool, size_t slot) {
  const auto found = std::ranges::find(routing.pools(), pool, &Pool::name);
  if (found == routing.pools().end() || found->maglev.places().empty()) return 0;
  const auto places = found->maglev.places();
  return static_cast<double>(std::ranges::count(places, slot)) / static_cast<double>(places.size());
}

Json show_backends(const Controller& controller, const ControlTarget& target) {
  Json rows = Json::array();
  const RoutingSnapshot& routing = target.routing();
  for (const PoolConfig& pool : routing.configuration().pools) {
    for (const BackendConfig& config : pool.backends) {
      const std::string name = full_name(pool, config);
      const Backend* backend = find_backend(routing, name);
      if (!backend) continue;
      const auto slot = static_cast<size_t>(backend - routing.backends().data());
      Json ids = Json::array();
      for (const ServerId& id : config.server_ids)
        ids.push_back(std::format("{}:{}", id.config_id, settings::hex(id.bytes)));
      Json row = count_packets(target, slot);
      row["backend"] = name;
      row["address"] = config.address.port == 0 ? config.address.ip.to_string() : config.address.to_string();
      row["forwarding"] = kForwardingNames[static_cast<size_t>(config.forwarding)];
      row["state"] = kBackendStateNames[static_cast<size_t>(config.state)];
      row["because_of"] = reason_of(controller.overrides(), name, config.state);
      row["healthy"] = controller.overrides().is_healthy(name);
      if (const HealthFigures* health = target.health(name)) {
        row["health"] = {{"asked", health->asked},
                         {"answered", health->answered},
                         {"unanswered", health->unanswered},
                         {"not_asked", health->withdrawn}};
        if (!health->problem.empty()) row["health"]["problem"] = health->problem;
      }
      row["weight"] = config.weight;
      row["share"] = share_of(routing, pool.name, slot);
      row["server_ids"] = std::move(ids);
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

Json show_configurations(const ControlTarget& target, Instant started) {
  Json rows = Json::array();
  for (const flowsteer::QuicLbConfig& config : target.routing().configuration().quic_lb) {
    uint64_t packets = 0;
    for (size_t worker = 0; worker < target.workers(); ++worker)
      packets += target.router(worker).id_counters()[config.id].packets.value();
    rows.push_back({{"id", config.id},
                    {"server_id_length", config.server_id_length},
                    {"nonce_length", config.nonce_length},
                    {"cipher", !config.key               ? "plaintext"
                               : config.is_single_pass() ? "single-pass"
                                                         : "four-pass"},
                    {"packets", packets},
                    {"last_seen_seconds", packets > 0 ? Json(unseen(target, config.id, started).seconds()) : Json()}});
  }
  return rows;
}

Json show_tables(const ControlTarget& target) {
  Json rows = Json::array();
  for (size_t worker = 0; worker < target.workers(); ++worker) {
    const FlowTableUse use = target.router(worker).flows().use();
    rows.push_back({{"worker", worker},
                    {"table", "flows"},
                    {"capacity", uint64_t{use.capacity}},
                    {"inserted", uint64_t{use.inserted}},
                    {"refused", uint64_t{use.refused}}});
  }
  return rows;
}

Json show_workers(const ControlTarget& target) {
  Json rows = Json::array();
  for (size_t worker = 0; worker < target.workers(); ++worker) {
    const ControlTarget::Figures figures = target.figures(worker);
    Json verdicts = Json::object();
    for (size_t i = 1; i < kVerdictCount; ++i) {
      const auto verdict = static_cast<Verdict>(i);
      const uint64_t count = target.router(worker).verdicts()[verdict];
      if (const VerdictInfo* info = count > 0 ? find_verdict(verdict) : nullptr) verdicts[info->name] = count;
    }
    rows.push_back({{"worker", worker},
                    {"received", figures.received},
                    {"sent", figures.sent},
                    {"send_drops", figures.send_drops},
                    {"busy_seconds", static_cast<double>(figures.busy_ns) / 1e9},
                    {"verdicts", std::move(verdicts)}});
  }
  return rows;
}

}  // namespace

Duration unseen(const ControlTarget& target, uint8_t config_id, Instant started) {
  Instant newest = started;
  for (size_t worker = 0; worker < target.workers(); ++worker) {
    const uint64_t seen = target.router(worker).id_counters()[config_id].last_seen_ns.value();
    newest = std::max(newest, Instant::from_ns(static_cast<int64_t>(seen)));
  }
  return std::max(target.now() - newest, Duration());
}

Json show(const std::string& what, const Controller& controller, const ControlTarget& target, Instant started) {
  if (what == "services") return {{"rows", show_services(target)}};
  if (what == "backends") return {{"rows", show_backends(controller, target)}};
  if (what == "configurations") return {{"rows", show_configurations(target, started)}};
  if (what == "tables") return {{"rows", show_tables(target)}};
  if (what == "workers") return {{"rows", show_workers(target)}};
  throw Refused{{std::format("what: expected services, backends, configurations, tables or workers, not '{}'", what)}};
}

}  // namespace viaduct::lb
