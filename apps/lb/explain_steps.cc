#include "apps/lb/explain_steps.h"

#include <algorithm>
#include <format>
#include <span>

#include "apps/lb/verdicts.h"
#include "apps/settings/hex.h"
#include "base/verdicts.h"
#include "pmd-glue/verdicts.h"

namespace viaduct::lb {
namespace {

using settings::from_hex;
using settings::hex;

constexpr std::span<const VerdictInfo> kLists[] = {viaduct::kVerdicts, net::kVerdicts, lb::kVerdicts};

std::string or_nothing(const std::string& text) { return text.empty() ? "(none)" : text; }

std::string say_configuration(const Decision& decision, const RoutingSnapshot& snapshot, const Pool& pool) {
  if (decision.config_id < 0) return "connection ID: there is none; addresses decide";
  const auto id = static_cast<size_t>(decision.config_id);
  if (id == flowsteer::kUnroutableId) return "connection ID: configuration 7 says nothing, on purpose";
  const IdRoute& route = pool.routes[id];
  if (!route.config) return std::format("connection ID: configuration {} is not in use", id);
  const auto bytes = from_hex(decision.dcid);
  if (!bytes || bytes->size() < route.length)
    return std::format("connection ID: configuration {} needs {} bytes; there are {}", id, route.length,
                       bytes ? bytes->size() : 0);
  const auto decoded = route.config->decode_server_id(*bytes);
  const std::string server_id = decoded ? hex(decoded->server_id()) : "?";
  const uint16_t slot = decoded ? route.servers.find(flowsteer::ServerIdBlock(decoded->server_id())) : kNoSlot;
  const std::string_view kind = !route.config->cipher()                   ? "plaintext"
                                : route.config->config().is_single_pass() ? "single-pass"
                                                                          : "four-pass";
  return std::format("connection ID: configuration {} ({}), server id {}: {}", id, kind, server_id,
                     snapshot.is_usable(slot) ? snapshot.backend(slot).name : "no server that is up has it");
}

// The tables that were looked into in vain, and what was found.
void say_tables(const Decision& decision, std::vector<std::string>& steps) {
  constexpr RoutingStep kTables[] = {RoutingStep::kScidTable, RoutingStep::kDcidTable, RoutingStep::kAddressTable};
  for (const RoutingStep table : kTables) {
    if (table != RoutingStep::kAddressTable && !decision.is_long) continue;
    const auto name = kRoutingStepNames[static_cast<size_t>(table)];
    if (decision.step == table) {
      steps.push_back(std::format("{}: knows the flow: {}", name, decision.backend));
      return;
    }
    steps.push_back(std::format("{}: does not know it", name));
  }
  steps.push_back(decision.backend.empty() ? std::string("hash: no server may get new flows")
                                           : std::format("hash: the addresses' place is {}'s", decision.backend));
}

}  // namespace

const VerdictInfo* find_verdict(Verdict verdict) {
  for (const auto list : kLists) {
    const auto found = std::ranges::find(list, verdict, &VerdictInfo::id);
    if (found != list.end()) return &*found;
  }
  return nullptr;
}

std::vector<std::string> explain_steps(const Decision& decision, const RoutingSnapshot& snapshot) {
  std::vector<std::string> steps;
  if (decision.kind == FrameKind::kLink) {
    steps.emplace_back("frame: for no service: the link side takes it (ARP, neighbour discovery, echo, our addresses)");
    return steps;
  }
  const auto service = std::ranges::find(snapshot.services(), decision.service, &Service::name);
  if (!decision.service.empty() && service != snapshot.services().end()) {
    const Pool& pool = snapshot.pool_of(*service);
    steps.push_back(std::format("frame: a datagram for service {}, pool {}", decision.service, pool.name));
    steps.push_back(decision.is_long
                        ? std::format("header: long, destination connection ID {}, source {}",
                                      or_nothing(decision.dcid), or_nothing(decision.scid))
                        : std::format("header: short, after the first octet {}", or_nothing(decision.dcid)));
    steps.push_back(say_configuration(decision, snapshot, pool));
    if (decision.step != RoutingStep::kId) say_tables(decision, steps);
  }
  if (!decision.forwarding.empty())
    steps.push_back(std::format("forwarding: {} to {}", decision.forwarding, decision.backend));
  if (const VerdictInfo* verdict = find_verdict(decision.verdict))
    steps.push_back(std::format("verdict: {}: {}", verdict->name, verdict->help));
  return steps;
}

}  // namespace viaduct::lb
