#include "base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <mutex>

namespace viaduct {
namespace {

constexpr std::array<std::string_view, 4> kLevelNames = {"error", "warning", "info", "debug"};

std::atomic<LogLevel> level_now{LogLevel::kInfo};
std::mutex output_mutex;  // guards output and keeps lines whole
int output = STDERR_FILENO;

std::string utc_now() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc;
  gmtime_r(&now.tv_sec, &utc);
  char date[32];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
  char text[40];
  std::snprintf(text, sizeof text, "%s.%03dZ", date, static_cast<int>(now.tv_nsec / 1'000'000));
  return text;
}

void append_printable(std::string& line, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      line += c;
    } else {
      line += {'\\', 'x', kHex[byte >> 4], kHex[byte & 0xf]};
    }
  }
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

std::string_view to_string(LogLevel level) { return kLevelNames[static_cast<size_t>(level)]; }

std::optional<LogLevel> parse_log_level(std::string_view text) {
  for (size_t i = 0; i < kLevelNames.size(); ++i) {
    if (text == kLevelNames[i]) return static_cast<LogLevel>(i);
  }
  return std::nullopt;
}

void set_log_level(LogLevel level) { level_now.store(level, std::memory_order_relaxed); }

bool is_logged(LogLevel level) { return level <= level_now.load(std::memory_order_relaxed); }

bool set_log_file(const std::string& path) {
  int opened = STDERR_FILENO;
  if (!path.empty()) opened = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  if (opened < 0) return false;
  const std::lock_guard lock(output_mutex);
  if (output != STDERR_FILENO) close(output);
  output = opened;
  return true;
}

void log(LogLevel level, std::string_view component, std::string_view message) {
  if (!is_logged(level)) return;
  std::string line = utc_now();
  line.append(" ").append(to_string(level)).append(" ").append(component).append(": ");
  append_printable(line, message);
  line += '\n';
  const std::lock_guard lock(output_mutex);
  write_all(output, line);
}

}  // namespace viaduct
