// `viaduct-origin capture`: asks a running origin to write the frames of its device to a file.
#pragma once

#include <string>

namespace viaduct::origin {

struct CaptureOptions {
  std::string prefix = "viaduct";  // eal.file_prefix of the running origin
  unsigned seconds = 10;
  std::string output = "capture.pcapng";
};

// Waits until the file is there and says what is in it. The program's exit status.
int run_capture(const CaptureOptions& options);

}  // namespace viaduct::origin
