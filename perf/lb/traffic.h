// Frames as clients send them, made beforehand and the same in every run.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "apps/lb/configuration.h"
#include "apps/lb/routing_snapshot.h"

namespace viaduct::perf {

inline constexpr size_t kFrames = 65536;
inline constexpr uint32_t kFlows = 1'000'000;
inline constexpr unsigned kBackends = 64;

// What is sent, and to whom. Lengths are of server id and nonce; `key`: encrypted.
struct Mix {
  std::string name;
  uint8_t server_id_length = 3;
  uint8_t nonce_length = 7;
  bool key = false;
  unsigned initials = 0;    // of a hundred: first packets, whose IDs say nothing
  unsigned migrations = 0;  // of a hundred: from an address that the flow did not have before
  bool unroutable = false;  // none has an ID that says anything: what flow state is for
  uint32_t flows = kFlows;
};

// How packets reach the servers.
struct Delivery {
  lb::Forwarding forwarding = lb::Forwarding::kDirect;
  bool over_v6 = false;  // tunnels: the outer family
};
// "direct", "ip-in-ip", "ip-in-ip6", …
std::string name_of(const Delivery& delivery);

// Ports of the balancer's own address that flows are translated to.
inline constexpr uint16_t kFirstNatPort = 1024, kNatPorts = 64'000;

// Where the balancer of the benchmark stands.
lb::LinkFacts bench_link(const net::MacAddress& mac);
// A service of IPv4 with kBackends servers.
lb::Configuration bench_configuration(const Mix& mix, const Delivery& delivery, size_t flow_entries);

// Makes an Initial frame one of another flow: client, and both connection IDs.
void set_flow(std::span<uint8_t> frame, uint32_t flow);

// kFrames frames, each of one of the mix's flows: one block of memory, one after the other.
class Traffic {
 public:
  // size: bytes of each frame; 0: drawn from 64 to 1,350.
  Traffic(const Mix& mix, const lb::Configuration& configuration, const net::MacAddress& balancer, uint16_t size);

  std::span<const uint8_t> frame(size_t index) const {
    return {bytes_.data() + offsets_[index], offsets_[index + 1] - offsets_[index]};
  }

 private:
  std::vector<uint8_t> bytes_;
  std::vector<size_t> offsets_;
};

}  // namespace viaduct::perf
