#include "apps/origin/verdict_list.h"

#include <format>

#include "apps/http3/verdicts.h"
#include "apps/origin/verdicts.h"
#include "base/verdicts.h"
#include "engine/verdicts.h"
#include "pmd-glue/verdicts.h"

namespace viaduct::origin {

std::span<const std::span<const VerdictInfo>> packet_verdicts() {
  static constexpr std::span<const VerdictInfo> kLists[] = {viaduct::kVerdicts, net::kVerdicts, quic::kVerdicts};
  return kLists;
}

std::span<const std::span<const VerdictInfo>> request_verdicts() {
  static constexpr std::span<const VerdictInfo> kLists[] = {http3::kVerdicts, origin::kVerdicts};
  return kLists;
}

std::string list_verdicts() {
  std::string text;
  for (const auto lists : {packet_verdicts(), request_verdicts()}) {
    for (const auto list : lists) {
      for (const VerdictInfo& verdict : list)
        text += std::format("{}\t{}\t{}\t{}\n", static_cast<unsigned>(verdict.id), verdict.name, verdict.help,
                            verdict.section);
    }
  }
  return text;
}

}  // namespace viaduct::origin
