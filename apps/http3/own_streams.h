// The unidirectional stream that we open on every connection: control. QPACK's two carry instructions for a dynamic
// table, and neither side of ours has one, so that nothing would ever come on them (RFC 9204 section 4.2 leaves them
// out then); each would cost both ends a stream's memory.
#pragma once

#include <cstdint>
#include <optional>

#include "apps/http3/message_reader.h"
#include "apps/http3/settings.h"
#include "base/slab.h"
#include "engine/app_channel.h"

namespace viaduct::http3 {

// Their first bytes are the same for all connections of a worker, so one chunk serves all.
class OwnStreams {
 public:
  // Takes one chunk of the pool (100 bytes or more) for as long as it lives.
  OwnStreams(Role self, const Settings& settings, ChunkPool& chunks);
  ~OwnStreams();
  OwnStreams(const OwnStreams&) = delete;
  OwnStreams& operator=(const OwnStreams&) = delete;

  // SETTINGS first and at once (RFC 9114 section 7.2.4). Needs room for one command.
  void open(quic::AppChannel& channel, quic::ConnectionHandle connection) const;

  uint64_t control_stream() const { return first_; }
  bool is_ours(uint64_t stream) const { return stream % 4 == first_ % 4; }

 private:
  uint64_t first_;  // 2 for a client, 3 for a server; the next ones are 4 apart (RFC 9000 section 2.1)
  PooledChunk* preface_;
  uint32_t size_ = 0;
};

}  // namespace viaduct::http3
