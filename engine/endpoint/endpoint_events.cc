// Commands in, TLS on, events out.
#include "engine/endpoint/shard.h"

namespace viaduct::quic {

// True where one was carried out.
bool Shard::run_commands(Instant now) {
  for (unsigned i = 0; i < config.commands_per_loop; ++i) {
    if (!waiting_command_) {
      Command next;
      if (!channel.commands.pop(next)) return i > 0;
      waiting_command_ = next;
    }
    // One that finds no memory waits, and those behind it: memory comes back as peers acknowledge.
    if (!run_command(*waiting_command_, now)) return i > 0;
    waiting_command_.reset();
  }
  return true;
}

// False where it must be repeated.
bool Shard::run_command(const Command& command, Instant now) {
  Connection* connection = connections.get({command.connection.index, command.connection.generation});
  if (command.type == CommandType::kConsume && (command.token & ReceiveStore::kPacketToken) != 0) {
    consume_datagram(command.token);
    return true;
  }
  if (command.type == CommandType::kConsume) {
    const Consumed consumed = streams.received.consume(command.token);
    if (connection) connection->on_consumed(consumed);
    return true;
  }
  if (!connection || connection->state() != Connection::State::kOpen) {
    if (command.chunk && !return_chunk(command)) return false;
    stats.commands_ignored.add();
    return true;
  }
  return connection->execute(command, now);
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
