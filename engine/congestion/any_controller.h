// Room for one congestion controller of any kind, inside whoever owns it.
#pragma once

#include <variant>

#include "engine/congestion/bbr.h"
#include "engine/congestion/controller.h"
#include "engine/congestion/cubic.h"
#include "engine/congestion/new_reno.h"

namespace viaduct::quic {

class AnyController {
 public:
  AnyController(ControllerKind kind, uint64_t max_datagram_size) : state_(make(kind, max_datagram_size)) {}

  Controller& get() {
    return std::visit([](auto& controller) -> Controller& { return controller; }, state_);
  }
  const Controller& get() const {
    return std::visit([](const auto& controller) -> const Controller& { return controller; }, state_);
  }

 private:
  using State = std::variant<NewReno, Cubic, Bbr>;
  static State make(ControllerKind kind, uint64_t max_datagram_size) {
    if (kind == ControllerKind::kNewReno) return NewReno(max_datagram_size);
    if (kind == ControllerKind::kBbr) return Bbr(max_datagram_size);
    return Cubic(max_datagram_size);
  }

  State state_;
};

}  // namespace viaduct::quic
