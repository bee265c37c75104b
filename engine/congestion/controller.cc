#include "engine/congestion/controller.h"

namespace viaduct::quic {

std::optional<ControllerKind> controller_kind(std::string_view name) {
  if (name == "newreno") return ControllerKind::kNewReno;
  if (name == "cubic") return ControllerKind::kCubic;
  if (name == "bbr") return ControllerKind::kBbr;
  return std::nullopt;
}

}  // namespace viaduct::quic
