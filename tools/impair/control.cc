#include "tools/impair/control.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <format>
#include <iostream>

#include "tools/impair/link_words.h"

namespace viaduct::impair {
namespace {

std::string way_counters(Way& way) {
  const sim::LinkStats& link = way.link();
  const WayCounters& box = way.counters();
  return std::format(
      R"({{"offered": {}, "delivered": {}, "dropped_by_queue": {}, "dropped_by_mtu": {}, "lost": {}, "corrupted": {}, )"
      R"("duplicated": {}, "reordered": {}, "marked": {}, "passed_by": {}, "no_room": {}, "no_flow": {}, )"
      R"("translated": {}}})",
      link.offered, link.delivered, link.dropped_by_queue, link.dropped_by_mtu, link.lost, link.corrupted,
      link.duplicated, link.reordered, link.marked, box.passed_by, box.no_room, box.no_flow, box.translated);
}

}  // namespace

std::string counters_of(Box& box) {
  return std::format(R"({{"forward": {}, "back": {}}})", way_counters(box.forward()), way_counters(box.back()));
}

std::string obey(Box& box, const std::string& order) {
  const std::string verb = order.substr(0, order.find(' '));
  const std::string rest = verb.size() < order.size() ? order.substr(verb.size() + 1) : "";
  if (verb == "counters") return counters_of(box);
  if (verb == "rebind" || verb == "rebind-address") {
    box.rebind(verb == "rebind-address");
    return "ok";
  }
  const bool is_forward = verb == "forward" || verb == "both", is_back = verb == "back" || verb == "both";
  if (!is_forward && !is_back) return std::format("'{}' is no order (see --help)", verb);
  const auto link = parse_link(rest);
  if (!link) return link.error();
  if (is_forward) box.forward().set_link(*link);
  if (is_back) box.back().set_link(*link);
  return "ok";
}

void OrderReader::poll(Box& box) {
  pollfd waiting{descriptor_, POLLIN, 0};
  if (has_ended_ || ::poll(&waiting, 1, 0) <= 0) return;
  char text[512];
  const ssize_t size = read(descriptor_, text, sizeof text);
  has_ended_ = size <= 0;
  for (const char c : std::string_view(text, static_cast<size_t>(std::max<ssize_t>(size, 0)))) {
    if (c != '\n') {
      line_ += c;
    } else {
      std::cout << obey(box, line_) << std::endl;
      line_.clear();
    }
  }
}

}  // namespace viaduct::impair
