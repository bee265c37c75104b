// The sending half of UdpPort: headers, neighbours, and the messages that the port sends of itself.
#include <algorithm>

#include "pmd-glue/neighbour_messages.h"
#include "pmd-glue/udp_state.h"
#include "pmd-glue/wire.h"

namespace viaduct::net {
namespace {

// Questions that one round asks at most.
constexpr size_t kQuestionsPerRound = 8;
// Packets wait for a neighbour no longer than this, whatever becomes of the question.
constexpr Duration kLongestWait = Duration::seconds(3);
// How often waiting packets are looked at if nothing was learned.
constexpr Duration kWaitingCheck = Duration::milliseconds(100);

}  // namespace

UdpPort::UdpPort(FramePort& frames, IpInterface& interface)
    : frames_(frames), interface_(interface), state_(std::make_unique<State>(interface.config())) {
  state_->path_mtu_cursor = interface.path_mtu().written();
}

UdpPort::~UdpPort() {
  interface_.set_waiting(frames_.queue(), nullptr);
  for (const State::Waiting& waiting : state_->waiting) {
    Packet* packet = waiting.packet;
    frames_.release({&packet, 1});
  }
}

uint16_t UdpPort::max_payload4() const { return static_cast<uint16_t>(frames_.mtu() - kIpv4Header - kUdpHeader); }
uint16_t UdpPort::max_payload6() const { return static_cast<uint16_t>(frames_.mtu() - kIpv6Header - kUdpHeader); }

size_t UdpPort::send(std::span<Packet*> burst) {
  Packet* ready[kBurst];
  size_t ready_count = 0;
  size_t taken = 0;
  // A device that was full is asked with one packet first, since the headers of what it refuses were made in vain.
  size_t most = state_->was_refused ? 1 : kBurst;
  for (; taken < burst.size(); ++taken) {
    Packet* packet = burst[taken];
    const UdpHeaders* headers = headers_for(packet->path);
    const bool fits = packet->length <= (packet->path.remote.ip.is_v4() ? max_payload4() : max_payload6());
    if (headers && fits) {
      headers->prepend(*packet, frames_.send_checksums());
      ready[ready_count++] = packet;
      if (ready_count < most) continue;
    }
    // What was made ready goes first, so that what is not taken is at the end.
    const size_t left = flush(std::span(ready, ready_count));
    ready_count = 0;
    most = kBurst;
    if (left > 0) return taken + (headers && fits ? 1 : 0) - left;
    if (headers && fits) continue;
    if (fits) {
      send_later(packet);
    } else {
      bump(counters_.too_large);
      frames_.release({&packet, 1});
    }
  }
  return taken - flush(std::span(ready, ready_count));
}

// Sends frames; what the device does not take gets back its form without headers. Their number.
size_t UdpPort::flush(std::span<Packet*> ready) {
  const size_t sent = ready.empty() ? 0 : frames_.send(ready);
  if (sent > 0) bump(counters_.sent, sent);
  state_->was_refused = sent < ready.size();
  for (Packet* packet : ready.subspan(sent)) {
    const size_t headers = UdpHeaders::length_for(packet->path, interface_.config().vlan.has_value());
    packet->offset = static_cast<uint16_t>(packet->offset + headers);
    packet->length = static_cast<uint16_t>(packet->length - headers);
    packet->flags = 0;
  }
  return ready.size() - sent;
}

// The headers for a path, or null if its next hop's address is not known.
const UdpHeaders* UdpPort::headers_for(const Path& path) {
  HeaderCache::Line& line = state_->headers.line_of(path);
  const uint32_t epoch = interface_.neighbours().epoch();
  if (line.epoch == epoch && line.path == path) return &line.headers;

  const auto next_hop = interface_.next_hop(path.remote.ip);
  if (!next_hop) return nullptr;
  const auto mac = interface_.neighbours().find(*next_hop);
  if (!mac) return nullptr;
  line.headers.make(path, frames_.mac(), *mac, interface_.config().vlan.value_or(0));
  line.path = path;
  line.epoch = epoch;
  return &line.headers;
}

// Keeps a packet until its next hop's address is known, and asks for it.
void UdpPort::send_later(Packet* packet) {
  const auto next_hop = interface_.next_hop(packet->path.remote.ip);
  const IpInterfaceConfig& config = interface_.config();
  std::atomic<uint64_t>* reason = nullptr;
  if (!next_hop) {
    reason = &counters_.no_route;
  } else if (interface_.neighbours().is_unreachable(*next_hop)) {
    reason = &counters_.unresolved;
  } else if (state_->waiting.size() >= config.pending ||
             std::count_if(state_->waiting.begin(), state_->waiting.end(), [&](const State::Waiting& waiting) {
               return waiting.next_hop == *next_hop;
             }) >= config.pending_per_neighbour) {
    reason = &counters_.pending_full;
  }
  if (reason) {
    bump(*reason);
    frames_.release({&packet, 1});
    return;
  }
  bump(counters_.waited);
  const Instant now = interface_.now();
  state_->waiting.push_back({packet, *next_hop, now + kLongestWait});
  state_->waiting_check = std::min(state_->waiting_check, now + kWaitingCheck);
  interface_.set_waiting(frames_.queue(), &frames_);
  if (interface_.neighbours().want(*next_hop, now)) ask({*next_hop, {}, true});
}

// What a round does besides packets: answers, timers, packets that wait.
void UdpPort::serve(Instant now) {
  if (state_->answer_count > 0) send_answers();
  if (!state_->announced) announce();
  NeighbourTable& table = interface_.neighbours();
  if (now >= table.next_due()) {
    NeighbourTable::Question questions[kQuestionsPerRound];
    const size_t count = table.due(now, questions);
    for (const NeighbourTable::Question& question : std::span(questions, count)) ask(question);
  }
  if (has_waiting_news() || now >= state_->waiting_check) send_waiting(now);
}

void UdpPort::send_answers() {
  const std::span<Packet*> answers(state_->answers.data(), state_->answer_count);
  const size_t sent = frames_.send(answers);
  bump(counters_.answers, sent);
  if (sent < answers.size()) {
    bump(counters_.answers_lost, answers.size() - sent);
    frames_.release(answers.subspan(sent));
  }
  state_->answer_count = 0;
}

// Sends the waiting packets whose next hop has become known, and drops those whose next hop did not answer.
void UdpPort::send_waiting(Instant now) {
  NeighbourTable& table = interface_.neighbours();
  state_->waiting_epoch = table.epoch();
  state_->waiting_check = now + kWaitingCheck;
  std::erase_if(state_->waiting, [&](State::Waiting& waiting) {
    Packet* packet = waiting.packet;
    if (const UdpHeaders* headers = headers_for(packet->path)) {
      headers->prepend(*packet, frames_.send_checksums());
      if (flush({&packet, 1}) == 0) return true;
      state_->waiting_epoch = 0;  // the device is full: again in the next round
      return false;
    }
    if (table.is_unreachable(waiting.next_hop) || now >= waiting.until) {
      bump(counters_.unresolved);
      frames_.release({&packet, 1});
      return true;
    }
    if (table.want(waiting.next_hop, now)) ask({waiting.next_hop, {}, true});
    return false;
  });
  if (state_->waiting.empty()) {
    interface_.set_waiting(frames_.queue(), nullptr);
    state_->waiting_check = Instant::never();
  }
}

bool UdpPort::has_waiting_news() const {
  return !state_->waiting.empty() && state_->waiting_epoch != interface_.neighbours().epoch();
}

void UdpPort::wait(Instant deadline) {
  // The answer may have come to another worker since the last look; one that comes later wakes us.
  if (has_waiting_news()) return;
  frames_.wait(std::min({deadline, interface_.neighbours().next_due(), state_->waiting_check}));
}

// Asks a neighbour for its address, or whether it still has it.
void UdpPort::ask(const NeighbourTable::Question& question) {
  uint8_t frame[kNeighbourFrame];
  const size_t length = write_question(frame, interface_, question);
  if (length == 0) return;
  bump(counters_.questions);
  send_message({frame, length});
}

// Tells the link where our addresses are, so that neighbours who knew another MAC address learn ours.
void UdpPort::announce() {
  state_->announced = true;
  if (frames_.queue() != 0) return;
  for (const IpAddress& ip : interface_.addresses()) {
    uint8_t frame[kNeighbourFrame];
    send_message({frame, write_announcement(frame, interface_, ip)});
  }
}

// Sends one frame of ours; lost if there is no room for it, since all such messages are repeated.
void UdpPort::send_message(Bytes frame) {
  Packet* packet = nullptr;
  if (frames_.allocate({&packet, 1}) == 0) return;
  std::memcpy(packet->data(), frame.data(), frame.size());
  packet->length = static_cast<uint16_t>(frame.size());
  if (frames_.send({&packet, 1}) == 0) frames_.release({&packet, 1});
}

}  // namespace viaduct::net
