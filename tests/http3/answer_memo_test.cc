#include "apps/http3/answer_memo.h"

#include <gtest/gtest.h>

#include <string>

namespace viaduct::http3 {
namespace {

Bytes section_of(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

class Answers : public testing::Test {
 protected:
  void remember(const std::string& section, uint64_t mark) {
    PooledChunk* chunk = chunks.acquire();
    memo.remember(section_of(section), {chunk, 7, {until, mark}}, now);
    chunk->drop();
  }
  // The mark of the answer that would be given; 0 where there is none.
  uint64_t find(const std::string& section) {
    const AnswerMemo::Answer* answer = memo.find(section_of(section), now);
    return answer ? answer->terms.mark : 0;
  }

  ChunkPool chunks{AnswerMemo::kPlaces + 1, 64};
  AnswerMemo memo;
  Instant now = Instant::from_ns(1'000);
  Instant until = Instant::from_ns(2'000);
};

TEST_F(Answers, are_those_to_these_very_bytes) {
  remember("/index.html", 5);
  EXPECT_EQ(find("/index.html"), 5u);
  EXPECT_EQ(memo.find(section_of("/index.html"), now)->length, 7u);
  EXPECT_EQ(find("/index.htm"), 0u);
  EXPECT_EQ(find("/index.html "), 0u);
  EXPECT_EQ(find(""), 0u);
}

TEST_F(Answers, are_counted_by_their_chunks) {
  EXPECT_EQ(memo.chunks(), 0u);
  for (int i = 0; i < 2'000; ++i) {
    remember("/" + std::to_string(i), 1);
    ASSERT_EQ(memo.chunks(), chunks.used());
  }
  memo.forget_all();
  remember("/index.html", 5);
  EXPECT_EQ(memo.chunks(), chunks.used());
}

TEST_F(Answers, end_with_their_time) {
  remember("/", 5);
  now = until - Duration::nanoseconds(1);
  EXPECT_EQ(find("/"), 5u);
  now = until;
  EXPECT_EQ(find("/"), 0u);
  remember("/late", 6);
  now = Instant::from_ns(1'000);
  EXPECT_EQ(find("/late"), 0u) << "its time was over before it began";
}

TEST_F(Answers, are_forgotten_all_at_once_and_learned_anew) {
  remember("/a", 5);
  remember("/b", 6);
  EXPECT_EQ(find("/a"), 5u);
  memo.forget_all();
  EXPECT_EQ(find("/a"), 0u);
  EXPECT_EQ(find("/b"), 0u);
  remember("/a", 7);
  EXPECT_EQ(find("/a"), 7u) << "what was used before makes room";
}

TEST_F(Answers, are_not_kept_for_longer_sections) {
  remember(std::string(AnswerMemo::kLongestSection, 'x'), 5);
  remember(std::string(AnswerMemo::kLongestSection + 1, 'x'), 6);
  EXPECT_EQ(find(std::string(AnswerMemo::kLongestSection, 'x')), 5u);
  EXPECT_EQ(find(std::string(AnswerMemo::kLongestSection + 1, 'x')), 0u);
}

// Ten times as many sections as there are places go by; what is asked for between them stays, and no more chunks are
// held than there are places.
TEST_F(Answers, that_are_wanted_stay_while_others_pass) {
  remember("often", 1);
  for (uint64_t i = 0; i < 10 * AnswerMemo::kPlaces; ++i) {
    EXPECT_EQ(find("often"), 1u);
    remember("once " + std::to_string(i), 2 + i);
    const uint64_t found = find("once " + std::to_string(i));
    EXPECT_TRUE(found == 0 || found == 2 + i);
  }
  EXPECT_LE(chunks.used(), AnswerMemo::kPlaces);
  EXPECT_GT(chunks.used(), AnswerMemo::kPlaces / 2);
}

TEST(AnswerMemo, gives_its_chunks_back) {
  ChunkPool chunks(4, 64);
  {
    AnswerMemo memo;
    PooledChunk* chunk = chunks.acquire();
    memo.remember(section_of("/"), {chunk, 1, {Instant::never(), 0}}, Instant());
    chunk->drop();
    EXPECT_EQ(chunks.used(), 1u);
  }
  EXPECT_EQ(chunks.used(), 0u);
}

}  // namespace
}  // namespace viaduct::http3
