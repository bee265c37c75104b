// All streams of an endpoint that have state.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <vector>

#include "base/cache_line.h"
#include "base/intrusive_list.h"
#include "base/pool.h"
#include "engine/stream/receive_stream.h"
#include "engine/stream/send_stream.h"

namespace viaduct::quic {

struct AllStreams;     // every stream of a connection
struct StreamsToSend;  // by what holds their bytes up: nothing, the connection's flow control, the stream limit
struct StreamsToControl;
struct StreamsToTell;

// On cache lines of its own: with thousands open, every line of one is fetched anew.
struct alignas(kCacheLine) Stream : ListNode<AllStreams>,
                                    ListNode<StreamsToSend>,
                                    ListNode<StreamsToControl>,
                                    ListNode<StreamsToTell> {
  Stream(uint32_t connection_number, uint64_t stream_id, uint64_t send_limit, uint64_t window, uint64_t max_window)
      : id(stream_id), connection(connection_number), send(send_limit), receive(stream_id, window, max_window) {}

  // Control frames that are due.
  enum Due : uint8_t { kResetStream = 1, kStopSending = 2, kMaxStreamData = 4, kStreamDataBlocked = 8 };

  const uint64_t id;
  const uint32_t connection;
  uint8_t due = 0;
  bool sends = true;                 // has a sending part
  bool receives = true;              // has a receiving part
  bool is_waiting = false;           // ours, beyond the peer's limit: nothing of it may be sent
  bool is_credit_blocked = false;    // is among those that wait for the connection's flow control
  bool has_peer_stop_event = false;  // kStopSending is to be told
  uint64_t peer_stop_error = 0;      // of the STOP_SENDING received
  uint64_t own_stop_error = 0;       // of the STOP_SENDING to send
  Stream* next_in_bucket = nullptr;
  SendStream send;
  ReceiveStream receive;
};

// Streams are found by their connection's number in this table and their ID. A peer cannot choose IDs freely (it opens
// them in order), so the hash needs no secret.
class StreamTable {
 public:
  explicit StreamTable(uint32_t capacity, std::pmr::memory_resource* memory = std::pmr::get_default_resource());

  // A number for a connection's streams; not used twice.
  uint32_t next_connection() { return next_connection_++; }
  Stream* find(uint32_t connection, uint64_t id) const;
  // Fetches what is most likely found.
  void prefetch(uint32_t connection, uint64_t id) const {
    if (const Stream* stream = buckets_[bucket_of(connection, id)]) prefetch_object<Access::kWrite>(*stream);
  }
  // Null where the pool is used up. The ID must not be in the table.
  Stream* open(uint32_t connection, uint64_t id, uint64_t send_limit, uint64_t window, uint64_t max_window);
  void close(Stream& stream);
  uint32_t available() const { return pool_.capacity() - pool_.used(); }
  // What we may open ourselves: the last eighth is for streams that peers open, which no local queue may keep out.
  uint32_t available_to_us() const {
    const uint32_t reserve = pool_.capacity() / 8;
    return available() > reserve ? available() - reserve : 0;
  }
  const PoolUse& use() const { return pool_.use(); }
  uint32_t capacity() const { return pool_.capacity(); }

 private:
  size_t bucket_of(uint32_t connection, uint64_t id) const;

  Pool<Stream> pool_;
  std::pmr::vector<Stream*> buckets_;
  uint32_t next_connection_ = 1;
};

}  // namespace viaduct::quic
