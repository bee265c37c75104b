#include "apps/load/command_line.h"

#include <gtest/gtest.h>

#include <vector>

namespace viaduct::load {
namespace {

CommandLine read(std::vector<const char*> words) {
  words.insert(words.begin(), "viaduct-load");
  return read_command_line(static_cast<int>(words.size()), words.data());
}

// What every run needs, and more.
CommandLine read_with(std::vector<const char*> more) {
  more.insert(more.begin(), {"--address", "198.18.0.2/24", "https://198.18.0.1/x"});
  return read(more);
}

TEST(CommandLine, DefaultsAreAClosedLoopOfOneRequest) {
  const CommandLine line = read_with({});
  ASSERT_TRUE(line.config);
  EXPECT_EQ(line.config->work, Work::kRequests);
  EXPECT_EQ(line.config->connections, 1u);
  EXPECT_EQ(line.config->in_flight, 1u);
  EXPECT_EQ(line.config->rate, 0);
  EXPECT_EQ(line.config->method, "GET");
  EXPECT_EQ(line.config->server.to_string(), "198.18.0.1:443");
  EXPECT_EQ(line.config->server_name, "198.18.0.1");
  EXPECT_TRUE(line.config->tls.verify);
  EXPECT_FALSE(line.config->is_fetch());
}

TEST(CommandLine, UploadsArePostedInTheirSize) {
  const CommandLine line = read_with({"--upload", "3MiB"});
  ASSERT_TRUE(line.config);
  EXPECT_EQ(line.config->method, "POST");
  EXPECT_EQ(line.config->upload_bytes, 3u << 20);
}

TEST(CommandLine, AFetchAsksOnceForEachUrl) {
  const CommandLine line = read_with({"https://198.18.0.1/y", "--save", "folder", "--connections", "7"});
  ASSERT_TRUE(line.config);
  EXPECT_TRUE(line.config->is_fetch());
  EXPECT_EQ(line.config->connections, 1u);
  EXPECT_EQ(line.config->total, 2u);
}

TEST(CommandLine, TheServerMayBeElsewhereThanItsName) {
  const CommandLine line = read({"--address", "2001:db8::2/64", "--to", "[2001:db8::1]:8443", "https://a.example/"});
  ASSERT_TRUE(line.config);
  EXPECT_EQ(line.config->server.to_string(), "[2001:db8::1]:8443");
  EXPECT_EQ(line.config->server_name, "a.example");
}

TEST(CommandLine, WhatFollowsTheDashesIsForTheEal) {
  const CommandLine line = read_with({"--", "--log-level", "debug"});
  ASSERT_TRUE(line.config);
  EXPECT_EQ(line.config->eal.extra_arguments, (std::vector<std::string>{"--log-level", "debug"}));
}

TEST(CommandLine, CapacitiesFollowTheWork) {
  const CommandLine line = read_with({"--connections", "2000", "--in-flight", "64"});
  ASSERT_TRUE(line.config);
  EXPECT_GE(line.config->transport.max_connections, 2000u);
  EXPECT_GE(line.config->transport.max_streams, 2000u * 64);
}

TEST(CommandLine, TheTransportDoesAsItIsTold) {
  const CommandLine plain = read_with({});
  ASSERT_TRUE(plain.config);
  EXPECT_EQ(plain.config->transport.versions.front(), quic::kVersion1);
  EXPECT_FALSE(plain.config->resume || plain.config->tls.early_data || plain.config->moves_itself);
  EXPECT_FALSE(plain.config->transport.scramble_initials);
  const CommandLine line = read_with({"--quic-version", "v2", "--key-update-after", "100", "--scramble-initials",
                                      "--migrations", "5", "--migrate-as", "active"});
  ASSERT_TRUE(line.config);
  EXPECT_EQ(line.config->transport.versions, (std::vector<uint32_t>{quic::kVersion2, quic::kVersion1}));
  EXPECT_EQ(line.config->first_version, quic::kVersion2);
  const CommandLine upgrade = read_with({"--quic-version", "v1-then-v2"});
  ASSERT_TRUE(upgrade.config);
  EXPECT_EQ(upgrade.config->transport.versions.front(), quic::kVersion2);
  EXPECT_EQ(upgrade.config->first_version, quic::kVersion1);
  EXPECT_EQ(line.config->transport.key_update_after, 100u);
  EXPECT_TRUE(line.config->transport.scramble_initials);
  EXPECT_TRUE(line.config->moves_itself);
}

TEST(CommandLine, AHandshakeHasTheTimeItIsGiven) {
  const CommandLine usual = read_with({}), patient = read_with({"--handshake-timeout", "60"});
  ASSERT_TRUE(usual.config && patient.config);
  EXPECT_EQ(usual.config->transport.handshake_timeout, Duration::seconds(10));
  EXPECT_EQ(patient.config->transport.handshake_timeout, Duration::seconds(60));
}

TEST(CommandLine, EarlyDataIsForConnectionsThatResume) {
  const CommandLine line =
      read_with({"--handshakes", "--requests-per-connection", "1", "--resume", "--early-data", "--head"});
  ASSERT_TRUE(line.config);
  EXPECT_TRUE(line.config->resume);
  EXPECT_TRUE(line.config->tls.early_data);
}

TEST(CommandLine, HelpAndVersionEndWell) {
  for (const char* word : {"--help", "--version"}) {
    const CommandLine line = read({word});
    EXPECT_FALSE(line.config);
    EXPECT_EQ(line.exit_status, 0);
  }
}

TEST(CommandLine, WhatCannotBeEndsWithTwo) {
  const std::vector<std::vector<const char*>> kWrong = {
      {},
      {"https://198.18.0.1/"},                                 // no address of ours
      {"--address", "198.18.0.2/24"},                          // no URL
      {"--address", "198.18.0.2", "https://198.18.0.1/"},      // no prefix length
      {"--address", "2001:db8::2/64", "https://198.18.0.1/"},  // of another family
      {"--address", "198.18.0.2/24", "http://198.18.0.1/"},    // not https
      {"--address", "198.18.0.2/24", "https://198.18.0.1/", "--port", "pigeon:1"},
      {"--address", "198.18.0.2/24", "https://198.18.0.1/", "https://198.18.0.3/"},
      {"--address", "198.18.0.2/24", "https://198.18.0.1/", "--upload", "many"},
      {"--address", "198.18.0.2/24", "https://198.18.0.1/", "--gateway", "there"},
      {"--address", "198.18.0.2/24", "https://198.18.0.1/", "--handshakes", "--idle"},
      {"--address", "198.18.0.2/24", "https://198.18.0.1/", "--requests-per-connection", "2"},
      {"--address", "198.18.0.2/24", "https://198.18.0.1/", "--rate", "5", "--idle"},
      {"--address", "198.18.0.2/24", "https://198.18.0.1/", "--rate", "5", "--save", "x"},
      {"--address", "198.18.0.2/24", "https://198.18.0.1/", "--connections", "0"},
      {"--address", "198.18.0.2/24", "https://198.18.0.1/", "--workers", "2"},
      {"--address", "198.18.0.2/24", "https://198.18.0.1/", "--resume"},
      {"--address", "198.18.0.2/24", "https://198.18.0.1/", "--handshakes", "--resume"},
      {"--address", "198.18.0.2/24", "https://198.18.0.1/", "--handshakes", "--requests-per-connection", "1",
       "--early-data"},
      {"--address", "198.18.0.2/24", "https://198.18.0.1/", "--handshakes", "--requests-per-connection", "1",
       "--resume", "--early-data", "--upload", "10"},
      {"--address", "198.18.0.2/24", "https://198.18.0.1/", "--quic-version", "v3"},
      {"--address", "198.18.0.2/24", "https://198.18.0.1/", "--key-update-after", "0"},
      {"--address", "198.18.0.2/24", "https://198.18.0.1/", "--migrate-as", "swallow"},
      {"--address", "198.18.0.2/24", "https://198.18.0.1/", "--no-such-option"},
  };
  for (const auto& words : kWrong) {
    const CommandLine line = read(words);
    EXPECT_FALSE(line.config) << (words.empty() ? "" : words.back());
    EXPECT_EQ(line.exit_status, 2) << (words.empty() ? "" : words.back());
  }
}

}  // namespace
}  // namespace viaduct::load
