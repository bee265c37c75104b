// The verdicts of all modules of this program, joined.
#pragma once

#include <span>
#include <string>

#include "base/verdict.h"

namespace viaduct::origin {

// Those that datagrams and frames end in: their sum is what the device received.
std::span<const std::span<const VerdictInfo>> packet_verdicts();
// Those of requests, connections and answers.
std::span<const std::span<const VerdictInfo>> request_verdicts();

// All, one a line: number, name, help, section, with tabs between.
std::string list_verdicts();

}  // namespace viaduct::origin
