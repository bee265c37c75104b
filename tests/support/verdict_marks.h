// Which verdicts a test program provoked. Linked into every one of them; tools/test reads what they leave.
#pragma once

#include "base/verdict.h"

namespace viaduct::test {

// Notes every verdict that the counters hold. Called by itself for counters that are destroyed.
void mark_verdicts(const VerdictCounters& counters);

// The same for one verdict, where a function returns it and nothing counts it.
void mark_verdict(Verdict verdict);

}  // namespace viaduct::test
