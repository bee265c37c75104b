// The parts of the suite "crypto".
#pragma once

#include <vector>

#include "perf/harness/measure.h"

namespace viaduct::perf {

// turns: see measure().
std::vector<Row> bench_seal(size_t turns);
std::vector<Row> bench_open(size_t turns);
// The same through each instruction-set class that this CPU has.
std::vector<Row> bench_classes(size_t turns);
std::vector<Row> bench_many_connections(size_t turns);
std::vector<Row> bench_header_masks(size_t turns);
std::vector<Row> bench_connection_ids(size_t turns);
std::vector<Row> bench_handshakes(size_t turns);

}  // namespace viaduct::perf
