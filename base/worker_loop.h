// The loop that every worker runs: packets in, the handler's work, packets out.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "base/clock.h"
#include "base/hand_off.h"
#include "base/instant.h"
#include "base/packet.h"
#include "base/packet_handler.h"
#include "base/packet_port.h"
#include "base/snapshot.h"
#include "base/stage_meter.h"
#include "base/verdict.h"
#include "base/verdicts.h"
#include "base/worker_stats.h"

namespace viaduct {

enum class IdlePolicy : uint8_t {
  kPoll,      // never sleeps: for ports whose lcore has nothing better to do
  kAdaptive,  // looks around for a while after the last packet, then sleeps in port.wait()
};

struct WorkerOptions {
  unsigned worker = 0;  // index among the workers of the hand-off
  IdlePolicy idle_policy = IdlePolicy::kAdaptive;
  // kAdaptive: how long after a packet it keeps looking; going to sleep and waking up cost a few microseconds.
  Duration spin = Duration::microseconds(50);
  StageMeter* meter = nullptr;  // books where time goes; null: nobody asks. Shared with the handler; outlives the loop
};

// All but stats() and verdicts() is for the worker's own thread. Everything given must outlive the loop.
template <PacketPort Port, PacketHandler Handler, class Clock = MonotonicClock>
class WorkerLoop {
 public:
  WorkerLoop(Port& port, Handler& handler, HandOff& hand_off, Quiescence& quiescence, WorkerOptions options,
             Clock clock = {})
      : port_(port), handler_(handler), hand_off_(hand_off), quiescence_(quiescence), options_(options), clock_(clock) {
    hand_off.set_port(options.worker, port);
  }

  // Rounds until stop is true. Who sets it calls port.wake() afterwards.
  void run(const std::atomic<bool>& stop) {
    quiescence_.online(options_.worker);
    while (!stop.load(std::memory_order_acquire)) run_once();
    quiescence_.offline(options_.worker);
  }

  // One round, in the order in which a packet passes through.
  void run_once() {
    const Instant now = stamp();
    const std::span<Packet*> received = receive();
    enter(Stage::kHeaders);
    const std::span<Packet*> mine = hand_off(received);
    if (!mine.empty()) handler_.ingest(mine, now);
    enter(Stage::kHeaders);
    const std::span<Packet*> taken = take();
    if (!taken.empty()) handler_.ingest(taken, now);
    enter(Stage::kApplication);
    const bool worked = step(now);
    enter(Stage::kBuild);
    const size_t built = backlog_ == 0 ? build(now) : 0;
    enter(Stage::kSend);
    const size_t sent = send() + forward();
    enter(Stage::kReceive);
    const size_t released = release();
    quiescence_.quiescent(options_.worker);
    moved_ = received.size() + taken.size() + sent + released > 0;
    end_round(moved_ || worked || built > 0);
    if (!moved_) idle(now);
  }

  // Gives every packet that it and its inbox hold back to the port. After run() ended on all workers.
  void drain() {
    for (std::span<Packet*> taken = take(); !taken.empty(); taken = take()) port_.release(taken);
    release();
    if constexpr (ForwardingHandler<Handler>) {
      const std::span<Packet*> forwarded = handler_.outgoing();
      port_.release(forwarded);
      handler_.taken(forwarded.size());
    }
    port_.release(std::span(outgoing_).first(backlog_));
    port_.release(std::span(empty_).first(empties_));
    backlog_ = empties_ = 0;
    stats_.backlog.set(0);
  }

  const WorkerStats& stats() const { return stats_; }
  const VerdictCounters& verdicts() const { return verdicts_; }

 private:
  using Burst = std::array<Packet*, kBurst>;
  // How long to sleep at most while the port has yet to take packets: not every port says when it has room.
  static constexpr Duration kSendRetry = Duration::microseconds(100);

  // The round's only reading of the clock. It also ends the round before, whose time counts where that was busy.
  Instant stamp() {
    const Instant now = clock_.now();
    stats_.loops.add(1);
    if (moved_) last_moved_ = now;
    if (was_busy_) {
      stats_.busy_loops.add(1);
      stats_.busy_ns.add(static_cast<uint64_t>((now - round_began_).ns()));
    }
    return round_began_ = now;
  }

  void enter(Stage stage) { enter_stage(options_.meter, stage); }
  void end_round(bool was_busy) {
    was_busy_ = was_busy;
    if (options_.meter) options_.meter->end_round(was_busy);
  }

  bool step(Instant now) {
    if constexpr (std::is_void_v<decltype(handler_.step(now))>) {
      handler_.step(now);
      return false;
    } else {
      return handler_.step(now);
    }
  }

  std::span<Packet*> receive() {
    const size_t count = port_.receive(burst_);
    stats_.received.add(count);
    return std::span(burst_).first(count);
  }

  // Gives the packets of other workers to them. What is ours moves to the front.
  std::span<Packet*> hand_off(std::span<Packet*> packets) {
    if (hand_off_.workers() == 1) return packets;
    std::array<unsigned, kBurst> owners;
    size_t mine = 0, foreign = 0;
    Burst others;
    for (Packet* packet : packets) {
      const unsigned owner = handler_.owner_of(*packet);
      if (owner == options_.worker) {
        packets[mine++] = packet;
      } else {
        others[foreign] = packet;
        owners[foreign++] = owner;
      }
    }
    give_away(std::span(others).first(foreign), owners);
    return packets.first(mine);
  }

  // One put for each owner that occurs.
  void give_away(std::span<Packet*> packets, std::array<unsigned, kBurst>& owners) {
    for (size_t left = packets.size(); left > 0;) {
      const unsigned owner = owners[0];
      Burst batch;
      size_t size = 0, kept = 0;
      for (size_t i = 0; i < left; ++i) {
        if (owners[i] == owner) {
          batch[size++] = packets[i];
        } else {
          packets[kept] = packets[i];
          owners[kept++] = owners[i];
        }
      }
      left = kept;
      const size_t accepted = hand_off_.put(options_.worker, owner, std::span(batch).first(size));
      stats_.handed_off.add(accepted);
      if (accepted < size) refuse(std::span(batch).first(size).subspan(accepted));
    }
  }

  void refuse(std::span<Packet*> packets) {
    verdicts_.count(kHandOffFull, packets.size());
    stats_.refused.add(packets.size());
    port_.release(packets);
  }

  std::span<Packet*> take() {
    const size_t count = hand_off_.take(options_.worker, burst_);
    stats_.taken.add(count);
    return std::span(burst_).first(count);
  }

  // Empty packets that the handler did not fill stay for the next round.
  size_t build(Instant now) {
    empties_ += port_.allocate(std::span(empty_).subspan(empties_));
    if (empties_ == 0) return 0;
    const size_t filled = handler_.build(std::span(empty_).first(empties_), now);
    std::copy_n(empty_.begin(), filled, outgoing_.begin());
    std::copy(empty_.begin() + filled, empty_.begin() + empties_, empty_.begin());
    empties_ -= filled;
    backlog_ = filled;
    stats_.built.add(filled);
    return filled;
  }

  size_t send() {
    if (backlog_ == 0) return 0;
    const size_t sent = port_.send(std::span(outgoing_).first(backlog_));
    std::copy(outgoing_.begin() + sent, outgoing_.begin() + backlog_, outgoing_.begin());
    backlog_ -= sent;
    stats_.sent.add(sent);
    stats_.backlog.set(backlog_);
    return sent;
  }

  // What a forwarding handler sends on. It bounds what the port has yet to take.
  size_t forward() {
    if constexpr (ForwardingHandler<Handler>) {
      size_t sent = 0;
      for (std::span<Packet*> outgoing = handler_.outgoing(); !outgoing.empty(); outgoing = handler_.outgoing()) {
        const std::span<Packet*> offered = outgoing.first(std::min<size_t>(outgoing.size(), kBurst));
        const size_t taken = port_.send(offered);
        handler_.taken(taken);
        sent += taken;
        if (taken < offered.size()) break;
      }
      stats_.sent.add(sent);
      return sent;
    } else {
      return 0;
    }
  }

  size_t release() {
    const std::span<Packet*> released = handler_.released();
    if (!released.empty()) port_.release(released);
    stats_.released.add(released.size());
    return released.size();
  }

  // Sleeps where the policy allows and nothing is to be done. The handler's deadline is asked for after the sleep
  // was announced, so that whoever gives it work from now on knows to nudge.
  void idle(Instant now) {
    if (options_.idle_policy == IdlePolicy::kPoll || now - last_moved_ < options_.spin) return;
    if (!hand_off_.announce_sleep(options_.worker)) return;
    const Instant retry = backlog_ > 0 ? now + kSendRetry : Instant::never();
    const Instant deadline = std::min(handler_.deadline(), retry);
    if (deadline > now) {
      stats_.waits.add(1);
      quiescence_.offline(options_.worker);
      enter(Stage::kIdle);
      port_.wait(deadline);
      enter(Stage::kReceive);
      quiescence_.online(options_.worker);
    }
    hand_off_.end_sleep(options_.worker);
  }

  Port& port_;
  Handler& handler_;
  HandOff& hand_off_;
  Quiescence& quiescence_;
  const WorkerOptions options_;
  [[no_unique_address]] Clock clock_;

  Burst burst_;
  Burst empty_;  // allocated, to be filled
  size_t empties_ = 0;
  Burst outgoing_;  // filled, to be sent
  size_t backlog_ = 0;

  bool moved_ = false;     // the last round moved a packet
  bool was_busy_ = false;  // that, an event or a timer
  Instant round_began_;
  Instant last_moved_;
  WorkerStats stats_;
  VerdictCounters verdicts_;
};

}  // namespace viaduct
