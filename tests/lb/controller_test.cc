// What the file says, what operators and health checks say on top of it, and what a change would move.
#include "apps/lb/controller.h"

#include <gtest/gtest.h>

#include "apps/lb/verdicts.h"
#include "tests/lb/fake_target.h"

namespace viaduct::lb {
namespace {

using test::configuration_of;
using test::FakeTarget;
using test::id_of;
using test::short_packet;

struct Controlled {
  explicit Controlled(unsigned backends) : target(configuration_of(backends)), controller(target, target.file) {}

  int server_of(uint8_t id) { return target.balancer().send4(short_packet(id_of(id))).to(); }
  const Backend& backend(uint16_t slot) { return target.routing().backend(slot); }

  FakeTarget target;
  Controller controller;
};

TEST(Controller, DrainsABackendThatKeepsItsConnections) {
  Controlled it(3);
  EXPECT_TRUE(it.controller.set_state("web/s2", BackendState::kDraining).empty());
  EXPECT_FALSE(it.backend(1).is_active);
  EXPECT_EQ(it.server_of(2), 2);
  EXPECT_TRUE(it.controller.set_state("web/s2", BackendState::kDown).empty());
  EXPECT_FALSE(it.backend(1).is_usable);
  EXPECT_NE(it.server_of(2), 2);
  EXPECT_TRUE(it.controller.set_state("web/s2", std::nullopt).empty());
  EXPECT_TRUE(it.backend(1).is_active);
}

TEST(Controller, KeepsOperatorsWordsOverReloads) {
  Controlled it(3);
  EXPECT_TRUE(it.controller.set_state("web/s1", BackendState::kDraining).empty());
  EXPECT_TRUE(it.controller.set_weight("web/s3", 10).empty());
  EXPECT_TRUE(it.controller.replace_file(configuration_of(4)).empty());
  EXPECT_FALSE(it.backend(0).is_active);
  EXPECT_EQ(it.target.routing().configuration().pools[0].backends[2].weight, 10u);
  EXPECT_TRUE(it.backend(3).is_active);
}

TEST(Controller, SaysWhatIsWrongAndChangesNothing) {
  Controlled it(2);
  const uint64_t serial = it.target.routing().serial();
  const auto unknown = it.controller.set_state("web/s9", BackendState::kDown);
  ASSERT_EQ(unknown.size(), 1u);
  EXPECT_NE(unknown[0].find("web/s9"), std::string::npos);
  Configuration wrong = configuration_of(2);
  wrong.services[0].pool = "nowhere";
  EXPECT_FALSE(it.controller.replace_file(wrong).empty());
  EXPECT_FALSE(it.controller.plan_file(wrong));
  EXPECT_FALSE(it.controller.set_weight("web/s1", 1'000'000).empty());
  EXPECT_EQ(it.target.routing().serial(), serial);
  EXPECT_EQ(it.controller.file().services[0].pool, "web");
  EXPECT_TRUE(it.controller.set_state("web/s1", BackendState::kDraining).empty()) << "the wrong weight is forgotten";
}

// A plan is what then happens: of many new flows, that part has another server after the change.
TEST(Controller, PlansWhatThenMoves) {
  Controlled it(4);
  const auto plan = it.controller.plan_state("web/s4", BackendState::kDraining);
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->pools.size(), 1u);
  EXPECT_GT(plan->pools[0].moved, 0.24);
  EXPECT_LT(plan->pools[0].moved, 0.35);
  ASSERT_EQ(plan->pools[0].backends.size(), 4u);
  EXPECT_NEAR(plan->pools[0].backends[3].before, 0.25, 0.02);
  EXPECT_EQ(plan->pools[0].backends[3].after, 0);
  EXPECT_FALSE(plan->pools[0].backends[3].loses_connections);
  EXPECT_EQ(it.target.applied, 0u);

  const std::unique_ptr<const RoutingSnapshot> before = *it.target.preview(it.controller.wanted());
  ASSERT_TRUE(it.controller.set_state("web/s4", BackendState::kDraining).empty());
  unsigned moved = 0;
  constexpr unsigned kFlows = 20'000;
  for (uint64_t flow = 0; flow < kFlows; ++flow) {
    const uint64_t hash = flow * 0x9e3779b97f4a7c15;
    moved += before->pools()[0].maglev.at(hash) != it.target.routing().pools()[0].maglev.at(hash);
  }
  EXPECT_NEAR(moved / double{kFlows}, plan->pools[0].moved, 0.01);
}

TEST(Controller, PlanTellsWhoseConnectionsAreLost) {
  Controlled it(2);
  const auto out = it.controller.plan_state("web/s1", BackendState::kDown);
  ASSERT_TRUE(out);
  EXPECT_TRUE(out->pools[0].backends[0].loses_connections);
  EXPECT_FALSE(out->pools[0].backends[1].loses_connections);
  const auto fewer = it.controller.plan_file(configuration_of(1));
  ASSERT_TRUE(fewer);
  EXPECT_TRUE(fewer->pools[0].backends[1].loses_connections);
  const auto same = it.controller.plan_weight("web/s1", 100);
  ASSERT_TRUE(same);
  EXPECT_EQ(same->pools[0].moved, 0);
}

Rotation rotation() {
  Rotation rotation{.config = {.id = 1, .server_id_length = 2, .nonce_length = 6}, .server_ids = {}};
  rotation.server_ids = {{"web/s1", {0xbb, 1}}, {"web/s2", {0xbb, 2}}};
  return rotation;
}

TEST(Controller, RotatesWhileBothConfigurationsAreRead) {
  Controlled it(2);
  const test::Frame fresh = {0x28, 0xbb, 2, 1, 2, 3, 4, 5, 6};
  EXPECT_NE(it.target.balancer().send4(short_packet(fresh)).verdict, kRoutedById);
  ASSERT_TRUE(it.controller.rotate(rotation()).empty());
  const auto outcome = it.target.balancer().send4(short_packet(fresh));
  EXPECT_EQ(outcome.verdict, kRoutedById);
  EXPECT_EQ(outcome.to(), 2);
  EXPECT_EQ(it.server_of(1), 1);

  EXPECT_TRUE(it.controller.replace_file(configuration_of(2)).empty()) << "a reload keeps it";
  EXPECT_EQ(it.target.balancer().send4(short_packet(fresh)).verdict, kRoutedById);
  ASSERT_TRUE(it.controller.remove_configuration(0).empty());
  EXPECT_NE(it.target.balancer().send4(short_packet(id_of(1))).verdict, kRoutedById);
  EXPECT_EQ(it.target.balancer().send4(short_packet(fresh)).to(), 2);
}

TEST(Controller, RefusesRotationsThatCannotBe) {
  Controlled it(2);
  Rotation taken = rotation();
  taken.config.id = 0;
  EXPECT_FALSE(it.controller.rotate(taken).empty());
  Rotation stranger = rotation();
  stranger.server_ids["web/s7"] = {1, 2};
  EXPECT_FALSE(it.controller.rotate(stranger).empty());
  Rotation twice = rotation();
  twice.server_ids["web/s1"] = twice.server_ids["web/s2"];
  EXPECT_FALSE(it.controller.rotate(twice).empty());
  EXPECT_FALSE(it.controller.remove_configuration(5).empty());
  EXPECT_EQ(it.target.applied, 0u);
}

TEST(Controller, HealthTakesServersOutUnlessNoneWouldBeLeft) {
  Controlled it(2);
  EXPECT_TRUE(it.controller.set_healthy("web/s1", false).empty());
  EXPECT_FALSE(it.backend(0).is_usable);
  EXPECT_TRUE(it.controller.set_healthy("web/s2", false).empty());
  EXPECT_TRUE(it.backend(0).is_active);
  EXPECT_TRUE(it.backend(1).is_active);
  EXPECT_TRUE(it.controller.set_healthy("web/s2", true).empty());
  EXPECT_FALSE(it.backend(0).is_usable);
  const unsigned applied = it.target.applied;
  EXPECT_TRUE(it.controller.set_healthy("web/s2", true).empty());
  EXPECT_EQ(it.target.applied, applied) << "nothing new, nothing published";
}

}  // namespace
}  // namespace viaduct::lb
