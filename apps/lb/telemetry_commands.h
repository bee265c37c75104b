// What monitoring asks a running balancer over DPDK's telemetry socket.
#pragma once

#include <string>

namespace viaduct::lb {

class Program;

// Adds the commands below /viaduct/. An empty string, or what went wrong. The program must outlive hide_telemetry().
std::string publish_telemetry(Program& program);
void hide_telemetry();

// Every verdict that a frame can end in here: number, name, help and section, one a line, separated by tabs.
std::string list_verdicts();

}  // namespace viaduct::lb
