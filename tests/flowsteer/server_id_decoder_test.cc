#include "flowsteer/server_id_decoder.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "base/random.h"

namespace viaduct::flowsteer {
namespace {

// All lengths that the draft allows, with and without a key: each decoded alone by QuicLb, and in bursts that mix them.
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
  for (int burst = 0; burst < 300; ++burst) {
    const size_t count = 1 + random.below(kMaxServerIdJobs);
    std::vector<std::vector<uint8_t>> ids(count);
    std::vector<ServerIdJob> jobs(count);
    for (size_t i = 0; i < count; ++i) {
      const QuicLb& config = *configs[random.below(configs.size())];
      // What follows the ID is read and does not matter.
      ids[i].resize(kReadableId);
      random.fill(ids[i]);
      ids[i][0] = first_octet(config.config().id, 0);
      jobs[i].config = &config;
      jobs[i].id = ids[i].data();
    }
    decode_server_ids(jobs);
    for (size_t i = 0; i < count; ++i) {
      const auto alone = jobs[i].config->decode_server_id(ids[i]);
      ASSERT_TRUE(alone);
      ASSERT_EQ(jobs[i].server_id, ServerIdBlock(alone->server_id()));
    }
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
      EXPECT_LE(ServerIdMap(ids).longest_search(), 20u) << "byte " << at << " of " << length;
    }
  }
}

TEST(ServerIdMap, FindsWhatIsInItAndNothingElse) {
  Random random = Random::from_seed(4);
  for (const size_t count : {0, 1, 3, 1000}) {
    std::vector<std::pair<ServerIdBlock, uint16_t>> ids;
    for (size_t i = 0; i < count; ++i) {
      uint8_t id[15];
      random.fill(id);
      ids.emplace_back(ServerIdBlock(id), static_cast<uint16_t>(i));
    }
    const ServerIdMap map(ids);
    for (const auto& [id, value] : ids) EXPECT_EQ(map.find(id), value);
    for (int i = 0; i < 1000; ++i) {
      uint8_t id[15];
      random.fill(id);
      EXPECT_EQ(map.find(ServerIdBlock(id)), ServerIdMap::kNone);
    }
  }
  EXPECT_EQ(ServerIdMap().find(ServerIdBlock()), ServerIdMap::kNone);
}

}  // namespace
}  // namespace viaduct::flowsteer
