#include "flowsteer/server_id_decoder.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <memory>
#include <vector>

#include "base/random.h"

namespace viaduct::flowsteer {
namespace {

// All lengths that the draft allows, with and without a key: each decoded alone by QuicLb, in bursts of one
// configuration and in bursts that mix them.
TEST(ServerIdDecoder, SaysWhatSingleDecodingSays) {
  Random random = Random::from_seed(3);
  std::vector<std::unique_ptr<QuicLb>> configs;
  for (uint8_t server_id = 1; server_id <= 15; ++server_id) {
    for (uint8_t nonce = 4; nonce <= 18 && server_id + nonce <= 19; ++nonce) {
      for (const bool is_encrypted : {false, true}) {
        QuicLbConfig config{
            .id = static_cast<uint8_t>(random.below(7)), .server_id_length = server_id, .nonce_length = nonce};
        if (is_encrypted) random.fill(config.key.emplace());
        configs.push_back(std::make_unique<QuicLb>(config));
      }
    }
  }
  const auto expect_alike = [&](size_t count, auto&& draw) {
    // What follows the IDs is read and does not matter.
    std::vector<std::array<uint8_t, kReadableId>> ids(count);
    ServerIdJobs jobs;
    for (auto& id : ids) {
      random.fill(id);
      const QuicLb& config = *configs[draw()];
      id[0] = first_octet(config.config().id, 0);
      jobs.add(&config, id.data() + 1);
    }
    std::vector<ServerIdBlock> decoded(count);
    decode_server_ids(jobs, decoded.data());
    for (size_t i = 0; i < count; ++i) {
      const auto alone = jobs.configs[i]->decode_server_id(ids[i]);
      ASSERT_TRUE(alone);
      ASSERT_EQ(decoded[i], ServerIdBlock(alone->server_id()));
    }
  };
  for (size_t config = 0; config < configs.size(); ++config) {
    for (const size_t count : {size_t{0}, size_t{1}, size_t{random.below(64)}, ServerIdJobs::kMost})
      expect_alike(count, [&] { return config; });
  }
  for (int burst = 0; burst < 300; ++burst) {
    const size_t count = random.below(ServerIdJobs::kMost + 1), several = 1 + random.below(configs.size());
    expect_alike(count, [&] { return random.below(several); });
  }
}

// Ids as operators choose them: they differ in a byte or two, wherever that is. A look-up has to stay short.
TEST(ServerIdMap, FindsCountedIdsInAFewSteps) {
  for (size_t length = 1; length <= 15; ++length) {
    for (size_t at = 0; at < length; ++at) {
      std::vector<std::pair<ServerIdBlock, uint16_t>> ids;
      for (uint16_t i = 0; i < 200; ++i) {
        std::vector<uint8_t> id(length, 0xa5);
        id[at] = static_cast<uint8_t>(i);
        ids.emplace_back(ServerIdBlock(id), i);
      }
      EXPECT_LE(ServerIdMap(length, ids).longest_search(), 20u) << "byte " << at << " of " << length;
    }
  }
}

// Of every length: also ids that differ from one of them in their last byte alone.
TEST(ServerIdMap, FindsWhatIsInItAndNothingElse) {
  Random random = Random::from_seed(4);
  for (size_t length = 3; length <= 15; ++length) {
    for (const size_t count : {0, 1, 3, 1000}) {
      std::map<std::vector<uint8_t>, uint16_t> values;
      while (values.size() < count) {
        std::vector<uint8_t> id(length);
        random.fill(id);
        values.emplace(id, static_cast<uint16_t>(values.size()));
      }
      std::vector<std::pair<ServerIdBlock, uint16_t>> ids;
      for (const auto& [id, value] : values) ids.emplace_back(ServerIdBlock(id), value);
      const ServerIdMap map(length, ids);
      const auto expect = [&](const std::vector<uint8_t>& id) {
        const auto found = values.find(id);
        EXPECT_EQ(map.find(ServerIdBlock(id)), found == values.end() ? ServerIdMap::kNone : found->second);
      };
      for (const auto& [id, value] : values) {
        expect(id);
        std::vector<uint8_t> other = id;
        other.back() ^= 1;
        expect(other);
      }
      for (int i = 0; i < 1000; ++i) {
        std::vector<uint8_t> id(length);
        random.fill(id);
        expect(id);
      }
      expect(std::vector<uint8_t>(length, 0xff));
      expect(std::vector<uint8_t>(length, 0));
    }
  }
  EXPECT_EQ(ServerIdMap().find(ServerIdBlock(Bytes{})), ServerIdMap::kNone);
}

}  // namespace
}  // namespace viaduct::flowsteer
