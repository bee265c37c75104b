// Reads values out of a TOML table and says, for each that is wrong, where it is and what was expected.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <toml++/toml.hpp>
#include <vector>

#include "base/instant.h"

namespace viaduct::settings {

// What is wrong with a file, one line each: "origin.toml:3: tls.key: expected …, not …".
class ConfigErrors {
 public:
  explicit ConfigErrors(std::string file) : file_(std::move(file)) {}

  void add(const toml::source_region& where, std::string_view key, std::string_view what);
  // For what has no place of its own in the file.
  void add(std::string_view key, std::string_view what) { add(toml::source_region{}, key, what); }
  bool empty() const { return lines_.empty(); }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::string file_;
  std::vector<std::string> lines_;
};

// Each read leaves `out` as it is where the key is absent (so that its value is the default) or wrong.
class TableReader {
 public:
  // path: how the table is called in messages; empty for the file's top.
  TableReader(const toml::table& table, std::string path, ConfigErrors& errors)
      : table_(table), path_(std::move(path)), errors_(errors) {}
  // Keys that nobody read are errors, with a guess at what was meant.
  ~TableReader();
  TableReader(const TableReader&) = delete;
  TableReader& operator=(const TableReader&) = delete;

  bool has(std::string_view key) const { return table_.contains(key); }
  // For a key that must be there.
  void require(std::string_view key, std::string_view expected);

  template <std::integral T>
  void number(std::string_view key, T& out, uint64_t least, uint64_t most) {
    uint64_t value = 0;
    if (whole(key, value, least, most)) out = static_cast<T>(value);
  }
  void flag(std::string_view key, bool& out);
  void text(std::string_view key, std::string& out);
  void texts(std::string_view key, std::vector<std::string>& out);
  // "30s", "250ms", "10us", "5m"; `least` and `most` are part of the message.
  void duration(std::string_view key, Duration& out, Duration least, Duration most);
  // Bytes: 65536, "64KiB", "256MB", "1GiB".
  template <std::integral T>
  void size(std::string_view key, T& out, uint64_t least, uint64_t most) {
    uint64_t value = 0;
    if (bytes(key, value, least, most)) out = static_cast<T>(value);
  }
  // One of the names; its index.
  std::optional<size_t> choice(std::string_view key, std::span<const std::string_view> names);
  // Text or a list of texts that `parse` understands; parse returns what was expected, or an empty string.
  void parsed(std::string_view key, const std::function<std::string(const std::string&)>& parse);

  // Calls back with a reader for the table of that name, if it is there.
  void table(std::string_view key, const std::function<void(TableReader&)>& read);
  // The same for each [[key]].
  void tables(std::string_view key, const std::function<void(TableReader&)>& read);

  // Where the table, or a key of it, is in the file.
  toml::source_region where(std::string_view key = {}) const;
  // An error at a key of this table.
  void fail(std::string_view key, std::string_view what);

 private:
  const toml::node* take(std::string_view key);
  void expected(std::string_view key, const toml::node& node, std::string_view what);
  bool whole(std::string_view key, uint64_t& out, uint64_t least, uint64_t most);
  bool bytes(std::string_view key, uint64_t& out, uint64_t least, uint64_t most);
  std::string name_of(std::string_view key) const;

  const toml::table& table_;
  std::string path_;
  ConfigErrors& errors_;
  std::vector<std::string> known_;
};

// The name that is most like `wrong`; empty where none is alike.
std::string nearest_name(std::string_view wrong, std::span<const std::string> names);

}  // namespace viaduct::settings
