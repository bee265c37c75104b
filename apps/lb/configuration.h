// What the balancer is to do, as plain values: what a TOML file, `viaductctl apply` and health checks change.
//
// How a change gets to the workers: take the Configuration, change it (a file read again, a weight, a state), check
// problems_of(), make a RoutingSnapshot of it with the program's SlotDirectory, publish it. Nothing else is needed;
// flow tables and NAT sessions refer to backends by slots that the directory keeps.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/instant.h"
#include "base/siphash.h"
#include "crypto-offload/retry_offload.h"
#include "flowsteer/maglev.h"
#include "flowsteer/mcphint.h"
#include "flowsteer/quic_lb.h"
#include "pmd-glue/mac_address.h"

namespace viaduct::lb {

// How packets reach a backend.
enum class Forwarding : uint8_t {
  kDirect,  // its MAC address, the packet unchanged: on one link, answers go directly (L2 direct return)
  kIpInIp,  // RFC 2003, RFC 2473, and across the families
  kGue,     // generic UDP encapsulation, variant 0 without options
  kNat,     // addresses and ports rewritten, both ways: for servers that can do nothing
};
inline constexpr std::string_view kForwardingNames[] = {"direct", "ip-in-ip", "gue", "nat"};

enum class BackendState : uint8_t {
  kActive,
  kDraining,  // keeps what it has by connection ID and flow state, gets nothing new
  kDown,      // gets nothing: its connection IDs and flows are routed as if it were not there
};
inline constexpr std::string_view kBackendStateNames[] = {"active", "draining", "down"};

// What the connection IDs of one configuration call a backend.
struct ServerId {
  uint8_t config_id = 0;
  std::vector<uint8_t> bytes;
};

struct BackendConfig {
  std::string name;                    // unique in its pool; with the pool's name it keeps its flows over a reload
  SocketAddress address;               // port: for NAT; 0 is the service's own
  std::optional<net::MacAddress> mac;  // where it is not to be asked for
  Forwarding forwarding = Forwarding::kDirect;
  uint32_t weight = 100;  // its share of new flows; 0 to 10,000
  BackendState state = BackendState::kActive;
  bool mcphint = false;  // it wants the option on what it gets
  std::vector<ServerId> server_ids;
};

// A request that a server has to answer well.
struct Http3Question {
  std::string host;  // SNI, :authority, and what the certificate has to be for
  std::string path = "/";
  uint16_t least_status = 200, most_status = 399;  // of a good answer
  std::string ca_file;                             // of certificates to trust (PEM); empty: the system's
  bool insecure = false;                           // takes any certificate

  bool operator==(const Http3Question&) const = default;
};

// Servers are asked whether they are there; those that do not answer get nothing.
struct HealthConfig {
  std::optional<Http3Question> http3;        // none: by a packet of an unknown version
  Duration interval = Duration::seconds(2);  // between two questions to one server, a tenth more or less
  Duration timeout = Duration::seconds(1);   // for an answer; below the interval
  unsigned fall = 3;                         // questions in a row without an answer
  unsigned rise = 2;                         // answers in a row
};

struct PoolConfig {
  std::string name;
  Duration slow_start;                 // over which a server that comes (back) gets up to its weight; 0: at once
  std::optional<HealthConfig> health;  // none: all are taken to be well
  std::vector<BackendConfig> backends;
};

struct ServiceConfig {
  std::string name;
  std::vector<SocketAddress> addresses;  // virtual ones, of either family
  std::string pool;
};

// Flow state is for packets whose connection ID does not say the server.
struct FlowStateConfig {
  size_t entries = 1 << 20;                   // of each worker
  Duration timeout = Duration::seconds(180);  // at least 120 s
  bool by_dcid = true;                        // survives a rebinding of a client with an ID that says nothing
  bool remember_routable = false;             // lets ICMP errors and stateless resets find the server
  size_t nat_sessions = 1 << 14;              // of each worker
  static constexpr Duration kLeastTimeout = Duration::seconds(120);
};

// Limits of what is new, of each worker. Above them a client has to show its address by a Retry, where keys are set.
struct NewFlowLimits {
  uint64_t per_second = 0;         // in all; 0: no limit
  uint64_t prefix_per_second = 0;  // of one source prefix; 0: no limit
  uint8_t prefix4 = 24;
  uint8_t prefix6 = 56;
};

// Retry on behalf of the servers (draft-ietf-quic-retry-offload, shared state). The servers have the same keys.
struct RetryConfig {
  bool always = false;       // not only above the limits
  uint8_t key_sequence = 0;  // 0 to 127
  std::array<uint8_t, 16> key{};
  std::array<uint8_t, 12> iv{};
  Duration lifetime = Duration::seconds(10);
  crypto::RetryOffloadKeys accepted;  // others, whose tokens are good as well

  crypto::RetryOffloadKeys keys() const {
    crypto::RetryOffloadKeys all{{key_sequence, key, iv}};
    all.insert(all.end(), accepted.begin(), accepted.end());
    return all;
  }
  bool operator==(const RetryConfig&) const = default;
};

struct Configuration {
  std::vector<ServiceConfig> services;
  std::vector<PoolConfig> pools;
  std::vector<flowsteer::QuicLbConfig> quic_lb;  // at most one for each of the ids 0 to 6
  FlowStateConfig flow_state;
  NewFlowLimits limits;
  std::optional<RetryConfig> retry;
  flowsteer::McphintConfig mcphint;
  // Of all hashes. Balancers that share it decide alike; nobody else should know it.
  SipKey hash_key{};
  size_t maglev_size = flowsteer::MaglevTable::kDefaultSize;  // a prime
  uint16_t gue_port = 6080;
  unsigned icmp_per_second = 1000;  // packet-too-big messages that one worker sends
};

// What cannot be.
struct Problem {
  std::string subject;  // "service web", "pool web", "backend web/s1", "quic_lb 3", "flow_state", …
  std::string text;     // one sentence about it

  std::string to_string() const { return subject + ": " + text; }
};
std::vector<Problem> problems_of(const Configuration& configuration);

}  // namespace viaduct::lb
