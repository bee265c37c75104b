// Every order in which the steps of two threads can follow each other, tried one by one.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <semaphore>
#include <vector>

namespace viaduct::test {

// One run of two bodies, of which one runs at a time, up to its next step. The bodies call step() before each thing
// they do that the other can notice.
class Interleaving {
 public:
  // choices: which of the threads that could go on does, at each point where there are two; the first one beyond
  // the end. It is extended by the choices made, as {chosen, how many there were}.
  struct Choice {
    size_t chosen;
    size_t options;
  };
  explicit Interleaving(std::vector<Choice>& choices) : choices_(choices) {}

  // Returns when both bodies have. False where they came to a point at which none could go on.
  bool run(const std::array<std::function<void()>, 2>& bodies);

  // The run that the calling thread is part of; null outside.
  static Interleaving* current();
  void step() {
    step_when([] { return true; });
  }
  // Goes on when the condition holds. Where nobody can go on, goes on all the same with is_stuck().
  void step_when(std::function<bool()> condition);
  bool is_stuck() const { return is_stuck_; }

 private:
  struct Thread {
    std::function<bool()> can_go_on = [] { return true; };
    bool is_done = false;
    std::binary_semaphore turn{0};
  };
  size_t choose(size_t options);

  std::vector<Choice>& choices_;
  size_t made_ = 0;
  bool is_stuck_ = false;
  std::array<Thread, 2> threads_;
  std::binary_semaphore scheduler_turn_{0};
};

// Makes fresh bodies for each order and runs them; a failure of the calling test, with the order, where they get
// stuck. Returns the number of orders.
size_t explore(const std::function<std::array<std::function<void()>, 2>()>& make_bodies);

}  // namespace viaduct::test
