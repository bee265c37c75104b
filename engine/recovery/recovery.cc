// Sending, and what an ACK frame does. Losses and timers are in recovery_timer.cc.
#include "engine/recovery/recovery.h"

#include <algorithm>
#include <ranges>

namespace viaduct::quic {

Recovery::Recovery(const RecoveryConfig& config, BlockPool& pool)
    : config_(config),
      sent_{{SentPackets(pool, config.max_blocks), SentPackets(pool, config.max_blocks),
             SentPackets(pool, config.max_blocks)}},
      rtt_(config.initial_rtt),
      controller_(config.controller, config.max_datagram_size),
      pacer_(config.max_datagram_size) {}

void Recovery::on_handshake_confirmed(Instant now) {
  handshake_confirmed_ = true;
  peer_validated_address_ = true;
  set_timer(now);
}

void Recovery::on_handshake_keys(Instant now) {
  handshake_keys_ = true;
  set_timer(now);
}

void Recovery::on_peer_validated_address(Instant now) {
  peer_validated_address_ = true;
  set_timer(now);
}

void Recovery::set_amplification_limited(bool limited, Instant now) {
  if (limited == amplification_limited_) return;
  amplification_limited_ = limited;
  set_timer(now);
}

void Recovery::allow_ack_delay(Duration delay, Instant now) {
  if (delay <= peer_max_ack_delay_) return;
  peer_max_ack_delay_ = delay;
  set_timer(now);
}

// meets RFC 9002 7.2-2
void Recovery::set_max_datagram_size(uint64_t bytes) {
  config_.max_datagram_size = bytes;
  controller_.get().set_max_datagram_size(bytes);
  pacer_.set_max_datagram_size(bytes);
}

bool Recovery::record_sent(PacketSpace space, SentPacket packet, std::span<const SentFrame> frames) {
  if (!packet.in_flight || !controller_.get().needs_rate()) return sent_in(space).add(packet, frames);
  if (!sent_in(space).has_room()) return false;
  if (bytes_in_flight_ == 0) controller_.get().on_restart_from_idle(packet.sent_time);
  packet.has_delivery = true;
  packet.delivery = delivery_.on_sent(packet.sent_time, packet.size, bytes_in_flight_);
  return sent_in(space).add(packet, frames);
}

bool Recovery::on_packet_sent(PacketSpace space, const SentPacket& packet, std::span<const SentFrame> frames) {
  if (!record_sent(space, packet, frames)) return false;
  ++stats_.packets_sent;
  if (packet.ecn != Ecn::kNotEct) ecn_.on_sent();
  Space& state = space_of(space);
  if (!packet.ack_eliciting && state.silent_packets < kSilentPackets) ++state.silent_packets;
  if (!packet.in_flight) return true;

  const Instant now = packet.sent_time;
  // A jump that was not used within its round trip is over, however long nothing was sent.
  if (holds_window() && bytes_in_flight_ == 0) {
    advance_resume(space, 0, Duration(), now);
    update_pacer(now);
  }
  // meets RFC 9002 7.5-2
  bytes_in_flight_ += packet.size;
  flight_peak_ = std::max(flight_peak_, bytes_in_flight_);
  pacer_.on_sent(packet.size, now);
  // Another packet of the same moment leaves the timer where the one before has put it.
  const bool is_timed = state.probe_base == now && state.eliciting_in_flight > 0;
  if (packet.ack_eliciting) {
    state.probe_base = now;
    state.silent_packets = 0;
    ++state.eliciting_in_flight;
    if (state.probes_owed > 0) --state.probes_owed;
  }
  if (!is_timed) set_timer(now);
  return true;
}

// What one ACK frame newly acknowledged.
struct Recovery::NewlyAcked {
  bool any = false;
  bool any_eliciting = false;
  bool largest_is_new = false;  // the frame's Largest Acknowledged
  Instant largest_sent;         // when that one was sent, if it is new
  Instant latest_sent = kNoRecovery;
  uint64_t bytes = 0;
  uint64_t growth_bytes = 0;
  uint64_t marked = 0;  // packets sent with an ECN mark
};

TransportError Recovery::on_ack(PacketSpace space, const AckReport& ack, Instant now, PacketFateObserver& observer) {
  for (const PacketRange& range : ack.ranges) {
    if (!sent_in(space).may_acknowledge(range)) {
      // meets RFC 9000 13.1-2
      return {ErrorCode::kProtocolViolation, 0x02, "acknowledgement of a packet never sent"};
    }
  }
  Space& state = space_of(space);
  const uint64_t largest = ack.ranges.front().largest;
  const bool raised = state.largest_acked == kNoneAcked || largest > state.largest_acked;
  if (raised) state.largest_acked = largest;
  if (space == PacketSpace::kHandshake) peer_validated_address_ = true;  // RFC 9002 section 6.2.2.1

  const NewlyAcked newly = settle_acked(space, ack, now, observer);
  if (!newly.any) return {};
  // meets RFC 9002 5.1-1 5.1-2
  const bool sampled = newly.largest_is_new && newly.any_eliciting && newly.largest_sent > path_start_;
  if (sampled) take_rtt_sample(space, ack, now, newly);

  if (may_tolerate())
    tolerance_.on_acked(config_.loss_tolerance, newly.bytes, controller().window(), config_.max_datagram_size);
  bool reduced = detect_losses(space, now, observer);
  // RFC 9000 section 13.4.2.1: counts of an older frame say nothing new.
  if (raised && space == PacketSpace::kApplication) reduced |= answer_ecn(ack, newly, now);
  controller_.get().on_ack({.now = now,
                            .acked_bytes = newly.bytes,
                            .growth_bytes = reduced || holds_window() ? 0 : newly.growth_bytes,
                            .latest_sent = newly.latest_sent,
                            .smoothed_rtt = rtt_.smoothed(),
                            .latest_rtt = sampled ? rtt_.latest() : Duration(),
                            .recent_flight = std::max(flight_peak_, last_flight_peak_),
                            .in_flight = bytes_in_flight_,
                            .rate = delivery_.take_sample(now, rtt_.min())});
  if (controller_.get().holds_back()) on_nothing_to_send();
  if (resume_) advance_resume(space, newly.bytes, sampled ? rtt_.latest() : Duration(), now);
  turn_round(newly.latest_sent, now);
  forget_old_losses(now);

  if (peer_validated_address()) {
    pto_count_ = 0;
    for (Space& each : spaces_) each.probes_owed = 0;
  }
  update_pacer(now);
  set_timer(now);
  return {};
}

Recovery::NewlyAcked Recovery::settle_acked(PacketSpace space, const AckReport& ack, Instant now,
                                            PacketFateObserver& observer) {
  Space& state = space_of(space);
  const Instant recovery_start = controller_.get().recovery_start();
  const uint64_t largest = ack.ranges.front().largest;
  NewlyAcked newly;
  const auto acked = [&](uint64_t number, const SentPacket& packet, std::span<const SentFrame> frames, bool was_lost) {
    newly.any = true;
    newly.any_eliciting |= packet.ack_eliciting;
    ++stats_.packets_acked;
    if (number == largest) {
      newly.largest_is_new = true;
      newly.largest_sent = packet.sent_time;
    }
    newly.marked += packet.ecn != Ecn::kNotEct && packet.sent_time > path_start_;
    if (packet.has_delivery && packet.sent_time > path_start_)
      delivery_.on_acked(packet.delivery, packet.sent_time, packet.size, now);
    if (was_lost) {
      note_spurious_loss(state.largest_acked - number, packet, now);
    } else {
      leave_flight(state, packet);
      if (packet.sent_time > path_start_) {
        newly.latest_sent = packet.sent_time;
        newly.bytes += packet.size;
        if (packet.sent_time > recovery_start) newly.growth_bytes += packet.size;
      }
    }
    observer.packet_acked(space, number, packet, frames);
  };
  SentPackets::Cursor cursor;
  for (const PacketRange& range : std::views::reverse(ack.ranges)) sent_in(space).acknowledge(range, cursor, acked);
  return newly;
}

void Recovery::leave_flight(Space& space, const SentPacket& packet) {
  bytes_in_flight_ -= packet.size;
  if (packet.ack_eliciting) --space.eliciting_in_flight;
}

void Recovery::note_spurious_loss(uint64_t distance, const SentPacket& packet, Instant now) {
  ++stats_.spurious_losses;
  if (packet.sent_time > path_start_) reordering_.on_spurious_loss(distance, now - packet.sent_time, rtt_.larger());
  if (episode_losses_ == 0 || packet.mtu_probe || packet.sent_time < episode_first_sent_) return;
  if (--episode_losses_ == 0 && episode_undoable_) controller_.get().on_spurious_congestion();
}

// True if the window was reduced, because routers have marked packets (RFC 9002 section 7.1).
bool Recovery::answer_ecn(const AckReport& ack, const NewlyAcked& newly, Instant now) {
  if (!config_.ecn || ecn_.has_failed() || !ecn_.on_ack(newly.marked, ack.ecn)) return false;
  ++stats_.ecn_congestions;
  episode_undoable_ = false;
  if (resume_) unanswered_lost_ = CarefulResume::kAll;
  const bool reduced = controller_.get().on_ecn_congestion(newly.latest_sent, now);
  if (reduced) {
    ++stats_.congestion_events;
    episode_losses_ = 0;
  }
  return reduced;
}

// meets RFC 9002 5.3-1 5.3-2 5.3-3
void Recovery::take_rtt_sample(PacketSpace space, const AckReport& ack, Instant now, const NewlyAcked& newly) {
  // Initial and Handshake packets are acknowledged at once; a longer delay than promised is the path's once the
  // handshake is confirmed (RFC 9002 section 5.3).
  Duration delay = space == PacketSpace::kApplication ? ack.ack_delay : Duration();
  if (handshake_confirmed_) delay = std::min(delay, peer_max_ack_delay_);
  rtt_.update(now - newly.largest_sent, delay);
  if (first_rtt_sample_.is_never()) first_rtt_sample_ = now;
}

// A round trip ends when a packet is acknowledged that was sent after it began.
void Recovery::turn_round(Instant latest_sent, Instant now) {
  if (latest_sent < round_start_) return;
  round_start_ = now;
  last_flight_peak_ = flight_peak_;
  flight_peak_ = bytes_in_flight_;
  watch_path();
}

void Recovery::update_pacer(Instant now) {
  if (!rtt_.has_sample()) return;
  const Controller& controller = controller_.get();
  if (controller.pacing_rate() > 0) return pacer_.set_bytes_per_second(controller.pacing_rate(), now);
  if (holds_window()) {
    const double rate = static_cast<double>(controller.window()) / rtt_.smoothed().seconds();
    return pacer_.set_bytes_per_second(rate, now);
  }
  pacer_.set_rate(controller.window(), rtt_.smoothed(), controller.in_slow_start(), now);
}

void Recovery::on_port_change(Instant now) {
  pto_count_ = 0;
  set_timer(now);
}

void Recovery::on_path_change(Instant now) {
  path_start_ = now;
  first_rtt_sample_ = Instant::never();
  rtt_ = RttEstimator(config_.initial_rtt);
  delivery_ = {};
  reordering_ = {};
  tolerance_ = {};
  resume_.reset();
  seen_window_ = 0;
  ecn_.restart();
  controller_ = AnyController(config_.controller, config_.max_datagram_size);
  pacer_ = Pacer(config_.max_datagram_size);
  episode_losses_ = 0;
  pto_count_ = 0;
  set_timer(now);
}

// Of those that have a timer: application data has none before the handshake is confirmed (RFC 9002 section 6.2.1), so
// that 0-RTT packets in flight must not keep a client from probing with what the handshake needs.
bool Recovery::ack_eliciting_in_flight() const {
  return std::ranges::any_of(kAllPacketSpaces, [&](PacketSpace space) {
    return ack_eliciting_in_flight(space) && (space != PacketSpace::kApplication || handshake_confirmed_);
  });
}

Duration Recovery::probe_timeout(PacketSpace space) const {
  const Duration timeout = rtt_.probe_timeout();
  return space == PacketSpace::kApplication ? timeout + peer_max_ack_delay_ : timeout;
}

}  // namespace viaduct::quic
