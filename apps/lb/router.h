// The balancer's data path: frames in, frames out, as a pure machine.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "apps/lb/backend_counters.h"
#include "apps/lb/burst.h"
#include "apps/lb/flow_hash.h"
#include "apps/lb/flow_table.h"
#include "apps/lb/frame_stage.h"
#include "apps/lb/icmp_messages.h"
#include "apps/lb/id_stage.h"
#include "apps/lb/nat.h"
#include "apps/lb/new_flow_limiter.h"
#include "apps/lb/next_hops.h"
#include "apps/lb/retry_gate.h"
#include "apps/lb/routing_snapshot.h"
#include "apps/lb/tunnel_headers.h"
#include "base/instant.h"
#include "base/random.h"
#include "base/stage_meter.h"
#include "base/verdict.h"
#include "base/worker_stats.h"
#include "pmd-glue/icmp.h"

namespace viaduct::lb {

// What the router did with one frame, for `explain`.
struct Decision {
  FrameKind kind = FrameKind::kLink;
  Verdict verdict = Verdict::kNone;  // kNone: a frame for the link side
  std::string service;
  std::string dcid;  // hex
  std::string scid;  // hex; empty for a short header
  bool is_long = false;
  int config_id = -1;  // of the destination connection ID; -1: it has none
  RoutingStep step = RoutingStep::kNone;
  std::string backend;
  std::string forwarding;
};

// Whom a worker may ask for what its own tables do not know.
struct Asking {
  bool icmp = false;  // other workers, for the flow of an ICMP error
  enum class Dcid : uint8_t {
    kNobody,
    kOwner,     // the worker that has the destination IDs of this hash
    kOnlyHere,  // it is this one that is asked: a frame whose ID it does not know goes back
  };
  Dcid dcid = Dcid::kNobody;
};

// Everything of one worker. Its stages, in order:
//
//   parse, IDs in the clear ─► IDs under a cipher, in a batch ─► tables ─► hash ─► limits ─► rewrite or encapsulate
//
// The capacities of its tables are those of the configuration that it is made with; a snapshot that comes later
// changes everything but them.
class Router {
 public:
  // random: for what a Retry is made of.
  Router(const Configuration& configuration, const FrameFacts& facts, Random random);

  // How many ICMP errors are left to other workers.
  static constexpr unsigned kMostAskedPerSecond = 1000;

  // Routes received frames, up to Burst::kMax. Each ends in exactly one verdict (in verdicts()), unless it is for the
  // link side or for other workers. A changed snapshot is noticed by itself.
  //
  // asking: a frame about a flow that is not in this worker's tables, but might be in another one's, is left as it is.
  // Otherwise it is decided without state.
  void route(const RoutingSnapshot& snapshot, std::span<Packet*> frames, Instant now, Asking asking = {});

  // Which worker this is of how many; before the first frame. Destination IDs are spread over them by hash.
  void set_worker(unsigned worker, unsigned workers) {
    worker_ = worker;
    workers_ = workers;
  }
  unsigned owner_of_dcid(uint64_t hash) const { return static_cast<unsigned>((hash >> 32) % workers_); }
  // A flow that another worker met, whose destination ID is this one's to know.
  void learn_dcid(uint64_t hash, uint16_t slot, Instant now) { flows_.insert(hash, slot, now); }

  // Notices a changed snapshot, with or without frames.
  void take_snapshot(const RoutingSnapshot& snapshot);

  // What became of the frames of the last route(): to be sent, to be given back, for the link side, for other workers.
  std::span<Packet*> outgoing() { return outgoing_.span(); }
  std::span<Packet*> finished() { return finished_.span(); }
  std::span<Packet*> for_link() { return for_link_.span(); }
  std::span<Packet*> for_others() { return for_others_.span(); }
  // Frames for the owner of their destination ID, or back to whoever asked; and what owners are to be told.
  struct DcidNote {
    uint64_t hash = 0;
    uint16_t slot = kNoSlot;
    Packet* packet = nullptr;
  };
  std::span<const DcidNote> for_owners() const { return for_owners_; }
  std::span<const DcidNote> notes() const { return notes_; }

  // What was found out about the frames of the last route(), and its verdicts.
  const Burst& burst() const { return burst_; }

  // What route() would do. No state changes but the packet itself.
  Decision explain(const RoutingSnapshot& snapshot, Packet& frame, Instant now);

  // Books where time goes: headers with IDs that stand in the clear (headers), IDs under a cipher (open), tables
  // (frames), rewriting (build). Outlives the router.
  void set_meter(StageMeter* meter) { meter_ = meter; }
  // What time tokens count by: POSIX seconds. Told now and then by whoever has a clock.
  void set_posix_seconds(uint64_t seconds) { posix_seconds_ = seconds; }

  NextHops& next_hops() { return next_hops_; }
  VerdictCounters& verdicts() { return verdicts_; }
  const VerdictCounters& verdicts() const { return verdicts_; }
  const FlowTable& flows() const { return flows_; }
  FlowTable& flows() { return flows_; }
  // Indexed by slot. Any thread.
  const std::vector<BackendCounters>& backend_counters() const { return backend_counters_; }
  const std::array<IdCounters, 8>& id_counters() const { return id_counters_; }

 private:
  // What most packets need to know of their backend, in one word: in its low 48 bits the address to send to, as it is
  // in memory.
  using Brief = uint64_t;  // BackendCounters::brief
  static constexpr Brief kAddress = (Brief{1} << 48) - 1;
  static constexpr Brief kIsDirect = Brief{1} << 48;  // the packet changes in nothing but link-layer addresses
  static constexpr Brief kIsTunnel = Brief{1} << 49;
  static constexpr Brief kIsTranslated = Brief{1} << 50;
  static constexpr Brief kNeedsHash = Brief{1} << 51;
  static constexpr Brief kIsReady = Brief{1} << 52;  // its tunnel's headers for a packet of IPv4 are

  struct List {
    Packet* packets[Burst::kMax];
    unsigned size = 0;

    void push(Packet* packet) { packets[size++] = packet; }
    std::span<Packet*> span() { return {packets, size}; }
  };

  void run_stages(const RoutingSnapshot& snapshot, Instant now);
  void route_unroutable(const RoutingSnapshot& snapshot, Instant now);
  void hash_addresses(unsigned i);
  void hash_scid(unsigned i);
  void hash_dcid(const RoutingSnapshot& snapshot, unsigned i);
  bool ask_owner(unsigned i);
  bool give_back(unsigned i);
  bool owns_dcid(unsigned i) const { return workers_ == 1 || owner_of_dcid(dcid_hash_[i]) == worker_; }
  bool look_up(const RoutingSnapshot& snapshot, unsigned i, RoutingStep step, uint64_t hash, Instant now);
  void route_as_new(const RoutingSnapshot& snapshot, unsigned i, Instant now);
  bool is_admitted(const RoutingSnapshot& snapshot, unsigned i, Instant now);
  bool send_retry(const RoutingSnapshot& snapshot, unsigned i, const InitialView& initial);
  void remember(unsigned i, Instant now);
  void remember_routable(unsigned i, Instant now);

  void route_others(const RoutingSnapshot& snapshot, Instant now);
  void route_icmp(const RoutingSnapshot& snapshot, unsigned i, Instant now);
  bool leave_to_others(unsigned i, Instant now);
  void return_icmp(const RoutingSnapshot& snapshot, unsigned i, Instant now);
  // A client's packet again, of which an error quotes what we made of it.
  struct WayBack {
    InnerPacket packet;   // as far as it was quoted
    net::MacAddress to;   // towards the client
    uint16_t whole = 0;   // bytes of IP that it had
    size_t overhead = 0;  // and how many more it had when we sent it
  };
  std::optional<WayBack> way_back_of(const RoutingSnapshot& snapshot, unsigned i, const QuotedOfOurs& quoted) const;
  std::optional<WayBack> translate_back(const RoutingSnapshot& snapshot, unsigned i, const QuotedOfOurs& quoted,
                                        Instant now);
  void return_translated(const RoutingSnapshot& snapshot, unsigned i, Instant now);

  void write_briefs(const RoutingSnapshot& snapshot);
  void hash_routed(Instant now);
  Brief brief_of(unsigned i) const { return backend_counters_.data()[burst_.slot[i]].brief; }
  void fetch_frame(const RoutingSnapshot& snapshot, unsigned i) const;
  void forward_datagrams(const RoutingSnapshot& snapshot, Instant now);
  // True where the packet goes to its backend.
  bool forward(const RoutingSnapshot& snapshot, unsigned i, Instant now);
  bool forward_translated(const RoutingSnapshot& snapshot, unsigned i, const net::MacAddress& to, Instant now);
  void forward_icmp(const RoutingSnapshot& snapshot, unsigned i, const QuotedPacket& quoted, Instant now);
  void answer_too_big(const RoutingSnapshot& snapshot, unsigned i, size_t overhead, Instant now);
  void count_ids(const IdStage& ids, Instant now);

  InnerPacket inner_of(unsigned i) const {
    return {burst_.ip[i], burst_.ip_length[i], burst_.is_v6[i], burst_.hash[i]};
  }
  SocketAddress client_of(unsigned i) const;
  net::MacAddress sender_of(unsigned i) const;
  void send(unsigned i, Verdict verdict) {
    end(i, verdict);
    burst_.sends[i] = true;
  }
  void end(unsigned i, Verdict verdict) { burst_.end(i, verdict); }
  void hand_out();
  void hand_elsewhere(unsigned i);

  FrameFacts facts_;
  FlowHash flow_hash_;
  bool by_dcid_, remember_routable_;
  FlowTable flows_;
  NatTable nat_;
  NewFlowLimiter limiter_;
  net::EchoLimit icmp_limit_;
  net::EchoLimit asking_limit_{kMostAskedPerSecond};
  Asking asking_;
  unsigned worker_ = 0, workers_ = 1;
  Random random_;
  std::optional<RetryConfig> retry_config_;
  std::optional<RetryGate> retry_;
  uint64_t posix_seconds_ = 0;
  NextHops next_hops_;
  std::vector<ReadyTunnel> ready_;   // by slot
  bool is_all_direct_ = false;       // no backend needs more than its brief
  uint64_t briefs_of_ = UINT64_MAX;  // version of next_hops_
  uint64_t known_snapshot_ = 0;      // serial number
  StageMeter* meter_ = nullptr;
  bool is_dry_ = false;  // explain(): tables stay as they are

  Burst burst_;
  SlotList routed_, unroutable_, missed_;  // datagrams: those that go to a backend, and others
  uint64_t scid_hash_[Burst::kMax], dcid_hash_[Burst::kMax];
  uint16_t session_[Burst::kMax];  // where it is to be translated: the one that it has to be, if any
  List outgoing_, finished_, for_link_, for_others_;
  std::vector<DcidNote> for_owners_, notes_;
  VerdictCounters verdicts_;
  std::vector<BackendCounters> backend_counters_;
  std::array<IdCounters, 8> id_counters_;
};

}  // namespace viaduct::lb
