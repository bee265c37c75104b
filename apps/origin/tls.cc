#include "apps/origin/tls.h"

#include "engine/connection/early_data.h"

namespace viaduct::origin {
namespace {

// First flights with 0-RTT that are remembered: half a minute of 2,000 a second.
constexpr size_t kReplayCapacity = 1 << 16;

}  // namespace

std::unique_ptr<SharedTls> SharedTls::make(const Config& config, std::string& error) {
  crypto::TlsServerOptions options{.certificate_file = config.certificate_file,
                                   .private_key_file = config.key_file,
                                   .alpn = config.alpn,
                                   .key_log_file = config.key_log_file,
                                   .early_data = config.early_data};
  const bool is_pool = !config.ticket_key_file.empty();
  options.ticket_keys = is_pool ? crypto::TicketKeys::load(config.ticket_key_file, error) : crypto::TicketKeys::make();
  if (!options.ticket_keys) return nullptr;
  // What a predecessor with the same keys has seen is not known; its tickets' first flights get too old meanwhile.
  const int64_t refuse_until = is_pool ? crypto::TicketKeys::system_clock() + crypto::ReplayWindow::kSeconds : 0;
  options.replay_window = std::make_shared<crypto::ReplayWindow>(kReplayCapacity, refuse_until);
  // RFC 9114 section 7.2.4.2: SETTINGS are part of the promise.
  const std::string settings = "h3 " + std::to_string(config.http.max_field_section);
  options.early_data_context = quic::early_data_promise(config.transport, settings);
  if (!crypto::load_certificates(options, error)) return nullptr;
  return std::unique_ptr<SharedTls>(new SharedTls(std::move(options)));
}

bool SharedTls::reload_certificates(std::string& error) {
  auto certificates = crypto::load_certificates(options_, error);
  if (!certificates) return false;
  certificates_.store(std::move(certificates));
  generation_.fetch_add(1, std::memory_order_release);
  return true;
}

void SharedTls::update(crypto::TlsContext& context, uint64_t& seen) const {
  const uint64_t generation = generation_.load(std::memory_order_acquire);
  if (generation == seen) return;
  seen = generation;
  context.use_certificates(certificates_.load());
}

}  // namespace viaduct::origin
