// A decision in words.
#pragma once

#include <string>
#include <vector>

#include "apps/lb/router.h"

namespace viaduct::lb {

// Each step on the way to what became of the frame, in order, one sentence each.
std::vector<std::string> explain_steps(const Decision& decision, const RoutingSnapshot& snapshot);

// The verdict's name and what it means, of all lists that a frame in the balancer can end in.
const VerdictInfo* find_verdict(Verdict verdict);

}  // namespace viaduct::lb
