// Writes the logs of watched connections to files, by a thread of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/trace/qlog.h"
#include "engine/trace/tracer.h"

namespace viaduct::origin {

struct QlogConfig {
  std::string directory;  // empty: no logs
  quic::TraceChoice choice;
  quic::QlogSchema schema = quic::QlogSchema::k03;
  size_t ring_slots = 65'536;                    // of each worker
  size_t max_open_files = 256;                   // connections watched at a time
  uint64_t max_file_bytes = uint64_t{64} << 20;  // of one connection
};

class QlogFiles {
 public:
  // tracers: one for each worker; they outlive this.
  QlogFiles(const QlogConfig& config, std::vector<quic::Tracer*> tracers);
  ~QlogFiles() { stop(); }
  QlogFiles(const QlogFiles&) = delete;
  QlogFiles& operator=(const QlogFiles&) = delete;

  // What is wrong with the directory; empty where it can be written to.
  std::string check() const;
  void start();
  // Writes what is left, and closes all files. No worker may run any more.
  void stop();
  // Takes what the rings hold; how many events that were. The thread's work, or a test's.
  size_t drain();

  // Events that found a ring full, no file, or their file full. Any thread.
  uint64_t dropped() const;

 private:
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  struct Log {
    quic::QlogWriter writer;
    std::unique_ptr<std::FILE, CloseFile> file;
    uint64_t bytes = 0;
  };
  using Key = std::pair<size_t, uint64_t>;  // worker, connection

  void take(size_t worker, const quic::TraceEvent& event);
  void open(const Key& key, const quic::TraceEvent& started);
  void write(Log& log, const std::string& text);

  const QlogConfig config_;
  const std::vector<quic::Tracer*> tracers_;
  const double epoch_ms_;  // Unix time where the workers' clock is at zero
  std::map<Key, Log> logs_;
  std::string text_;
  std::atomic<uint64_t> refused_{0};
  std::jthread thread_;
};

}  // namespace viaduct::origin
