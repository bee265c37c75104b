// The benchmark's cases: balancers with their traffic, beside bare ports.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "perf/harness/measure.h"
#include "perf/lb/rig.h"

namespace viaduct::perf {

struct Options {
  size_t turns = 15;
  bool one_thread = false;
  uint16_t frame_size = 64;
  std::vector<std::string> parts;
};

// A balancer's configuration and what is sent to it.
struct BalancerCaseOptions {
  std::string name;
  Mix mix;
  Delivery delivery;
  size_t flow_entries = 1 << 20;
  uint16_t size = 64;  // bytes of a frame; 0: 64 to 1,350
  uint32_t flows = 0;  // how many unroutable ones are sent; 0: as the frames are
};

// A balancer with its tables filled as far as the case wants, and the traffic for it.
class BalancerCase {
 public:
  BalancerCase(const BalancerCaseOptions& options, net::FramePort& near);

  const std::string& name() const { return options_.name; }
  const Traffic& traffic() const { return traffic_; }
  uint32_t flows() const { return options_.flows; }
  Rig<BalancerHandler>& rig() { return rig_; }
  // Fills the flow table with as many flows as it was made for.
  void fill_table();

 private:
  BalancerCaseOptions options_;
  lb::Configuration configuration_;
  Traffic traffic_;
  lb::SlotDirectory slots_;
  Quiescence quiescence_;
  Snapshot<lb::RoutingSnapshot> snapshot_{quiescence_};
  NoLink link_;
  BalancerHandler handler_;
  Rig<BalancerHandler> rig_;
};

// What the runs of one case found out besides their time.
struct Tally {
  std::array<uint64_t, kStages> cycles{};
  uint64_t packets = 0;
  std::vector<double> wall_rates;  // packets per second of the clock on the wall, run by run
};

class Bench {
 public:
  // near, far: the ends of a cable; null: a port that makes frames up and throws away what is sent.
  Bench(const Options& options, net::FramePort& near, net::FramePort& far, net::FramePort& null)
      : options_(options), near_(near), feeder_(far), bare_rig_(near, bare_), null_rig_(null, null_bare_) {}

  // part: mixes, forwarding, sizes, flows or loop.
  std::vector<Row> run(const std::string& part);

 private:
  using Balancers = std::vector<std::unique_ptr<BalancerCase>>;

  Balancers balancers_of(const std::string& part);
  Balancers tables();
  Case case_of(BalancerCase& balancer, Tally& tally);
  Case bare_port(const Traffic& traffic, Tally& tally);
  std::vector<Row> measure_all(const std::vector<Case>& cases, const std::vector<Tally>& tallies) const;
  std::vector<Row> run_loop();

  template <class RigType, class Run>
  double tallied(RigType& rig, Tally& tally, Run run);
  template <class RigType>
  double run_once(RigType& rig, const Traffic& traffic, uint32_t flows, Tally& tally);
  // These run a number of packets and say how many nanoseconds the worker was busy, and how many passed in all.
  template <class RigType>
  std::pair<double, double> take_turns(RigType& rig);
  template <class RigType>
  std::pair<double, double> beside_a_feeder(RigType& rig);

  const Options& options_;
  net::FramePort& near_;
  Feeder feeder_;
  BareHandler bare_, null_bare_;
  Rig<BareHandler> bare_rig_, null_rig_;
};

}  // namespace viaduct::perf
