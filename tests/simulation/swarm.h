// Scenarios drawn at random: network, faults, sizes and limits all follow from a seed.
#pragma once

#include <cstdint>

#include "tests/simulation/scenario.h"

namespace viaduct::sim {

// Whatever is drawn, a sound transport gets everything across.
ScenarioConfig draw_scenario(uint64_t seed, bool real_tls);

// Runs it and fails the test where something is not as it should be: bytes wrong, missing or twice; a connection
// closed or not done in time; packets, memory or references not given back; the amplification limit broken.
// print: every datagram as it is sent and delivered, to stdout. Returns a digest of everything that was sent, and when.
uint64_t run_drawn_scenario(uint64_t seed, bool real_tls, bool print = false);

}  // namespace viaduct::sim
