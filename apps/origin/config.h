// The configuration of viaduct-origin, out of a TOML file.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "apps/http3/server.h"
#include "apps/origin/content_loader.h"
#include "apps/origin/qlog_files.h"
#include "apps/origin/site.h"
#include "base/log.h"
#include "base/worker_loop.h"
#include "crypto-offload/retry_offload.h"
#include "engine/endpoint/endpoint_config.h"
#include "flowsteer/connection_id_codec.h"
#include "pmd-glue/device_config.h"
#include "pmd-glue/eal.h"
#include "pmd-glue/ip_interface.h"

namespace viaduct::origin {

// What the file says, with our defaults for what it does not. apps/origin/viaduct-origin.toml explains each key.
struct Config {
  std::string file;  // where it was read; what SIGHUP reads again
  unsigned workers = 1;
  unsigned handshake_workers = 0;
  bool pin_always = false;
  bool pin_never = false;
  uint16_t listen_port = 443;
  IdlePolicy idle = IdlePolicy::kAdaptive;
  Duration drain_limit = Duration::seconds(60);

  net::DeviceConfig device;
  net::IpInterfaceConfig addresses;
  net::EalConfig eal;

  std::string certificate_file;
  std::string key_file;
  std::vector<std::string> alpn = {"h3"};
  std::string key_log_file;
  std::string ticket_key_file;  // empty: keys of this process
  bool early_data = true;
  std::string protector;  // of packets; empty: the best one

  ContentConfig content;
  SiteLimits site;
  http3::ServerLimits http;
  // Rings that the caches hold: endpoint and application empty them several times a round.
  quic::EndpointConfig transport{.event_slots = 1024, .command_slots = 1024};
  std::optional<flowsteer::ServerIdentity> quic_lb;  // what a balancer reads in our connection IDs
  crypto::RetryOffloadKeys retry_keys;  // what it makes Retry tokens with, on our behalf; none: it makes none
  QlogConfig qlog;

  LogLevel log_level = LogLevel::kInfo;
  std::string log_file;
  Duration log_interval;  // of a line of figures; 0: none
};

// The errors are lines for the operator: file, line, key, what was expected.
std::expected<Config, std::vector<std::string>> load_config(const std::string& file);
// The same out of text; `name` stands for the file in messages.
std::expected<Config, std::vector<std::string>> parse_config(std::string_view text, const std::string& name);

}  // namespace viaduct::origin
