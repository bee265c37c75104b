// What became of a frame from the peer.
#pragma once

#include "engine/wire/transport_error.h"

namespace viaduct::quic {

struct [[nodiscard]] FrameOutcome {
  TransportError error = {};  // the connection is to be closed with it
  // A pool is used up and nothing of the frame was taken. The rest of its packet is to be left, and the packet not to
  // be acknowledged: the peer sends it again. Frames before it in the packet do no harm twice.
  bool no_room = false;

  FrameOutcome() = default;
  FrameOutcome(const TransportError& why) : error(why) {}
  static FrameOutcome lacks_room() {
    FrameOutcome outcome;
    outcome.no_room = true;
    return outcome;
  }
  bool is_ok() const { return !error && !no_room; }
};

}  // namespace viaduct::quic
