#include "engine/stream/flow_control.h"

namespace viaduct::quic {

uint64_t ReceiveWindow::update(Instant now, Duration rtt) {
  // Updates come at each half of a window. One within two round trips says that the peer could use more.
  if (!updated_.is_never() && now - updated_ < rtt * 2) window_ = std::min(window_ * 2, max_window_);
  updated_ = now;
  limit_ = std::clamp(consumed_ + window_, limit_, kMaxVarint);
  return limit_;
}

}  // namespace viaduct::quic
