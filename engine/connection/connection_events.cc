// The application's commands, and the events that answer them.
#include "engine/connection/connection.h"
#include "engine/endpoint/shard.h"

namespace viaduct::quic {

void Connection::want_tell() { shard_.want_tell(*this); }
void Connection::want_send() { shard_.want_send(*this); }

bool Connection::execute(const Command& command, Instant now) {
  switch (command.type) {
    case CommandType::kWrite:
      switch (streams_.write(command)) {
        case StreamSet::WriteResult::kDone:
          break;
        case StreamSet::WriteResult::kNoWrites:
          return false;
        case StreamSet::WriteResult::kNoStreams:
          // The command is repeated, and its chunk then comes back.
          close({ErrorCode::kInternalError, 0, "no room for another stream"}, now);
          return false;
      }
      break;
    case CommandType::kReset:
      streams_.reset(command.stream, command.error, command.length);
      break;
    case CommandType::kStopSending:
      streams_.stop_sending(command.stream, command.error);
      break;
    case CommandType::kClose:
      begin_closing({command.error, true, 0, {}}, now);
      break;
    case CommandType::kDatagram:
      if (!send_datagram(command)) return false;
      break;
    case CommandType::kUpdateKeys:
      keys_.ask_for_update();
      break;
    case CommandType::kConsume:
      break;
  }
  if (streams_.has_events()) want_tell();
  want_send();
  return true;
}

void Connection::on_consumed(const Consumed& consumed) {
  if (state_ != State::kOpen) return;
  streams_.on_consumed(consumed);
  if (streams_.has_control()) want_send();
}

bool Connection::has_events() const {
  return opened_event_ || completed_event_ || closed_event_ || streams_.has_events() || !datagrams_.arrived.empty() ||
         !datagrams_.released.empty();
}

bool Connection::next_event(Event& event) {
  event = {};
  if (opened_event_) {
    opened_event_ = false;
    was_opened_ = true;
    event.type = EventType::kOpened;
    event.value = cookie_;
    event.early = is_early_;
    event.length = static_cast<uint32_t>(std::min<uint64_t>(datagrams_.peer_limit, 65'535));
    return true;
  }
  if (completed_event_) {
    completed_event_ = false;
    event.type = EventType::kCompleted;
    event.early = role_ == Role::kServer || early_taken_;
    return true;
  }
  if (next_datagram_event(event)) return true;
  if (streams_.next_event(event)) {
    event.early = role_ == Role::kServer && !handshake_complete_;
    return true;
  }
  if (!closed_event_) return false;
  closed_event_ = false;
  event.type = EventType::kClosed;
  event.application_error = close_reason_.application;
  event.error = close_reason_.error;
  return true;
}

bool Connection::deliver_events(SpscRing<Event>& events) {
  for (Event* event = events.free_slot(); event && next_event(*event); event = events.free_slot()) {
    event->connection = handle_;
    events.push_filled();
  }
  return !has_events();
}

}  // namespace viaduct::quic
