#include "apps/origin/content_loader.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <semaphore>
#include <string>

#include "tests/origin/folder.h"

namespace viaduct::origin {
namespace {

class Loading : public testing::Test {
 protected:
  Loading() { config.root = folder.path(); }

  static ContentConfig small() {
    ContentConfig config;
    config.store_bytes = 4 * 1000;
    config.segment_size = 1000;
    config.max_files = 16;
    config.tasks_per_worker = 8;
    return config;
  }
  void start() {
    loader = std::make_unique<ContentLoader>(config, 1);
    ASSERT_EQ(loader->open_root(), "");
  }
  // Asks, serves and takes the answer; false where there is none yet.
  bool ask(ContentTask& task) {
    loader->submit(0, &task);
    return answered(task);
  }
  bool answered(ContentTask& task) {
    loader->serve(now);
    ContentTask* answer = nullptr;
    return loader->take(0, answer) && answer == &task;
  }
  ContentStatus open(ContentTask& task, std::string_view path) {
    task.kind = ContentTask::Kind::kOpen;
    std::memcpy(task.path_room.data(), path.data(), path.size());
    task.path_room[path.size()] = 0;
    task.path_size = static_cast<uint16_t>(path.size());
    EXPECT_TRUE(ask(task));
    return task.status;
  }
  std::string text(const ContentTask& task) {
    std::string all;
    for (uint32_t i = 0; i < task.segment_count; ++i)
      all.append(reinterpret_cast<const char*>(task.segments[i]->data()), task.segments[i]->size());
    return all;
  }
  void drop(ContentTask& task) {
    for (uint32_t i = 0; i < task.segment_count; ++i) task.segments[i]->drop();
    task.segment_count = 0;
  }

  Folder folder;
  ContentConfig config = small();
  std::unique_ptr<ContentLoader> loader;
  Instant now = Instant::from_ns(10'000'000'000);
};

TEST_F(Loading, a_small_file_comes_at_once) {
  folder.write("a/b.css", "hello");
  start();
  ContentTask task;
  ASSERT_EQ(open(task, "a/b.css"), ContentStatus::kFound);
  EXPECT_EQ(text(task), "hello");
  EXPECT_EQ(task.info.size, 5u);
  EXPECT_EQ(task.info.content_type, "text/css; charset=utf-8");
  EXPECT_EQ(task.info.tag.view().front(), '"');
  EXPECT_FALSE(task.file);
  drop(task);
  folder.write("empty", "");
  EXPECT_EQ(open(task, "empty"), ContentStatus::kFound);
  EXPECT_EQ(task.segment_count, 0u);
}

TEST_F(Loading, a_file_larger_than_the_store_comes_in_segments) {
  std::string content;
  for (int i = 0; i < 10'500; ++i) content += static_cast<char>('a' + i / 1000);
  folder.write("big", content);
  start();
  ContentTask task;
  ASSERT_EQ(open(task, "big"), ContentStatus::kFound);
  ASSERT_TRUE(task.file);
  EXPECT_EQ(task.segment_count, 0u);
  std::string all;
  task.kind = ContentTask::Kind::kRead;
  while (all.size() < content.size()) {
    task.first_segment = static_cast<uint32_t>(all.size() / 1000);
    task.wanted = 3;
    ASSERT_TRUE(ask(task));
    ASSERT_EQ(task.status, ContentStatus::kFound);
    ASSERT_GT(task.segment_count, 0u);
    all += text(task);
    drop(task);
  }
  EXPECT_EQ(all, content);
  EXPECT_LE(loader->store().use().high_water(), 4u);
  loader->close(0, task.file);
  loader->serve(now);
}

TEST_F(Loading, what_must_not_be_served_is_not_found) {
  folder.write("a", "x");
  folder.outside("secret", "secret");
  folder.link("link", folder.outside_path("secret"));
  folder.link("up", "../" + folder.outside_name() + "/secret");
  folder.link("inside", "a");
  folder.link("proc", "/proc/self/environ");
  mkfifo((folder.path() + "/pipe").c_str(), 0600);
  std::filesystem::create_directory(folder.path() + "/folder");
  start();
  for (const char* path : {"none", "link", "up", "proc", "pipe",
                           "../"
                           "secret",
                           "/etc/passwd"}) {
    ContentTask task;
    EXPECT_EQ(open(task, path), ContentStatus::kNotFound) << path;
  }
  ContentTask task;
  EXPECT_EQ(open(task, "folder"), ContentStatus::kMoved);
  EXPECT_EQ(open(task, "inside"), ContentStatus::kFound);
  drop(task);
}

TEST_F(Loading, a_changed_file_is_another_version_after_a_while) {
  folder.write("a", "one");
  start();
  ContentTask task;
  open(task, "a");
  const std::string tag(task.info.tag.view());
  drop(task);
  folder.write("a", "three");
  open(task, "a");
  EXPECT_EQ(text(task), "one") << "believed unchanged for a second";
  drop(task);
  now = now + config.freshness;
  open(task, "a");
  EXPECT_EQ(text(task), "three");
  EXPECT_NE(task.info.tag.view(), tag);
  drop(task);
  std::filesystem::remove(folder.path() + "/a");
  now = now + config.freshness;
  EXPECT_EQ(open(task, "a"), ContentStatus::kNotFound);
}

TEST_F(Loading, a_reader_of_an_old_version_goes_on_or_is_told) {
  folder.write("big", std::string(5000, 'a'));
  start();
  ContentTask task;
  open(task, "big");
  const FileRef file = task.file;
  // Replaced by another file of that name: the old one is read to its end.
  folder.write("new", std::string(5000, 'b'));
  std::filesystem::rename(folder.path() + "/new", folder.path() + "/big");
  now = now + config.freshness;
  ContentTask other;
  open(other, "big");
  EXPECT_NE(other.file.id, file.id);
  task.kind = ContentTask::Kind::kRead;
  task.file = file;
  task.first_segment = 4;
  task.wanted = 1;
  ASSERT_TRUE(ask(task));
  EXPECT_EQ(text(task), std::string(1000, 'a'));
  drop(task);
  // Written to in place: its bytes are not one version's any more.
  folder.write("big", std::string(4000, 'c'));
  other.kind = ContentTask::Kind::kRead;
  other.first_segment = 1;
  other.wanted = 1;
  ASSERT_TRUE(ask(other));
  EXPECT_EQ(other.status, ContentStatus::kUnreadable);
  loader->close(0, file);
  loader->close(0, other.file);
  loader->serve(now);
}

TEST_F(Loading, waits_for_room_and_gives_up_in_the_end) {
  for (int i = 0; i < 5; ++i) folder.write(std::to_string(i), "x");
  start();
  ContentTask held[4];
  for (int i = 0; i < 4; ++i) ASSERT_EQ(open(held[i], std::to_string(i)), ContentStatus::kFound);
  ContentTask task;
  std::memcpy(task.path_room.data(), "4", 2);
  task.path_size = 1;
  EXPECT_FALSE(ask(task));
  now = now + Duration::milliseconds(10);
  EXPECT_FALSE(answered(task));
  drop(held[2]);
  EXPECT_TRUE(answered(task));
  EXPECT_EQ(task.status, ContentStatus::kFound);
  EXPECT_EQ(text(held[0]), "x");
  std::memcpy(held[2].path_room.data(), "2", 2);
  held[2].path_size = 1;
  EXPECT_FALSE(ask(held[2]));
  now = now + config.longest_wait;
  EXPECT_TRUE(answered(held[2]));
  EXPECT_EQ(held[2].status, ContentStatus::kBusy);
  drop(task);
  for (ContentTask& each : held) drop(each);
}

TEST_F(Loading, knows_only_so_many_files_at_a_time) {
  for (int i = 0; i < 40; ++i) folder.write(std::to_string(i), std::string(2000, 'x'));
  start();
  ContentTask task;
  for (int i = 0; i < 16; ++i) ASSERT_EQ(open(task, std::to_string(i)), ContentStatus::kFound);
  const FileRef last = task.file;
  EXPECT_EQ(open(task, "20"), ContentStatus::kBusy) << "all are being read";
  loader->close(0, last);
  EXPECT_EQ(open(task, "20"), ContentStatus::kFound);
  EXPECT_LE(loader->statistics().files, 16u);
}

TEST_F(Loading, by_its_thread_loses_no_question_and_no_answer) {
  folder.write("a", "hello");
  start();
  std::counting_semaphore<> woken(0);
  loader->start([&](unsigned) { woken.release(); });
  for (int i = 0; i < 100; ++i) {
    ContentTask task;
    std::memcpy(task.path_room.data(), "a", 2);
    task.path_size = 1;
    loader->submit(0, &task);
    loader->kick();
    woken.acquire();
    ContentTask* answer = nullptr;
    ASSERT_TRUE(loader->take(0, answer));
    EXPECT_EQ(text(task), "hello");
    drop(task);
  }
  loader->stop();
}

}  // namespace
}  // namespace viaduct::origin
