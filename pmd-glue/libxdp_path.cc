#include "pmd-glue/libxdp_path.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

namespace viaduct::net {

void point_libxdp_to_its_objects() {
  for (const char* folder :
       {"/usr/lib/bpf", "/usr/lib64/bpf", "/usr/lib/x86_64-linux-gnu/bpf", "/usr/lib/aarch64-linux-gnu/bpf"}) {
    if (access((std::string(folder) + "/xsk_def_xdp_prog.o").c_str(), R_OK) != 0) continue;
    setenv("LIBXDP_OBJECT_PATH", folder, 0);
    return;
  }
}

}  // namespace viaduct::net
