#include "apps/http3/frames.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "apps/http3/settings.h"
#include "tests/http3/fake_engine.h"

namespace viaduct::http3 {
namespace {

Bytes view(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

struct SeenFrame {
  uint64_t type = 0;
  std::string payload;
  bool ended = false;
  bool operator==(const SeenFrame&) const = default;
};

void read_into(FrameReader& reader, std::string_view bytes, std::vector<SeenFrame>& frames) {
  Bytes input = view(bytes);
  for (;;) {
    const FrameReader::Item item = reader.next(input);
    switch (item.kind) {
      case FrameReader::Item::Kind::kNone:
        EXPECT_TRUE(input.empty());
        return;
      case FrameReader::Item::Kind::kBegin:
        frames.push_back({item.type, "", false});
        break;
      case FrameReader::Item::Kind::kPayload:
        frames.back().payload.append(reinterpret_cast<const char*>(item.bytes.data()), item.bytes.size());
        break;
      case FrameReader::Item::Kind::kEnd:
        frames.back().ended = true;
        break;
    }
  }
}

const std::string kSeveral = frame(FrameType::kHeaders, "abc") + frame(0x21 + 0x1f * 7, "grease") +
                             frame(FrameType::kData, "") + frame(0x3fffffffffffffff, std::string(70, 'x')) +
                             frame(FrameType::kData, "body");

TEST(FrameReader, gives_the_same_frames_however_the_bytes_are_split) {
  std::vector<SeenFrame> whole;
  FrameReader reader;
  read_into(reader, kSeveral, whole);
  ASSERT_EQ(whole.size(), 5u);
  EXPECT_EQ(whole[0], (SeenFrame{0x01, "abc", true}));
  EXPECT_EQ(whole[2], (SeenFrame{0x00, "", true}));
  EXPECT_EQ(whole[4], (SeenFrame{0x00, "body", true}));
  for (size_t first = 0; first <= kSeveral.size(); ++first) {
    for (size_t second = first; second <= kSeveral.size(); second += 3) {
      std::vector<SeenFrame> frames;
      FrameReader split;
      const std::string_view all = kSeveral;
      read_into(split, all.substr(0, first), frames);
      read_into(split, all.substr(first, second - first), frames);
      read_into(split, all.substr(second), frames);
      ASSERT_EQ(frames, whole) << first << ", " << second;
    }
  }
}

TEST(FrameReader, knows_whether_it_is_inside_a_frame_after_each_byte) {
  const std::string bytes = frame(FrameType::kData, "ab");
  FrameReader reader;
  std::vector<SeenFrame> frames;
  EXPECT_FALSE(reader.is_inside_frame());
  for (size_t i = 0; i < bytes.size(); ++i) {
    read_into(reader, std::string_view(bytes).substr(i, 1), frames);
    EXPECT_EQ(reader.is_inside_frame(), i + 1 < bytes.size()) << i;
  }
}

TEST(FrameReader, takes_lengths_up_to_the_largest_integer) {
  FrameReader reader;
  const std::string header = varint(0) + varint(kMaxVarint);
  Bytes input = view(header);
  const FrameReader::Item item = reader.next(input);
  EXPECT_EQ(item.length, kMaxVarint);
  EXPECT_TRUE(reader.is_inside_frame());
}

RC_GTEST_PROP(VarintReader, reads_what_was_written_in_any_pieces, (uint64_t number, uint8_t cut)) {
  const uint64_t value = number & kMaxVarint;
  const std::string bytes = varint(value);
  VarintReader reader;
  const size_t at = cut % (bytes.size() + 1);
  Bytes first = view(std::string_view(bytes).substr(0, at)), second = view(std::string_view(bytes).substr(at));
  auto read = reader.next(first);
  if (!read) read = reader.next(second);
  RC_ASSERT(read == value);
  RC_ASSERT(!reader.is_partial());
}

std::string settings_payload(const std::vector<std::pair<uint64_t, uint64_t>>& settings) {
  std::string payload;
  for (const auto& [id, value] : settings) payload += varint(id) + varint(value);
  return payload;
}

TEST(Settings, are_read_as_written_and_contain_a_reserved_one) {
  Settings ours;
  ours.max_field_section_size = 16384;
  ours.qpack_max_table_capacity = 220;
  ours.qpack_blocked_streams = 3;
  ours.enable_connect_protocol = ours.h3_datagram = true;
  uint8_t room[128];
  ByteWriter out(room);
  write_settings_frame(out, ours, 5);
  Bytes input = out.written();
  FrameReader frames;
  EXPECT_EQ(frames.next(input).type, static_cast<uint64_t>(FrameType::kSettings));
  const Bytes payload = frames.next(input).bytes;
  const std::string reserved = varint(0x1f * 5 + 0x21);
  EXPECT_NE(std::string_view(reinterpret_cast<const char*>(payload.data()), payload.size()).find(reserved),
            std::string_view::npos);
  for (size_t cut = 0; cut <= payload.size(); ++cut) {
    SettingsReader reader;
    EXPECT_FALSE(reader.read(payload.first(cut)));
    EXPECT_FALSE(reader.read(payload.subspan(cut)));
    EXPECT_FALSE(reader.finish());
    EXPECT_EQ(reader.settings().max_field_section_size, 16384u);
    EXPECT_EQ(reader.settings().qpack_max_table_capacity, 220u);
    EXPECT_EQ(reader.settings().qpack_blocked_streams, 3u);
    EXPECT_TRUE(reader.settings().enable_connect_protocol);
    EXPECT_TRUE(reader.settings().h3_datagram);
  }
}

TEST(Settings, refuse_what_rfc_9114_section_7_2_4_forbids) {
  const struct {
    std::vector<std::pair<uint64_t, uint64_t>> settings;
    bool fine;
  } cases[] = {
      {{{0x06, 100}, {0x4040, 1}, {0x21, 9}}, true},
      {{{0x06, 100}, {0x06, 100}}, false},
      {{{0x00, 0}}, false},
      {{{0x02, 0}}, false},
      {{{0x03, 0}}, false},
      {{{0x04, 0}}, false},
      {{{0x05, 0}}, false},
      {{{0x08, 1}}, true},
      {{{0x08, 2}}, false},
      {{{0x33, 2}}, false},
  };
  for (const auto& c : cases) {
    SettingsReader reader;
    const std::string payload = settings_payload(c.settings);
    EXPECT_EQ(reader.read(view(payload)), c.fine ? std::nullopt : std::optional(Error::kSettingsError))
        << c.settings[0].first;
  }
}

TEST(Settings, that_end_within_a_pair_are_a_frame_error) {
  const std::string payload = settings_payload({{0x06, 100}});
  for (const std::string& cut : {payload.substr(0, 1), payload.substr(0, 2)}) {
    SettingsReader reader;
    EXPECT_FALSE(reader.read(view(cut)));
    EXPECT_EQ(reader.finish(), Error::kFrameError);
  }
}

}  // namespace
}  // namespace viaduct::http3
