#include "apps/http3/fields.h"

#include <cstring>

namespace viaduct::http3 {

bool FieldSection::append(std::string_view name, std::string_view value) {
  const size_t size = size_ + name.size() + value.size() + kFieldOverhead;
  if (too_large_ || size > max_size_) {
    too_large_ = true;
    return false;
  }
  fields_.push_back({copy(name), copy(value)});
  size_ = size;
  return true;
}

void FieldSection::clear() {
  fields_.clear();
  used_ = size_ = 0;
  too_large_ = false;
}

std::optional<std::string_view> FieldSection::find(std::string_view name) const {
  for (const Field& field : fields_) {
    if (field.name == name) return field.value;
  }
  return std::nullopt;
}

std::string_view FieldSection::copy(std::string_view text) {
  char* to = bytes_.get() + used_;
  if (!text.empty()) std::memcpy(to, text.data(), text.size());
  used_ += text.size();
  return {to, text.size()};
}

}  // namespace viaduct::http3
