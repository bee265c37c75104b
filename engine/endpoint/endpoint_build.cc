// Datagrams out: connections take turns, then one call seals everything.
#include <algorithm>

#include "engine/endpoint/shard.h"

namespace viaduct::quic {

size_t Shard::build(std::span<Packet*> packets, Instant now) {
  check_owner();
  size_t built = 0;
  while (built < packets.size() && !(to_send_.empty() && replies_.empty())) {
    const auto burst = packets.subspan(built, std::min<size_t>(packets.size() - built, kBurst));
    const size_t count = build_burst(burst, now);
    built += count;
    if (count < burst.size()) break;
  }
  return built;
}

size_t Shard::build_burst(std::span<Packet*> packets, Instant now) {
  size_t built = 0;
  const auto finish = [&](const Packet& packet) {
    ++built;
    stats.datagrams_sent.add();
    stats.bytes_sent.add(packet.length);
  };
  while (built < packets.size() && !replies_.empty()) {
    replies_.take(*packets[built]);
    finish(*packets[built]);
  }

  std::array<Connection*, kBurst> visited;
  size_t visited_count = 0;
  while (built < packets.size() && !to_send_.empty()) {
    Connection& connection = *to_send_.pop_front();
    // Of thousands of connections that take turns, the next one is in no near cache: it comes while this one is built.
    if (const Connection* next = to_send_.front()) next->prefetch();
    visited[visited_count++] = &connection;
    unsigned turn = 0;
    while (turn < config.packets_per_visit && built < packets.size() && batch_.has_room(config.max_udp_payload) &&
           connection.build(*packets[built], batch_, now)) {
      finish(*packets[built]);
      ++turn;
    }
    const bool may_have_more = turn == config.packets_per_visit || built == packets.size();
    if (may_have_more) want_send(connection);
    if (visited_count == visited.size()) break;
  }
  stats.packets_sent.add(batch_.size());
  enter(Stage::kSeal);
  batch_.flush();
  enter(Stage::kBuild);
  for (Connection* connection : std::span(visited).first(visited_count)) {
    connection->after_build(now);
  }
  return built;
}

}  // namespace viaduct::quic
