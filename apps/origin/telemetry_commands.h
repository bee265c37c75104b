// What a running origin tells about itself through DPDK's telemetry.
#pragma once

#include <string>

namespace viaduct::origin {

class Program;

// Registers /viaduct/verdicts, /workers, /connections, /pools, /http, /content and /capture. Once per process. An empty
// string, or what went wrong. Until hide() they answer about this program. Control thread.
std::string publish_telemetry(Program& program);
// Must be called before the program goes: telemetry's thread lives on.
void hide_telemetry();

}  // namespace viaduct::origin
