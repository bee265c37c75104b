// Loss detection and congestion control of one connection (RFC 9002): the skeleton is its appendix A.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "base/instant.h"
#include "engine/congestion/any_controller.h"
#include "engine/congestion/careful_resume.h"
#include "engine/congestion/pacer.h"
#include "engine/recovery/block_pool.h"
#include "engine/recovery/ecn_validation.h"
#include "engine/recovery/loss_tolerance.h"
#include "engine/recovery/packet_space.h"
#include "engine/recovery/reordering.h"
#include "engine/recovery/rtt.h"
#include "engine/recovery/sent_packet.h"
#include "engine/recovery/sent_packets.h"
#include "engine/wire/transport_error.h"

namespace viaduct::quic {

struct RecoveryConfig {
  bool server = false;
  ControllerKind controller = ControllerKind::kCubic;
  uint64_t max_datagram_size = 1200;  // bytes of UDP payload
  Duration initial_rtt = kInitialRtt;
  size_t max_blocks = 1024;  // of the pool, for each space
  bool ecn = false;          // 1-RTT packets are marked, while the path lets marks through
  float loss_tolerance = 0;  // see LossTolerance
};

// What an ACK frame says, decoded.
struct AckReport {
  std::span<const PacketRange> ranges;  // disjoint, from the largest down, at least one
  Duration ack_delay;                   // scaled by the peer's ack_delay_exponent already
  const EcnCounts* ecn = nullptr;       // null: the frame had none
};

// Counted over the connection's life, for telemetry and tests.
struct RecoveryStats {
  uint64_t packets_sent = 0;
  uint64_t packets_acked = 0;
  uint64_t packets_lost = 0;
  uint64_t spurious_losses = 0;  // acknowledged after they were declared lost
  uint64_t congestion_events = 0;
  uint64_t persistent_congestions = 0;
  uint64_t probe_timeouts = 0;
  uint64_t ecn_congestions = 0;  // acknowledgements that reported more packets with CE
};

// The connection's loop, for each packet: if can_record(), and may_send() or a probe is owed or only an ACK goes out:
// build it with the number next_packet_number(), then on_packet_sent(). When deadline() has come, on_timeout(); after
// it probes_owed() may ask for packets.
class Recovery {
 public:
  // The pool must outlive this.
  Recovery(const RecoveryConfig& config, BlockPool& pool);

  // --- What the connection learns on the way ---

  // The peer's max_ack_delay, and its ack delays are limited to it from the handshake's confirmation on.
  void set_peer_max_ack_delay(Duration delay) { peer_max_ack_delay_ = delay; }
  Duration peer_max_ack_delay() const { return peer_max_ack_delay_; }
  // A longer one may be in force from now on: probe timeouts allow for it.
  void allow_ack_delay(Duration delay, Instant now);
  // RFC 9001 section 4.1.2; the application space gets its timer.
  void on_handshake_confirmed(Instant now);
  // We have keys to send Handshake packets: a client probes with them when nothing is in flight.
  void on_handshake_keys(Instant now);
  // Client: the server has shown that it validated our address (an ACK of a Handshake packet is noticed here by
  // itself).
  void on_peer_validated_address(Instant now);
  // Server: no byte may be sent now for the anti-amplification limit (RFC 9000 section 8.1), or again may.
  // To be told before on_timeout(), and when a datagram lifts the limit.
  void set_amplification_limited(bool limited, Instant now);
  void set_max_datagram_size(uint64_t bytes);
  // What an earlier connection knew of the path (RFC 9959). Before anything is acknowledged. The only call that
  // allocates.
  void resume(const PathKnowledge& known);

  // --- Sending ---

  uint64_t next_packet_number(PacketSpace space) const { return sent_[index_of(space)].next_number(); }
  // The number to encode packet numbers against (RFC 9000 section 17.1); kNoneAcked before the first.
  static constexpr uint64_t kNoneAcked = ~uint64_t{0};
  uint64_t largest_acked(PacketSpace space) const { return spaces_[index_of(space)].largest_acked; }
  // Skips a number of the application space as a trap for optimistic acknowledgement; see SentPackets::skip().
  bool skip_packet_number(PacketSpace space) { return sent_[index_of(space)].skip(); }

  // Whether one more packet in flight can be remembered; if not, only ACKs may be sent now.
  bool can_record(PacketSpace space) { return sent_[index_of(space)].has_room(); }
  // Whether the congestion window has room for so many bytes in flight.
  bool window_allows(uint64_t bytes) const { return bytes_in_flight_ + bytes <= controller().window(); }
  // When the pacer lets the next packet go: `now` or before for at once. Ask only while window_allows().
  Instant next_send_time(Instant now) const { return pacer_.next_send_time(now); }
  bool may_send(uint64_t bytes, Instant now) const { return window_allows(bytes) && pacer_.may_send(now); }
  // The window and the pacer would let a packet go, and there is none: what is in flight does not measure the path.
  void on_nothing_to_send() { delivery_.on_app_limited(bytes_in_flight_); }
  // The packet numbered next_packet_number(space) goes out at packet.sent_time. frames: at most
  // SentPackets::kMaxFrames. False, with nothing done, for a packet in flight without can_record().
  bool on_packet_sent(PacketSpace space, const SentPacket& packet, std::span<const SentFrame> frames);

  // Many packets with nothing but ACKs went out, which the peer does not answer: the next one should carry a PING, so
  // that its acknowledgement lets AckRanges forget what was reported (RFC 9000 section 13.2.4).
  bool wants_ping(PacketSpace space) const {
    const Space& state = spaces_[index_of(space)];
    return state.silent_packets >= kSilentPackets && state.eliciting_in_flight == 0;
  }

  // Whether 1-RTT packets on the present path are to be marked ECT(0).
  bool marks_ecn() const { return config_.ecn && ecn_.is_marking(); }
  const EcnValidation& ecn() const { return ecn_; }

  // Ack-eliciting packets to be sent in the space, whatever window and pacer say; each one sent counts down.
  // If there is nothing else to send, a PING.
  unsigned probes_owed(PacketSpace space) const { return spaces_[index_of(space)].probes_owed; }

  // --- Receiving ---

  // An error closes the connection: a number was acknowledged that was never sent (or was skipped).
  TransportError on_ack(PacketSpace space, const AckReport& ack, Instant now, PacketFateObserver& observer);

  // --- Time ---

  // When on_timeout() is to be called; Instant::never() if nothing waits.
  Instant deadline() const { return deadline_; }
  // Before the deadline it does nothing.
  void on_timeout(Instant now, PacketFateObserver& observer);

  // The space's keys are discarded (RFC 9001 section 4.9): its packets are no longer in flight, and nobody is told.
  void discard_space(PacketSpace space, Instant now);

  // Client, on a Retry packet: the Initial packets sent so far are forgotten, and so is the backoff; packet numbers
  // go on (RFC 9000 section 17.2.5.3). 0-RTT packets: declared lost to the observer.
  void on_retry(Instant now, PacketFateObserver& observer);

  // Client: 0-RTT was refused (RFC 9001 section 4.6.2). Its packets: declared lost to the observer.
  void on_early_data_rejected(Instant now, PacketFateObserver& observer);

  // The path changed (RFC 9000 section 9.4): window and RTT start afresh; what is in flight stays known.
  void on_path_change(Instant now);
  // The peer has another port, and the path is the same: what timed out before went to where nobody was, so that the
  // backoff means nothing any more.
  void on_port_change(Instant now);

  // --- State, for telemetry and for timers derived from it ---

  uint64_t bytes_in_flight() const { return bytes_in_flight_; }
  bool ack_eliciting_in_flight() const;
  bool ack_eliciting_in_flight(PacketSpace space) const { return spaces_[index_of(space)].eliciting_in_flight > 0; }
  const RttEstimator& rtt() const { return rtt_; }
  const Controller& controller() const { return controller_.get(); }
  const Pacer& pacer() const { return pacer_; }
  const ReorderingTolerance& reordering() const { return reordering_; }
  // Null where nothing was known of the path, or is tried any more.
  const CarefulResume* careful_resume() const { return resume_.get(); }
  // What is known of the path by now, for later connections; what was remembered and not seen again counts half.
  PathKnowledge path_knowledge() const;
  // True, once, where that has become so much more, or less, that whoever remembers it should be told again.
  bool take_path_news() { return std::exchange(path_news_, false); }
  const RecoveryStats& stats() const { return stats_; }
  uint32_t pto_count() const { return pto_count_; }
  // One probe timeout without backoff, with max_ack_delay for the application space: the unit of the idle, closing and
  // key update timers.
  Duration probe_timeout(PacketSpace space) const;

 private:
  static constexpr uint16_t kSilentPackets = 32;

  struct Space {
    uint64_t largest_acked = kNoneAcked;
    Instant loss_time = Instant::never();
    Instant probe_base;  // when the last ack-eliciting packet was sent, or a probe timeout came after it
    uint32_t eliciting_in_flight = 0;
    uint16_t silent_packets = 0;  // sent since the last ack-eliciting one, no more than kSilentPackets of them
    uint8_t probes_owed = 0;
  };
  struct Timer {
    Instant time = Instant::never();
    PacketSpace space = PacketSpace::kInitial;
  };
  struct NewlyAcked;
  struct Losses;

  Space& space_of(PacketSpace space) { return spaces_[index_of(space)]; }
  SentPackets& sent_in(PacketSpace space) { return sent_[index_of(space)]; }
  bool peer_validated_address() const { return config_.server || peer_validated_address_; }
  Duration backed_off(Duration timeout) const;

  bool record_sent(PacketSpace space, SentPacket packet, std::span<const SentFrame> frames);
  NewlyAcked settle_acked(PacketSpace space, const AckReport& ack, Instant now, PacketFateObserver& observer);
  void note_spurious_loss(uint64_t distance, const SentPacket& packet, Instant now);
  bool answer_ecn(const AckReport& ack, const NewlyAcked& newly, Instant now);
  void take_rtt_sample(PacketSpace space, const AckReport& ack, Instant now, const NewlyAcked& newly);
  void turn_round(Instant latest_sent, Instant now);
  void watch_path();
  bool has_bbr() const { return config_.controller == ControllerKind::kBbr; }
  bool may_tolerate() const { return config_.loss_tolerance > 0; }
  bool holds_window() const { return resume_ && resume_->holds_window(); }
  void advance_resume(PacketSpace space, uint64_t acked_bytes, Duration latest_rtt, Instant now);
  void leave_flight(Space& space, const SentPacket& packet);
  void tell_lost(uint64_t number, const SentPacket& packet, Instant now);

  bool detect_losses(PacketSpace space, Instant now, PacketFateObserver& observer);
  bool answer_losses(const Losses& losses, Instant now);
  uint64_t window_without_queue(uint64_t window) const;
  void forget_old_losses(Instant now);
  void abandon(PacketSpace space, PacketFateObserver* observer);

  Timer loss_timer() const;
  Timer probe_timer(Instant now) const;
  void set_timer(Instant now);
  void owe_probes(PacketSpace space, unsigned count, Instant now, PacketFateObserver& observer);
  void update_pacer(Instant now);

  RecoveryConfig config_;
  std::array<SentPackets, kPacketSpaces> sent_;
  std::array<Space, kPacketSpaces> spaces_;
  RttEstimator rtt_;
  AnyController controller_;
  Pacer pacer_;
  DeliveryRate delivery_;
  ReorderingTolerance reordering_;
  EcnValidation ecn_;                                         // of the application space
  Duration peer_max_ack_delay_ = Duration::milliseconds(25);  // RFC 9000 section 18.2
  Instant deadline_ = Instant::never();
  Instant first_rtt_sample_ = Instant::never();
  Instant path_start_ = kNoRecovery;  // packets sent until then say nothing about the present path
  uint64_t bytes_in_flight_ = 0;
  uint64_t flight_peak_ = 0;       // in the present round trip
  uint64_t last_flight_peak_ = 0;  // in the one before
  Instant round_start_;
  Instant episode_first_sent_;   // of the packets whose loss began the present recovery period
  uint32_t episode_losses_ = 0;  // since then, not known to be spurious
  LossTolerance tolerance_;
  std::unique_ptr<CarefulResume> resume_;
  uint64_t seen_window_ = 0;      // of path_knowledge(), by this connection
  uint32_t told_window_ = 0;      // the same, when there were news last; at most 4 GiB
  uint32_t unanswered_lost_ = 0;  // bytes that CarefulResume is still to be told of
  uint16_t pto_count_ = 0;
  bool path_news_ = false;
  bool episode_undoable_ = false;  // nothing but losses speaks for congestion
  bool handshake_confirmed_ = false;
  bool handshake_keys_ = false;
  bool peer_validated_address_ = false;
  bool amplification_limited_ = false;
  RecoveryStats stats_;
};

}  // namespace viaduct::quic
