#include "tests/simulation/host.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "engine/verdicts.h"

namespace viaduct::sim {
namespace {

SipKey shard_secret(const HostConfig& config) { return SipKey{config.secret, 's'}; }

// The same for all: it keeps nothing between calls.
crypto::PacketProtector& protector() {
  static const std::unique_ptr<crypto::PacketProtector> one = crypto::make_protector();
  return *one;
}

// Endpoint and application as one packet handler.
class Handler {
 public:
  Handler(quic::Endpoint& endpoint, Application& application, const flowsteer::ShardMap& shards)
      : endpoint_(endpoint), application_(application), shards_(shards) {}

  unsigned owner_of(const Packet& packet) const { return shards_.owner_of_datagram(packet.bytes()); }
  void ingest(std::span<Packet*> packets, Instant now) { endpoint_.ingest(packets, now); }
  void step(Instant now) {
    quic::AppChannel& channel = endpoint_.channel();
    const bool had_commands = !channel.commands.empty();
    endpoint_.step(now);
    const bool has_events = !channel.events.empty();
    application_.run(channel, now);
    exchanged_ = had_commands || has_events || !channel.commands.empty();
  }
  // Whether endpoint and application had something for each other in the last step.
  bool exchanged() const { return exchanged_; }
  size_t build(std::span<Packet*> packets, Instant now) { return endpoint_.build(packets, now); }
  std::span<Packet*> released() { return endpoint_.released(); }
  Instant deadline() const { return std::min(endpoint_.deadline(), application_.deadline()); }

 private:
  quic::Endpoint& endpoint_;
  Application& application_;
  const flowsteer::ShardMap& shards_;
  bool exchanged_ = false;
};

// Of rounds, for each in which something moved: a timer that is due too early costs one look (see
// Connection::schedule()), and so does one that ends in a decision to wait longer.
constexpr uint64_t kIdleRounds = 2;
constexpr uint64_t kIdleRoundsMore = 100;

}  // namespace

class Worker : public Node {
 public:
  Worker(Host& host, Simulation& simulation, unsigned index, Application& application)
      : host_(host),
        random_(Random::from_seed(host.config_.seed * 100 + index)),
        ids_(host.config_.identity, shard_secret(host.config_), index, host.config_.workers, random_),
        port_(simulation, host.pool_),
        endpoint_(host.config_.endpoint, services(index)),
        handler_(endpoint_, application, host.shards_),
        loop_(port_, handler_, host.hand_off_, host.quiescence_,
              {.worker = index, .idle_policy = IdlePolicy::kAdaptive, .spin = Duration()}, VirtualClock{&simulation}) {}
  ~Worker() override { loop_.drain(); }

  // In real time a sleeping worker is nudged by who hands it a packet. Here nobody really sleeps: all are woken.
  void run_once() override {
    port_.clear_wake();
    const uint64_t handed_off = stats().handed_off.value();
    const uint64_t moved = port_.received() + port_.sent();
    loop_.run_once();
    if (stats().handed_off.value() != handed_off) host_.wake_all();
    const bool idle = port_.received() + port_.sent() == moved && !handler_.exchanged();
    ++(idle && !nudged_ ? idle_rounds_ : busy_rounds_);
    nudged_ = false;
  }
  // Somebody else wants it to look around; that it finds nothing is no fault of its own.
  void nudge() {
    nudged_ = true;
    port_.wake();
  }
  uint64_t idle_rounds() const { return idle_rounds_; }
  uint64_t busy_rounds() const { return busy_rounds_; }
  Instant wake_at() const override { return port_.wake_at(); }

  SimPort& port() { return port_; }
  quic::Endpoint& endpoint() { return endpoint_; }
  const WorkerStats& stats() const { return loop_.stats(); }
  uint64_t verdict(Verdict verdict) const { return endpoint_.verdicts()[verdict] + loop_.verdicts()[verdict]; }

 private:
  quic::EndpointServices services(unsigned index) {
    const HostConfig& config = host_.config_;
    quic::EndpointServices services{.protector = protector(),
                                    .tls_server = config.tls_server,
                                    .tls_client = config.tls_client,
                                    .connection_ids = ids_,
                                    .shards = host_.shards_,
                                    .shard = index,
                                    .random = random_};
    services.stateless_reset_key.fill(config.secret);
    services.token_secret.fill(config.secret);
    return services;
  }

  Host& host_;
  Random random_;
  flowsteer::ConnectionIdCodec ids_;
  SimPort port_;
  quic::Endpoint endpoint_;
  Handler handler_;
  WorkerLoop<SimPort, Handler, VirtualClock> loop_;
  uint64_t idle_rounds_ = 0;
  uint64_t busy_rounds_ = 0;
  bool nudged_ = false;
};

Host::Host(Simulation& simulation, const HostConfig& config, const std::vector<Application*>& applications)
    : simulation_(simulation),
      config_(config),
      pool_(config.pool_packets),
      shards_(shard_secret(config), config.workers, flowsteer::id_length(config.identity)),
      hand_off_(config.workers, config.hand_off_slots) {
  for (unsigned i = 0; i < config.workers; ++i) {
    workers_.push_back(std::make_unique<Worker>(*this, simulation, i, *applications.at(i)));
    simulation.add_node(*workers_.back());
  }
  simulation.set_receiver(config.ip, [this](Datagram datagram) { deliver(std::move(datagram)); });
}

Host::~Host() {
  if (!is_empty()) pool_.abandon();
  simulation_.set_receiver(config_.ip, [](Datagram) {});
  for (const auto& worker : workers_) simulation_.remove_node(*worker);
}

quic::Endpoint& Host::endpoint(unsigned worker) { return workers_[worker]->endpoint(); }

std::optional<quic::ConnectionHandle> Host::connect(SocketAddress server, uint16_t port, uint64_t cookie,
                                                    unsigned worker) {
  const quic::ConnectOptions options{.path = {.local = {config_.ip, port}, .remote = server},
                                     .server_name = "server.test",
                                     .cookie = cookie,
                                     .memory = config_.memory};
  const auto handle = endpoint(worker).connect(options, simulation_.now());
  wake(worker);
  return handle;
}

void Host::wake(unsigned worker) { workers_[worker]->nudge(); }

void Host::wake_all() {
  for (unsigned i = 0; i < workers(); ++i) wake(i);
}

void Host::deliver(Datagram datagram) {
  std::array<uint8_t, 18> key;
  ByteWriter writer(key);
  writer.bytes(datagram.from.ip.bytes);
  writer.u16(datagram.from.port);
  const uint64_t hash = siphash(SipKey{}, key);
  workers_[hash % config_.workers]->port().deliver(std::move(datagram));
}

bool Host::is_empty() const {
  return std::ranges::all_of(workers_, [](const auto& worker) { return worker->endpoint().is_empty(); });
}

uint64_t Host::handed_off() const {
  uint64_t sum = 0;
  for (const auto& worker : workers_) sum += worker->stats().handed_off.value();
  return sum;
}

uint64_t Host::received() const {
  uint64_t sum = 0;
  for (const auto& worker : workers_) sum += worker->port().received();
  return sum;
}

uint64_t Host::sent() const {
  uint64_t sum = 0;
  for (const auto& worker : workers_) sum += worker->port().sent();
  return sum;
}

uint64_t Host::overrun() const {
  uint64_t sum = 0;
  for (const auto& worker : workers_) sum += worker->port().overrun();
  return sum;
}

uint64_t Host::verdict(Verdict verdict) {
  uint64_t sum = 0;
  for (const auto& worker : workers_) sum += worker->verdict(verdict);
  return sum;
}

std::string Host::counters() const {
  std::string text;
  const auto add = [&](std::string_view name, uint64_t value) {
    if (value > 0) text.append(" ").append(name).append("=").append(std::to_string(value));
  };
  for (const auto& worker : workers_) {
    text += "\n  " + config_.ip.to_string();
    quic::Endpoint& one = worker->endpoint();
    for (const auto& counter : quic::kEndpointCounters) add(counter.name, one.stats().*counter.field);
    for (const auto& verdict : quic::kVerdicts) add(verdict.name, one.verdicts()[verdict.id]);
    for (const auto& gauge : one.pools()) {
      add(std::string(gauge.name) + "(used)", gauge.used);
      add(std::string(gauge.name) + "(refused)", gauge.refused);
    }
  }
  return text;
}

void Host::expect_baseline() {
  SCOPED_TRACE("host " + config_.ip.to_string() + ", seed " + std::to_string(simulation_.seed()));
  uint64_t verdicts = 0;
  uint64_t idle = 0, busy = 0;
  for (const auto& worker : workers_) {
    idle += worker->idle_rounds();
    busy += worker->busy_rounds();
    quic::Endpoint& one = worker->endpoint();
    EXPECT_TRUE(one.is_empty());
    verdicts += one.verdicts().sum();
    EXPECT_EQ(one.stats().owner_violations, 0u);
    for (const quic::PoolGauge& gauge : one.pools()) EXPECT_EQ(gauge.used, 0u) << gauge.name;
  }
  EXPECT_EQ(verdicts + verdict(kHandOffFull), received());
  EXPECT_LE(idle, kIdleRounds * busy + kIdleRoundsMore) << "timers without a purpose";
  // A loop keeps a burst of empty packets at most.
  EXPECT_LE(pool_.outstanding(), config_.workers * size_t{kBurst});
}

}  // namespace viaduct::sim
