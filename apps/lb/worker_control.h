// One worker's end of the control plane: questions about frames, a tap for captures, health questions and answers.
#pragma once

#include "apps/lb/decision_capture.h"
#include "apps/lb/explain_desk.h"
#include "apps/lb/health_channel.h"

namespace viaduct::lb {

struct WorkerControl {
  ExplainDesk desk;
  DecisionTap tap;
  HealthChannel health;
};

}  // namespace viaduct::lb
