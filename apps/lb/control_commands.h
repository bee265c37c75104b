// The commands of the control socket: a line of JSON in, a line of JSON out.
#pragma once

#include <string>
#include <string_view>

#include "apps/lb/controller.h"

namespace viaduct::lb {

// A request is an object with "command" and what that command takes:
//
//   show     what: "services", "backends", "configurations", "tables" or "workers"
//   plan     what apply or drain with the same words would change, without doing it
//   apply    file: reads it (none: the program's own again); or backend and weight
//   drain    backend, state: "draining", "down", or "file" for what the file says
//   rotate   add: {id, server_id_length, nonce_length, key, encode_length, servers: {"pool/name": "hex"}};
//            or remove: id, unseen_seconds; or status: id, unseen_seconds
//   explain  frame: hex
//   capture  file, seconds; without them how the last one went
//
// The answer has "ok": true and what was asked for, or "ok": false and "errors", a list of lines. Control thread.
class ControlCommands {
 public:
  // started: since when configurations that were never seen have not been seen.
  ControlCommands(Controller& controller, ControlTarget& target)
      : controller_(controller), target_(target), started_(target.now()) {}

  std::string answer(std::string_view request);

 private:
  Controller& controller_;
  ControlTarget& target_;
  const Instant started_;
};

}  // namespace viaduct::lb
