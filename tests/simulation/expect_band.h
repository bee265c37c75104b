// Bounds for what a scenario takes, in virtual time and packets. A band that does not hold prints the measured value;
// --gtest_output=xml:FILE records it in any case.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>

#include "tests/simulation/scenario.h"

namespace viaduct::sim {

struct Band {
  int64_t least;
  int64_t most;
};

inline void expect_in(Band band, int64_t value, const char* what) {
  EXPECT_GE(value, band.least) << what;
  EXPECT_LE(value, band.most) << what;
}

// Completion in milliseconds, datagrams in each direction.
inline void expect_bands(const Scenario& scenario, Band completion_ms, Band up, Band down) {
  SCOPED_TRACE(summary(scenario));
  testing::Test::RecordProperty("took", summary(scenario));
  expect_in(completion_ms, scenario.completion().ms(), "completion, ms");
  expect_in(up, static_cast<int64_t>(scenario.packets_to_server()), "datagrams to the server");
  expect_in(down, static_cast<int64_t>(scenario.packets_to_client()), "datagrams to the client");
}

}  // namespace viaduct::sim
