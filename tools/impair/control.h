// Orders to a running box, a line each, from its standard input; each is answered by a line on its standard output.
#pragma once

#include <string>

#include "tools/impair/box.h"

namespace viaduct::impair {

// What the box did, as a line of JSON.
std::string counters_of(Box& box);

// Obeys one order; the answer is "ok", the counters, or what is wrong with the order.
std::string obey(Box& box, const std::string& order);

// For --help.
inline constexpr const char* kOrdersHelp =
    "Orders on standard input, a line each, answered by a line:\n"
    "  forward LINK     faults from left to right, from now on\n"
    "  back LINK        faults from right to left\n"
    "  both LINK        both\n"
    "  rebind           the hosts on the left get new ports; what comes for the old ones is dropped\n"
    "  rebind-address   and a new address too\n"
    "  counters         what was done, as JSON\n";

// Orders as they come in on a descriptor, without waiting for them.
class OrderReader {
 public:
  explicit OrderReader(int descriptor) : descriptor_(descriptor) {}

  // Obeys what has come in whole lines, and answers on standard output.
  void poll(Box& box);

 private:
  const int descriptor_;
  bool has_ended_ = false;
  std::string line_;
};

}  // namespace viaduct::impair
