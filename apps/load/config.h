// What viaduct-load is to do, as the command line says it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/load/url.h"
#include "base/address.h"
#include "base/instant.h"
#include "base/worker_loop.h"
#include "crypto-offload/tls_session.h"
#include "engine/endpoint/endpoint_config.h"
#include "pmd-glue/device_config.h"
#include "pmd-glue/eal.h"
#include "pmd-glue/ip_interface.h"

namespace viaduct::load {

enum class Work : uint8_t {
  kRequests,    // requests on connections that stay
  kHandshakes,  // connections one after the other, each for a number of requests
  kIdle,        // connections that stay and say nothing
};

struct Config {
  // --- whom, and what ---
  std::vector<Url> urls;  // one authority
  SocketAddress server;
  std::string server_name;  // SNI, and what the certificate is checked against
  std::string method = "GET";
  uint64_t upload_bytes = 0;  // content of each request
  Work work = Work::kRequests;

  // --- how much ---
  uint32_t connections = 1;
  uint32_t held = 0;                     // more connections, that say nothing
  uint32_t in_flight = 1;                // requests of a connection that are not answered yet
  uint32_t requests_per_connection = 0;  // kHandshakes: then the connection is closed
  double rate = 0;                       // per second, of requests or handshakes, whatever the answers; 0: closed loop
  double migrations = 0;                 // per second
  bool moves_itself = false;             // migrations are the connections' own (RFC 9000 section 9.2), and no NAT's
  bool resume = false;                   // kHandshakes: by the tickets of earlier connections
  uint32_t opening = 64;                 // handshakes under way at a time, while connections are opened
  uint64_t total = 0;                    // requests (or handshakes); 0: until the time is over
  Duration warm_up = Duration::seconds(1);
  Duration duration = Duration::seconds(10);
  bool without_authentication = false;

  // --- one request, to look at ---
  std::string save;  // file, or folder where there are several URLs; empty: a measurement
  bool show_head = false;

  // --- what it prints ---
  std::string json_file;
  bool quiet = false;

  // --- how it is connected ---
  unsigned workers = 1;
  net::DeviceConfig device;
  net::IpInterfaceConfig addresses;
  net::EalConfig eal;
  IdlePolicy idle = IdlePolicy::kPoll;
  crypto::TlsClientOptions tls;
  std::string protector;
  quic::EndpointConfig transport;
  uint32_t first_version = quic::kVersion1;  // of QUIC; the transport's first is the one that is asked for

  bool is_fetch() const { return !save.empty(); }
};

// Local UDP ports that connections come from.
inline constexpr uint16_t kFirstPort = 16'384;
inline constexpr uint16_t kLastPort = 65'535;
// Of these, the upper half are for connections that moved.
inline constexpr uint16_t kFirstMovedPort = 40'960;

}  // namespace viaduct::load
