// The options of an IP packet, with a hint among them or not. The first byte says which version of IP.
#include "flowsteer/mcphint.h"

#include <vector>

#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace viaduct;
  if (size == 0) return 0;
  const flowsteer::McphintConfig config;
  const Bytes options(data + 1, size - 1);
  if ((data[0] & 1) != 0) {
    (void)flowsteer::read_mcphint6(options, config);
    return 0;
  }
  const auto found = flowsteer::read_mcphint4(options, config);
  if (!found || !*found) return 0;
  // A hint in front of it is the first one.
  std::vector<uint8_t> longer(flowsteer::kMcphint4);
  const auto hint = static_cast<uint16_t>(**found ^ 0x5555);
  flowsteer::write_mcphint4(longer.data(), config, hint);
  longer.insert(longer.end(), options.begin(), options.end());
  const auto first = flowsteer::read_mcphint4(longer, config);
  fuzz::require(first && *first && **first == hint, "the first hint counts");
  return 0;
}
