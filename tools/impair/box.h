// The impairment box: two ports, and between them a cable with faults, each way its own. It is a bridge to everything
// but UDP datagrams, which take the faults and, on the way to the right, the address translator.
#pragma once

#include <optional>
#include <queue>
#include <vector>

#include "base/instant.h"
#include "pmd-glue/frame_port.h"
#include "tests/simulation/link.h"
#include "tools/impair/rebinding.h"
#include "tools/impair/udp_frame.h"

namespace viaduct::impair {

struct WayCounters {
  uint64_t passed_by = 0;   // frames without a UDP datagram, sent on at once
  uint64_t no_room = 0;     // too many wait for their time, or no packet was left
  uint64_t no_flow = 0;     // to an address that the translator does not know (any more)
  uint64_t translated = 0;  // with another address or port than they came with
};

// What goes out of one port: frames that wait for their time.
class Way {
 public:
  Way(net::FramePort& out, uint64_t seed) : out_(out), seed_(seed) { set_link({}); }
  ~Way();
  Way(const Way&) = delete;
  Way& operator=(const Way&) = delete;

  // Later frames take the faults of this link; its random draws start anew, its statistics at zero.
  void set_link(const sim::LinkConfig& config) { link_.emplace(config, seed_); }
  // A frame without a datagram, as it is.
  void pass(Bytes frame, Instant now);
  // A datagram, with what the link does to it.
  void carry(UdpFrame frame, Instant now);
  // Sends what is due; whether there was something.
  bool send_due(Instant now);
  // When the next one is; never() where nothing waits.
  Instant next() const { return waiting_.empty() ? Instant::never() : waiting_.top().at; }

  const sim::LinkStats& link() const { return link_->stats(); }
  WayCounters& counters() { return counters_; }

  // Frames that wait at most.
  static constexpr size_t kMaxWaiting = 4096;

 private:
  struct Waiting {
    Instant at;
    uint64_t order;
    Packet* packet;
    bool operator<(const Waiting& other) const {
      return at != other.at ? at > other.at : order > other.order;  // the top of the heap is the earliest
    }
  };
  Packet* empty_packet();
  void wait(Packet* packet, Instant at);

  net::FramePort& out_;
  const uint64_t seed_;
  std::optional<sim::Link> link_;
  std::priority_queue<Waiting> waiting_;
  std::vector<sim::Arrival> arrivals_;
  uint64_t order_ = 0;
  WayCounters counters_;
};

class Box {
 public:
  // The ports must outlive it. One thread.
  Box(net::FramePort& left, net::FramePort& right, uint64_t seed)
      : left_(left), right_(right), forward_(right, seed), back_(left, seed + 1), rebinding_(seed + 2) {}

  // From left to right, and from right to left.
  Way& forward() { return forward_; }
  Way& back() { return back_; }
  void rebind(bool address) { rebinding_.rebind(address); }

  // One round; whether a frame moved.
  bool round(Instant now);
  // When the next frame is due.
  Instant next() const { return std::min(forward_.next(), back_.next()); }

 private:
  bool receive(net::FramePort& port, Way& way, bool is_outward, Instant now);
  bool translate(sim::Datagram& datagram, Way& way, bool is_outward);

  net::FramePort& left_;
  net::FramePort& right_;
  Way forward_, back_;
  Rebinding rebinding_;
};

}  // namespace viaduct::impair
