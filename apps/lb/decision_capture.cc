#include "apps/lb/decision_capture.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <format>

#include "apps/lb/explain_steps.h"

namespace viaduct::lb {
namespace {

uint64_t wall_ns() {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

std::string comment_of(const DecidedFrame& frame, const RoutingSnapshot& snapshot) {
  if (frame.kind == FrameKind::kLink) return "for the link side";
  if (frame.kind == FrameKind::kForOthers || frame.kind == FrameKind::kForOwner)
    return "passed on: another worker may know the flow";
  const VerdictInfo* verdict = find_verdict(frame.verdict);
  std::string text(verdict ? verdict->name : "no verdict");
  if (!snapshot.is_usable(frame.slot)) return text;
  const Backend& backend = snapshot.backend(frame.slot);
  text += std::format(" -> {} ({})", backend.name, kForwardingNames[static_cast<size_t>(backend.forwarding)]);
  return text;
}

}  // namespace

void DecisionTap::before(std::span<Packet* const> burst) {
  pending_ = 0;
  if (!is_on_.load(std::memory_order_acquire)) return;
  const uint64_t tail = tail_.load(std::memory_order_relaxed);
  const size_t room = kFrames - (tail - head_.load(std::memory_order_acquire));
  if (room < burst.size()) return dropped_.add(burst.size());
  const uint64_t time = wall_ns();
  for (const Packet* packet : burst) {
    DecidedFrame& frame = ring_[(tail + pending_++) % kFrames];
    frame.time_ns = time;
    frame.length = packet->length;
    frame.captured = static_cast<uint16_t>(std::min<size_t>(packet->length, DecidedFrame::kMostBytes));
    std::memcpy(frame.data.data(), packet->data(), frame.captured);
  }
}

void DecisionTap::after(const Burst& burst) {
  if (pending_ == 0) return;
  const uint64_t tail = tail_.load(std::memory_order_relaxed);
  for (unsigned i = 0; i < pending_; ++i) {
    DecidedFrame& frame = ring_[(tail + i) % kFrames];
    frame.verdict = burst.verdict[i];
    frame.kind = burst.kind[i];
    frame.step = burst.step[i];
    frame.slot = burst.slot[i];
  }
  tail_.store(tail + pending_, std::memory_order_release);
}

void DecisionTap::start() {
  if (ring_.empty()) ring_.resize(kFrames);
  is_on_.store(true, std::memory_order_release);
}

const DecidedFrame* DecisionTap::front() const {
  const uint64_t head = head_.load(std::memory_order_relaxed);
  return head == tail_.load(std::memory_order_acquire) ? nullptr : &ring_[head % kFrames];
}

DecisionCapture::~DecisionCapture() {
  if (file_) end();
}

std::string DecisionCapture::start(const std::string& file, Duration length, Instant now) {
  if (file_) return "a capture is under way already";
  file_ = std::fopen(file.c_str(), "wbe");
  if (!file_) return std::format("{}: {}", file, std::strerror(errno));
  std::vector<std::string> names;
  for (size_t i = 0; i < taps_.size(); ++i) names.push_back(std::format("worker {}", i));
  pcapng_.start("viaduct-lb", names, DecidedFrame::kMostBytes);
  end_ = now + length;
  written_ = 0;
  error_.clear();
  dropped_before_ = 0;
  for (DecisionTap* tap : taps_) {
    dropped_before_ += tap->dropped();
    tap->start();
  }
  return {};
}

void DecisionCapture::tend(const RoutingSnapshot& snapshot, Instant now) {
  if (!file_) return;
  for (uint32_t i = 0; i < taps_.size(); ++i) {
    size_t left = DecisionTap::kFrames;
    for (; const DecidedFrame* frame = left-- > 0 ? taps_[i]->front() : nullptr; taps_[i]->pop())
      write(i, *frame, snapshot);
  }
  flush();
  if (now >= end_ || !error_.empty()) end();
}

void DecisionCapture::write(uint32_t interface, const DecidedFrame& frame, const RoutingSnapshot& snapshot) {
  constexpr uint8_t kReceived = 1;
  pcapng_.packet(interface, frame.time_ns, frame.length, {frame.data.data(), frame.captured}, kReceived,
                 comment_of(frame, snapshot));
  ++written_;
  if (pcapng_.buffer().size() > 1 << 16) flush();
}

void DecisionCapture::flush() {
  std::vector<uint8_t>& buffer = pcapng_.buffer();
  if (std::fwrite(buffer.data(), 1, buffer.size(), file_) != buffer.size() || std::fflush(file_) != 0)
    error_ = std::format("the file could not be written: {}", std::strerror(errno));
  buffer.clear();
}

void DecisionCapture::end() {
  for (DecisionTap* tap : taps_) {
    tap->stop();
    while (tap->front()) tap->pop();
  }
  std::fclose(file_);
  file_ = nullptr;
}

CaptureFigures DecisionCapture::figures() const {
  CaptureFigures figures{.is_running = is_running(), .written = written_, .dropped = 0, .error = error_};
  for (const DecisionTap* tap : taps_) figures.dropped += tap->dropped();
  figures.dropped -= dropped_before_;
  return figures;
}

}  // namespace viaduct::lb
