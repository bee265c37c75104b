// Time: one deadline per connection, the earliest of what it waits for.
#include "engine/connection/connection.h"
#include "engine/endpoint/shard.h"

namespace viaduct::quic {
namespace {

// While a limit of the peer's holds us up, it is reminded so often, or twice in an idle timeout.
constexpr Duration kBlockedInterval = Duration::seconds(10);

}  // namespace

// meets RFC 9000 10.1-1
Instant Connection::idle_deadline() const {
  if (idle_timeout_ <= Duration()) return Instant::never();
  // RFC 9000 section 10.1: never less than three probe timeouts.
  return idle_from_ + std::max(idle_timeout_, recovery_.probe_timeout(PacketSpace::kApplication) * 3);
}

void Connection::restart_idle_timer(Instant now) {
  idle_from_ = now;
  eliciting_since_receipt_ = false;
}

// A client that only receives sends nothing but acknowledgements. Should a NAT forget it between two of them, its
// server sends to nowhere, and neither would ever learn. So where the bytes stop coming it asks once; the answer, or
// the probe timeouts of the question, show the server where it is.
void Connection::expect_more(Instant now) {
  if (role_ == Role::kServer) return;
  stall_deadline_ = now + recovery_.probe_timeout(PacketSpace::kApplication) * 2;
}

Duration Connection::blocked_interval() const {
  return idle_timeout_ > Duration() ? std::min(kBlockedInterval, idle_timeout_ / 2) : kBlockedInterval;
}

// RFC 9000 section 4.1: who is held up says so again and again while nothing else is in flight. It keeps the connection
// from closing, and it shows a peer whose MAX_* frames went to an address that a NAT forgot where we are.
void Connection::ask_for_more(Instant now) {
  stall_deadline_ = Instant::never();
  const bool in_flight = recovery_.ack_eliciting_in_flight();
  if (streams_.was_blocked() && (in_flight || streams_.repeat_blocked())) {
    stall_deadline_ = now + blocked_interval();
  } else {
    ping_due_ = role_ == Role::kClient && streams_.open_streams() > 0 && !in_flight;
  }
}

Instant Connection::ack_deadline() const {
  Instant earliest = Instant::never();
  if (amplification_limited_) return earliest;
  for (const PacketSpace space : kAllPacketSpaces) {
    if (can_write(space)) earliest = std::min(earliest, ack_policies_[index_of(space)].deadline());
  }
  return earliest;
}

// A timer that is due too early is left where it is: it costs one look, moving it at every packet costs more.
void Connection::schedule(Instant now) {
  Instant wanted = close_deadline_;
  if (state_ == State::kGone) return;
  if (state_ == State::kOpen) {
    wanted = std::min({recovery_.deadline(), ack_deadline(), idle_deadline(), handshake_deadline_, pacing_deadline_,
                       stall_deadline_, ticket_deadline_, active_.retry_at, active_.give_up_at});
    if (has_candidate_) wanted = std::min({wanted, candidate_.retry_at, candidate_.give_up_at});
    if (has_fallback_) wanted = std::min(wanted, fallback_.give_up_at);
    if (handshake_) wanted = std::min(wanted, handshake_->early_until);
  }
  const bool is_early_enough = is_scheduled() && deadline() <= wanted && deadline() > now;
  if (!is_early_enough) shard_.wheel.schedule(*this, wanted);
}

void Connection::on_timer(Instant now) {
  if (state_ != State::kOpen) {
    if (now >= close_deadline_) return become_gone(now);
    return schedule(now);
  }
  // meets RFC 9000 21.6-1
  if (now >= handshake_deadline_) {
    forget_streams({static_cast<uint64_t>(ErrorCode::kNoViablePath), false, 0, "the handshake took too long"});
    return become_gone(now);
  }
  if (now >= idle_deadline()) {
    shard_.stats.idle_timeouts.add();
    forget_streams({static_cast<uint64_t>(ErrorCode::kNoError), false, 0, "idle"});
    return become_gone(now);
  }
  if (now >= recovery_.deadline()) {
    const unsigned before = recovery_.pto_count();
    trace_time_ = now;
    recovery_.on_timeout(now, *this);
    if (recovery_.pto_count() > before) {
      shard_.stats.probes_sent.add();
      if (mtu_.on_timeouts(recovery_.pto_count())) on_mtu_fell();
      // A client that waits for HANDSHAKE_DONE probes with Handshake packets, for which its server may have no keys any
      // more: something that it can read goes along (RFC 9002 section 6.2.4).
      ping_due_ |= role_ == Role::kClient && handshake_complete_ && !handshake_confirmed_;
    }
  }
  on_path_timer(now);
  if (state_ != State::kOpen) return;
  if (now >= pacing_deadline_) pacing_deadline_ = Instant::never();
  if (now >= stall_deadline_) ask_for_more(now);
  if (now >= ticket_deadline_) {
    ticket_deadline_ = Instant::never();
    drop_handshake_state();
  }
  keys_.drop_previous(now);
  if (handshake_ && now >= handshake_->early_until) {
    handshake_->early.discard();
    handshake_->early_until = Instant::never();
  }
  if (streams_.has_events()) want_tell();
  // The timer is set again after the visit that this asks for: what was built decides when it is due.
  want_send();
}

}  // namespace viaduct::quic
