// Logs of connections as files: one for each, bounded in number and in size.
#include "apps/origin/qlog_files.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/origin/folder.h"

namespace viaduct::origin {
namespace {

using quic::TraceEvent;
using quic::TraceType;

class QlogFilesTest : public ::testing::Test {
 protected:
  void begin(uint64_t connection, uint8_t id) {
    TraceEvent started{.type = TraceType::kStarted, .detail = 1, .length = 1, .connection = connection};
    started.bytes[0] = id;
    tracer.put(started);
  }
  void lose(uint64_t connection, uint64_t number) {
    tracer.put({.type = TraceType::kLost, .detail = 4, .connection = connection, .values = {number}});
  }
  void end(uint64_t connection) { tracer.put({.type = TraceType::kGone, .connection = connection}); }
  static std::string content(const std::filesystem::path& which) {
    std::ostringstream text;
    text << std::ifstream(which, std::ios::binary).rdbuf();
    return text.str();
  }
  std::filesystem::path file(const std::string& name) const { return folder.path() + "/" + name; }
  static size_t records(const std::string& text) { return static_cast<size_t>(std::ranges::count(text, '\x1e')); }

  Folder folder;
  quic::Tracer tracer{{}, 1'024};
  QlogConfig config{.directory = folder.path()};
};

TEST_F(QlogFilesTest, EachConnectionHasItsFile) {
  QlogFiles files(config, {&tracer});
  EXPECT_EQ(files.check(), "");
  begin(1, 0xaa);
  begin(2, 0xbb);
  lose(1, 7);
  lose(2, 8);
  lose(2, 9);
  end(1);
  end(2);
  EXPECT_EQ(files.drain(), 7u);
  const std::string first = content(file("aa_server.sqlog"));
  EXPECT_EQ(records(first), 2u);
  EXPECT_NE(first.find(R"("packet_number":7)"), std::string::npos);
  EXPECT_EQ(records(content(file("bb_server.sqlog"))), 3u);
  EXPECT_EQ(files.dropped(), 0u);
}

TEST_F(QlogFilesTest, OnlySoManyAreOpenAtATime) {
  config.max_open_files = 1;
  QlogFiles files(config, {&tracer});
  begin(1, 1);
  begin(2, 2);
  lose(2, 1);
  end(1);
  begin(3, 3);
  files.drain();
  EXPECT_EQ(files.dropped(), 2u);
  EXPECT_FALSE(std::filesystem::exists(file("02_server.sqlog")));
  EXPECT_TRUE(std::filesystem::exists(file("03_server.sqlog")));
}

TEST_F(QlogFilesTest, AFileHasABound) {
  config.max_file_bytes = 1'000;
  QlogFiles files(config, {&tracer});
  begin(1, 1);
  for (uint64_t i = 0; i < 100; ++i) lose(1, i);
  files.stop();
  EXPECT_LE(std::filesystem::file_size(file("01_server.sqlog")), 1'000u);
  EXPECT_GT(files.dropped(), 80u);
}

TEST_F(QlogFilesTest, WhatFindsTheRingFullIsCounted) {
  quic::Tracer small({}, 4);
  QlogFiles files(config, {&small});
  for (int i = 0; i < 10; ++i) small.put({.type = TraceType::kGone, .connection = 1});
  EXPECT_EQ(small.dropped(), 6u);
  EXPECT_EQ(files.dropped(), 6u);
}

TEST_F(QlogFilesTest, TheThreadWritesWhatIsLeftWhenItStops) {
  QlogFiles files(config, {&tracer});
  files.start();
  begin(1, 0xcc);
  for (uint64_t i = 0; i < 500; ++i) lose(1, i);
  files.stop();
  EXPECT_EQ(records(content(file("cc_server.sqlog"))), 501u);
}

TEST_F(QlogFilesTest, ADirectoryThatCannotBeWrittenToIsAnError) {
  config.directory = file("nowhere").string();
  EXPECT_NE(QlogFiles(config, {&tracer}).check().find("qlog.directory"), std::string::npos);
}

}  // namespace
}  // namespace viaduct::origin
