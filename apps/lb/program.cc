#include "apps/lb/program.h"

#include <format>

#include "apps/lb/control_plane.h"
#include "apps/settings/program_start.h"
#include "base/log.h"

namespace viaduct::lb {
namespace {

constexpr size_t kHandOffRing = 1024;
// How often the control thread looks around.
constexpr Duration kTendInterval = Duration::milliseconds(100);
// Ports of translated flows: below the range that the kernel's own connections would use, were it on this address.
constexpr uint16_t kFirstNatPort = 1024;
constexpr unsigned kNatPorts = 65536 - kFirstNatPort;

// Devices behind which a kernel stands, which leaves checksums to be completed.
bool faces_a_kernel(net::Driver driver) {
  return driver == net::Driver::kAfPacket || driver == net::Driver::kAfXdp || driver == net::Driver::kTap;
}

}  // namespace

net::Placement plan_workers(const ProgramConfig& config) {
  return net::plan_placement({.workers = config.workers.workers,
                              .devices = {config.port.device.interface, config.port.device.pci_address},
                              .always_pin = config.workers.pin_always,
                              .never_pin = config.workers.pin_never});
}

std::expected<std::unique_ptr<Program>, std::string> Program::start(const ProgramConfig& config,
                                                                    const std::string& file) {
  std::unique_ptr<Program> program(new Program(config, file));
  for (auto step : {&Program::open_device, &Program::make_workers, &Program::make_control, &Program::start_workers}) {
    std::string problem = (program.get()->*step)();
    if (!problem.empty()) return std::unexpected(std::move(problem));
  }
  return program;
}

Program::Program(const ProgramConfig& config, const std::string& file) : config_(config), file_(file) {}

Program::~Program() {
  control_.reset();
  workers_.clear();
}

std::string Program::open_device() {
  return settings::open_port(config_.port.device, config_.port.addresses, device_, interface_);
}

LinkFacts Program::link_facts() const {
  const net::IpInterfaceConfig& addresses = config_.port.addresses;
  LinkFacts link;
  link.mac = device_->mac();
  link.vlan = addresses.vlan.value_or(0);
  link.mtu = device_->mtu();
  link.gateway4 = addresses.gateway4;
  link.gateway6 = addresses.gateway6;
  for (const net::LocalAddress& address : addresses.addresses) {
    auto& source = address.ip.is_v4() ? link.source4 : link.source6;
    if (!source) source = address.ip;
    link.on_link.emplace_back(address.ip, address.prefix_length);
  }
  return link;
}

FrameFacts Program::frame_facts(unsigned worker) const {
  FrameFacts facts;
  facts.mac = device_->mac();
  facts.vlan = config_.port.addresses.vlan.value_or(0);
  facts.completes_checksums = faces_a_kernel(config_.port.device.driver);
  const unsigned workers = config_.workers.workers;
  const auto ports =
      static_cast<uint16_t>(std::min<size_t>(config_.routing.flow_state.nat_sessions, kNatPorts / workers));
  if (ports == 0) return facts;
  facts.nat_ports_of_worker = ports;
  facts.first_nat_port = kFirstNatPort;
  facts.last_nat_port = static_cast<uint16_t>(kFirstNatPort + ports * workers - 1);
  facts.first_nat_port_of_worker = static_cast<uint16_t>(kFirstNatPort + ports * worker);
  return facts;
}

std::string Program::make_workers() {
  slow_start_.note(config_.routing, MonotonicClock::now());
  if (const auto errors = publish(config_.routing); !errors.empty()) return errors.front();
  Random random = Random::from_system();
  hand_off_ = std::make_unique<HandOff>(config_.workers.workers, kHandOffRing);
  if (config_.workers.workers > 1 && !config_.hand_off) relay_ = std::make_unique<IcmpRelay>(*hand_off_);
  if (config_.workers.workers > 1) flows_ = std::make_unique<FlowRelay>(*hand_off_);
  for (unsigned i = 0; i < config_.workers.workers; ++i) {
    Worker worker;
    worker.port = &device_->queue(i);
    worker.link = std::make_unique<Link>(*interface_, *worker.port, snapshot_);
    std::array<uint8_t, Random::kSeedSize> seed;
    random.fill(seed);
    const FrameFacts facts = frame_facts(i);
    worker.handler = std::make_unique<Handler<Link>>(
        Owners{i, config_.workers.workers, config_.hand_off, facts, relay_.get(), flows_.get()}, config_.routing, facts,
        snapshot_, *worker.link, Random(seed));
    worker.handler->set_wall_clock(wall_);
    worker.loop = std::make_unique<WorkerLoop<net::FramePort, Handler<Link>>>(
        *worker.port, *worker.handler, *hand_off_, quiescence_,
        WorkerOptions{.worker = i, .idle_policy = config_.workers.idle});
    workers_.push_back(std::move(worker));
  }
  return {};
}

std::string Program::make_control() {
  auto control = ControlPlane::make(*this, config_.control_socket);
  if (!control) return control.error();
  control_ = std::move(*control);
  return {};
}

std::string Program::start_workers() {
  return threads_.start(plan_workers(config_), "worker", [this](unsigned i) { workers_[i].loop->run(stop_); });
}

std::string Program::serving_on() const {
  std::string text;
  for (const Service& service : routing().services())
    text += (text.empty() ? "" : " and ") + service.address.to_string();
  return text;
}

std::vector<std::string> Program::publish(const Configuration& configuration) {
  auto snapshot =
      RoutingSnapshot::make(slow_start_.weighted(configuration, MonotonicClock::now()), link_facts(), slots_);
  if (!snapshot) return snapshot.error();
  std::vector<IpAddress> addresses;
  for (const Service& service : (*snapshot)->services()) addresses.push_back(service.address.ip);
  interface_->set_virtual_addresses(std::move(addresses));
  snapshot_.publish(std::move(*snapshot));
  return {};
}

std::vector<std::string> Program::apply(const Configuration& configuration) {
  if (const auto problems = problems_of(configuration); !problems.empty()) {
    std::vector<std::string> errors;
    for (const Problem& problem : problems) errors.push_back(problem.to_string());
    return errors;
  }
  slow_start_.note(configuration, MonotonicClock::now());
  if (auto errors = publish(configuration); !errors.empty()) return errors;
  config_.routing = configuration;
  for (unsigned i = 0; i < workers_.size(); ++i) hand_off_->nudge(i);
  return {};
}

std::expected<std::unique_ptr<const RoutingSnapshot>, std::vector<std::string>> Program::preview(
    const Configuration& configuration) const {
  SlotDirectory slots = slots_;  // a plan uses up no numbers
  return RoutingSnapshot::make(configuration, link_facts(), slots);
}

std::vector<std::string> Program::reload() {
  const auto config = load_config(file_);
  if (!config) return config.error();
  auto errors = control_->replace_file(config->routing);
  if (errors.empty()) {
    ++reloads_;
    set_log_level(config->log.level);
  }
  return errors;
}

void Program::run() {
  for (;;) {
    control_->wait(kTendInterval);
    const int signal = settings::next_signal(Duration());
    if (signal == SIGTERM || signal == SIGINT) break;
    if (signal == SIGHUP) {
      const auto errors = reload();
      for (const std::string& error : errors) log_error("lb", error);
      log_info("lb", errors.empty() ? "reloaded" : "not reloaded: everything stays as it was");
    }
    tend();
  }
  stop();
}

void Program::tend() {
  wall_.adjust();
  control_->tend();
  const Instant now = MonotonicClock::now();
  snapshot_.reclaim();
  if (now >= slow_start_.next_change()) {
    slow_start_.note(config_.routing, now);
    publish(config_.routing);
  }
  if (config_.log.interval.ns() > 0 && now >= next_figures_) log_figures();
}

void Program::log_figures() {
  next_figures_ = MonotonicClock::now() + config_.log.interval;
  uint64_t received = 0, sent = 0, verdicts = 0;
  for (const Worker& worker : workers_) {
    received += worker.port->counters().received;
    sent += worker.port->counters().sent;
    verdicts += worker.handler->router().verdicts().sum();
  }
  log_info("lb", std::format("{} frames in, {} out, {} for services", received, sent, verdicts));
}

void Program::stop() {
  stop_.store(true, std::memory_order_release);
  for (Worker& worker : workers_) worker.port->wake();
  threads_.join();
  for (Worker& worker : workers_) {
    worker.handler->stop();
    worker.loop->drain();
  }
  log_info("lb", "stopped");
}

}  // namespace viaduct::lb
