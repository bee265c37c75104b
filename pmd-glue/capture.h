// Writing a port's frames to a pcapng file, without hugepages and without stopping a worker.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace viaduct::net {

class FramePort;
class PcapngWriter;

struct CaptureConfig {
  std::string file;
  uint32_t snap_length = 2048;   // bytes kept of each frame; up to 2,048
  uint64_t max_packets = 0;      // 0: no limit
  uint32_t ring_packets = 4096;  // copies of each queue that wait for the writer
};

// While it lives, frames that the ports receive and send are copied to the file; what the writer cannot keep up with is
// dropped and counted. One capture at a time on a port; a port's ring is kept for the next one.
class Capture {
 public:
  // The ports must outlive it. Control thread.
  static std::expected<std::unique_ptr<Capture>, std::string> start(const CaptureConfig& config,
                                                                    std::vector<FramePort*> ports);
  // Writes what is left and closes the file.
  ~Capture();

  uint64_t written() const { return written_.load(std::memory_order_relaxed); }
  uint64_t dropped() const;
  // True once max_packets were written, or the file could not be written.
  bool is_done() const { return done_.load(std::memory_order_acquire); }

 private:
  Capture(const CaptureConfig& config, std::vector<FramePort*> ports, int file);
  void run();
  size_t drain(uint32_t interface, PcapngWriter& pcapng);

  const CaptureConfig config_;
  std::vector<FramePort*> ports_;
  const int file_;
  std::atomic<uint64_t> written_{0};
  std::atomic<bool> done_{false};
  std::atomic<bool> stop_{false};
  std::thread writer_;
};

}  // namespace viaduct::net
