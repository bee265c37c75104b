#include "perf/harness/measure.h"

#include <time.h>

#include <algorithm>
#include <random>

namespace viaduct::perf {
namespace {

constexpr double kTurnNs = 1e6;  // how long a case runs in each turn, at least

double time_of(const Case& it, size_t repeats) {
  if (it.timed) {
    double sum = 0;
    for (size_t i = 0; i < repeats; ++i) sum += it.timed();
    return sum;
  }
  const double begin = thread_ns();
  for (size_t i = 0; i < repeats; ++i) it.run();
  return thread_ns() - begin;
}

// How often to run a case so that its turn lasts long enough. Warms it up, too.
size_t repeats_for(const Case& it) {
  size_t repeats = 1;
  while (time_of(it, repeats) < kTurnNs / 2 && repeats < (size_t{1} << 30)) repeats *= 2;
  return repeats * 2;
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

Row row_of(const std::string& suite, const std::string& name, std::vector<double> values) {
  Row row;
  row.suite = suite;
  row.name = name;
  row.median = median_of(values);
  row.min = *std::min_element(values.begin(), values.end());
  row.max = *std::max_element(values.begin(), values.end());
  row.runs = values.size();
  return row;
}

// A row of what was done in a time rather than how long it took: `amount` per nanosecond.
Row rate_row(const Row& time, const std::vector<double>& ns, const char* metric, const std::string& unit,
             double amount) {
  std::vector<double> values;
  for (const double value : ns) values.push_back(amount / value);
  Row row = row_of(time.suite, time.name, values);
  row.metric = metric;
  row.unit = unit;
  row.reference = time.reference;
  row.ratio = time.ratio > 0 ? 1 / time.ratio : 0;
  return row;
}

}  // namespace

double thread_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

std::vector<Row> measure(const std::string& suite, const std::vector<Case>& cases, size_t turns) {
  std::vector<size_t> repeats;
  for (const Case& it : cases) repeats.push_back(repeats_for(it));
  std::vector<std::vector<double>> ns(cases.size());
  std::vector<size_t> order(cases.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::mt19937 random(1);
  for (size_t turn = 0; turn < turns; ++turn) {
    std::shuffle(order.begin(), order.end(), random);
    for (const size_t i : order) {
      ns[i].push_back(time_of(cases[i], repeats[i]) / static_cast<double>(repeats[i]) / cases[i].items);
    }
  }
  for (size_t i = 0; i < cases.size(); ++i) {
    if (cases[i].overhead < 0) continue;
    for (size_t turn = 0; turn < turns; ++turn) ns[i][turn] -= ns[static_cast<size_t>(cases[i].overhead)][turn];
  }

  std::vector<Row> rows;
  for (size_t i = 0; i < cases.size(); ++i) {
    Row time = row_of(suite, cases[i].name, ns[i]);
    time.metric = "time";
    time.unit = "ns";
    if (i > 0) {
      std::vector<double> ratios(turns);
      for (size_t turn = 0; turn < turns; ++turn) ratios[turn] = ns[i][turn] / ns[0][turn];
      time.reference = cases[0].name;
      time.ratio = median_of(ratios);
    }
    rows.push_back(time);
    if (cases[i].bytes > 0) rows.push_back(rate_row(time, ns[i], "throughput", "Gb/s", cases[i].bytes * 8));
    if (!cases[i].rate.empty()) rows.push_back(rate_row(time, ns[i], "rate", cases[i].rate, 1e9));
  }
  return rows;
}

}  // namespace viaduct::perf
