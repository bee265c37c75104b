// Log lines for an operator. Control plane only: nothing that a packet causes is logged, it is counted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace viaduct {

enum class LogLevel : uint8_t { kError, kWarning, kInfo, kDebug };

// "error", "warning", "info", "debug".
std::string_view to_string(LogLevel level);
std::optional<LogLevel> parse_log_level(std::string_view text);

// Lines above this level are not written. kInfo at start. Any thread, any time.
void set_log_level(LogLevel level);
bool is_logged(LogLevel level);

// Appends lines to a file from now on, or to standard error again for an empty path. Reopening the same path is
// how a rotated file is let go. False, with errno, where the file cannot be opened; lines go on where they went.
bool set_log_file(const std::string& path);

// Writes one line: "2025-01-31T12:00:00.123Z info component: message". Control characters in the message are
// written as \xNN, so that a line stays a line. Any thread; a system call.
void log(LogLevel level, std::string_view component, std::string_view message);

inline void log_error(std::string_view component, std::string_view message) {
  log(LogLevel::kError, component, message);
}
inline void log_warning(std::string_view component, std::string_view message) {
  log(LogLevel::kWarning, component, message);
}
inline void log_info(std::string_view component, std::string_view message) { log(LogLevel::kInfo, component, message); }
inline void log_debug(std::string_view component, std::string_view message) {
  log(LogLevel::kDebug, component, message);
}

}  // namespace viaduct
