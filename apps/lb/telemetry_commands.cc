#include "apps/lb/telemetry_commands.h"

#include <format>
#include <span>

#include "apps/lb/control_plane.h"
#include "apps/lb/program.h"
#include "apps/lb/verdicts.h"
#include "apps/settings/telemetry_commands.h"
#include "base/verdicts.h"
#include "pmd-glue/verdicts.h"

namespace viaduct::lb {
namespace {

using net::TelemetryAnswer;

constexpr std::span<const VerdictInfo> kLists[] = {viaduct::kVerdicts, net::kVerdicts, lb::kVerdicts};

// Of every received frame: what became of it. The sum is frames_received of /viaduct/workers.
void tell_verdicts(Program& program, std::string_view, TelemetryAnswer& answer) {
  for (const auto list : kLists) {
    for (const VerdictInfo& verdict : list) {
      uint64_t count = 0;
      for (const Program::Worker& worker : program.workers())
        count += worker.port->verdicts()[verdict.id] + worker.loop->verdicts()[verdict.id] +
                 worker.handler->router().verdicts()[verdict.id];
      if (count > 0) answer.add(std::string(verdict.name), count);
    }
  }
}

void tell_workers(Program& program, std::string_view, TelemetryAnswer& answer) {
  uint64_t received = 0, sent = 0, send_drops = 0;
  for (const Program::Worker& worker : program.workers()) {
    received += worker.port->counters().received;
    sent += worker.port->counters().sent;
    send_drops += worker.handler->send_drops();
  }
  answer.add("workers", program.workers().size());
  answer.add("frames_received", received);
  answer.add("frames_sent", sent);
  answer.add("send_drops", send_drops);
  answer.add("reloads", program.reloads());
  for (size_t i = 0; i < program.workers().size() && i < 16; ++i) {
    const WorkerStats& stats = program.workers()[i].loop->stats();
    const auto add = [&](std::string_view name, uint64_t value) { answer.add(std::format("{}_{}", name, i), value); };
    add("frames_received", program.workers()[i].port->counters().received);
    add("handed_off", stats.handed_off.value());
    add("busy_ns", stats.busy_ns.value());
    add("waits", stats.waits.value());
  }
}

// Packets by how their server was found.
void tell_routing(Program& program, std::string_view, TelemetryAnswer& answer) {
  static constexpr Verdict kRouted[] = {kRoutedById, kRoutedByScid, kRoutedByDcid, kRoutedByAddresses, kRoutedAsNew};
  for (const VerdictInfo& verdict : lb::kVerdicts) {
    if (std::ranges::find(kRouted, verdict.id) == std::end(kRouted)) continue;
    uint64_t count = 0;
    for (const Program::Worker& worker : program.workers()) count += worker.handler->router().verdicts()[verdict.id];
    answer.add(std::string(verdict.name), count);
  }
  for (size_t id = 0; id < 7; ++id) {
    uint64_t count = 0;
    for (const Program::Worker& worker : program.workers())
      count += worker.handler->router().id_counters()[id].packets.value();
    if (count > 0) answer.add(std::format("configuration_{}", id), count);
  }
}

// Each worker's tables, added up.
void tell_tables(Program& program, std::string_view, TelemetryAnswer& answer) {
  FlowTableUse sum;
  for (const Program::Worker& worker : program.workers()) {
    const FlowTableUse use = worker.handler->router().flows().use();
    sum.capacity += use.capacity;
    sum.inserted += use.inserted;
    sum.refused += use.refused;
  }
  answer.add("flows_capacity", sum.capacity);
  answer.add("flows_inserted", sum.inserted);
  answer.add("flows_refused", sum.refused);
  const net::PoolGauge packets = program.device().pool();
  answer.add("packets_in_use", packets.used);
  answer.add("packets_capacity", packets.capacity);
  answer.add("packets_refused", packets.refused);
}

// Of each server: packets by how it was found, and whether it gets any.
void tell_servers(Program& program, std::string_view, TelemetryAnswer& answer) {
  for (const ControlPlane::Server& server : program.control().servers()) {
    const auto add = [&](std::string_view what, uint64_t value) {
      answer.add(std::format("{}/{}", server.name, what), value);
    };
    for (size_t step = 1; step < std::size(server.figures.packets); ++step)
      add(kRoutingStepNames[step], server.figures.packets[step]);
    add("bytes", server.figures.bytes);
    add("usable", uint64_t{server.is_usable});
    add("active", uint64_t{server.is_active});
  }
}

}  // namespace

std::string publish_telemetry(Program& program) {
  static constexpr settings::TelemetryCommands<Program>::Command kCommands[] = {
      {"verdicts", "What became of received frames, by verdict; the sum is frames_received of /viaduct/workers",
       tell_verdicts},
      {"workers", "Frames and time of the workers", tell_workers},
      {"routing", "Packets by how their server was found, and by the configuration of their connection ID",
       tell_routing},
      {"servers", "Packets of each server by how it was found, bytes, and whether it gets any", tell_servers},
      {"tables", "Use of the bounded tables and pools", tell_tables},
  };
  return settings::TelemetryCommands<Program>::publish(program, kCommands);
}

void hide_telemetry() { settings::TelemetryCommands<Program>::hide(); }

std::string list_verdicts() {
  std::string text;
  for (const auto list : kLists) {
    for (const VerdictInfo& verdict : list)
      text += std::format("{}\t{}\t{}\t{}\n", static_cast<unsigned>(verdict.id), verdict.name, verdict.help,
                          verdict.section);
  }
  return text;
}

}  // namespace viaduct::lb
