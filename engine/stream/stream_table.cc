#include "engine/stream/stream_table.h"

#include <bit>

namespace viaduct::quic {

StreamTable::StreamTable(uint32_t capacity, std::pmr::memory_resource* memory)
    : pool_(capacity, memory), buckets_(std::bit_ceil(size_t{capacity} + 1), nullptr, memory) {}

// Eight streams that are opened one after the other share a cache line: they are looked for one after the other too.
size_t StreamTable::bucket_of(uint32_t connection, uint64_t id) const {
  const uint64_t kind = id & 3, group = id >> 5, place = id >> 2 & 7;
  const uint64_t hash = (uint64_t{connection} << 32 ^ (group << 2 | kind)) * 0x9e3779b97f4a7c15;
  return ((hash ^ hash >> 32) << 3 | place) & (buckets_.size() - 1);
}

Stream* StreamTable::find(uint32_t connection, uint64_t id) const {
  Stream* stream = buckets_[bucket_of(connection, id)];
  while (stream && (stream->connection != connection || stream->id != id)) stream = stream->next_in_bucket;
  return stream;
}

Stream* StreamTable::open(uint32_t connection, uint64_t id, uint64_t send_limit, uint64_t window, uint64_t max_window) {
  Stream* stream = pool_.get(pool_.acquire(connection, id, send_limit, window, max_window));
  if (!stream) return nullptr;
  Stream*& bucket = buckets_[bucket_of(connection, id)];
  stream->next_in_bucket = bucket;
  bucket = stream;
  return stream;
}

void StreamTable::close(Stream& stream) {
  Stream** link = &buckets_[bucket_of(stream.connection, stream.id)];
  while (*link != &stream) link = &(*link)->next_in_bucket;
  *link = stream.next_in_bucket;
  pool_.release(pool_.handle_of(stream));
}

}  // namespace viaduct::quic
