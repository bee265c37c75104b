// Which servers answer: when to ask which, and what their answers and silence come to. Pure: no clock, no socket.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "apps/lb/configuration.h"
#include "base/instant.h"
#include "base/random.h"

namespace viaduct::lb {

// A server that is to be asked, by "pool/backend".
struct HealthTarget {
  std::string name;
  HealthConfig config;
};

// How a server has answered so far.
struct HealthFigures {
  bool is_healthy = true;
  uint64_t asked = 0, answered = 0, unanswered = 0;
  uint64_t withdrawn = 0;  // questions that were due and that nobody could ask; they say nothing about the server
  std::string problem;     // with the last answer that was not as it should be; empty once all is well again
};

// A server is taken to be well until it has left `fall` questions in a row without a good answer, and again once it has
// answered `rise` in a row. Control thread.
class HealthMonitor {
 public:
  explicit HealthMonitor(Random random) : random_(random) {}

  // Who is asked from now on. Those that were asked before keep their state; the first question to another comes at a
  // random moment of its interval.
  void watch(const std::vector<HealthTarget>& targets, Instant now);

  struct Question {
    std::string name;
    uint64_t token = 0;  // nobody else knows it; the answer has it
    Instant deadline;    // of the answer
  };
  // What is to be asked now. Silence that has lasted too long counts.
  std::vector<Question> due(Instant now);
  // A good answer came. False where it is to no open question: too late, twice, or forged.
  bool answer(uint64_t token, Instant now);
  // An answer that is as bad as none. False where it is to no open question.
  bool fail(uint64_t token, const std::string& problem);
  // The question was not asked after all: as if it had not been due.
  void withdraw(uint64_t token);

  struct Change {
    std::string name;
    bool is_healthy = false;
    std::string problem;  // why it is not
  };
  // Servers whose state changed since the last call.
  std::vector<Change> take_changes();

  // Null where it is not asked.
  const HealthFigures* find(const std::string& name) const;

 private:
  struct Server {
    HealthConfig config;
    HealthFigures figures;
    Instant next;           // question
    Instant silent_at;      // when the open question counts as not answered; never(): none is open
    uint64_t token = 0;     // of the open question
    unsigned in_a_row = 0;  // answers or silences that contradict the state
  };
  void note(const std::string& name, Server& server, const std::string& problem);
  std::pair<const std::string, Server>* asked_with(uint64_t token);
  Duration jittered(const HealthConfig& config);

  Random random_;
  std::map<std::string, Server> servers_;
  std::vector<Change> changes_;
};

}  // namespace viaduct::lb
