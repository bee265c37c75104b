#include "apps/origin/site_path.h"

#include <algorithm>
#include <optional>

namespace viaduct::origin {
namespace {

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

// The character at the front, percent-decoded, or nothing for a bad or dangerous one. Cuts it off.
std::optional<char> next_character(std::string_view& text) {
  char c = text.front();
  text.remove_prefix(1);
  if (c == '%') {
    if (text.size() < 2) return std::nullopt;
    const auto high = hex_digit(text[0]), low = hex_digit(text[1]);
    if (!high || !low) return std::nullopt;
    c = static_cast<char>(*high << 4 | *low);
    text.remove_prefix(2);
    if (c == '/') return std::nullopt;  // one file, one name
  }
  const auto byte = static_cast<unsigned char>(c);
  if (byte < 0x20 || byte == 0x7f) return std::nullopt;
  return c;
}

bool is_servable_segment(std::string_view segment) { return !segment.empty() && segment.front() != '.'; }

bool are_servable_segments(std::string_view path) {
  for (;;) {
    const size_t slash = path.find('/');
    if (!is_servable_segment(path.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

constexpr std::string_view kIndex = "index.html";

struct ContentType {
  std::string_view ending;
  std::string_view type;
};
constexpr ContentType kContentTypes[] = {
    {"avif", "image/avif"},
    {"css", "text/css; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"gif", "image/gif"},
    {"htm", "text/html; charset=utf-8"},
    {"html", "text/html; charset=utf-8"},
    {"ico", "image/vnd.microsoft.icon"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript; charset=utf-8"},
    {"json", "application/json"},
    {"m3u8", "application/vnd.apple.mpegurl"},
    {"m4s", "video/iso.segment"},
    {"md", "text/markdown; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"mpd", "application/dash+xml"},
    {"ogg", "audio/ogg"},
    {"otf", "font/otf"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"svg", "image/svg+xml"},
    {"ts", "video/mp2t"},
    {"ttf", "font/ttf"},
    {"txt", "text/plain; charset=utf-8"},
    {"wasm", "application/wasm"},
    {"wav", "audio/wav"},
    {"webm", "video/webm"},
    {"webmanifest", "application/manifest+json"},
    {"webp", "image/webp"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"xhtml", "application/xhtml+xml"},
    {"xml", "application/xml"},
    {"zip", "application/zip"},
};
static_assert(std::ranges::is_sorted(kContentTypes, {}, &ContentType::ending));

}  // namespace

std::string_view resolve_site_path(std::string_view target, MutableBytes room) {
  target = target.substr(0, target.find_first_of("?#"));
  if (!target.starts_with('/')) return {};
  target.remove_prefix(1);
  ByteWriter out(room.first(kMaxSitePath));
  while (!target.empty()) {
    const auto c = next_character(target);
    if (!c) return {};
    out.u8(static_cast<uint8_t>(*c));
  }
  const auto written = [&] { return std::string_view(reinterpret_cast<const char*>(room.data()), out.size()); };
  if (written().empty() || written().back() == '/')
    out.bytes({reinterpret_cast<const uint8_t*>(kIndex.data()), kIndex.size()});
  if (!out.ok() || !are_servable_segments(written())) return {};
  room[out.size()] = 0;
  return written();
}

std::string_view content_type_of(std::string_view path) {
  static constexpr std::string_view kUnknown = "application/octet-stream";
  const size_t dot = path.find_last_of("./");
  if (dot == std::string_view::npos || path[dot] == '/') return kUnknown;
  char lower[16];
  const std::string_view ending = path.substr(dot + 1);
  if (ending.size() > sizeof lower) return kUnknown;
  std::ranges::transform(ending, lower,
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const std::string_view wanted(lower, ending.size());
  const auto found = std::ranges::lower_bound(kContentTypes, wanted, {}, &ContentType::ending);
  return found != std::end(kContentTypes) && found->ending == wanted ? found->type : kUnknown;
}

}  // namespace viaduct::origin
