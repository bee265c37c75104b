// Losses, probe timeouts and the timer that both share (RFC 9002 sections 6 and 7.6, appendix A.8 to A.11).
#include <algorithm>

#include "engine/recovery/recovery.h"

namespace viaduct::quic {

namespace {
// meets RFC 9002 7.6.1-1
constexpr int64_t kPersistentCongestionThreshold = 3;  // RFC 9002 section 7.6.1
constexpr int64_t kLossMemory = 3;                     // probe timeouts for which a lost packet is remembered
constexpr uint32_t kMaxBackoff = 16;                   // doublings; far beyond any idle timeout
}  // namespace

// The packets that one look at a space found lost.
struct Recovery::Losses {
  bool congestion = false;  // something was lost that was no probe of the path MTU
  Instant first_sent = Instant::never();
  Instant last_sent = kNoRecovery;
  uint32_t count = 0;
  uint32_t bytes = 0;
  Duration longest_run;  // between the first and last ack-eliciting packets of a run with nothing acknowledged between

  uint64_t run_next = ~uint64_t{0};
  Instant run_start = Instant::never();

  void add(uint64_t number, const SentPacket& packet, Instant first_rtt_sample) {
    if (number != run_next) run_start = Instant::never();
    run_next = number + 1;
    // meets RFC 9002 7.6.2-1 7.6.2-2
    if (packet.ack_eliciting && packet.sent_time > first_rtt_sample) {
      run_start = std::min(run_start, packet.sent_time);
      longest_run = std::max(longest_run, packet.sent_time - run_start);
    }
    // meets RFC 9000 14.4-1
    if (packet.mtu_probe) return;
    congestion = true;
    first_sent = std::min(first_sent, packet.sent_time);
    last_sent = std::max(last_sent, packet.sent_time);
    ++count;
    bytes += packet.size;
  }
};

// True if the window was reduced.
// meets RFC 9000 13.3-7
// meets RFC 9002 6.1.2-1 6.1.2-3 7.4-1
bool Recovery::detect_losses(PacketSpace space, Instant now, PacketFateObserver& observer) {
  Space& state = space_of(space);
  state.loss_time = Instant::never();
  if (state.largest_acked == kNoneAcked) return false;

  // meets RFC 9002 6.1.2-2 6.1.2-4
  const Duration delay = std::max(reordering_.delay(rtt_.larger()), kGranularity);
  Losses losses;
  // Numbers and send times ascend together: behind the first packet that is not lost, none is.
  const auto is_lost = [&](uint64_t number, const SentPacket& packet) {
    if (packet.sent_time + delay <= now || state.largest_acked >= number + reordering_.packets()) return true;
    state.loss_time = packet.sent_time + delay;
    return false;
  };
  const auto lost = [&](uint64_t number, const SentPacket& packet, std::span<const SentFrame> frames) {
    ++stats_.packets_lost;
    leave_flight(state, packet);
    if (packet.ecn != Ecn::kNotEct && packet.sent_time > path_start_) ecn_.on_lost();
    if (packet.sent_time > path_start_) {
      losses.add(number, packet, first_rtt_sample_);
      tell_lost(number, packet, now);
    }
    observer.packet_lost(space, number, packet, frames);
  };
  sent_in(space).detect_lost(state.largest_acked, is_lost, lost);
  return losses.congestion && answer_losses(losses, now);
}

void Recovery::tell_lost(uint64_t number, const SentPacket& packet, Instant now) {
  if (!packet.has_delivery) return;
  delivery_.on_lost(packet.size);
  if (packet.mtu_probe) return;
  controller_.get().on_packet_lost({.now = now,
                                    .number = number,
                                    .size = packet.size,
                                    .in_flight = packet.delivery.in_flight,
                                    .lost_since = delivery_.lost_since(packet.delivery),
                                    .app_limited = packet.delivery.app_limited,
                                    .tolerated = may_tolerate() && has_bbr() && tolerance_.covers(1)});
}

// With a tolerance, few losses beside a queue say that the window is larger than what the path holds, and the round
// trip says by how much: CUBIC's need not fall further. NewReno's would rarely be below it at all then, and fill any
// queue.
uint64_t Recovery::window_without_queue(uint64_t window) const {
  return static_cast<uint64_t>(static_cast<double>(window) * (rtt_.min().seconds() / rtt_.latest().seconds()));
}

bool Recovery::answer_losses(const Losses& losses, Instant now) {
  Controller& controller = controller_.get();
  const bool are_few = may_tolerate() && !has_bbr() && tolerance_.covers(losses.count);
  const bool tolerated = are_few && !LossTolerance::shows_queue(rtt_);
  if (resume_ && !tolerated) unanswered_lost_ += losses.bytes;
  const uint64_t before = controller.window();
  const bool reduced = !tolerated && controller.on_congestion_event(losses.last_sent, now);
  if (reduced && are_few && config_.controller == ControllerKind::kCubic)
    controller.resume_at(std::max(controller.window(), window_without_queue(before)), rtt_.smoothed());
  if (reduced) {
    if (episode_losses_ > 0) reordering_.on_genuine_losses();
    ++stats_.congestion_events;
    episode_undoable_ = true;
    episode_first_sent_ = losses.first_sent;
    episode_losses_ = losses.count;
  } else if (episode_losses_ > 0) {
    episode_losses_ += losses.count;
  }
  const Duration limit = probe_timeout(PacketSpace::kApplication) * kPersistentCongestionThreshold;
  if (losses.longest_run > limit) {
    ++stats_.persistent_congestions;
    // meets RFC 9002 7.6.2-4
    controller.on_persistent_congestion();
    rtt_.restart_min();
    episode_losses_ = 0;
    return true;
  }
  return reduced;
}

void Recovery::forget_old_losses(Instant now) {
  const Duration memory = probe_timeout(PacketSpace::kApplication) * kLossMemory;
  for (SentPackets& sent : sent_) sent.forget_lost_before(now - memory);
}

void Recovery::on_timeout(Instant now, PacketFateObserver& observer) {
  if (now < deadline_) return;
  forget_old_losses(now);
  if (const Timer loss = loss_timer(); !loss.time.is_never()) {
    if (loss.time <= now) {
      detect_losses(loss.space, now, observer);
      if (resume_) advance_resume(loss.space, 0, Duration(), now);
      update_pacer(now);
    }
    set_timer(now);
    return;
  }

  // meets RFC 9002 6.2-1
  const PacketSpace fired = probe_timer(now).space;
  ++pto_count_;
  ++stats_.probe_timeouts;
  if (!ack_eliciting_in_flight()) {
    // A client's way out of the server's anti-amplification limit (RFC 9002 section 6.2.2.1).
    // meets RFC 9000 8.1-4 8.1-5
    // meets RFC 9002 6.2.2.1-3
    owe_probes(handshake_keys_ ? PacketSpace::kHandshake : PacketSpace::kInitial, 1, now, observer);
  } else {
    // meets RFC 9002 6.2.4-3
    // The other spaces too: what they wait for may be what the peer lacks to answer in this one
    // (RFC 9002 section 6.2.4).
    for (const PacketSpace space : kAllPacketSpaces) {
      if (space_of(space).eliciting_in_flight == 0) continue;
      if (space == PacketSpace::kApplication && !handshake_confirmed_) continue;
      owe_probes(space, space == fired ? 2 : 1, now, observer);
    }
  }
  set_timer(now);
}

// Shows the observer the oldest packets in flight: what they carry is what the peer most likely misses.
// meets RFC 9002 6.2.4-1 6.2.4-2
void Recovery::owe_probes(PacketSpace space, unsigned count, Instant now, PacketFateObserver& observer) {
  Space& state = space_of(space);
  state.probes_owed = static_cast<uint8_t>(count);
  state.probe_base = now;
  unsigned shown = 0;
  sent_in(space).for_each_outstanding(
      [&](uint64_t number, const SentPacket& packet, std::span<const SentFrame> frames) {
        if (!packet.ack_eliciting) return true;
        observer.packet_probed(space, number, packet, frames);
        return ++shown < count;
      });
}

Recovery::Timer Recovery::loss_timer() const {
  Timer earliest;
  for (const PacketSpace space : kAllPacketSpaces) {
    const Instant time = spaces_[index_of(space)].loss_time;
    if (time < earliest.time) earliest = {time, space};
  }
  return earliest;
}

// meets RFC 9002 6.2.1-5
Duration Recovery::backed_off(Duration timeout) const {
  return timeout * (int64_t{1} << std::min<uint32_t>(pto_count_, kMaxBackoff));
}

// meets RFC 9002 6.2.1-2 6.2.1-3
Recovery::Timer Recovery::probe_timer(Instant now) const {
  if (!ack_eliciting_in_flight()) {
    const PacketSpace space = handshake_keys_ ? PacketSpace::kHandshake : PacketSpace::kInitial;
    return {now + backed_off(rtt_.probe_timeout()), space};
  }
  Timer earliest;
  for (const PacketSpace space : kAllPacketSpaces) {
    const Space& state = spaces_[index_of(space)];
    if (state.eliciting_in_flight == 0) continue;
    if (space == PacketSpace::kApplication && !handshake_confirmed_) continue;  // RFC 9002 section 6.2.1
    const Instant time = state.probe_base + backed_off(probe_timeout(space));
    if (time < earliest.time) earliest = {time, space};
  }
  return earliest;
}

// meets RFC 9002 6.2.1-4 6.2.1-6 6.2.2.1-1 6.2.2.1-2
void Recovery::set_timer(Instant now) {
  const Timer loss = loss_timer();
  if (!loss.time.is_never()) {
    deadline_ = loss.time;
  } else if (amplification_limited_ ||  // nothing could be sent (RFC 9002 section 6.2.2.1)
             (!ack_eliciting_in_flight() && peer_validated_address())) {
    deadline_ = Instant::never();
  } else {
    deadline_ = probe_timer(now).time;
  }
}

// Takes all packets of the space out of flight; the observer, if there is one, is told that they are lost.
void Recovery::abandon(PacketSpace space, PacketFateObserver* observer) {
  Space& state = space_of(space);
  sent_in(space).for_each_outstanding(
      [&](uint64_t number, const SentPacket& packet, std::span<const SentFrame> frames) {
        leave_flight(state, packet);
        if (observer != nullptr) observer->packet_lost(space, number, packet, frames);
        return true;
      });
  sent_in(space).clear();
  state.loss_time = Instant::never();
  state.probes_owed = 0;
  pto_count_ = 0;
}

// meets RFC 9002 6.2.2-3 6.4-1
void Recovery::discard_space(PacketSpace space, Instant now) {
  abandon(space, nullptr);
  set_timer(now);
}

void Recovery::on_early_data_rejected(Instant now, PacketFateObserver& observer) {
  abandon(PacketSpace::kApplication, &observer);
  set_timer(now);
}

// Numbers go on, those of 0-RTT too.
// meets RFC 9000 17.2.3-2 17.2.5.3-2
void Recovery::on_retry(Instant now, PacketFateObserver& observer) {
  abandon(PacketSpace::kInitial, &observer);
  abandon(PacketSpace::kApplication, &observer);
  set_timer(now);
}

}  // namespace viaduct::quic
