// What was sent was not received, and is not going to be: everything begins anew.
#include "engine/stream/stream_set.h"

namespace viaduct::quic {

void StreamSet::unsend() {
  send_window_ = SendWindow();
  for (OwnKind& kind : own_) {
    while (kind.waiting.pop_front()) {
    }
    kind.limit = kind.blocked_told = 0;
    kind.limit_event = false;
  }
  for (Stream* stream = all_.front(); stream; stream = all_.next(*stream)) {
    if (initiator_of(stream->id) != role_) continue;
    stream->ListNode<StreamsToSend>::unlink();
    stream->ListNode<StreamsToControl>::unlink();
    stream->is_credit_blocked = false;
    stream->is_waiting = true;
    stream->send.restart(resources_.ranges);
    own_[is_unidirectional(stream->id)].waiting.push_back(*stream);
  }
  own_bidi_limit_ = own_uni_limit_ = 0;
}

}  // namespace viaduct::quic
