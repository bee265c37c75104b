#include "apps/origin/telemetry_commands.h"

#include <algorithm>
#include <charconv>
#include <format>
#include <numeric>

#include "apps/origin/program.h"
#include "apps/origin/verdict_list.h"
#include "apps/settings/telemetry_commands.h"
#include "pmd-glue/eal.h"

namespace viaduct::origin {
namespace {

using net::TelemetryAnswer;

std::string with_underscores(std::string_view name) {
  std::string text(name);
  for (char& c : text) {
    if (c == '-') c = '_';
  }
  return text;
}

// The sum of counters over all workers, for those verdicts that were counted at all.
class VerdictSum {
 public:
  void add(const VerdictCounters& counters) {
    for (size_t i = 0; i < kVerdictCount; ++i) counts_[i] += counters[static_cast<Verdict>(i)];
  }
  void answer(std::span<const std::span<const VerdictInfo>> lists, TelemetryAnswer& answer) const {
    for (const auto list : lists) {
      for (const VerdictInfo& verdict : list) {
        const uint64_t count = counts_[static_cast<size_t>(verdict.id)];
        if (count > 0) answer.add(std::string(verdict.name), count);
      }
    }
  }

 private:
  std::array<uint64_t, kVerdictCount> counts_{};
};

// Of every received frame: what became of it. The sum is frames_received of /viaduct/workers.
void tell_verdicts(Program& program, std::string_view, TelemetryAnswer& answer) {
  VerdictSum sum;
  for (const Program::Worker& worker : program.workers()) {
    sum.add(worker.port->verdicts());
    sum.add(worker.loop->verdicts());
    sum.add(worker.handler->endpoint().verdicts());
  }
  sum.answer(packet_verdicts(), answer);
}

// Totals, and what matters of each worker under its number.
void tell_workers(Program& program, std::string_view, TelemetryAnswer& answer) {
  uint64_t frames = 0, delivered = 0, handed_off = 0, taken = 0, refused = 0, sent = 0;
  for (const Program::Worker& worker : program.workers()) {
    frames += worker.port->frames().counters().received;
    delivered += worker.port->counters().delivered;
    sent += worker.port->frames().counters().sent;
    handed_off += worker.loop->stats().handed_off.value();
    taken += worker.loop->stats().taken.value();
    refused += worker.loop->stats().refused.value();
  }
  answer.add("workers", program.workers().size());
  answer.add("frames_received", frames);
  answer.add("datagrams_delivered", delivered);
  answer.add("frames_sent", sent);
  answer.add("handed_off", handed_off);
  answer.add("taken", taken);
  answer.add("hand_offs_refused", refused);
  for (size_t i = 0; i < program.workers().size() && i < 16; ++i) {
    const Program::Worker& worker = program.workers()[i];
    const WorkerStats& stats = worker.loop->stats();
    const auto add = [&](std::string_view name, uint64_t value) { answer.add(std::format("{}_{}", name, i), value); };
    add("frames_received", worker.port->frames().counters().received);
    add("handed_off", stats.handed_off.value());
    add("loops", stats.loops.value());
    add("connections", worker.handler->open_connections());
    add("requests", worker.handler->server().requests().used());
    add("busy_loops", stats.busy_loops.value());
    add("busy_ns", stats.busy_ns.value());
    add("waits", stats.waits.value());
    add("backlog", stats.backlog.value());
  }
}

// Cycles of the time-stamp counter by stage, summed over the workers, and what they were spent on.
void tell_stages(Program& program, std::string_view, TelemetryAnswer& answer) {
  std::array<uint64_t, kStages> cycles{};
  uint64_t received = 0, built = 0;
  for (const Program::Worker& worker : program.workers()) {
    for (size_t i = 0; i < kStages; ++i) cycles[i] += worker.meter->cycles(static_cast<Stage>(i));
    received += worker.loop->stats().received.value();
    built += worker.loop->stats().built.value();
  }
  const auto of = [&](Stage stage) { return cycles[static_cast<size_t>(stage)]; };
  const uint64_t total = std::accumulate(cycles.begin(), cycles.end(), uint64_t{0});
  answer.add("cycles_per_second", net::Eal::cycles_per_second());
  answer.add("packets_received", received);
  answer.add("packets_built", built);
  answer.add("cycles_total", total);
  answer.add("cycles_busy", total - of(Stage::kIdle) - of(Stage::kStolen));
  for (size_t i = 0; i < kStages; ++i) answer.add("cycles_" + std::string(kStageNames[i]), cycles[i]);
}

void tell_connections(Program& program, std::string_view, TelemetryAnswer& answer) {
  uint64_t open = 0;
  for (const Program::Worker& worker : program.workers()) open += worker.handler->open_connections();
  answer.add("open", open);
  for (const quic::CounterInfo& counter : quic::kEndpointCounters) {
    uint64_t sum = 0;
    for (const Program::Worker& worker : program.workers())
      sum += (worker.handler->endpoint().stats().*counter.field).value();
    // The name that operators look for.
    answer.add(counter.name == "paths-changed" ? "path_changes" : with_underscores(counter.name), sum);
  }
}

// Sums over all workers, a pool after the other.
class PoolSum {
 public:
  void add(std::string_view name, uint64_t used, uint64_t high_water, uint64_t capacity, uint64_t refused) {
    for (Row& row : rows_) {
      if (row.name != name) continue;
      row.used += used;
      row.high_water += high_water;
      row.capacity += capacity;
      row.refused += refused;
      return;
    }
    rows_.push_back({std::string(name), used, high_water, capacity, refused});
  }
  void answer(TelemetryAnswer& answer) const {
    for (const Row& row : rows_) {
      const std::string name = with_underscores(row.name);
      answer.add(name + "_used", row.used);
      answer.add(name + "_high_water", row.high_water);
      answer.add(name + "_capacity", row.capacity);
      answer.add(name + "_refused", row.refused);
    }
  }

 private:
  struct Row {
    std::string name;
    uint64_t used, high_water, capacity, refused;
  };
  std::vector<Row> rows_;
};

void tell_pools(Program& program, std::string_view, TelemetryAnswer& answer) {
  PoolSum sum;
  uint64_t remembered = 0;
  for (const Program::Worker& worker : program.workers()) {
    const OriginHandler& handler = *worker.handler;
    for (const quic::PoolGauge& pool : handler.endpoint().pools())
      sum.add(pool.name, pool.used, pool.high_water, pool.capacity, pool.refused);
    const ChunkPool& chunks = handler.chunks();
    // Those of remembered answers stay, and are under way now and then.
    const uint64_t kept = handler.server().remembered_answers();
    remembered += kept;
    sum.add("response_heads", chunks.used() - std::min<uint64_t>(chunks.used(), kept), chunks.high_water(),
            chunks.capacity(), chunks.refused());
    const auto add = [&](std::string_view name, const PoolUse& use, uint64_t capacity) {
      sum.add(name, use.used(), use.high_water(), capacity, use.refused());
    };
    add("requests", handler.server().requests(), program.config().http.max_requests);
    add("gathered_sections", handler.server().gathered_sections(), program.config().http.max_gathered_sections);
    add("content_tasks", handler.content().use(), program.config().content.tasks_per_worker);
  }
  sum.answer(answer);
  answer.add("remembered_answers", remembered);
  const net::PoolGauge packets = program.device().pool();
  answer.add("packets_in_use", packets.used);
  answer.add("packets_high_water", packets.high_water);
  answer.add("packets_capacity", packets.capacity);
  answer.add("packets_refused", packets.refused);
}

void tell_http(Program& program, std::string_view, TelemetryAnswer& answer) {
  VerdictSum sum;
  std::array<uint64_t, 600> by_status{};
  uint64_t bytes = 0, uploaded = 0, in_progress = 0;
  for (const Program::Worker& worker : program.workers()) {
    const SiteStatistics& statistics = worker.handler->site().statistics();
    sum.add(worker.handler->server().verdicts());
    sum.add(worker.handler->site().verdicts());
    for (size_t i = 0; i < by_status.size(); ++i) by_status[i] += statistics.by_status[i].value();
    bytes += statistics.body_bytes.value();
    uploaded += statistics.upload_bytes.value();
    in_progress += statistics.in_progress.value();
  }
  for (size_t i = 0; i < by_status.size(); ++i) {
    if (by_status[i] > 0) answer.add(std::format("status_{}", i), by_status[i]);
  }
  answer.add("body_bytes", bytes);
  answer.add("upload_bytes", uploaded);
  answer.add("requests_in_progress", in_progress);
  sum.answer(request_verdicts(), answer);
}

void tell_content(Program& program, std::string_view, TelemetryAnswer& answer) {
  const ContentLoader& loader = program.loader();
  const ContentLoader::Statistics& statistics = loader.statistics();
  answer.add("files", statistics.files);
  answer.add("opens", statistics.opens);
  answer.add("reads", statistics.reads);
  answer.add("segment_hits", statistics.hits);
  answer.add("segment_loads", statistics.loads);
  answer.add("bytes_loaded", statistics.bytes_loaded);
  answer.add("waits_for_room", statistics.waits);
  answer.add("waits_given_up", statistics.timeouts);
  answer.add("versions_retired", statistics.changes);
  answer.add("segments_used", loader.store().use().used());
  answer.add("segments_capacity", loader.store().capacity());
  answer.add("segments_evicted", loader.store().evictions());
  answer.add("segment_bytes", loader.store().segment_size());
}

void tell_crypto(Program& program, std::string_view, TelemetryAnswer& answer) {
  answer.add("protector", std::string(program.workers().front().handler->protector().name()));
  PoolSum sum;
  uint64_t expanded = 0;
  for (const Program::Worker& worker : program.workers()) {
    const auto add = [&](const char* name, const crypto::ScheduleUse& use) {
      sum.add(name, use.used, use.high_water, use.capacity, use.evicted);
      expanded += use.expanded;
    };
    add("key_schedules", worker.handler->protector().schedule_use());
    add("header_key_schedules", worker.handler->protector().header_schedule_use());
    if (!worker.handshakes) continue;
    const PoolUse& handed = worker.handshakes->use();
    sum.add("handshakes_handed_over", handed.used(), handed.high_water(), program.config().transport.max_half_open,
            handed.refused());
  }
  sum.answer(answer);
  answer.add("key_schedules_expanded", expanded);
  answer.add("handshake_workers", program.config().handshake_workers);
  if (program.handshake_pool()) answer.add("handshake_steps", program.handshake_pool()->steps());
}

// "FILE,SECONDS" starts a capture; without a parameter: how the last one went.
void capture(Program& program, std::string_view parameter, TelemetryAnswer& answer) {
  if (!parameter.empty()) {
    const size_t comma = parameter.rfind(',');
    unsigned seconds = 0;
    const std::string_view text = comma == std::string_view::npos ? "" : parameter.substr(comma + 1);
    std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (seconds == 0 || seconds > 86400) return answer.add("error", "expected FILE,SECONDS");
    if (!program.request_capture({std::string(parameter.substr(0, comma)), seconds}))
      return answer.add("error", "a capture is under way already");
  }
  const Program::CaptureState state = program.capture_state();
  answer.add("running", uint64_t{state.is_running});
  answer.add("written", state.written);
  answer.add("dropped", state.dropped);
  if (!state.error.empty()) answer.add("error", state.error);
}

}  // namespace

std::string publish_telemetry(Program& program) {
  static constexpr settings::TelemetryCommands<Program>::Command kCommands[] = {
      {"verdicts", "What became of received frames, by verdict; the sum is frames_received of /viaduct/workers",
       tell_verdicts},
      {"workers", "Frames, hand-offs and time of the workers", tell_workers},
      {"stages", "Cycles that the workers spent in each stage of their loop, and how many packets passed", tell_stages},
      {"connections", "Connections and packets of the transport", tell_connections},
      {"pools", "Use of every bounded pool", tell_pools},
      {"crypto", "Who protects packets, its expanded keys (refused: evicted), and handshakes on other threads",
       tell_crypto},
      {"http", "Requests by status, and how requests and connections ended", tell_http},
      {"content", "The content store and its loader", tell_content},
      {"capture", "Writes frames to a pcapng file. Parameters: FILE,SECONDS; none: how the last capture went", capture},
  };
  return settings::TelemetryCommands<Program>::publish(program, kCommands);
}

void hide_telemetry() { settings::TelemetryCommands<Program>::hide(); }

}  // namespace viaduct::origin
