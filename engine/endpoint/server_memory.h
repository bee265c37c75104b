// What a client keeps of its servers from one connection to the next: address tokens and TLS sessions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace viaduct::quic {

// The application owns it and hands it to connect(); it outlives the connections that use it, and only one thread does.
// Bounded: the server that was heard of longest ago is forgotten for a new one, and what is too large is not kept.
class ServerMemory {
 public:
  static constexpr size_t kMaxToken = 512;
  static constexpr size_t kMaxSession = 16 << 10;

  explicit ServerMemory(size_t max_servers = 64) : max_servers_(max_servers) {}

  // Each holds for one version of QUIC (RFC 9369 section 5); the newest counts.
  void keep_token(std::string_view server, uint32_t version, Bytes token);
  void keep_session(std::string_view server, uint32_t version, Bytes session);
  // What is taken is gone: neither is used twice, so that nobody can link two connections by them (RFC 9000 section
  // 8.1.3, RFC 8446 appendix C.4). Empty where there is none.
  std::vector<uint8_t> take_token(std::string_view server, uint32_t version);
  std::vector<uint8_t> take_session(std::string_view server, uint32_t version);
  // Whether there is a session to resume with the server, in any version.
  bool has_session(std::string_view server) const;

  size_t servers() const { return servers_.size(); }

 private:
  struct Server {
    std::string name;
    uint32_t version = 0;
    std::vector<uint8_t> token;
    std::vector<uint8_t> session;
  };
  Server* find(std::string_view name, uint32_t version);
  Server& renew(std::string_view name, uint32_t version);

  size_t max_servers_;
  std::vector<Server> servers_;  // heard of longest ago first
};

}  // namespace viaduct::quic
