// What the streams of all connections of an endpoint draw from.
#pragma once

#include <cstdint>
#include <memory_resource>

#include "engine/stream/range_set.h"
#include "engine/stream/receive_store.h"
#include "engine/stream/send_stream.h"
#include "engine/stream/stream_table.h"

namespace viaduct::quic {

struct StreamCapacities {
  uint32_t streams = 16384;         // with state
  uint32_t writes = 65536;          // that are not released
  uint32_t ranges = 32768;          // of bytes lost, or acknowledged out of order
  uint32_t receive_blocks = 32768;  // of ReceiveBlock::kSize bytes
};

struct StreamResources {
  // secret: random.
  StreamResources(const StreamCapacities& capacities, uint64_t secret,
                  std::pmr::memory_resource* memory = std::pmr::get_default_resource())
      : table(capacities.streams, memory),
        writes(capacities.writes, memory),
        ranges(capacities.ranges, memory),
        received(capacities.receive_blocks, secret, memory) {}

  StreamTable table;
  WritePool writes;
  RangePool ranges;
  ReceiveStore received;
};

}  // namespace viaduct::quic
