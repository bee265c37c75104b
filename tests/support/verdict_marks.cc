#include "tests/support/verdict_marks.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <string>

namespace viaduct::test {
namespace {

std::array<std::atomic<bool>, kVerdictCount> provoked;

// Appends the numbers of the provoked verdicts, one a line, to $VIADUCT_VERDICT_MARKS/<pid>.
void write_marks() {
  const char* folder = std::getenv("VIADUCT_VERDICT_MARKS");
  if (!folder) return;
  std::ofstream file(std::string(folder) + "/" + std::to_string(getpid()), std::ios::app);
  for (size_t i = 1; i < provoked.size(); ++i) {
    if (provoked[i]) file << i << '\n';
  }
}

// Made before the other objects of static lifetime, so that it is destroyed after all their counters.
struct Recorder {
  Recorder() { VerdictCounters::on_destroy = mark_verdicts; }
  ~Recorder() { write_marks(); }
};
[[gnu::init_priority(200)]] Recorder recorder;

}  // namespace

void mark_verdicts(const VerdictCounters& counters) {
  for (size_t i = 0; i < kVerdictCount; ++i) {
    if (counters[static_cast<Verdict>(i)] > 0) mark_verdict(static_cast<Verdict>(i));
  }
}

void mark_verdict(Verdict verdict) { provoked[static_cast<size_t>(verdict)] = true; }

}  // namespace viaduct::test
