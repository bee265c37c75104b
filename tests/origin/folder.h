// A folder for one test, and one beside it for what must not be reached.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "base/temporary_folder.h"

namespace viaduct::origin {

class Folder {
 public:
  Folder() {
    std::filesystem::create_directory(path());
    std::filesystem::create_directory(base_ / outside_name());
  }

  std::string path() const { return base_ / "site"; }
  static std::string outside_name() { return "outside"; }
  std::string outside_path(const std::string& name) const { return base_ / (outside_name() + "/" + name); }

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
  TemporaryFolder base_;
};

}  // namespace viaduct::origin
