#include "apps/origin/content_client.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

namespace viaduct::origin {

ContentClient::ContentClient(ContentLoader& loader, unsigned worker, uint32_t remembered)
    : loader_(loader),
      worker_(worker),
      tasks_(loader.config().tasks_per_worker),
      entries_(std::bit_ceil(std::max<uint32_t>(remembered, 1))) {
  free_.reserve(tasks_.size());
  for (ContentTask& task : tasks_) free_.push_back(&task);
}

ContentClient::~ContentClient() {
  for (Entry& entry : entries_) forget(entry);
  while (ContentTask* task = next_answer()) {
    for (uint32_t i = 0; i < task->segment_count; ++i) task->segments[i]->drop();
  }
}

const ContentClient::Remembered* ContentClient::recall(std::string_view path, Instant now) {
  const Entry& entry = entry_for(path);
  const bool is_it = std::string_view(entry.path, entry.path_size) == path && entry.path_size > 0;
  return is_it && now < entry.file.fresh_until ? &entry.file : nullptr;
}

ContentTask* ContentClient::acquire() {
  if (free_.empty()) {
    use_.count_refused();
    return nullptr;
  }
  ContentTask* task = free_.back();
  free_.pop_back();
  use_.count_taken();
  return task;
}

void ContentClient::submit(ContentTask* task) {
  loader_.submit(worker_, task);
  must_kick_ = true;
}

ContentTask* ContentClient::next_answer() {
  ContentTask* task = nullptr;
  return loader_.take(worker_, task) ? task : nullptr;
}

void ContentClient::finish(ContentTask* task, Instant now) {
  if (task->kind == ContentTask::Kind::kOpen && task->status == ContentStatus::kFound && !task->file)
    remember(*task, now);
  free_.push_back(task);
  use_.count_returned();
}

void ContentClient::close(FileRef file) {
  loader_.close(worker_, file);
  must_kick_ = true;
}

void ContentClient::flush() {
  if (!must_kick_) return;
  must_kick_ = false;
  loader_.kick();
}

void ContentClient::expire(Instant now) {
  if (remembered_count_ == 0 || now < next_expiry_) return;
  for (Entry& entry : entries_) {
    if (entry.path_size > 0 && now >= entry.file.fresh_until) forget(entry);
  }
  next_expiry_ = now + loader_.config().freshness;
}

// One place per path: a file that falls on another's takes it over.
ContentClient::Entry& ContentClient::entry_for(std::string_view path) {
  return entries_[std::hash<std::string_view>{}(path) & (entries_.size() - 1)];
}

void ContentClient::remember(const ContentTask& task, Instant now) {
  const std::string_view path = task.path();
  if (path.size() > kLongestPath) return;
  Entry& entry = entry_for(path);
  forget(entry);
  entry.file = {task.info, task.segment_count > 0 ? task.segments[0] : nullptr, now + loader_.config().freshness};
  if (entry.file.chunk) entry.file.chunk->hold();
  entry.path_size = static_cast<uint8_t>(path.size());
  std::memcpy(entry.path, path.data(), path.size());
  if (remembered_count_++ == 0) next_expiry_ = now + loader_.config().freshness;
}

void ContentClient::forget(Entry& entry) {
  if (entry.path_size == 0) return;
  if (entry.file.chunk) entry.file.chunk->drop();
  entry.file.chunk = nullptr;
  entry.path_size = 0;
  --remembered_count_;
}

}  // namespace viaduct::origin
