#include "pmd-glue/capture.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "pmd-glue/capture_ring.h"
#include "pmd-glue/frame_port.h"
#include "pmd-glue/pcapng.h"

namespace viaduct::net {
namespace {

constexpr auto kPause = std::chrono::milliseconds(2);  // between two looks at empty rings
constexpr size_t kWriteAt = 1 << 16;                   // bytes collected before they are written

bool write_all(int file, const std::vector<uint8_t>& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t written = write(file, bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    done += static_cast<size_t>(written);
  }
  return true;
}

}  // namespace

std::expected<std::unique_ptr<Capture>, std::string> Capture::start(const CaptureConfig& config,
                                                                    std::vector<FramePort*> ports) {
  for (const FramePort* port : ports) {
    if (port->capturing_.load()) return std::unexpected("a capture is already under way");
  }
  const int file = open(config.file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return std::unexpected("cannot write " + config.file + ": " + std::strerror(errno));
  return std::unique_ptr<Capture>(new Capture(config, std::move(ports), file));
}

Capture::Capture(const CaptureConfig& config, std::vector<FramePort*> ports, int file)
    : config_(config), ports_(std::move(ports)), file_(file) {
  for (FramePort* port : ports_) {
    if (port->capture_) {
      port->capture_->restart(config_.snap_length);
    } else {
      port->capture_ = std::make_unique<CaptureRing>(config_.ring_packets, config_.snap_length);
    }
    port->capturing_.store(true, std::memory_order_release);
  }
  writer_ = std::thread([this] { run(); });
}

Capture::~Capture() {
  for (FramePort* port : ports_) port->capturing_.store(false, std::memory_order_release);
  stop_ = true;
  writer_.join();
  close(file_);
}

uint64_t Capture::dropped() const {
  uint64_t dropped = 0;
  for (const FramePort* port : ports_) dropped += port->capture_->dropped();
  return dropped;
}

void Capture::run() {
  std::vector<std::string> names;
  for (const FramePort* port : ports_) names.push_back(port->device_name() + "/" + std::to_string(port->queue()));
  PcapngWriter pcapng;
  pcapng.start("viaduct", names, config_.snap_length);
  for (bool last = false; !last;) {
    last = stop_.load();  // one more round after it was set
    size_t count = 0;
    for (size_t i = 0; i < ports_.size(); ++i) count += drain(static_cast<uint32_t>(i), pcapng);
    if (pcapng.buffer().size() >= kWriteAt || count == 0) {
      if (!write_all(file_, pcapng.buffer())) done_.store(true, std::memory_order_release);
      pcapng.buffer().clear();
    }
    if (count == 0 && !last) std::this_thread::sleep_for(kPause);
  }
  write_all(file_, pcapng.buffer());
}

// Moves what is in a port's ring to the buffer, at most one ring's worth.
size_t Capture::drain(uint32_t interface, PcapngWriter& pcapng) {
  CaptureRing& ring = *ports_[interface]->capture_;
  size_t count = 0;
  for (; count < config_.ring_packets; ++count) {
    const CaptureRing::Slot* slot = ring.front();
    if (!slot) break;
    if (!is_done()) {
      pcapng.packet(interface, slot->time_ns, slot->length, {slot->data, slot->captured}, slot->direction);
      written_.fetch_add(1, std::memory_order_relaxed);
      if (config_.max_packets != 0 && written() >= config_.max_packets) done_.store(true, std::memory_order_release);
    }
    ring.pop();
  }
  return count;
}

}  // namespace viaduct::net
