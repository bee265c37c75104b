// Where libxdp finds the program that it loads into the kernel.
#pragma once

namespace viaduct::net {

// Debian keeps it where libxdp does not look: says so in LIBXDP_OBJECT_PATH, unless that is set already. Control
// thread, before the af_xdp driver is probed.
void point_libxdp_to_its_objects();

}  // namespace viaduct::net
