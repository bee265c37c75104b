#include "tools/impair/link_words.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <format>
#include <optional>
#include <set>

namespace viaduct::impair {
namespace {

using sim::LinkConfig;

// A decimal number, and what stands behind it.
std::optional<double> read_number(std::string_view& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || !std::isfinite(number) || number < 0) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

// "2%" or "0.02".
bool read_share(std::string_view text, double& share) {
  const auto number = read_number(text);
  if (!number || !(text.empty() || text == "%")) return false;
  share = text.empty() ? *number : *number / 100;
  return share <= 1;
}

// "15ms"; at most a day.
bool read_duration(std::string_view text, Duration& duration) {
  const auto number = read_number(text);
  const double unit = text == "us" ? 1e3 : text == "ms" ? 1e6 : text == "s" ? 1e9 : 0;
  if (!number || unit == 0 || *number * unit > 86'400e9) return false;
  duration = Duration::nanoseconds(static_cast<int64_t>(*number * unit));
  return true;
}

// Bits a second: "10M".
bool read_rate(std::string_view text, uint64_t& rate) {
  const auto number = read_number(text);
  const double unit = text.empty() ? 1 : text == "k" ? 1e3 : text == "M" ? 1e6 : text == "G" ? 1e9 : 0;
  if (!number || unit == 0 || *number * unit < 1'000 || *number * unit > 1e12) return false;
  rate = static_cast<uint64_t>(*number * unit);
  return true;
}

template <class T>
bool read_count(std::string_view text, T& count) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  return error == std::errc{} && end == text.data() + text.size();
}

bool read_flag(std::string_view text, bool& flag) {
  flag = text == "1";
  return flag || text == "0";
}

bool read_mask(std::string_view text, uint64_t& mask) {
  if (!text.starts_with("0x")) return false;
  const auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), mask, 16);
  return error == std::errc{} && end == text.data() + text.size();
}

// "5s-7s", counted from the start.
bool read_blackhole(std::string_view text, LinkConfig& link) {
  const size_t dash = text.find('-');
  Duration from, until;
  if (dash == text.npos || !read_duration(text.substr(0, dash), from) || !read_duration(text.substr(dash + 1), until))
    return false;
  link.blackholes.push_back({Instant() + from, Instant() + until});
  return from < until;
}

struct Word {
  std::string_view name;
  bool (*read)(std::string_view value, LinkConfig& link);
  std::string_view expected;
  std::string_view help;
};

constexpr Word kWords[] = {
    {"rate", [](auto v, auto& l) { return read_rate(v, l.bits_per_second); }, "bits a second like 10M",
     "of IP packets, in bits a second"},
    {"queue", [](auto v, auto& l) { return read_count(v, l.queue_packets); }, "a number of packets",
     "packets that wait for the rate; more are dropped"},
    {"delay", [](auto v, auto& l) { return read_duration(v, l.delay); }, "a time like 15ms", "one way"},
    {"jitter", [](auto v, auto& l) { return read_duration(v, l.jitter); }, "a time like 5ms",
     "up to so much more delay, in order"},
    {"mtu", [](auto v, auto& l) { return read_count(v, l.mtu) && l.mtu >= 576; }, "bytes, 576 or more",
     "larger IP packets are dropped in silence"},
    {"loss", [](auto v, auto& l) { return read_share(v, l.loss); }, "a share like 2% or 0.02", "lost at random"},
    {"longest-loss", [](auto v, auto& l) { return read_count(v, l.longest_loss); }, "a number of datagrams",
     "random losses in a row at most"},
    {"lose-first", [](auto v, auto& l) { return read_mask(v, l.loss_mask); }, "a mask like 0x5",
     "bit i: datagram i is lost"},
    {"burst-enter", [](auto v, auto& l) { return read_share(v, l.bursts.enter_bad); }, "a share",
     "a burst of losses begins"},
    {"burst-leave", [](auto v, auto& l) { return read_share(v, l.bursts.leave_bad); }, "a share",
     "a burst of losses ends"},
    {"corruption", [](auto v, auto& l) { return read_share(v, l.corruption); }, "a share like 2% or 0.02",
     "one bit of the UDP payload is flipped, the checksum made good again"},
    {"duplication", [](auto v, auto& l) { return read_share(v, l.duplication); }, "a share like 2% or 0.02",
     "delivered twice"},
    {"reordering", [](auto v, auto& l) { return read_share(v, l.reordering); }, "a share like 2% or 0.02",
     "held back while others pass"},
    {"hold-back", [](auto v, auto& l) { return read_duration(v, l.reorder_delay); }, "a time like 10ms",
     "for how long (10 ms)"},
    {"blackhole", [](auto v, auto& l) { return read_blackhole(v, l); }, "a span like 5s-7s",
     "nothing comes through, counted from the start"},
    {"mark-above", [](auto v, auto& l) { return read_count(v, l.mark_above); }, "a number of packets",
     "ECT packets become CE when so many wait for the rate"},
    {"bleach", [](auto v, auto& l) { return read_flag(v, l.bleach_ecn); }, "0 or 1", "1: ECN codepoints are cleared"},
};

}  // namespace

std::expected<sim::LinkConfig, std::string> parse_link(std::string_view text) {
  LinkConfig link;
  std::set<std::string_view> seen;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    const size_t equals = item.find('=');
    const std::string_view name = item.substr(0, equals);
    const auto word = std::ranges::find(kWords, name, &Word::name);
    if (word == std::end(kWords)) return std::unexpected(std::format("'{}' is no word of a link (see --help)", name));
    if (!seen.insert(name).second) return std::unexpected(std::format("'{}' is there twice", name));
    if (equals == item.npos || !word->read(item.substr(equals + 1), link))
      return std::unexpected(std::format("'{}': expected {}={}", item, name, word->expected));
  }
  return link;
}

std::string link_help() {
  std::string lines = "A LINK is a list like rate=10M,delay=15ms,queue=25,loss=2%, of:\n";
  for (const Word& word : kWords) lines += std::format("  {:<13} {} ({})\n", word.name, word.help, word.expected);
  return lines;
}

}  // namespace viaduct::impair
