#include "apps/load/driver.h"

#include <algorithm>
#include <cmath>
#include <format>

namespace viaduct::load {
namespace {

constexpr uint32_t kNoSlot = ~uint32_t{0};
// Bytes of content that requests are filled from, over and over.
constexpr uint32_t kUploadChunk = 64 << 10;
// A connection whose session is to be resumed stays so long for its ticket, which comes behind the handshake.
constexpr Duration kTicketPatience = Duration::milliseconds(500);
// How soon to look again whether it has come.
constexpr Duration kTicketInterval = Duration::microseconds(100);
// Begun in one step at most, so that packets do not wait long.
constexpr int kMostPerStep = 256;

template <class T>
T part_of(T whole, unsigned worker, unsigned workers) {
  return static_cast<T>(whole / workers + (worker < whole % workers ? 1 : 0));
}

std::string error_text(uint64_t error, bool is_application_error) {
  return std::format("{} error 0x{:x}", is_application_error ? "application" : "transport", error);
}

}  // namespace

Share share_of(const Config& config, unsigned worker) {
  return {.connections = part_of(config.connections, worker, config.workers),
          .held = part_of(config.held, worker, config.workers),
          .opening = std::max(1u, part_of(config.opening, worker, config.workers)),
          .rate = config.rate / config.workers,
          .migrations = config.migrations / config.workers,
          .total = part_of(config.total, worker, config.workers)};
}

void Driver::Schedule::start(double per_second, Instant now) {
  if (per_second <= 0) return;
  interval_ns = 1e9 / per_second;
  next = now;
}

void Driver::Schedule::advance() {
  fraction += interval_ns;
  const double whole = std::floor(fraction);
  fraction -= whole;
  next = next + Duration::nanoseconds(static_cast<int64_t>(whole));
}

Driver::Driver(const Config& config, const Share& share, Connector& connector)
    : config_(config), share_(share), connector_(connector), slots_(share.connections + share.held) {
  by_connection_.assign(config.transport.max_connections, kNoSlot);
  for (auto slot = static_cast<uint32_t>(slots_.size()); slot > 0; --slot) free_slots_.push_back(slot - 1);
  ready_slots_.reserve(share.connections);
  exchanges_.resize(size_t{share.connections} * std::max(config.in_flight, config.requests_per_connection));
  for (size_t i = exchanges_.size(); i > 0; --i) free_exchanges_.push_back(static_cast<uint32_t>(i - 1));
  if (config.is_fetch()) fetched_.resize(config.urls.size());
  if (config.upload_bytes == 0) return;
  upload_room_.assign(kUploadChunk, 0x5a);
  // Referred to by this object as well, so that its last reference never goes.
  upload_ = std::make_unique<Chunk>(upload_room_.data(), kUploadChunk, [](Chunk*) {});
}

bool Driver::step(Phase phase, Instant now) {
  now_ = now;
  if (phase != phase_) {
    const bool begins = phase == Phase::kWarmUp || (phase == Phase::kMeasuring && phase_ == Phase::kOpening);
    if (begins) requests_due_.start(share_.rate, now);
    if (begins) moves_due_.start(share_.migrations, now);
    phase_ = phase;
  }
  if (phase == Phase::kEnding) return end(now);
  look_for_tickets(now);
  bool began = open_connections(now);
  if (phase == Phase::kOpening) return began;
  if (config_.work == Work::kRequests) began |= share_.rate > 0 ? ask_open(now) : ask_closed(now);
  if (config_.work == Work::kHandshakes) began |= ask_closed(now);
  move_some(now);
  if (share_.total > 0 && ended_ >= share_.total) done_.store(true, std::memory_order_release);
  return began;
}

Instant Driver::deadline() const {
  if (phase_ == Phase::kEnding) return Instant::never();
  const bool is_opening = phase_ == Phase::kOpening ? tried_ < slots_.size() : may_ask_more();
  const bool opens = !free_slots_.empty() && connecting_ < share_.opening && is_opening;
  const bool at_a_rate = share_.rate > 0;
  const bool asks = !ready_slots_.empty() && phase_ != Phase::kOpening && may_ask_more();
  if ((opens && !(at_a_rate && config_.work == Work::kHandshakes)) || (asks && !at_a_rate)) return now_;
  const Instant ticket = ticketless_slots_.empty() ? Instant::never() : now_ + kTicketInterval;
  return std::min({requests_due_.next, moves_due_.next, ticket});
}

// Keeps all places taken. Where handshakes are the work, they come at the rate asked for, or as fast as they go.
bool Driver::open_connections(Instant now) {
  const bool is_work = config_.work == Work::kHandshakes;
  if (is_work && phase_ == Phase::kOpening) {
    ready_.store(true, std::memory_order_release);
    return false;
  }
  // At first each place is tried once.
  if (phase_ == Phase::kOpening && tried_ >= slots_.size()) return false;
  bool began = false;
  for (int i = 0; i < kMostPerStep && !free_slots_.empty() && connecting_ < share_.opening; ++i) {
    if (is_work && (!may_ask_more() || (share_.rate > 0 && requests_due_.next > now))) break;
    const uint32_t slot = free_slots_.back();
    const auto connection = connector_.connect(slot);
    if (!connection) break;
    free_slots_.pop_back();
    by_connection_[connection->index] = slot;
    slots_[slot] = {.state = Slot::State::kConnecting, .connection = *connection, .began = now};
    if (is_work && share_.rate > 0) {
      slots_[slot].began = requests_due_.next;
      requests_due_.advance();
    }
    if (is_work) ++begun_;
    ++connecting_;
    ++live_;
    ++tried_;
    began = true;
  }
  return began;
}

// As much as may be in flight on each connection.
bool Driver::ask_closed(Instant now) {
  bool began = false;
  for (size_t turns = ready_slots_.size(); turns > 0; --turns) {
    const uint32_t index = ready_slots_.back();
    ready_slots_.pop_back();
    Slot& slot = slots_[index];
    slot.is_ready = false;
    if (slot.state != Slot::State::kOpen) continue;
    const uint32_t most = config_.requests_per_connection > 0 ? config_.requests_per_connection : ~uint32_t{0};
    while (slot.in_flight < config_.in_flight && slot.asked < most &&
           (config_.work == Work::kHandshakes || may_ask_more())) {
      if (!ask(index, now)) {
        note_ready(index);
        return began;
      }
      began = true;
    }
  }
  return began;
}

// What is due, on whichever connection has room; latency counts from when it was due.
bool Driver::ask_open(Instant now) {
  bool began = false;
  for (int i = 0; i < kMostPerStep && requests_due_.next <= now && may_ask_more(); ++i) {
    uint32_t looked = 0;
    for (; looked < share_.connections; ++looked) {
      const Slot& slot = slots_[next_slot_];
      if (slot.state == Slot::State::kOpen && slot.in_flight < config_.in_flight) break;
      next_slot_ = (next_slot_ + 1) % share_.connections;
    }
    if (looked == share_.connections || !ask(next_slot_, requests_due_.next)) break;
    next_slot_ = (next_slot_ + 1) % share_.connections;
    requests_due_.advance();
    began = true;
  }
  return began;
}

bool Driver::ask(uint32_t index, Instant began) {
  if (free_exchanges_.empty()) return false;
  Slot& slot = slots_[index];
  const uint32_t cookie = free_exchanges_.back();
  const auto url = static_cast<uint32_t>(begun_ % config_.urls.size());
  const bool asked = client_->request(slot.connection, {.method = config_.method,
                                                        .authority = config_.urls[url].authority,
                                                        .path = config_.urls[url].path,
                                                        .fields = {},
                                                        .cookie = cookie,
                                                        .content = upload_.get(),
                                                        .content_length = config_.upload_bytes});
  if (!asked) return false;
  free_exchanges_.pop_back();
  exchanges_[cookie] = {.slot = index, .url = url, .began = began};
  if (config_.work != Work::kHandshakes) ++begun_;
  ++slot.in_flight;
  ++slot.asked;
  return true;
}

void Driver::move_some(Instant now) {
  for (uint32_t looked = 0; moves_due_.next <= now && looked < share_.connections; ++looked) {
    const uint32_t slot = next_moved_;
    next_moved_ = (next_moved_ + 1) % share_.connections;
    if (slots_[slot].state != Slot::State::kOpen) continue;
    if (connector_.move(slot, slots_[slot].connection)) counters_.migrations.add(1);
    moves_due_.advance();
  }
}

bool Driver::end(Instant) {
  for (Slot& slot : slots_) {
    if (slot.state != Slot::State::kOpen) continue;
    client_->close(slot.connection);
    slot.state = Slot::State::kClosing;
  }
  if (live_ == 0) done_.store(true, std::memory_order_release);
  return false;
}

void Driver::note_ready(uint32_t slot) {
  if (!slots_[slot].is_ready) ready_slots_.push_back(slot);
  slots_[slot].is_ready = true;
}

uint32_t Driver::slot_of(quic::ConnectionHandle connection) const {
  const uint32_t slot = connection.index < by_connection_.size() ? by_connection_[connection.index] : kNoSlot;
  return slot != kNoSlot && slots_[slot].connection == connection ? slot : kNoSlot;
}

void Driver::on_connected(quic::ConnectionHandle, uint64_t cookie) {
  const auto index = static_cast<uint32_t>(cookie);
  Slot& slot = slots_[index];
  slot.state = Slot::State::kOpen;
  --connecting_;
  counters_.handshakes.add(1);
  counters_.connections_open.add(1);
  if (phase_ == Phase::kMeasuring) handshake_times_.record(now_ - slot.began);
  if (tried_ == slots_.size() && connecting_ == 0) ready_.store(true, std::memory_order_release);
  if (index >= share_.connections) return;
  if (config_.work == Work::kHandshakes && config_.requests_per_connection == 0) return finish_slot(index);
  if (config_.work != Work::kIdle && share_.rate == 0) note_ready(index);
  if (config_.work == Work::kHandshakes) note_ready(index);
}

// Ends a connection that has done its work; where the next one is to resume its session, when the ticket is there.
void Driver::finish_slot(uint32_t index) {
  if (!config_.resume || connector_.can_resume(index)) return leave_slot(index);
  slots_[index].awaits_ticket = true;
  slots_[index].leaves_at = now_ + kTicketPatience;
  ticketless_slots_.push_back(index);
}

void Driver::look_for_tickets(Instant now) {
  std::erase_if(ticketless_slots_, [&](uint32_t index) {
    const Slot& slot = slots_[index];
    if (slot.state != Slot::State::kOpen || !slot.awaits_ticket) return true;  // it went by itself
    if (now < slot.leaves_at && !connector_.can_resume(index)) return false;
    leave_slot(index);
    return true;
  });
}

void Driver::leave_slot(uint32_t index) {
  slots_[index].state = Slot::State::kClosing;
  client_->close(slots_[index].connection);
  ++ended_;
}

// Also of connections that never opened.
void Driver::on_disconnected(quic::ConnectionHandle connection, uint64_t error, bool is_application_error) {
  const uint32_t index = slot_of(connection);
  if (index == kNoSlot) return;
  by_connection_[connection.index] = kNoSlot;
  Slot& slot = slots_[index];
  if (slot.state == Slot::State::kConnecting) {
    --connecting_;
    counters_.handshakes_failed.add(1);
    if (config_.work == Work::kHandshakes) ++ended_;
    if (config_.is_fetch()) ended_ = share_.total;
    last_problem_ = "handshake: " + error_text(error, is_application_error);
    if (tried_ >= slots_.size() && connecting_ == 0) ready_.store(true, std::memory_order_release);
  } else {
    counters_.connections_open.set(counters_.connections_open.value() - 1);
    if (slot.state == Slot::State::kOpen) {
      counters_.connections_lost.add(1);
      last_problem_ = "connection: " + error_text(error, is_application_error);
    }
  }
  slot.state = Slot::State::kFree;
  --live_;
  if (phase_ != Phase::kEnding) free_slots_.push_back(index);
}

void Driver::on_head(uint64_t cookie, const http3::ResponseHead& head) {
  Exchange& exchange = exchanges_[cookie];
  if (!head.is_interim()) exchange.status = head.status;
  if (!config_.is_fetch()) return;
  Fetched& fetched = fetched_[exchange.url];
  fetched.head += std::format("HTTP/3 {}\n", head.status);
  for (const http3::Field& field : head.fields->fields()) {
    if (!field.name.starts_with(':')) fetched.head += std::format("{}: {}\n", field.name, field.value);
  }
  fetched.head += '\n';
}

void Driver::on_body(uint64_t cookie, Bytes bytes) {
  counters_.body_bytes.add(bytes.size());
  if (config_.is_fetch())
    fetched_[exchanges_[cookie].url].body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void Driver::on_end(uint64_t cookie, const http3::Ending& ending) {
  const Exchange& exchange = exchanges_[cookie];
  Slot& slot = slots_[exchange.slot];
  --slot.in_flight;
  const bool is_good = ending.is_complete && exchange.status >= 200 && exchange.status < 400;
  const bool is_cut_off = slot.state == Slot::State::kClosing && config_.work != Work::kHandshakes;
  if (!is_cut_off) (is_good ? counters_.requests_done : counters_.requests_failed).add(1);
  if (is_good) counters_.upload_bytes.add(config_.upload_bytes);
  if (exchange.status >= 100 && exchange.status < 600) counters_.by_class[exchange.status / 100].add(1);
  if (!is_good && !is_cut_off)
    last_problem_ =
        ending.is_complete ? std::format("status {}", exchange.status) : "request: " + error_text(ending.error, true);
  if (is_good && phase_ == Phase::kMeasuring) latencies_.record(now_ - exchange.began);
  if (config_.is_fetch()) {
    fetched_[exchange.url].is_complete = ending.is_complete;
    fetched_[exchange.url].status = exchange.status;
  }
  if (config_.work != Work::kHandshakes) ++ended_;
  free_exchanges_.push_back(static_cast<uint32_t>(cookie));
  if (slot.state != Slot::State::kOpen) return;
  if (config_.work == Work::kHandshakes) {
    if (slot.asked >= config_.requests_per_connection && slot.in_flight == 0) return finish_slot(exchange.slot);
    return note_ready(exchange.slot);
  }
  if (share_.rate == 0) note_ready(exchange.slot);
}

}  // namespace viaduct::load
