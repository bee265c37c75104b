// What the control commands' parts share. Only for them: its header is heavy.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>

#include "apps/lb/controller.h"

namespace viaduct::lb {

using Json = nlohmann::json;

// Thrown by a command that cannot be carried out, caught by ControlCommands.
struct Refused {
  Errors errors;
};

// A request's words, each of the type and in the range that it must have; Refused says what was expected.
std::string text_of(const Json& request, const char* key);
uint64_t number_of(const Json& request, const char* key, uint64_t least, uint64_t most);
bool has(const Json& request, const char* key);
// Throws where there are errors.
void succeed(const Errors& errors);
template <class T>
T succeed(std::expected<T, Errors>&& result) {
  if (!result) throw Refused{result.error()};
  return std::move(*result);
}

// The tables of `show`.
Json show(const std::string& what, const Controller& controller, const ControlTarget& target, Instant started);

// How long no packet was routed by a configuration, in nanoseconds.
Duration unseen(const ControlTarget& target, uint8_t config_id, Instant started);

}  // namespace viaduct::lb
