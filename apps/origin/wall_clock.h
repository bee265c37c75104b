// The time of day, as the origin's parts call it.
#pragma once

#include "apps/settings/wall_clock.h"

namespace viaduct::origin {

using settings::WallClock;

}  // namespace viaduct::origin
