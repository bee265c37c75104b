// A field section: the names and values of a header or trailer, in bounded storage of its own.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace viaduct::http3 {

struct Field {
  std::string_view name;
  std::string_view value;
};

// What a field counts beyond its name and value (RFC 9114 section 4.2.2).
inline constexpr size_t kFieldOverhead = 32;

// Copies what is appended; never allocates after construction. One is made per worker and used for one
// section after the other.
class FieldSection {
 public:
  // max_size: of all fields, each counted as name + value + 32 (RFC 9114 section 4.2.2).
  explicit FieldSection(size_t max_size) : max_size_(max_size), bytes_(new char[max_size]) {
    fields_.reserve(max_size / kFieldOverhead);
  }

  // False where it does not fit; the section is then is_too_large() until clear().
  bool append(std::string_view name, std::string_view value);
  void clear();

  std::span<const Field> fields() const { return fields_; }
  // As RFC 9114 section 4.2.2 counts.
  size_t size() const { return size_; }
  size_t max_size() const { return max_size_; }
  bool is_too_large() const { return too_large_; }
  // The value of the first field of that (lower-case) name.
  std::optional<std::string_view> find(std::string_view name) const;

 private:
  std::string_view copy(std::string_view text);

  size_t max_size_;
  std::unique_ptr<char[]> bytes_;
  std::vector<Field> fields_;
  size_t used_ = 0;
  size_t size_ = 0;
  bool too_large_ = false;
};

}  // namespace viaduct::http3
