// A folder for one test, and one beside it for what must not be reached.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace viaduct::origin {

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/viaduct-test-XXXXXX";
    base_ = mkdtemp(name);
    std::filesystem::create_directory(path());
    std::filesystem::create_directory(base_ + "/" + outside_name());
  }
  ~Folder() { std::filesystem::remove_all(base_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string path() const { return base_ + "/site"; }
  static std::string outside_name() { return "outside"; }
  std::string outside_path(const std::string& name) const { return base_ + "/" + outside_name() + "/" + name; }

  void write(const std::string& name, const std::string& content) const { write_to(path() + "/" + name, content); }
  void outside(const std::string& name, const std::string& content) const { write_to(outside_path(name), content); }
  void link(const std::string& name, const std::string& target) const {
    std::filesystem::create_symlink(target, path() + "/" + name);
  }

 private:
  static void write_to(const std::filesystem::path& file, const std::string& content) {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << content;
  }
  std::string base_;
};

}  // namespace viaduct::origin
