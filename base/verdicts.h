// What can become of a packet on floor 0.
#pragma once

#include "base/verdict.h"

namespace viaduct {

#define VIADUCT_BASE_VERDICTS(X) \
  X(kHandOffFull, "hand-off-full", "Belongs to another worker, whose ring from this one was full; dropped.", "")

VIADUCT_DEFINE_VERDICTS(VerdictRange::kBase, VIADUCT_BASE_VERDICTS)

}  // namespace viaduct
