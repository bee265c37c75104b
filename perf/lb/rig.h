// A balancer's worker between two ports, and what feeds it.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <thread>

#include "apps/lb/handler.h"
#include "base/stage_meter.h"
#include "base/worker_loop.h"
#include "perf/lb/traffic.h"
#include "pmd-glue/device.h"
#include "pmd-glue/frame_port.h"

namespace viaduct::perf {

// Gives frames to the far end of the cable and takes back what comes out of it.
class Feeder {
 public:
  explicit Feeder(net::FramePort& far) : far_(far) {}

  // flows: how many different flows the frames are made to belong to, whatever they were; 0: each stays as it is.
  void use(const Traffic& traffic, uint32_t flows) {
    traffic_ = &traffic;
    flows_ = flows;
    next_ = 0;
  }
  // Up to `count` frames, as many as the cable takes; their number.
  size_t feed(size_t count);
  // Gives back what has come out.
  void drain();

 private:
  net::FramePort& far_;
  const Traffic* traffic_ = nullptr;
  uint32_t flows_ = 0;
  uint32_t flow_ = 0;
  size_t next_ = 0;
};

// Nobody else is on the cable.
struct NoLink {
  bool take(Packet&, Instant) { return false; }
  void step(lb::Router&, Instant) {}
  size_t build(std::span<Packet*>, Instant) { return 0; }
  Instant deadline() const { return Instant::never(); }
};

// What a port costs without a balancer: frames go back where they came from.
class BareHandler {
 public:
  unsigned owner_of(const Packet&) const { return 0; }
  void ingest(std::span<Packet*> burst, Instant);
  void step(Instant) {}
  size_t build(std::span<Packet*>, Instant) { return 0; }
  std::span<Packet*> released() { return {}; }
  Instant deadline() const { return Instant::never(); }
  std::span<Packet*> outgoing() { return std::span(packets_).subspan(sent_, size_ - sent_); }
  void taken(size_t count) { sent_ += count; }

 private:
  std::array<Packet*, 8 * kBurst> packets_;
  size_t size_ = 0, sent_ = 0;
};

using BalancerHandler = lb::Handler<NoLink>;

// A worker with a handler on the near end of the cable. Runs on the thread that calls.
template <class HandlerType>
class Rig {
 public:
  Rig(net::FramePort& near, HandlerType& handler)
      : loop_(near, handler, hand_off_, quiescence_, {.idle_policy = IdlePolicy::kPoll, .meter = &meter_}) {
    quiescence_.online(0);
  }
  ~Rig() { loop_.drain(); }

  void round() { loop_.run_once(); }
  uint64_t received() const { return loop_.stats().received.value(); }
  const StageMeter& meter() const { return meter_; }
  StageMeter& meter() { return meter_; }
  Quiescence& quiescence() { return quiescence_; }

 private:
  HandOff hand_off_{1, 64};
  Quiescence quiescence_;
  StageMeter meter_;
  WorkerLoop<net::FramePort, HandlerType> loop_;
};

}  // namespace viaduct::perf
