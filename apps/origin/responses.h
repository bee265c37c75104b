// What to answer to a request for a file: status, part, conditions (RFC 9110 sections 13 to 15).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "apps/http3/message.h"
#include "apps/origin/content_task.h"
#include "base/verdict.h"

namespace viaduct::origin {

// The fields of a request that decide what is answered. Views.
struct Conditions {
  bool is_head = false;
  std::optional<std::string_view> if_match;
  std::optional<std::string_view> if_none_match;
  std::optional<std::string_view> if_modified_since;
  std::optional<std::string_view> if_unmodified_since;
  std::optional<std::string_view> if_range;
  std::optional<std::string_view> range;

  // Views into the request. Repeated list fields count by their first one.
  static Conditions of(const http3::RequestHead& head);
  // Copies all text into `room`, so that it outlives the request's head; false where it does not fit.
  bool keep_in(std::span<char> room);

 private:
  // Where the value of a field goes; null for one that decides nothing.
  std::optional<std::string_view>* place_of(std::string_view name);
};

// Which answer. `first` and `length` say which bytes of the file are its content (none for HEAD and errors).
struct Decision {
  uint16_t status = 200;
  Verdict verdict = Verdict::kNone;
  uint64_t first = 0;
  uint64_t length = 0;
};

// For a file that is there.
Decision decide(const Conditions& conditions, const FileInfo& info);
// For all else.
Decision decide(ContentStatus status);

// A range of bytes out of a file (RFC 9110 section 14.1.2).
struct RangeOutcome {
  enum class Kind : uint8_t {
    kWhole,          // no range, one that is not understood, or several: answer with all of it
    kPart,           // first, length
    kUnsatisfiable,  // 416
  };
  Kind kind = Kind::kWhole;
  uint64_t first = 0;
  uint64_t length = 0;
};
RangeOutcome parse_range(std::string_view value, uint64_t size);

// Whether a list of entity tags, or "*", names the tag. Weakly: "W/" is ignored (RFC 9110 section 8.8.3.2).
bool matches_tag(std::string_view list, std::string_view tag, bool weakly);

// A response's fields, in a list of its own.
class ResponseFields {
 public:
  static constexpr size_t kMost = 12;

  ResponseFields(const Decision& decision, const FileInfo* info, std::string_view date, std::string_view location = {});
  std::span<const http3::Field> fields() const { return {fields_, count_}; }
  // A line for a person, for statuses that are errors; empty for others.
  std::string_view body() const { return body_; }

 private:
  void add(std::string_view name, std::string_view value) { fields_[count_++] = {name, value}; }
  void add_number(std::string_view name, uint64_t value);
  void add_content_range(const Decision& decision, const FileInfo& info);

  http3::Field fields_[kMost];
  size_t count_ = 0;
  char length_[24];
  char range_[72];
  std::string_view body_;
};

}  // namespace viaduct::origin
