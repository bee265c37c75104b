#include "apps/origin/handler.h"

#include <algorithm>

namespace viaduct::origin {
namespace {

// Room of a chunk for a response's header section and a short text, or small content.
constexpr uint32_t kHeadRoom = 1024 + Site::kCopiedContent;
// Rounds of the application in one step, so that one burst's requests are answered with the next build.
constexpr int kApplicationRounds = 4;

quic::EndpointServices services(crypto::PacketProtector& protector, crypto::TlsContext& tls,
                                flowsteer::ConnectionIdCodec& ids, const flowsteer::ShardMap& shards, unsigned worker,
                                Random& random, quic::Tracer* tracer, const SharedState& shared, StageMeter& meter) {
  return {.protector = protector,
          .tls_server = &tls,
          .connection_ids = ids,
          .shards = shards,
          .shard = worker,
          .random = random,
          .tracer = tracer,
          .stateless_reset_key = shared.stateless_reset_key,
          .meter = &meter,
          .token_secret = shared.token_secret,
          .retry_sharing = shared.retry_sharing ? &*shared.retry_sharing : nullptr};
}

// One head chunk for each response in progress, and for each that may be repeated, and some for control streams.
uint32_t chunk_count(const Config& config) { return config.http.max_requests + http3::AnswerMemo::kPlaces + 1024; }

// A quarter of the store at most may be small files that workers keep at hand.
uint32_t remembered_files(const Config& config) {
  const size_t segments = config.content.store_bytes / config.content.segment_size;
  return static_cast<uint32_t>(std::clamp<size_t>(segments / (4 * config.workers), 1, 1024));
}

}  // namespace

std::unique_ptr<OriginHandler> OriginHandler::make(const Config& config, SharedState& shared, ContentLoader& loader,
                                                   unsigned worker, std::unique_ptr<crypto::TlsContext> tls,
                                                   StageMeter& meter, std::string& error) {
  // Room for both directions of every connection: an expanded key that comes from memory is cheaper than a new one.
  auto protector = crypto::make_protector(config.protector, {.schedules = 2 * config.transport.max_connections});
  if (!protector) {
    error = "tls.protector: '" + config.protector + "' is not known or cannot be used on this CPU";
    return nullptr;
  }
  return std::unique_ptr<OriginHandler>(
      new OriginHandler(config, shared, loader, worker, std::move(tls), std::move(protector), meter));
}

OriginHandler::OriginHandler(const Config& config, SharedState& shared, ContentLoader& loader, unsigned worker,
                             std::unique_ptr<crypto::TlsContext> tls,
                             std::unique_ptr<crypto::PacketProtector> protector, StageMeter& meter)
    : shared_(shared),
      meter_(meter),
      tls_(std::move(tls)),
      protector_(std::move(protector)),
      random_(Random::from_system()),
      shards_(shared.shard_secret, config.workers, flowsteer::id_length(config.quic_lb)),
      worker_(worker),
      workers_(config.workers),
      connection_ids_(std::in_place, config.quic_lb, shared.shard_secret, worker, config.workers, random_),
      chunks_(chunk_count(config), kHeadRoom),
      content_(loader, worker, remembered_files(config)),
      tracer_(config.qlog.directory.empty()
                  ? nullptr
                  : std::make_unique<quic::Tracer>(config.qlog.choice, config.qlog.ring_slots)),
      endpoint_(config.transport,
                services(*protector_, *tls_, *connection_ids_, shards_, worker, random_, tracer_.get(), shared, meter)),
      site_(config.site, content_, shared.wall),
      server_(config.http, endpoint_.channel(), chunks_, site_) {
  site_.serve_through(server_);
}

// What routers say of datagrams that were too large for them.
void OriginHandler::take_path_mtu(Instant now) {
  if (!port_) return;
  while (const auto message = port_->take_path_mtu()) {
    endpoint_.on_path_mtu(message->path, message->udp_payload, message->quoted_bytes(), now);
  }
}

bool OriginHandler::step(Instant now) {
  shared_.tls->update(*tls_, certificates_seen_);
  take_path_mtu(now);
  bool worked = endpoint_.step(now);
  follow_phase(now);
  follow_identity();
  for (int round = 0; round < kApplicationRounds; ++round) {
    meter_.enter(Stage::kApplication);
    const bool answered = site_.step(now);
    const bool asked = server_.step(now);
    if (!asked && !answered) break;
    worked = true;
    // What the application said is built into packets in this very round.
    endpoint_.step(now);
  }
  site_.flush();
  tell_progress();
  connections_.store(server_.connections(), std::memory_order_relaxed);
  return worked;
}

void OriginHandler::follow_phase(Instant now) {
  using Phase = SharedState::Phase;
  const Phase phase = shared_.phase.load(std::memory_order_acquire);
  if (phase == Phase::kServe) return;
  server_.shut_down(now);
  if (phase != Phase::kClose) return;
  if (!is_closing_) endpoint_.shut_down(now);
  is_closing_ = true;
}

// At the end of a round, of all that it did: the worker may sleep after the one in which a timer ended the last
// connection, and nothing would wake it.
void OriginHandler::tell_progress() {
  if (!server_.is_shutting_down()) return;
  drained_.store(server_.connections() == 0, std::memory_order_release);
  empty_.store(is_closing_ && server_.connections() == 0 && endpoint_.is_empty(), std::memory_order_release);
}

// Connections keep the IDs that they have; the balancer reads those for as long as it is told to.
void OriginHandler::follow_identity() {
  const unsigned changes = shared_.identity_changes.load(std::memory_order_acquire);
  if (changes == identity_changes_) return;
  identity_changes_ = changes;
  const std::lock_guard lock(shared_.identity_mutex);
  connection_ids_.emplace(shared_.identity, shared_.shard_secret, worker_, workers_, random_);
}

Instant OriginHandler::deadline() const {
  return std::min({endpoint_.deadline(), server_.deadline(), site_.deadline()});
}

}  // namespace viaduct::origin
