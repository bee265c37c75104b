// Busy and total cycles of each worker thread, in DPDK's own telemetry (/eal/lcore/usage).
#pragma once

#include "pmd-glue/frame_port.h"

namespace viaduct::net {

// Shows the counters as those of the calling thread's lcore, until they are forgotten. Always true. Where a thread has
// several ports, the last one's are shown.
bool add_lcore_usage(const FramePortCounters& counters);
void forget_lcore_usage(const FramePortCounters& counters);

// Tells DPDK where to ask. Once, after the EAL has started.
void register_lcore_usage();

}  // namespace viaduct::net
