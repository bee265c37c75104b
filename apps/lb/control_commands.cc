#include "apps/lb/control_commands.h"

#include <algorithm>
#include <format>

#include "apps/lb/control_json.h"
#include "apps/lb/explain_steps.h"
#include "apps/settings/hex.h"

namespace viaduct::lb {

bool has(const Json& request, const char* key) { return request.contains(key); }

std::string text_of(const Json& request, const char* key) {
  const auto found = request.find(key);
  if (found == request.end() || !found->is_string()) throw Refused{{std::format("{}: expected a text", key)}};
  return found->get<std::string>();
}

uint64_t number_of(const Json& request, const char* key, uint64_t least, uint64_t most) {
  const auto found = request.find(key);
  const bool is_number = found != request.end() && found->is_number_unsigned();
  if (!is_number || found->get<uint64_t>() < least || found->get<uint64_t>() > most)
    throw Refused{{std::format("{}: expected a number from {} to {}", key, least, most)}};
  return found->get<uint64_t>();
}

void succeed(const Errors& errors) {
  if (!errors.empty()) throw Refused{errors};
}

namespace {

constexpr uint64_t kMostWeight = 10'000;
constexpr uint64_t kMostSeconds = 365 * 86'400;

// "file" is no state: what the file says.
std::optional<BackendState> state_of(const Json& request) {
  const std::string text = text_of(request, "state");
  for (const BackendState state : {BackendState::kDraining, BackendState::kDown}) {
    if (text == kBackendStateNames[static_cast<size_t>(state)]) return state;
  }
  if (text == "file") return std::nullopt;
  throw Refused{{"state: expected \"draining\", \"down\" or \"file\""}};
}

Json to_json(const MovePlan& plan) {
  Json pools = Json::array();
  for (const MovePlan::Pool& pool : plan.pools) {
    Json backends = Json::array();
    for (const MovePlan::Backend& backend : pool.backends) {
      backends.push_back({{"name", backend.name},
                          {"before", backend.before},
                          {"after", backend.after},
                          {"loses_connections", backend.loses_connections}});
    }
    pools.push_back({{"pool", pool.name}, {"moved", pool.moved}, {"backends", std::move(backends)}});
  }
  return pools;
}

Json plan(const Json& request, const Controller& controller, const ControlTarget& target) {
  if (!has(request, "backend")) {
    const std::string file = has(request, "file") ? text_of(request, "file") : "";
    return {{"pools", to_json(succeed(controller.plan_file(succeed(target.load(file)))))}};
  }
  const std::string backend = text_of(request, "backend");
  if (has(request, "weight")) {
    const auto weight = static_cast<uint32_t>(number_of(request, "weight", 0, kMostWeight));
    return {{"pools", to_json(succeed(controller.plan_weight(backend, weight)))}};
  }
  return {{"pools", to_json(succeed(controller.plan_state(backend, state_of(request))))}};
}

Json apply(const Json& request, Controller& controller, const ControlTarget& target) {
  if (has(request, "backend")) {
    const auto weight = static_cast<uint32_t>(number_of(request, "weight", 0, kMostWeight));
    succeed(controller.set_weight(text_of(request, "backend"), weight));
  } else {
    const std::string file = has(request, "file") ? text_of(request, "file") : "";
    succeed(controller.replace_file(succeed(target.load(file))));
  }
  return {{"serial", target.routing().serial()}};
}

std::vector<uint8_t> hex_of(const Json& request, const char* key) {
  const auto bytes = settings::from_hex(text_of(request, key));
  if (!bytes || bytes->empty()) throw Refused{{std::format("{}: expected hexadecimal digits in pairs", key)}};
  return *bytes;
}

Rotation read_rotation(const Json& add) {
  if (!add.is_object()) throw Refused{{"add: expected an object"}};
  Rotation rotation;
  rotation.config.id = static_cast<uint8_t>(number_of(add, "id", 0, flowsteer::QuicLbConfig::kMaxId));
  rotation.config.server_id_length = static_cast<uint8_t>(number_of(add, "server_id_length", 1, 15));
  rotation.config.nonce_length = static_cast<uint8_t>(number_of(add, "nonce_length", 4, 18));
  if (has(add, "key")) {
    const auto key = hex_of(add, "key");
    if (key.size() != flowsteer::QuicLbConfig::kKeySize) throw Refused{{"key: expected 32 hexadecimal digits"}};
    std::ranges::copy(key, rotation.config.key.emplace().begin());
  }
  if (const auto servers = add.find("servers"); servers != add.end() && servers->is_object()) {
    for (const auto& [name, unused] : servers->items()) rotation.server_ids[name] = hex_of(*servers, name.c_str());
  }
  if (rotation.server_ids.empty()) throw Refused{{"servers: expected server ids by \"POOL/NAME\""}};
  return rotation;
}

Json say_status(const Json& request, const char* key, const ControlTarget& target, Instant started) {
  const auto id = static_cast<uint8_t>(number_of(request, key, 0, flowsteer::QuicLbConfig::kMaxId));
  const uint64_t wanted = number_of(request, "unseen_seconds", 0, kMostSeconds);
  if (!std::ranges::contains(target.routing().configuration().quic_lb, id, &flowsteer::QuicLbConfig::id))
    throw Refused{{std::format("there is no configuration {}", id)}};
  const Duration age = unseen(target, id, started);
  return {{"id", id},
          {"last_seen_seconds", age.seconds()},
          {"is_unseen", age >= Duration::seconds(static_cast<int64_t>(wanted))}};
}

Json rotate(const Json& request, Controller& controller, const ControlTarget& target, Instant started) {
  if (has(request, "add")) {
    succeed(controller.rotate(read_rotation(request["add"])));
    return {{"serial", target.routing().serial()}};
  }
  if (!has(request, "remove")) return say_status(request, "status", target, started);
  Json status = say_status(request, "remove", target, started);
  if (!status["is_unseen"])
    throw Refused{{std::format("configuration {} is known to be unseen for {:.1f} s only", status["id"].get<int>(),
                               status["last_seen_seconds"].get<double>())}};
  succeed(controller.remove_configuration(status["id"].get<uint8_t>()));
  return status;
}

Json explain(const Json& request, ControlTarget& target) {
  const auto frame = hex_of(request, "frame");
  Json workers = Json::array();
  for (size_t worker = 0; worker < target.workers(); ++worker) {
    const auto decision = target.explain(worker, frame);
    if (!decision) throw Refused{{std::format("worker {} does not answer, or the frame is too large", worker)}};
    const VerdictInfo* verdict = find_verdict(decision->verdict);
    workers.push_back({{"worker", worker},
                       {"verdict", verdict ? std::string(verdict->name) : "none"},
                       {"backend", decision->backend},
                       {"by", kRoutingStepNames[static_cast<size_t>(decision->step)]},
                       {"steps", explain_steps(*decision, target.routing())}});
  }
  return {{"workers", std::move(workers)}};
}

Json capture(const Json& request, ControlTarget& target) {
  if (has(request, "file")) {
    const auto seconds = static_cast<int64_t>(number_of(request, "seconds", 1, 86'400));
    if (const auto problem = target.start_capture(text_of(request, "file"), Duration::seconds(seconds));
        !problem.empty())
      throw Refused{{problem}};
  }
  const CaptureFigures figures = target.capture();
  if (!figures.error.empty()) throw Refused{{figures.error}};
  return {{"running", figures.is_running}, {"written", figures.written}, {"dropped", figures.dropped}};
}

Json drain(const Json& request, Controller& controller, const ControlTarget& target) {
  succeed(controller.set_state(text_of(request, "backend"), state_of(request)));
  return {{"serial", target.routing().serial()}};
}

Json carry_out(const Json& request, Controller& controller, ControlTarget& target, Instant started) {
  if (!request.is_object()) throw Refused{{"expected a JSON object on one line"}};
  const std::string command = text_of(request, "command");
  if (command == "show") return show(text_of(request, "what"), controller, target, started);
  if (command == "plan") return plan(request, controller, target);
  if (command == "apply") return apply(request, controller, target);
  if (command == "drain") return drain(request, controller, target);
  if (command == "rotate") return rotate(request, controller, target, started);
  if (command == "explain") return explain(request, target);
  if (command == "capture") return capture(request, target);
  throw Refused{{std::format("there is no command '{}'; expected show, plan, apply, drain, rotate, explain or capture",
                             command)}};
}

}  // namespace

std::string ControlCommands::answer(std::string_view request) {
  Json result;
  try {
    result = carry_out(Json::parse(request, nullptr, false), controller_, target_, started_);
    result["ok"] = true;
  } catch (const Refused& refused) {
    result = {{"ok", false}, {"errors", refused.errors}};
  }
  return result.dump(-1, ' ', true, Json::error_handler_t::replace);
}

}  // namespace viaduct::lb
