#include "apps/origin/content_files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace viaduct::origin {
namespace {

// Below the root whatever the path or a link in it says, and never blocked by a pipe or a device.
int open_beneath(int root, const char* path) {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  for (int tries = 0; tries < 8; ++tries) {
    const long descriptor = syscall(SYS_openat2, root, path, &how, sizeof how);
    // EAGAIN: something was renamed while the kernel looked, so it could not be sure.
    if (descriptor >= 0 || (errno != EAGAIN && errno != EINTR)) return static_cast<int>(descriptor);
  }
  return -1;
}

int64_t modified_ns(const struct stat& stat) {
  return int64_t{stat.st_mtim.tv_sec} * 1'000'000'000 + stat.st_mtim.tv_nsec;
}

bool is_same_version(const OpenFile& file, const struct stat& stat) {
  return file.device == stat.st_dev && file.inode == stat.st_ino && file.modified_ns == modified_ns(stat) &&
         file.info.size == static_cast<uint64_t>(stat.st_size);
}

EntityTag make_tag(const struct stat& stat) {
  EntityTag tag;
  const int size = std::snprintf(
      tag.text.data(), tag.text.size(), "\"%llx-%llx-%llx\"", static_cast<unsigned long long>(stat.st_size),
      static_cast<unsigned long long>(modified_ns(stat)), static_cast<unsigned long long>(stat.st_ino));
  tag.size = static_cast<uint8_t>(size);
  return tag;
}

}  // namespace

ContentFiles::~ContentFiles() {
  for (const auto& [id, file] : files_) ::close(file->descriptor);
  if (root_ >= 0) ::close(root_);
}

std::string ContentFiles::open_root(const std::string& root) {
  root_ = ::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root_ >= 0) return {};
  return "cannot open the folder '" + root + "': " + std::strerror(errno);
}

OpenFile* ContentFiles::open(std::string_view path, Instant now, ContentStatus& status) {
  const auto found = current_.find(std::string(path));
  OpenFile* known = found == current_.end() ? nullptr : found->second;
  if (!known || now - known->checked >= freshness_) known = open_anew(path, known, now, status);
  if (!known) return nullptr;
  known->last_use = ++uses_;
  status = ContentStatus::kFound;
  return known;
}

OpenFile* ContentFiles::open_anew(std::string_view path, OpenFile* known, Instant now, ContentStatus& status) {
  const std::string name(path);
  status = ContentStatus::kNotFound;
  const int descriptor = open_beneath(root_, name.c_str());
  struct stat stat{};
  const bool is_there = descriptor >= 0 && fstat(descriptor, &stat) == 0;
  if (is_there && S_ISDIR(stat.st_mode)) status = ContentStatus::kMoved;
  if (descriptor < 0 && (errno == EMFILE || errno == ENFILE)) status = ContentStatus::kBusy;
  if (!is_there || !S_ISREG(stat.st_mode)) {
    if (descriptor >= 0) ::close(descriptor);
    if (known) retire(*known);
    return nullptr;
  }
  if (known && is_same_version(*known, stat)) {
    ::close(descriptor);
    known->checked = now;
    return known;
  }
  if (known) retire(*known);
  if (files_.size() >= max_files_ && !make_room()) {
    ::close(descriptor);
    status = ContentStatus::kBusy;
    return nullptr;
  }
  auto file = std::make_unique<OpenFile>();
  file->id = next_id_++;
  file->path = name;
  file->descriptor = descriptor;
  file->info = {.size = static_cast<uint64_t>(stat.st_size),
                .modified = stat.st_mtim.tv_sec,
                .tag = make_tag(stat),
                .last_modified = HttpDate(stat.st_mtim.tv_sec),
                .content_type = content_type_of(path)};
  file->modified_ns = modified_ns(stat);
  file->device = stat.st_dev;
  file->inode = stat.st_ino;
  file->checked = now;
  OpenFile* added = file.get();
  current_[name] = added;
  files_.emplace(added->id, std::move(file));
  return added;
}

// Lets go of the file that was not asked for the longest.
bool ContentFiles::make_room() {
  OpenFile* oldest = nullptr;
  for (const auto& [id, file] : files_) {
    if (file->users == 0 && (!oldest || file->last_use < oldest->last_use)) oldest = file.get();
  }
  if (!oldest) return false;
  retire(*oldest);
  return true;
}

// Not the current version any more. Whoever reads it goes on.
void ContentFiles::retire(OpenFile& file) {
  if (file.is_current) current_.erase(file.path);
  file.is_current = false;
  if (file.users == 0) destroy(file);
}

void ContentFiles::destroy(OpenFile& file) {
  retired_.emplace_back(file.id, file.info.size);
  ::close(file.descriptor);
  files_.erase(file.id);
}

OpenFile* ContentFiles::find(FileRef file) {
  const auto found = files_.find(file.id);
  return found == files_.end() ? nullptr : found->second.get();
}

void ContentFiles::drop_user(FileRef ref) {
  OpenFile* file = find(ref);
  if (file && --file->users == 0 && !file->is_current) destroy(*file);
}

bool ContentFiles::read(const OpenFile& file, uint64_t offset, MutableBytes room) {
  while (!room.empty()) {
    const ssize_t got = pread(file.descriptor, room.data(), room.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    room = room.subspan(static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
  }
  // What was written to in place is a new version of which these bytes may already be part.
  struct stat stat{};
  return fstat(file.descriptor, &stat) == 0 && is_same_version(file, stat);
}

}  // namespace viaduct::origin
