// Requests and responses: what a field section means, and whether it is well-formed (RFC 9114 section 4).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "apps/http3/fields.h"

namespace viaduct::http3 {

// Views into the section it was read from.
struct RequestHead {
  std::string_view method;
  std::string_view scheme;     // empty for CONNECT
  std::string_view authority;  // :authority, or Host where there is none
  std::string_view path;       // with the query; empty for CONNECT
  std::optional<uint64_t> content_length;
  const FieldSection* fields = nullptr;

  std::optional<std::string_view> find(std::string_view name) const { return fields->find(name); }
};

struct ResponseHead {
  uint16_t status = 0;
  std::optional<uint64_t> content_length;
  const FieldSection* fields = nullptr;

  std::optional<std::string_view> find(std::string_view name) const { return fields->find(name); }
  bool is_interim() const { return status < 200; }
};

// Empty for a malformed section: a stream error of type H3_MESSAGE_ERROR (RFC 9114 section 4.1.2).
std::optional<RequestHead> read_request(const FieldSection& section);
std::optional<ResponseHead> read_response(const FieldSection& section);
bool is_valid_trailer(const FieldSection& section);

// A decimal number without sign; empty for anything else or more than 2^63.
std::optional<uint64_t> parse_decimal(std::string_view text);

}  // namespace viaduct::http3
