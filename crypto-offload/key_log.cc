#include "crypto-offload/key_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace viaduct::crypto {

std::unique_ptr<KeyLog> KeyLog::open(const std::string& file, std::string& error) {
  const int opened = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (opened < 0) {
    error = "key log file " + file + ": " + std::strerror(errno);
    return nullptr;
  }
  return std::unique_ptr<KeyLog>(new KeyLog(opened));
}

KeyLog::~KeyLog() { ::close(file_); }

void KeyLog::write(const char* line) const {
  const std::string text = std::string(line) + '\n';
  // A log that cannot be written is no reason to lose the connection.
  [[maybe_unused]] const ssize_t written = ::write(file_, text.data(), text.size());
}

}  // namespace viaduct::crypto
