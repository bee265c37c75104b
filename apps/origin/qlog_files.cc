#include "apps/origin/qlog_files.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <format>
#include <span>

#include "base/clock.h"
#include "base/log.h"

namespace viaduct::origin {
namespace {

constexpr auto kPause = std::chrono::milliseconds(10);

double unix_ms_at_zero() {
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  const double wall_ms = std::chrono::duration<double, std::milli>(wall).count();
  return wall_ms - static_cast<double>(MonotonicClock::now().ns()) / 1e6;
}

}  // namespace

QlogFiles::QlogFiles(const QlogConfig& config, std::vector<quic::Tracer*> tracers)
    : config_(config), tracers_(std::move(tracers)), epoch_ms_(unix_ms_at_zero()) {}

std::string QlogFiles::check() const {
  if (access(config_.directory.c_str(), W_OK | X_OK) == 0) return {};
  return std::format("qlog.directory: {}: {}", config_.directory, std::strerror(errno));
}

void QlogFiles::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (drain() == 0) std::this_thread::sleep_for(kPause);
    }
  });
}

void QlogFiles::stop() {
  thread_ = {};
  while (drain() > 0) {
  }
  logs_.clear();
}

uint64_t QlogFiles::dropped() const {
  uint64_t sum = refused_.load(std::memory_order_relaxed);
  for (const quic::Tracer* tracer : tracers_) sum += tracer->dropped();
  return sum;
}

size_t QlogFiles::drain() {
  size_t taken = 0;
  std::array<quic::TraceEvent, 256> events;
  for (size_t worker = 0; worker < tracers_.size(); ++worker) {
    const size_t count = tracers_[worker]->ring().pop(events);
    for (const quic::TraceEvent& event : std::span(events).first(count)) take(worker, event);
    taken += count;
  }
  return taken;
}

void QlogFiles::take(size_t worker, const quic::TraceEvent& event) {
  const Key key{worker, event.connection};
  if (event.type == quic::TraceType::kStarted) return open(key, event);
  const auto log = logs_.find(key);
  if (log == logs_.end()) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  if (event.type == quic::TraceType::kGone) {
    logs_.erase(log);
    return;
  }
  text_.clear();
  log->second.writer.append(event, text_);
  write(log->second, text_);
}

void QlogFiles::open(const Key& key, const quic::TraceEvent& started) {
  Log log{.writer = quic::QlogWriter(config_.schema, started, epoch_ms_), .file = {}};
  const std::string path = config_.directory + "/" + log.writer.file_name();
  if (logs_.size() < config_.max_open_files) log.file.reset(std::fopen(path.c_str(), "we"));
  if (!log.file) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  write(log, log.writer.head());
  logs_.insert_or_assign(key, std::move(log));
}

void QlogFiles::write(Log& log, const std::string& text) {
  if (text.empty()) return;
  if (log.bytes + text.size() > config_.max_file_bytes) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  log.bytes += std::fwrite(text.data(), 1, text.size(), log.file.get());
}

}  // namespace viaduct::origin
