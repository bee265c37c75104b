#include "apps/load/program.h"

#include <algorithm>
#include <cstdio>
#include <format>

#include "apps/settings/program_start.h"
#include "pmd-glue/eal.h"
#include "pmd-glue/placement.h"

namespace viaduct::load {
namespace {

constexpr size_t kHandOffRing = 1024;
constexpr Duration kLook = Duration::milliseconds(2);
constexpr Duration kProgressEvery = Duration::seconds(1);
// How long all connections may take to open, and to say goodbye.
constexpr Duration kOpeningLimit = Duration::seconds(600);
constexpr Duration kEndingLimit = Duration::seconds(5);

}  // namespace

std::expected<std::unique_ptr<Program>, std::string> Program::start(const Config& config) {
  std::unique_ptr<Program> program(new Program(config));
  for (auto step : {&Program::open_device, &Program::make_workers, &Program::start_workers}) {
    std::string problem = (program.get()->*step)();
    if (!problem.empty()) return std::unexpected(std::move(problem));
  }
  return program;
}

std::string Program::open_device() {
  return settings::open_port(config_.device, config_.addresses, device_, interface_);
}

std::string Program::make_workers() {
  Random random = Random::from_system();
  random.fill({reinterpret_cast<uint8_t*>(&shared_.shard_secret), sizeof shared_.shard_secret});
  hand_off_ = std::make_unique<HandOff>(config_.workers, kHandOffRing);
  for (unsigned i = 0; i < config_.workers; ++i) {
    Worker worker;
    worker.port = std::make_unique<net::UdpPort>(device_->queue(i), *interface_);
    const uint16_t largest = config_.server.ip.is_v4() ? worker.port->max_payload4() : worker.port->max_payload6();
    config_.transport.max_udp_payload = largest;
    config_.transport.max_receive_payload = largest;
    worker.meter = std::make_unique<StageMeter>();
    std::string error;
    worker.handler = LoadHandler::make(config_, shared_, i, *worker.meter, error);
    if (!worker.handler) return error;
    worker.loop = std::make_unique<WorkerLoop<net::UdpPort, LoadHandler>>(
        *worker.port, *worker.handler, *hand_off_, quiescence_,
        WorkerOptions{.worker = i, .idle_policy = config_.idle, .meter = worker.meter.get()});
    workers_.push_back(std::move(worker));
  }
  return {};
}

std::string Program::start_workers() {
  began_ = MonotonicClock::now();
  last_shown_.at = began_;
  return threads_.start(net::plan_placement({.workers = config_.workers,
                                             .devices = {config_.device.interface, config_.device.pci_address},
                                             .always_pin = false,
                                             .never_pin = false}),
                        "load", [this](unsigned i) { workers_[i].loop->run(stop_); });
}

void Program::set_phase(Phase phase) {
  shared_.phase.store(phase, std::memory_order_release);
  for (unsigned i = 0; i < workers_.size(); ++i) hand_off_->nudge(i);
}

bool Program::all_workers(bool (Driver::*state)() const) const {
  return std::ranges::all_of(workers_, [state](const Worker& w) { return (w.handler->driver().*state)(); });
}

template <class Done>
bool Program::wait(Duration longest, Done&& done) {
  const Instant limit = MonotonicClock::now() + longest;
  while (!done()) {
    if (MonotonicClock::now() >= limit) return false;
    if (settings::next_signal(kLook) > 0) {
      was_interrupted_ = true;
      return false;
    }
    if (!config_.quiet && MonotonicClock::now() - last_shown_.at >= kProgressEvery) print_progress();
  }
  return true;
}

Results Program::run() {
  const auto is_done = [this] { return all_workers(&Driver::is_done); };
  wait(kOpeningLimit, [this] { return all_workers(&Driver::is_ready); });
  if (!was_interrupted_ && config_.warm_up > Duration()) {
    set_phase(Phase::kWarmUp);
    wait(config_.warm_up, is_done);
  }
  const Totals before = totals();
  set_phase(Phase::kMeasuring);
  if (!config_.quiet) std::fprintf(stderr, "measuring\n");
  if (!was_interrupted_) wait(config_.duration, is_done);
  const Totals after = totals();
  if (!config_.quiet) std::fprintf(stderr, "measured\n");
  set_phase(Phase::kEnding);
  end();

  Results results;
  results.measured = after.since(before);
  results.seconds = (after.at - before.at).seconds();
  results.was_interrupted = was_interrupted_;
  results.cycles_per_second = net::Eal::cycles_per_second();
  for (const Worker& worker : workers_) {
    results.latencies.add(worker.handler->driver().latencies());
    results.handshake_times.add(worker.handler->driver().handshake_times());
    if (!worker.handler->driver().last_problem().empty())
      results.last_problem = worker.handler->driver().last_problem();
  }
  // At a rate, latency counts from when a request was due: nothing was omitted.
  if (config_.rate == 0) results.expected_interval = results.latencies.mean();
  results.corrected = results.latencies.corrected(results.expected_interval);
  return results;
}

void Program::end() {
  was_interrupted_ = false;
  wait(kEndingLimit, [this] {
    return std::ranges::all_of(workers_, [](const Worker& worker) { return worker.handler->is_empty(); });
  });
  stop_.store(true, std::memory_order_release);
  for (Worker& worker : workers_) worker.port->wake();
  threads_.join();
  for (Worker& worker : workers_) worker.loop->drain();
}

Totals Program::totals() const {
  Totals sum;
  sum.at = MonotonicClock::now();
  for (const Worker& worker : workers_) {
    const DriverCounters& counters = worker.handler->driver().counters();
    sum.requests_done += counters.requests_done.value();
    sum.requests_failed += counters.requests_failed.value();
    sum.body_bytes += counters.body_bytes.value();
    sum.upload_bytes += counters.upload_bytes.value();
    sum.handshakes += counters.handshakes.value();
    sum.handshakes_in_all += counters.handshakes.value();
    sum.handshakes_failed += counters.handshakes_failed.value();
    sum.connections_open += counters.connections_open.value();
    sum.connections_lost += counters.connections_lost.value();
    sum.migrations += counters.migrations.value();
    sum.packets_received += worker.loop->stats().received.value();
    sum.packets_sent += worker.loop->stats().sent.value();
    sum.packets_lost += worker.handler->endpoint().stats().packets_lost;
    for (size_t i = 0; i < sum.quic.size(); ++i)
      sum.quic[i] += worker.handler->endpoint().stats().*kQuicCounters[i].field;
    for (size_t i = 0; i < sum.by_class.size(); ++i) sum.by_class[i] += counters.by_class[i].value();
    for (size_t i = 0; i < kStages; ++i) sum.cycles[i] += worker.meter->cycles(static_cast<Stage>(i));
  }
  return sum;
}

void Program::print_progress() {
  const Totals now = totals();
  const Totals last = now.since(last_shown_);
  const double seconds = (now.at - last_shown_.at).seconds();
  const auto rate = [&](uint64_t count) { return static_cast<double>(count) / seconds; };
  std::fprintf(
      stderr, "%s\n",
      std::format("{:4.0f} s  {:6.2f} Gb/s down {:6.2f} up  {:8.0f} requests/s  {:7.0f} handshakes/s  {} open  "
                  "{} failed  client {:.0f} % busy",
                  (now.at - began_).seconds(), rate(last.body_bytes) * 8 / 1e9, rate(last.upload_bytes) * 8 / 1e9,
                  rate(last.requests_done), rate(last.handshakes), now.connections_open,
                  now.requests_failed + now.handshakes_failed + now.connections_lost, last.busy_share() * 100)
          .c_str());
  last_shown_ = now;
}

}  // namespace viaduct::load
