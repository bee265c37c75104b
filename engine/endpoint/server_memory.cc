#include "engine/endpoint/server_memory.h"

#include <algorithm>
#include <utility>

namespace viaduct::quic {

void ServerMemory::keep_token(std::string_view server, uint32_t version, Bytes token) {
  if (max_servers_ == 0 || token.size() > kMaxToken) return;
  renew(server, version).token.assign(token.begin(), token.end());
}

void ServerMemory::keep_session(std::string_view server, uint32_t version, Bytes session) {
  if (max_servers_ == 0 || session.size() > kMaxSession) return;
  renew(server, version).session.assign(session.begin(), session.end());
}

std::vector<uint8_t> ServerMemory::take_token(std::string_view server, uint32_t version) {
  Server* const found = find(server, version);
  return found ? std::exchange(found->token, {}) : std::vector<uint8_t>();
}

std::vector<uint8_t> ServerMemory::take_session(std::string_view server, uint32_t version) {
  Server* const found = find(server, version);
  return found ? std::exchange(found->session, {}) : std::vector<uint8_t>();
}

bool ServerMemory::has_session(std::string_view server) const {
  return std::ranges::any_of(servers_,
                             [&](const Server& known) { return known.name == server && !known.session.empty(); });
}

ServerMemory::Server* ServerMemory::find(std::string_view name, uint32_t version) {
  const auto found = std::ranges::find_if(
      servers_, [&](const Server& server) { return server.name == name && server.version == version; });
  return found == servers_.end() ? nullptr : &*found;
}

ServerMemory::Server& ServerMemory::renew(std::string_view name, uint32_t version) {
  if (Server* const found = find(name, version)) {
    std::rotate(servers_.begin() + (found - servers_.data()), servers_.begin() + (found - servers_.data()) + 1,
                servers_.end());
    return servers_.back();
  }
  if (servers_.size() == max_servers_) servers_.erase(servers_.begin());
  return servers_.emplace_back(Server{.name = std::string(name), .version = version, .token = {}, .session = {}});
}

}  // namespace viaduct::quic
