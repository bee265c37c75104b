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
  Pool<uint32_t> pool(kCapacity);
  std::map<std::pair<uint32_t, uint64_t>, Handle> naive;
  std::map<uint32_t, uint64_t> next;
  for (uint32_t step = 1; step < 20'000; ++step) {
    const bool grows = step / 1'000 % 2 == 0;
    if (naive.size() < kCapacity && random.below(8) < (grows ? 6u : 3u)) {
      const auto connection = static_cast<uint32_t>(random.below(5));
      const uint64_t stream = next[connection];
      next[connection] += 4;
      const Handle handle = pool.acquire(step);
      table.insert(connection, stream, handle);
      naive[{connection, stream}] = handle;
    } else if (!naive.empty()) {
      auto victim = naive.begin();
      std::advance(victim, random.below(naive.size()));
      table.erase(victim->first.first, victim->first.second);
      pool.release(victim->second);
      naive.erase(victim);
    }
    if (step % 50 != 0) continue;
    for (const auto& [key, handle] : naive) ASSERT_EQ(table.find(key.first, key.second), handle);
    for (const auto& [connection, stream] : next) ASSERT_FALSE(table.find(connection, stream));
  }
}

// Connections that all began at the same time have the same streams open.
TEST(StreamTable, SpreadsConnectionsWithTheSameStreams) {
  for (const uint32_t connections : {32u, 512u}) {
    const uint32_t each = 8192 / connections;
    for (const uint64_t first : {uint64_t{0}, uint64_t{40'000}, uint64_t{1} << 33}) {
      StreamTable table(8192);
      Pool<int> pool(8192);
      for (uint32_t connection = 0; connection < connections; ++connection) {
        for (uint32_t i = 0; i < each; ++i) table.insert(connection, first + 4 * i, pool.acquire());
      }
      EXPECT_LE(table.longest_search(), 8u) << connections << " connections, streams from " << first;
    }
  }
}

}  // namespace
}  // namespace viaduct::http3
