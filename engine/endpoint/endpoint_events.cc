// Commands in, TLS on, events out.
#include "engine/endpoint/shard.h"

namespace viaduct::quic {

// True where one was carried out.
bool Shard::run_commands(Instant now) {
  size_t done = 0;
  command_waits_ = false;
  while (done < config.commands_per_loop && !command_waits_) {
    const std::span<const Command> next = channel.commands.front(config.commands_per_loop - done);
    if (next.empty()) break;
    size_t count = 0;
    while (count < next.size() && run_command(next[count], now)) ++count;
    channel.commands.drop_front(count);
    done += count;
    // One that finds no memory waits, and those behind it: memory comes back as peers acknowledge.
    command_waits_ = count < next.size();
  }
  return done > 0;
}

// False where it must be repeated.
bool Shard::run_command(const Command& command, Instant now) {
  Connection* connection = connections.get({command.connection.index, command.connection.generation});
  if (command.type != CommandType::kConsume) {
    if (connection && connection->state() == Connection::State::kOpen) {
      if (!connection->execute(command, now)) return false;
    } else {
      if (command.chunk && !return_chunk(command)) return false;
      stats.commands_ignored.add();
    }
  }
  if (command.token != 0) consume(command.token, connection);
  return true;
}

void Shard::consume(uint64_t token, Connection* connection) {
  if ((token & ReceiveStore::kPacketToken) != 0) return consume_datagram(token);
  const Consumed consumed = streams.received.consume(token);
  if (connection) connection->on_consumed(consumed);
}

void Shard::consume_datagram(uint64_t token) {
  const Handle handle{static_cast<uint32_t>(token), static_cast<uint32_t>((token & ~ReceiveStore::kPacketToken) >> 32)};
  ReceivedDatagram* datagram = datagrams_in.get(handle);
  if (!datagram) return;
  if (Connection* owner = connections.get({datagram->connection.index, datagram->connection.generation})) {
    owner->on_datagram_consumed();
  }
  drop(*datagram->packet);
  datagrams_in.release(handle);
}

// Hands a write back at once. Its connection is gone or going; what it owned was handed back before or comes
// by itself.
bool Shard::return_chunk(const Command& command) {
  if (command.quiet) {
    command.chunk->drop();
    return true;
  }
  if (channel.events.room() == 0) return false;
  channel.events.push(Event{.type = EventType::kReleased,
                            .connection = command.connection,
                            .length = command.length,
                            .stream = command.stream,
                            .chunk = command.chunk});
  return true;
}

// What handshake workers have answered is polled by the connections that it is for; some may be gone.
void Shard::collect_tls() {
  std::array<uint64_t, kBurst> owners;
  for (crypto::TlsContext* tls : {services.tls_server, services.tls_client}) {
    for (size_t count = owners.size(); tls && count == owners.size();) {
      count = tls->ready(owners);
      for (const uint64_t owner : std::span(owners).first(count)) {
        const ConnectionHandle handle = handle_of_owner(owner);
        if (Connection* connection = connections.get({handle.index, handle.generation})) want_tls(*connection);
      }
    }
  }
}

bool Shard::has_ready_tls() const {
  return (services.tls_server && services.tls_server->has_ready()) ||
         (services.tls_client && services.tls_client->has_ready());
}

void Shard::run_tls(Instant now) {
  for (unsigned step = 0; step < config.tls_steps_per_loop; ++step) {
    Connection* connection = in_tls_.pop_front();
    if (!connection) return;
    if (connection->run_tls(now)) in_tls_.push_back(*connection);
    want_send(*connection);
    destroy_if_finished(*connection);
  }
}

// True where one was delivered.
bool Shard::deliver_events() {
  const size_t room = channel.events.room();
  while (Connection* connection = to_tell_.pop_front()) {
    const bool all = connection->deliver_events(channel.events);
    if (!all) {
      to_tell_.push_back(*connection);
      stats.events_delayed.add();
      break;
    }
    destroy_if_finished(*connection);
  }
  return channel.events.room() < room;
}

void Shard::destroy_if_finished(Connection& connection) {
  if (!connection.is_finished()) return;
  stats.connections_closed.add();
  const ConnectionHandle handle = connection.handle();
  by_index_[handle.index] = nullptr;
  connections.release({handle.index, handle.generation});
}

}  // namespace viaduct::quic
