// A balancer without a network, under the control plane.
#pragma once

#include <memory>
#include <string>

#include "apps/lb/control_target.h"
#include "tests/lb/fixture.h"

namespace viaduct::lb::test {

class FakeTarget : public ControlTarget {
 public:
  explicit FakeTarget(const Configuration& configuration) : balancer_(configuration), file(configuration) {
    (void)preview(configuration);
  }

  Instant now() const override { return balancer_.now(); }
  const RoutingSnapshot& routing() const override { return balancer_.snapshot(); }
  Errors apply(const Configuration& configuration) override {
    if (auto made = preview(configuration); !made) return made.error();
    balancer_.load(configuration);
    ++applied;
    return {};
  }
  std::expected<std::unique_ptr<const RoutingSnapshot>, Errors> preview(
      const Configuration& configuration) const override {
    return RoutingSnapshot::make(configuration, link_facts(), slots_);
  }
  std::expected<Configuration, Errors> load(const std::string& name) const override {
    if (!name.empty()) return std::unexpected(Errors{name + ": cannot be read"});
    return file;
  }
  size_t workers() const override { return 1; }
  Figures figures(size_t) const override { return {.received = 7, .sent = 6, .send_drops = 1, .busy_ns = 5}; }
  const Router& router(size_t) const override { return balancer_.router(); }
  std::optional<Decision> explain(size_t, Bytes frame) override {
    return balancer_.explain(Frame(frame.begin(), frame.end()));
  }
  const HealthFigures* health(const std::string& backend) const override {
    return backend == "web/s1" ? &health_of_first : nullptr;
  }
  std::string start_capture(const std::string& name, Duration length) override {
    captured = name + " " + std::to_string(length.ms());
    return {};
  }
  CaptureFigures capture() const override { return {.is_running = false, .written = 3, .dropped = 1, .error = {}}; }

  Balancer& balancer() { return balancer_; }

 private:
  mutable Balancer balancer_;
  mutable SlotDirectory slots_;  // gives the numbers that the balancer's own gives

 public:
  Configuration file;  // what a reload reads
  std::string captured;
  HealthFigures health_of_first{.asked = 9, .answered = 8, .unanswered = 1};
  unsigned applied = 0;
};

}  // namespace viaduct::lb::test
