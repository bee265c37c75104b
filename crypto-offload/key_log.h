// Secrets written down for debugging, in the format of SSLKEYLOGFILE (RFC 9850).
#pragma once

#include <memory>
#include <string>

namespace viaduct::crypto {

// Appends lines to a file that several contexts and processes may share: one write for each line.
class KeyLog {
 public:
  // Null with `error` filled where the file cannot be written. It is made readable by its owner only.
  static std::unique_ptr<KeyLog> open(const std::string& file, std::string& error);
  ~KeyLog();
  KeyLog(const KeyLog&) = delete;
  KeyLog& operator=(const KeyLog&) = delete;

  void write(const char* line) const;

 private:
  explicit KeyLog(int file) : file_(file) {}
  int file_;
};

}  // namespace viaduct::crypto
