#include "base/log.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace viaduct {
namespace {

class Log : public testing::Test {
 protected:
  Log() {
    std::filesystem::remove(path_);
    EXPECT_TRUE(set_log_file(path_));
  }
  ~Log() override {
    set_log_file("");
    set_log_level(LogLevel::kInfo);
    std::filesystem::remove(path_);
  }
  std::vector<std::string> lines() const {
    std::ifstream file(path_);
    std::vector<std::string> result;
    for (std::string line; std::getline(file, line);) result.push_back(line);
    return result;
  }
  const std::string path_ = testing::TempDir() + "viaduct-log-test." + std::to_string(getpid());
};

TEST_F(Log, LineHasTimeLevelAndComponent) {
  log_warning("port", "link is down");
  ASSERT_EQ(lines().size(), 1u);
  std::string form = lines()[0].substr(0, 24);
  std::replace_if(form.begin(), form.end(), [](unsigned char c) { return std::isdigit(c); }, 'd');
  EXPECT_EQ(form, "dddd-dd-ddTdd:dd:dd.dddZ");
  EXPECT_EQ(lines()[0].substr(24), " warning port: link is down");
}

TEST_F(Log, LevelIsSetWhileRunning) {
  log_debug("a", "unseen");
  set_log_level(LogLevel::kDebug);
  log_debug("a", "seen");
  set_log_level(LogLevel::kError);
  log_info("a", "unseen");
  log_error("a", "seen");
  EXPECT_EQ(lines().size(), 2u);
  EXPECT_TRUE(is_logged(LogLevel::kError));
  EXPECT_FALSE(is_logged(LogLevel::kWarning));
}

TEST_F(Log, MessageCannotForgeALine) {
  log_info("file", "name\n2025-01-01T00:00:00.000Z error x: forged\x1b[2J");
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_NE(lines()[0].find("name\\x0a2025"), std::string::npos) << lines()[0];
  EXPECT_NE(lines()[0].find("\\x1b[2J"), std::string::npos) << lines()[0];
}

TEST_F(Log, LinesOfThreadsStayWhole) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 200; ++i) log_info("thread", std::string(100, static_cast<char>('a' + t)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(lines().size(), 800u);
  for (const std::string& line : lines()) {
    ASSERT_EQ(line.substr(24), " info thread: " + std::string(100, line.back()));
  }
}

TEST_F(Log, FileThatCannotBeOpenedChangesNothing) {
  EXPECT_FALSE(set_log_file(path_ + "/no/such/folder"));
  log_info("a", "still here");
  EXPECT_EQ(lines().size(), 1u);
}

TEST(LogLevel, NamesRoundTrip) {
  for (const LogLevel level : {LogLevel::kError, LogLevel::kWarning, LogLevel::kInfo, LogLevel::kDebug}) {
    EXPECT_EQ(parse_log_level(to_string(level)), level);
  }
  EXPECT_FALSE(parse_log_level("verbose"));
}

}  // namespace
}  // namespace viaduct
