// Measuring so that a noisy machine cannot decide who wins: what is compared is run in turns, and ratios
// are taken within a turn.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace viaduct::perf {

// One line of the output and of the JSON's "rows".
struct Row {
  std::string suite;
  std::string name;  // a path such as seal/aes-128-gcm/1200/keys=32/ipsec-mb
  std::string metric;
  std::string unit;
  double median = 0;
  double min = 0;
  double max = 0;
  size_t runs = 0;
  std::string reference;  // the case that `ratio` is against; empty: none
  double ratio = 0;       // median of this case's values over the reference's, turn by turn
};

// One thing to run: `run` does `items` items (packets, masks, handshakes). `bytes`: of an item, or 0.
struct Case {
  std::string name;
  std::function<void()> run;
  double items = 1;
  double bytes = 0;
  int overhead = -1;                   // index of a case whose time is in this one's and is taken off it, turn by turn
  std::function<double()> timed = {};  // instead of run: returns the nanoseconds of it that count
  std::string rate = {};               // not empty: what is done per second, the unit of a row of its own
};

// What this thread has used of a CPU, in nanoseconds.
double thread_ns();

// Runs the cases in turns, in an order drawn anew for each, `turns` times. The first case is the reference
// of the others. Time is that of the thread, so that being preempted does not count. Rows for a case: its time, with
// bytes its throughput, with a rate that.
std::vector<Row> measure(const std::string& suite, const std::vector<Case>& cases, size_t turns);

}  // namespace viaduct::perf
