#include "tests/support/interleaving.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace viaduct::test {
namespace {

thread_local Interleaving* current_run = nullptr;
thread_local size_t current_thread = 0;

}  // namespace

Interleaving* Interleaving::current() { return current_run; }

void Interleaving::step_when(std::function<bool()> condition) {
  Thread& me = threads_[current_thread];
  me.can_go_on = std::move(condition);
  scheduler_turn_.release();
  me.turn.acquire();
}

size_t Interleaving::choose(size_t options) {
  if (options == 1) return 0;
  if (made_ == choices_.size()) choices_.push_back({0, options});
  return choices_[made_++].chosen;
}

bool Interleaving::run(const std::array<std::function<void()>, 2>& bodies) {
  std::array<std::thread, 2> running;
  for (size_t i = 0; i < 2; ++i) {
    running[i] = std::thread([this, i, &bodies] {
      current_run = this;
      current_thread = i;
      threads_[i].turn.acquire();
      bodies[i]();
      threads_[i].is_done = true;
      scheduler_turn_.release();
    });
  }
  while (!threads_[0].is_done || !threads_[1].is_done) {
    std::vector<Thread*> able;
    for (Thread& thread : threads_) {
      if (!thread.is_done && (is_stuck_ || thread.can_go_on())) able.push_back(&thread);
    }
    if (able.empty()) {
      is_stuck_ = true;
      continue;
    }
    able[choose(able.size())]->turn.release();
    scheduler_turn_.acquire();
  }
  for (std::thread& thread : running) thread.join();
  return !is_stuck_;
}

size_t explore(const std::function<std::array<std::function<void()>, 2>()>& make_bodies) {
  std::vector<Interleaving::Choice> choices;
  for (size_t runs = 1;; ++runs) {
    if (!Interleaving(choices).run(make_bodies())) {
      std::string order;
      for (const Interleaving::Choice& choice : choices) order += static_cast<char>('0' + choice.chosen);
      ADD_FAILURE() << "stuck in the order " << order;
      return runs;
    }
    while (!choices.empty() && choices.back().chosen + 1 == choices.back().options) choices.pop_back();
    if (choices.empty()) return runs;
    ++choices.back().chosen;
  }
}

}  // namespace viaduct::test
