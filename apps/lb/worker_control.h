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

  // Worker: whether the control thread waits for something.
  bool is_awaited() const { return desk.is_asked() || health.has_questions(); }
};

}  // namespace viaduct::lb
