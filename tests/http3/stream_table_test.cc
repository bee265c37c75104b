#include "apps/http3/stream_table.h"

#include <gtest/gtest.h>

#include <map>

#include "base/random.h"

namespace viaduct::http3 {
namespace {

// Streams open in order and end in any, as those of connections do; the table against a map, at its fullest and below.
TEST(StreamTable, FindsWhatAMapFinds) {
  constexpr uint32_t kCapacity = 64;
  Random random = Random::from_seed(3);
  StreamTable table(kCapacity);
  std::map<std::pair<uint32_t, uint64_t>, Handle> naive;
  std::map<uint32_t, uint64_t> next;
  for (uint32_t step = 1; step < 20'000; ++step) {
    const bool grows = step / 1'000 % 2 == 0;
    if (naive.size() < kCapacity && random.below(8) < (grows ? 6u : 3u)) {
      const auto connection = static_cast<uint32_t>(random.below(5));
      const uint64_t stream = next[connection];
      next[connection] += 4;
      const Handle handle{step, 1};
      table.insert(connection, stream, handle);
      naive[{connection, stream}] = handle;
    } else if (!naive.empty()) {
      auto victim = naive.begin();
      std::advance(victim, random.below(naive.size()));
      table.erase(victim->first.first, victim->first.second);
      naive.erase(victim);
    }
    if (step % 50 != 0) continue;
    for (const auto& [key, handle] : naive) ASSERT_EQ(table.find(key.first, key.second), handle);
    for (const auto& [connection, stream] : next) ASSERT_FALSE(table.find(connection, stream));
  }
}

}  // namespace
}  // namespace viaduct::http3
