#include "apps/origin/program.h"

#include <ctime>
#include <format>

#include "apps/settings/program_start.h"
#include "base/log.h"
#include "crypto-offload/ticket_keys.h"

namespace viaduct::origin {
namespace {

constexpr size_t kHandOffRing = 1024;
// How often the control thread looks around.
constexpr Duration kTendInterval = Duration::milliseconds(100);
// How long connections may take to say goodbye after the drain.
constexpr Duration kCloseLimit = Duration::seconds(5);

}  // namespace

net::Placement plan_workers(const Config& config) {
  return net::plan_placement({.workers = config.workers + config.handshake_workers,
                              .devices = {config.device.interface, config.device.pci_address},
                              .always_pin = config.pin_always,
                              .never_pin = config.pin_never});
}

std::expected<std::unique_ptr<Program>, std::string> Program::start(const Config& config) {
  std::unique_ptr<Program> program(new Program(config));
  for (auto step : {&Program::open_device, &Program::make_handshake_workers, &Program::make_workers,
                    &Program::start_qlog, &Program::start_workers}) {
    std::string problem = (program.get()->*step)();
    if (!problem.empty()) return std::unexpected(std::move(problem));
  }
  return program;
}

std::string Program::open_device() {
  return settings::open_port(config_.device, config_.addresses, device_, interface_);
}

std::string Program::make_handshake_workers() {
  hand_off_ = std::make_unique<HandOff>(config_.workers, kHandOffRing);
  std::string problem;
  shared_.tls = SharedTls::make(config_, problem);
  if (!shared_.tls) return problem;
  if (config_.handshake_workers == 0) return {};
  std::vector<std::unique_ptr<crypto::TlsContext>> contexts;
  for (unsigned i = 0; i < config_.handshake_workers; ++i) {
    std::string error;
    contexts.push_back(shared_.tls->make_context(error));
    if (!contexts.back()) return error;
  }
  handshake_pool_ =
      std::make_unique<crypto::HandshakePool>(std::move(contexts), config_.workers, config_.transport.max_half_open,
                                              [this](unsigned worker) { hand_off_->nudge(worker); });
  return {};
}

std::unique_ptr<crypto::TlsContext> Program::make_worker_tls(unsigned index, Worker& worker, std::string& error) {
  if (!handshake_pool_) return shared_.tls->make_context(error);
  auto remote = handshake_pool_->context_for(index);
  worker.handshakes = remote.get();
  return remote;
}

std::string Program::make_workers() {
  Random random = Random::from_system();
  random.fill({reinterpret_cast<uint8_t*>(&shared_.shard_secret), sizeof shared_.shard_secret});
  random.fill(shared_.stateless_reset_key);
  random.fill(shared_.token_secret);
  if (!config_.retry_keys.empty())
    shared_.retry_sharing = {&shared_.retry_keys.emplace(config_.retry_keys), &shared_.wall.offset()};
  loader_ = std::make_unique<ContentLoader>(config_.content, config_.workers);
  if (std::string problem = loader_->open_root(); !problem.empty()) return "content.root: " + problem;
  for (unsigned i = 0; i < config_.workers; ++i) {
    Worker worker;
    worker.port = std::make_unique<net::UdpPort>(device_->queue(i), *interface_);
    config_.transport.max_udp_payload =
        std::min({config_.transport.max_udp_payload, worker.port->max_payload4(), worker.port->max_payload6()});
    config_.transport.max_receive_payload = worker.port->max_payload4();
    std::string error;
    auto tls = make_worker_tls(i, worker, error);
    if (!tls) return error;
    worker.meter = std::make_unique<StageMeter>();
    worker.handler = OriginHandler::make(config_, shared_, *loader_, i, std::move(tls), *worker.meter, error);
    if (!worker.handler) return error;
    worker.handler->set_port(*worker.port);
    worker.loop = std::make_unique<WorkerLoop<net::UdpPort, OriginHandler>>(
        *worker.port, *worker.handler, *hand_off_, quiescence_,
        WorkerOptions{.worker = i, .idle_policy = config_.idle, .meter = worker.meter.get()});
    workers_.push_back(std::move(worker));
  }
  return {};
}

std::string Program::start_qlog() {
  if (config_.qlog.directory.empty()) return {};
  std::vector<quic::Tracer*> tracers;
  for (const Worker& worker : workers_) tracers.push_back(worker.handler->tracer());
  qlog_ = std::make_unique<QlogFiles>(config_.qlog, std::move(tracers));
  if (std::string problem = qlog_->check(); !problem.empty()) return problem;
  qlog_->start();
  return {};
}

std::string Program::start_workers() {
  loader_->start([this](unsigned worker) { hand_off_->nudge(worker); });
  return threads_.start(plan_workers(config_), "worker", [this](unsigned i) { run_thread(i); });
}

void Program::run_thread(unsigned index) {
  if (index < config_.workers) {
    workers_[index].loop->run(stop_);
  } else {
    handshake_pool_->run(index - config_.workers, stop_);
  }
}

Program::~Program() {
  qlog_.reset();
  if (!is_clean_) {
    // Somebody's writes still refer to chunks: what they belong to stays, the process ends anyway.
    for (Worker& worker : workers_) {
      worker.loop.release();
      worker.handler.release();
    }
    loader_.release();
  }
  workers_.clear();
}

std::string Program::serving_on() const {
  std::string text;
  for (const net::LocalAddress& address : config_.addresses.addresses) {
    if (!text.empty()) text += " and ";
    text += SocketAddress{address.ip, config_.listen_port}.to_string();
  }
  return text;
}

void Program::run() {
  while (!wait_for_signal(kTendInterval)) tend();
  drain();
  stop();
}

void Program::reload() {
  std::string error;
  if (shared_.tls->reload_certificates(error))
    log_info("origin", "read the certificates again");
  else
    log_warning("origin", "the certificates stay as they were: " + error);
  const auto config = load_config(config_.file);
  if (!config) {
    for (const std::string& line : config.error()) log_error("origin", line);
    return;
  }
  change_identity(*config);
  change_retry_keys(*config);
}

// True where a signal came that ends the program.
bool Program::wait_for_signal(Duration longest) {
  const int signal = settings::next_signal(longest);
  if (signal == SIGHUP) reload();
  return signal == SIGTERM || signal == SIGINT;
}

// IDs have one length for the life of the process, because a short header does not say it.
void Program::change_identity(const Config& config) {
  if (!config.quic_lb && !config_.quic_lb) return;
  if (!config.quic_lb || !config_.quic_lb || id_length(config.quic_lb) != id_length(config_.quic_lb))
    return log_error("origin", "quic_lb: a running origin can change to IDs of the same length only");
  {
    const std::lock_guard lock(shared_.identity_mutex);
    shared_.identity = config.quic_lb;
  }
  shared_.identity_changes.fetch_add(1, std::memory_order_release);
  for (unsigned i = 0; i < workers_.size(); ++i) hand_off_->nudge(i);
  log_info("origin", std::format("new connection IDs are of configuration {}", config.quic_lb->config.id));
}

// Workers follow with the next token that they meet.
void Program::change_retry_keys(const Config& config) {
  if (config.retry_keys.empty() && !shared_.retry_keys) return;
  if (config.retry_keys.empty() || !shared_.retry_keys)
    return log_error("origin", "retry_offload: a running origin can change its keys only");
  if (config.retry_keys == shared_.retry_keys->keys()) return;
  shared_.retry_keys->change(config.retry_keys, static_cast<uint64_t>(std::time(nullptr)));
  log_info("origin", "took other keys of Retry tokens");
}

template <class Done>
bool Program::wait_until(Duration longest, Done&& done) {
  const Instant limit = MonotonicClock::now() + longest;
  while (!done()) {
    if (MonotonicClock::now() >= limit || wait_for_signal(Duration::milliseconds(5))) return false;
    tend();
  }
  return true;
}

void Program::set_phase(SharedState::Phase phase) {
  shared_.phase.store(phase, std::memory_order_release);
  for (unsigned i = 0; i < workers_.size(); ++i) hand_off_->nudge(i);
}

void Program::drain() {
  log_info("origin", std::format("draining, up to {} s", config_.drain_limit.ms() / 1000));
  set_phase(SharedState::Phase::kDrain);
  const bool is_drained = wait_until(config_.drain_limit, [this] {
    return std::ranges::all_of(workers_, [](const Worker& worker) { return worker.handler->is_drained(); });
  });
  if (!is_drained) log_warning("origin", "not all requests were answered; closing their connections");
  set_phase(SharedState::Phase::kClose);
  is_clean_ = wait_until(kCloseLimit, [this] {
    return std::ranges::all_of(workers_, [](const Worker& worker) { return worker.handler->is_empty(); });
  });
}

void Program::stop() {
  capture_.reset();
  stop_.store(true, std::memory_order_release);
  for (Worker& worker : workers_) worker.port->wake();
  if (handshake_pool_) handshake_pool_->wake();
  threads_.join();
  if (qlog_) {
    qlog_->stop();
    if (qlog_->dropped() > 0) log_warning("origin", std::format("{} qlog events were dropped", qlog_->dropped()));
  }
  for (Worker& worker : workers_) worker.loop->drain();
  loader_->stop();
  log_info("origin", is_clean_ ? "stopped" : "stopped with connections left");
}

void Program::tend() {
  shared_.wall.adjust();
  tend_capture();
  if (config_.log_interval.ns() > 0 && MonotonicClock::now() >= next_figures_) log_figures();
}

void Program::log_figures() {
  next_figures_ = MonotonicClock::now() + config_.log_interval;
  uint64_t connections = 0, received = 0, sent = 0, requests = 0, bytes = 0;
  for (const Worker& worker : workers_) {
    connections += worker.handler->open_connections();
    received += worker.handler->endpoint().stats().datagrams_received;
    sent += worker.handler->endpoint().stats().datagrams_sent;
    bytes += worker.handler->site().statistics().body_bytes.value();
    for (const auto& status : worker.handler->site().statistics().by_status) requests += status.value();
  }
  log_info("origin", std::format("{} connections, {} requests, {} bytes of content, {} datagrams in, {} out",
                                 connections, requests, bytes, received, sent));
}

bool Program::request_capture(const CaptureRequest& request) {
  const std::lock_guard lock(capture_mutex_);
  if (capture_state_.is_running) return false;
  capture_request_ = std::make_unique<CaptureRequest>(request);
  capture_state_ = {.is_running = true};
  return true;
}

Program::CaptureState Program::capture_state() {
  const std::lock_guard lock(capture_mutex_);
  return capture_state_;
}

void Program::tend_capture() {
  const std::lock_guard lock(capture_mutex_);
  if (capture_request_) {
    std::vector<net::FramePort*> ports;
    for (unsigned i = 0; i < device_->queues(); ++i) ports.push_back(&device_->queue(i));
    auto capture = net::Capture::start({.file = capture_request_->file}, ports);
    capture_end_ = MonotonicClock::now() + Duration::seconds(capture_request_->seconds);
    capture_request_.reset();
    if (!capture) {
      capture_state_ = {.error = capture.error()};
      return;
    }
    capture_ = std::move(*capture);
  }
  if (!capture_ || (MonotonicClock::now() < capture_end_ && !capture_->is_done())) return;
  const uint64_t dropped = capture_->dropped();
  uint64_t written = capture_->written();
  capture_.reset();
  capture_state_ = {.written = written, .dropped = dropped};
}

}  // namespace viaduct::origin
