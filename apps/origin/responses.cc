#include "apps/origin/responses.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "apps/origin/verdicts.h"

namespace viaduct::origin {
namespace {

constexpr std::string_view kServerName = "viaduct";

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// One range-spec. Empty for one that is malformed.
std::optional<RangeOutcome> parse_one(std::string_view spec, uint64_t size) {
  using Kind = RangeOutcome::Kind;
  const size_t dash = spec.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::string_view before = spec.substr(0, dash), after = spec.substr(dash + 1);
  const auto last = http3::parse_decimal(after);
  if (before.empty()) {  // the last `after` bytes
    if (!last) return std::nullopt;
    const uint64_t length = std::min(*last, size);
    return length == 0 ? RangeOutcome{Kind::kUnsatisfiable, 0, 0} : RangeOutcome{Kind::kPart, size - length, length};
  }
  const auto first = http3::parse_decimal(before);
  if (!first || (!after.empty() && (!last || *last < *first))) return std::nullopt;
  if (*first >= size) return RangeOutcome{Kind::kUnsatisfiable, 0, 0};
  const uint64_t end = last ? std::min(*last, size - 1) + 1 : size;
  return RangeOutcome{Kind::kPart, *first, end - *first};
}

// RFC 9110 section 13.1.5: strong comparison, or the very same date.
bool is_range_current(const Conditions& conditions, const FileInfo& info) {
  if (!conditions.if_range) return true;
  if (conditions.if_range->starts_with('"')) return *conditions.if_range == info.tag.view();
  return parse_http_date(*conditions.if_range) == info.modified;
}

std::string_view error_text(uint16_t status) {
  switch (status) {
    case 308:
      return "It is there, with a slash at the end.\n";
    case 404:
      return "Nothing is there.\n";
    case 405:
      return "Only GET and HEAD are served.\n";
    case 412:
      return "A condition does not hold.\n";
    case 416:
      return "No byte of it is in the range.\n";
    case 431:
      return "The request's conditions are too large.\n";
    case 500:
      return "The file could not be read.\n";
    case 503:
      return "Too busy just now.\n";
    default:
      return {};
  }
}

}  // namespace

// One look at each field: most requests have none of these.
Conditions Conditions::of(const http3::RequestHead& head) {
  Conditions found{.is_head = head.method == "HEAD"};
  for (const http3::Field& field : head.fields->fields()) {
    std::optional<std::string_view>* place = found.place_of(field.name);
    if (place && !*place) *place = field.value;
  }
  return found;
}

std::optional<std::string_view>* Conditions::place_of(std::string_view name) {
  switch (name.size()) {
    case 5:
      return name == "range" ? &range : nullptr;
    case 8:
      return name == "if-match" ? &if_match : name == "if-range" ? &if_range : nullptr;
    case 13:
      return name == "if-none-match" ? &if_none_match : nullptr;
    case 17:
      return name == "if-modified-since" ? &if_modified_since : nullptr;
    case 19:
      return name == "if-unmodified-since" ? &if_unmodified_since : nullptr;
    default:
      return nullptr;
  }
}

bool Conditions::keep_in(std::span<char> room) {
  for (auto* text : {&if_match, &if_none_match, &if_modified_since, &if_unmodified_since, &if_range, &range}) {
    if (!*text) continue;
    const size_t size = (*text)->size();
    if (size > room.size()) return false;
    if (size > 0) std::memcpy(room.data(), (*text)->data(), size);
    *text = std::string_view(room.data(), size);
    room = room.subspan(size);
  }
  return true;
}

// The order is that of RFC 9110 section 13.2.2.
Decision decide(const Conditions& conditions, const FileInfo& info) {
  const std::string_view tag = info.tag.view();
  const auto is_newer_than = [&](std::string_view date) {
    const auto moment = parse_http_date(date);
    return !moment || info.modified > *moment;
  };
  if (conditions.if_match) {
    if (!matches_tag(*conditions.if_match, tag, false)) return {.status = 412, .verdict = kPreconditionFailed};
  } else if (conditions.if_unmodified_since && parse_http_date(*conditions.if_unmodified_since)) {
    if (is_newer_than(*conditions.if_unmodified_since)) return {.status = 412, .verdict = kPreconditionFailed};
  }
  if (conditions.if_none_match) {
    if (matches_tag(*conditions.if_none_match, tag, true)) return {.status = 304, .verdict = kNotModified};
  } else if (conditions.if_modified_since && !is_newer_than(*conditions.if_modified_since)) {
    return {.status = 304, .verdict = kNotModified};
  }
  Decision decision{.status = 200, .verdict = kServed, .first = 0, .length = info.size};
  if (conditions.range && !conditions.is_head && is_range_current(conditions, info)) {
    const RangeOutcome range = parse_range(*conditions.range, info.size);
    if (range.kind == RangeOutcome::Kind::kUnsatisfiable) return {.status = 416, .verdict = kRangeRefused};
    if (range.kind == RangeOutcome::Kind::kPart)
      decision = {.status = 206, .verdict = kServed, .first = range.first, .length = range.length};
  }
  return decision;
}

Decision decide(ContentStatus status) {
  switch (status) {
    case ContentStatus::kMoved:
      return {.status = 308, .verdict = kRedirected};
    case ContentStatus::kBusy:
      return {.status = 503, .verdict = kContentBusy};
    case ContentStatus::kUnreadable:
      return {.status = 500, .verdict = kContentChanged};
    default:
      return {.status = 404, .verdict = kFileNotFound};
  }
}

RangeOutcome parse_range(std::string_view value, uint64_t size) {
  static constexpr std::string_view kUnit = "bytes=";
  if (!value.starts_with(kUnit)) return {};
  value.remove_prefix(kUnit.size());
  RangeOutcome only;
  size_t count = 0, satisfiable = 0;
  while (true) {
    const size_t comma = value.find(',');
    const std::string_view spec = trim(value.substr(0, comma));
    if (!spec.empty()) {
      const auto range = parse_one(spec, size);
      if (!range) return {};
      ++count;
      satisfiable += range->kind == RangeOutcome::Kind::kPart;
      only = *range;
    }
    if (comma == std::string_view::npos) break;
    value.remove_prefix(comma + 1);
  }
  if (count == 0) return {};
  if (satisfiable == 0) return {RangeOutcome::Kind::kUnsatisfiable, 0, 0};
  return count == 1 ? only : RangeOutcome{};
}

bool matches_tag(std::string_view list, std::string_view tag, bool weakly) {
  list = trim(list);
  if (list == "*") return true;
  while (!list.empty()) {
    const bool is_weak = list.starts_with("W/");
    if (is_weak) list.remove_prefix(2);
    if (!list.starts_with('"')) return false;
    const size_t end = list.find('"', 1);
    if (end == std::string_view::npos) return false;
    if (list.substr(0, end + 1) == tag && (weakly || !is_weak)) return true;
    list = trim(list.substr(end + 1));
    while (list.starts_with(',')) list = trim(list.substr(1));
  }
  return false;
}

ResponseFields::ResponseFields(const Decision& decision, const FileInfo* info, std::string_view date,
                               std::string_view location) {
  body_ = error_text(decision.status);
  add("server", kServerName);
  add("date", date);
  if (!body_.empty()) {
    add("content-type", "text/plain; charset=utf-8");
    add_number("content-length", body_.size());
  }
  if (decision.status == 405) add("allow", "GET, HEAD");
  if (decision.status == 503) add("retry-after", "1");
  if (decision.status == 308) add("location", location);
  if (!info || decision.status == 412) return;
  if (decision.status == 206 || decision.status == 416) add_content_range(decision, *info);
  if (decision.status == 416) return;
  if (decision.status != 304) {
    add("content-type", info->content_type);
    add_number("content-length", decision.length);
    add("accept-ranges", "bytes");
  }
  add("etag", info->tag.view());
  add("last-modified", info->last_modified.view());
}

void ResponseFields::add_number(std::string_view name, uint64_t value) {
  const auto end = std::to_chars(length_, length_ + sizeof length_, value).ptr;
  add(name, {length_, static_cast<size_t>(end - length_)});
}

void ResponseFields::add_content_range(const Decision& decision, const FileInfo& info) {
  const auto number = [](uint64_t value) { return static_cast<unsigned long long>(value); };
  const int size = decision.status == 416
                       ? std::snprintf(range_, sizeof range_, "bytes */%llu", number(info.size))
                       : std::snprintf(range_, sizeof range_, "bytes %llu-%llu/%llu", number(decision.first),
                                       number(decision.first + decision.length - 1), number(info.size));
  add("content-range", {range_, static_cast<size_t>(size)});
}

}  // namespace viaduct::origin
