#include "apps/http3/message.h"

#include <algorithm>
#include <array>
#include <limits>

namespace viaduct::http3 {
namespace {

constexpr bool is_token_char(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").contains(c);
}

// By the byte: names are checked one character after the other, in every request.
constexpr auto kIsNameChar = [] {
  std::array<bool, 256> table{};
  for (size_t i = 0; i < table.size(); ++i) {
    const char c = static_cast<char>(i);
    table[i] = is_token_char(c) && !(c >= 'A' && c <= 'Z');
  }
  return table;
}();

// RFC 9110 section 5.1; upper case is malformed here (RFC 9114 section 4.2).
bool is_valid_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return kIsNameChar[static_cast<uint8_t>(c)]; });
}

// RFC 9114 section 10.3: what field-content does not permit.
bool is_valid_value(std::string_view value) {
  return std::ranges::all_of(value, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

bool is_token(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_token_char); }

// RFC 9114 section 4.2.
bool is_connection_specific(const Field& field) {
  static constexpr std::array<std::string_view, 5> kNames = {"connection", "keep-alive", "proxy-connection",
                                                             "transfer-encoding", "upgrade"};
  if (field.name == "te") return field.value != "trailers";
  return std::ranges::find(kNames, field.name) != kNames.end();
}

bool is_valid_regular(const Field& field) {
  return is_valid_name(field.name) && is_valid_value(field.value) && !is_connection_specific(field);
}

bool is_pseudo(const Field& field) { return field.name.starts_with(':'); }

// Repeated fields of the same number are one (RFC 9110 section 8.6).
bool take_content_length(std::string_view value, std::optional<uint64_t>& length) {
  const auto number = parse_decimal(value);
  if (!number || (length && *length != *number)) return false;
  length = number;
  return true;
}

// The pseudo-fields of a request by name, each at most once.
struct RequestPseudo {
  std::optional<std::string_view> method, scheme, authority, path;

  bool take(const Field& field) {
    std::optional<std::string_view>* slot = field.name == ":method"      ? &method
                                            : field.name == ":scheme"    ? &scheme
                                            : field.name == ":authority" ? &authority
                                            : field.name == ":path"      ? &path
                                                                         : nullptr;
    if (!slot || *slot || !is_valid_value(field.value)) return false;
    *slot = field.value;
    return true;
  }
};

bool is_valid_authority(std::string_view authority) {
  return !authority.empty() && !authority.contains('@') && !authority.contains(' ');
}

// RFC 9114 section 4.3.1, the rules for everything but CONNECT.
bool fill_request(RequestHead& head, const RequestPseudo& pseudo, std::optional<std::string_view> host) {
  if (!pseudo.scheme || pseudo.scheme->empty() || !pseudo.path) return false;
  const bool is_asterisk = *pseudo.path == "*" && *pseudo.method == "OPTIONS";
  if (!is_asterisk && !pseudo.path->starts_with('/')) return false;
  if (pseudo.path->contains(' ')) return false;
  if (pseudo.authority && host && *pseudo.authority != *host) return false;
  const auto authority = pseudo.authority ? pseudo.authority : host;
  if (!authority || !is_valid_authority(*authority)) return false;
  head.scheme = *pseudo.scheme;
  head.path = *pseudo.path;
  head.authority = *authority;
  return true;
}

// RFC 9114 section 4.4.
bool fill_connect(RequestHead& head, const RequestPseudo& pseudo) {
  if (pseudo.scheme || pseudo.path || !pseudo.authority || !is_valid_authority(*pseudo.authority)) return false;
  head.authority = *pseudo.authority;
  return true;
}

}  // namespace

std::optional<uint64_t> parse_decimal(std::string_view text) {
  static constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  if (text.empty()) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<uint64_t>(c - '0');
    if (value > (kMost - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

std::optional<RequestHead> read_request(const FieldSection& section) {
  RequestHead head;
  head.fields = &section;
  RequestPseudo pseudo;
  std::optional<std::string_view> host;
  bool pseudo_over = false;
  for (const Field& field : section.fields()) {
    if (is_pseudo(field)) {
      if (pseudo_over || !pseudo.take(field)) return std::nullopt;
      continue;
    }
    pseudo_over = true;
    if (!is_valid_regular(field)) return std::nullopt;
    if (field.name == "content-length" && !take_content_length(field.value, head.content_length)) return std::nullopt;
    if (field.name == "host") {
      if (host) return std::nullopt;
      host = field.value;
    }
  }
  if (!pseudo.method || !is_token(*pseudo.method)) return std::nullopt;
  head.method = *pseudo.method;
  const bool valid = head.method == "CONNECT" ? fill_connect(head, pseudo) : fill_request(head, pseudo, host);
  if (!valid) return std::nullopt;
  return head;
}

std::optional<ResponseHead> read_response(const FieldSection& section) {
  ResponseHead head;
  head.fields = &section;
  std::optional<uint64_t> status;
  bool pseudo_over = false;
  for (const Field& field : section.fields()) {
    if (is_pseudo(field)) {
      if (pseudo_over || status || field.name != ":status" || field.value.size() != 3) return std::nullopt;
      status = parse_decimal(field.value);
      if (!status || *status < 100) return std::nullopt;
      continue;
    }
    pseudo_over = true;
    if (!is_valid_regular(field)) return std::nullopt;
    if (field.name == "content-length" && !take_content_length(field.value, head.content_length)) return std::nullopt;
  }
  if (!status || *status == 101) return std::nullopt;  // RFC 9114 section 4.5
  head.status = static_cast<uint16_t>(*status);
  return head;
}

bool is_valid_trailer(const FieldSection& section) {
  return std::ranges::all_of(section.fields(),
                             [](const Field& field) { return !is_pseudo(field) && is_valid_regular(field); });
}

}  // namespace viaduct::http3
