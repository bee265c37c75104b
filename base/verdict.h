// Verdicts: what became of a packet, a datagram or an input, as a number with a name.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace viaduct {

// A number from one module's range. A module lists its verdicts once, in <folder>/verdicts.h, as an X-macro of
// X(id, "name", "help", "section") handed to VIADUCT_DEFINE_VERDICTS(VerdictRange::…, LIST) in its namespace,
// which defines a constant of type Verdict for each and the table kVerdicts.
enum class Verdict : uint16_t { kNone = 0 };

// First number of each module's range; a module has 0x80 numbers.
enum class VerdictRange : uint16_t {
  kBase = 0x000,
  kPort = 0x080,
  kSteer = 0x100,
  kCrypto = 0x180,
  kEngine = 0x200,
  kHttp3 = 0x280,
  kOrigin = 0x300,
  kBalancer = 0x380,
};
inline constexpr size_t kVerdictCount = 0x400;

struct VerdictInfo {
  Verdict id;
  std::string_view name;     // unique, lower-case with dashes: the name in counters and telemetry
  std::string_view help;     // one sentence for an operator
  std::string_view section;  // of the RFC or draft, where there is one
};

#define VIADUCT_VERDICT_ORDINAL(id, name, help, section) id,
#define VIADUCT_VERDICT_CONSTANT(id, name, help, section) \
  inline constexpr ::viaduct::Verdict id =                \
      static_cast<::viaduct::Verdict>(kVerdictBase + static_cast<uint16_t>(VerdictOrdinal::id));
#define VIADUCT_VERDICT_INFO(id, name, help, section) ::viaduct::VerdictInfo{id, name, help, section},

#define VIADUCT_DEFINE_VERDICTS(range, LIST)                                 \
  enum class VerdictOrdinal : uint16_t { LIST(VIADUCT_VERDICT_ORDINAL) };    \
  inline constexpr uint16_t kVerdictBase = static_cast<uint16_t>(range) + 1; \
  LIST(VIADUCT_VERDICT_CONSTANT)                                             \
  inline constexpr ::viaduct::VerdictInfo kVerdicts[] = {LIST(VIADUCT_VERDICT_INFO)};

// One worker's counters, indexed by verdict. Written by that worker alone; read by any thread, which
// may see a count a moment old.
class VerdictCounters {
 public:
  VerdictCounters() = default;
  ~VerdictCounters() {
    if (on_destroy) on_destroy(*this);
  }
  VerdictCounters(const VerdictCounters&) = delete;
  VerdictCounters& operator=(const VerdictCounters&) = delete;

  void count(Verdict verdict, uint64_t n = 1) {
    uint64_t& slot = counts_[static_cast<size_t>(verdict)];
    __atomic_store_n(&slot, slot + n, __ATOMIC_RELAXED);
  }
  uint64_t operator[](Verdict verdict) const {
    return __atomic_load_n(&counts_[static_cast<size_t>(verdict)], __ATOMIC_RELAXED);
  }
  // Of all verdicts: the number of things that ended in one.
  uint64_t sum() const {
    uint64_t total = 0;
    for (size_t i = 0; i < kVerdictCount; ++i) total += (*this)[static_cast<Verdict>(i)];
    return total;
  }

  // Told of each set of counters before it goes; how the tests learn which verdicts they provoked.
  static inline void (*on_destroy)(const VerdictCounters&) = nullptr;

 private:
  alignas(64) std::array<uint64_t, kVerdictCount> counts_{};
};

}  // namespace viaduct
