// What an endpoint and its application say to each other: events up, commands down, over two rings of
// 64-byte messages. The two sides may run in one loop or on two lcores; they cannot tell.
#pragma once

#include <cstdint>

#include "base/address.h"
#include "base/chunk.h"
#include "base/spsc_ring.h"

namespace viaduct::quic {

// Names a connection of one endpoint; never reused while somebody could hold it (index, generation).
struct ConnectionHandle {
  uint32_t index = 0;
  uint32_t generation = 0;
  auto operator<=>(const ConnectionHandle&) const = default;
};

enum class EventType : uint8_t {
  kOpened,       // streams may be used: the handshake is complete, or 0-RTT goes ahead of it (early; kCompleted
                 // follows). value: the cookie of connect(), or 0; length: the largest DATAGRAM frame, its head of up
                 // to 5 bytes included, that the peer takes; 0: none
  kCompleted,    // after an early kOpened, the handshake is complete. early: what was sent before was received; where
                 // not, the engine sends it again
  kClosed,       // the last event of a connection; its writes were all released before. error, application_error
  kData,         // stream bytes in order: data, length; fin. Returned by kConsume with `token`
                 // (length may be 0 with fin; token is then 0 and nothing is to be returned). early: it came as 0-RTT
                 // and may be a copy of what somebody else sent before (RFC 9001 section 9.2)
  kReset,        // RESET_STREAM: no more data comes; error: the application's code
  kStopSending,  // STOP_SENDING: error; the engine resets the stream by itself, its writes come back as kReleased
  kReleased,   // chunk, length, stream: one kWrite is done with (acknowledged, or the stream or connection is gone), or
               // one kDatagram (sent, or dropped)
  kDelivered,  // value: how many writes that were to be quiet are done with, whatever became of them; their references
               // were dropped. One event for many of them, of any streams; none once the connection is closed
  kStreamLimit,  // value: how many streams of the kind of `stream` (its two low bits) may be opened in all
  kDatagram,     // RFC 9221: data, length; returned by kConsume
};

struct alignas(64) Event {
  EventType type = EventType::kOpened;
  bool fin = false;
  bool application_error = false;  // kClosed: error is the application's, not the transport's
  bool early = false;              // kOpened, kCompleted, kData
  ConnectionHandle connection;
  uint32_t length = 0;
  uint64_t stream = 0;
  const uint8_t* data = nullptr;  // readable until consumed
  uint64_t token = 0;             // kData, kDatagram: give it back with kConsume
  uint64_t value = 0;
  union {
    Chunk* chunk = nullptr;
    uint64_t error;
  };
};
static_assert(sizeof(Event) == 64);

enum class CommandType : uint8_t {
  kWrite,  // append chunk[offset, offset + length) to the stream, then its end if fin. The first command for
           // the next unused stream id of ours opens that stream (ids of a kind are used in order); beyond
           // the peer's limit it waits. The chunk reference stays held until kReleased.
  kReset,  // RESET_STREAM with error; unsent data is dropped, writes are released. The first `length` bytes of the
           // stream, of those written, are delivered all the same where the peer knows RESET_STREAM_AT
  kStopSending,  // STOP_SENDING with error; what still comes is discarded
  kConsume,      // the bytes of `token` were used: they may be freed and credited to flow control
  kClose,        // close the connection with the application error; kClosed follows
  kUpdateKeys,   // new 1-RTT keys as soon as the last update is over (RFC 9001 section 6)
  kDatagram,  // RFC 9221: send chunk[offset, offset + length) once, in one packet; dropped where it does not fit one,
              // or the peer takes none so large. stream: the application's own mark, which comes back with the chunk
};

struct alignas(64) Command {
  CommandType type = CommandType::kWrite;
  bool fin = false;
  bool quiet = false;  // kWrite: the engine drops the chunk's reference by itself, and tells by kDelivered
  ConnectionHandle connection;
  uint32_t offset = 0;
  uint32_t length = 0;
  uint64_t stream = 0;
  Chunk* chunk = nullptr;
  uint64_t token = 0;  // any type: if not 0, given back with it as by kConsume
  uint64_t error = 0;
};
static_assert(sizeof(Command) == 64);

// The pair of rings. The endpoint never loses an event for want of room: what does not fit stays in the
// connection and comes when there is room again. The application asks commands.room() before it pushes.
// A command for a connection that is gone is ignored, but its chunk comes back by kReleased, or is dropped where that
// was asked for.
struct AppChannel {
  AppChannel(size_t event_slots, size_t command_slots) : events(event_slots), commands(command_slots) {}

  SpscRing<Event> events;      // endpoint → application
  SpscRing<Command> commands;  // application → endpoint
};

}  // namespace viaduct::quic
