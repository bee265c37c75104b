#include "apps/origin/site.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace viaduct::origin {
namespace {

// Answers taken in one step, so that packets do not wait long.
constexpr int kAnswersPerStep = 256;
// How soon to try again what found no room.
constexpr Duration kRetryInterval = Duration::microseconds(500);

uint64_t pack(http3::RequestId id) { return uint64_t{id.generation} << 32 | id.index; }
http3::RequestId unpack(uint64_t cookie) {
  return {static_cast<uint32_t>(cookie), static_cast<uint32_t>(cookie >> 32)};
}

// What a repeated answer is counted as.
struct Repetition {
  uint32_t content = 0;  // bytes of a file
  uint16_t status = 0;
  Verdict verdict = Verdict::kNone;
};
static_assert(sizeof(Repetition) == sizeof(uint64_t));

Bytes as_bytes(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

}  // namespace

Site::Site(const SiteLimits& limits, ContentClient& content, const settings::WallClock& wall)
    : limits_(limits), content_(content), wall_(wall), exchanges_(limits.max_requests) {
  to_retry_.reserve(limits.max_requests);
  retrying_.reserve(limits.max_requests);
}

bool Site::step(Instant now) {
  now_ = now;
  update_date();
  bool worked = false;
  for (int i = 0; i < kAnswersPerStep; ++i) {
    ContentTask* task = content_.next_answer();
    if (!task) break;
    on_answer(task);
    worked = true;
  }
  retrying_.swap(to_retry_);
  for (const http3::RequestId id : retrying_) {
    Exchange* exchange = find(id);
    if (!exchange) continue;
    exchange->will_retry = false;
    if (exchange->state == Exchange::State::kDecided) {
      respond(*exchange, exchange->has_info ? &exchange->info : nullptr);
    } else if (exchange->state == Exchange::State::kSending) {
      pump(*exchange);
    }
  }
  retrying_.clear();
  content_.expire(now);
  return worked;
}

Instant Site::deadline() const {
  if (content_.has_answers()) return Instant();
  const Instant retry = to_retry_.empty() ? Instant::never() : now_ + kRetryInterval;
  return std::min(retry, content_.deadline());
}

void Site::update_date() {
  const int64_t second = wall_.unix_seconds(now_);
  if (second == date_second_) return;
  date_second_ = second;
  server_->forget_answers();
  date_ = HttpDate(second);
}

Site::Exchange* Site::find(http3::RequestId id) {
  Exchange& exchange = exchanges_[id.index];
  return exchange.state != Exchange::State::kFree && exchange.id == id ? &exchange : nullptr;
}

void Site::on_request(http3::RequestId id, const http3::RequestHead& head) {
  Exchange& exchange = exchanges_[id.index];
  static_cast<Progress&>(exchange) = {};
  exchange.id = id;
  exchange.state = Exchange::State::kDecided;
  statistics_.in_progress.add(1);
  if (takes_upload(head)) {
    exchange.state = Exchange::State::kReceiving;
    return;
  }
  if (head.method != "GET" && head.method != "HEAD")
    return decide_for(exchange, {.status = 405, .verdict = kMethodRefused}, nullptr, nullptr, {});
  const Conditions conditions = Conditions::of(head);
  exchange.is_head = conditions.is_head;
  ContentTask* task = content_.acquire();
  if (!task) return decide_for(exchange, decide(ContentStatus::kBusy), nullptr, nullptr, {});
  const std::string_view path = resolve_site_path(head.path, task->path_room);
  task->path_size = static_cast<uint16_t>(path.size());
  const ContentClient::Remembered* known = path.empty() ? nullptr : content_.recall(path, now_);
  if (!path.empty() && !known) return open(exchange, head, conditions, task);
  task->kind = ContentTask::Kind::kRead;  // nothing was opened
  content_.finish(task, now_);
  if (!known) return decide_for(exchange, {.status = 404, .verdict = kPathRefused}, nullptr, nullptr, {});
  decide_for(exchange, decide(conditions, known->info), &known->info, known->chunk, {}, known->fresh_until);
}

// Of what was found for the request before it.
void Site::on_repeated(uint64_t mark) {
  const Repetition repetition = std::bit_cast<Repetition>(mark);
  statistics_.by_status[repetition.status].add(1);
  statistics_.body_bytes.add(repetition.content);
  verdicts_.count(repetition.verdict);
}

bool Site::takes_upload(const http3::RequestHead& head) const {
  if (limits_.upload_path.empty() || (head.method != "POST" && head.method != "PUT")) return false;
  const std::string_view path = head.path.substr(0, head.path.find('?'));
  if (!path.starts_with(limits_.upload_path)) return false;
  return path.size() == limits_.upload_path.size() || path[limits_.upload_path.size()] == '/';
}

void Site::on_content_end(http3::RequestId id, uint64_t length) {
  Exchange* exchange = find(id);
  if (!exchange || exchange->state != Exchange::State::kReceiving) return;
  statistics_.upload_bytes.add(length);
  decide_for(*exchange, {.status = 204, .verdict = kUploadTaken}, nullptr, nullptr, {});
}

// The task keeps what the decision will need, because the request's head does not last.
void Site::open(Exchange& exchange, const http3::RequestHead& head, const Conditions& conditions, ContentTask* task) {
  exchange.conditions = conditions;
  exchange.target = head.path.substr(0, head.path.find_first_of("?#"));
  // Two bytes in front for the slash that a redirection adds behind.
  const size_t size = std::min(exchange.target.size(), task->notes.size() - 1);
  std::memcpy(task->notes.data(), exchange.target.data(), size);
  task->notes[size] = '/';
  exchange.target = {task->notes.data(), size + 1};
  if (!exchange.conditions.keep_in(std::span(task->notes).subspan(size + 1))) {
    task->kind = ContentTask::Kind::kRead;
    content_.finish(task, now_);
    return decide_for(exchange, {.status = 431, .verdict = kConditionsTooLarge}, nullptr, nullptr, {});
  }
  exchange.state = Exchange::State::kOpening;
  exchange.opening = task;
  task->kind = ContentTask::Kind::kOpen;
  task->cookie = pack(exchange.id);
  content_.submit(task);
}

void Site::on_answer(ContentTask* task) {
  Exchange* exchange = find(unpack(task->cookie));
  if (exchange) return task->kind == ContentTask::Kind::kOpen ? on_opened(*exchange, *task) : on_read(*exchange, *task);
  if (task->kind == ContentTask::Kind::kOpen && task->file) content_.close(task->file);
  finish(task);
}

void Site::finish(ContentTask* task) {
  // The client may remember a small file, so our references go after that.
  const uint32_t count = task->segment_count;
  const auto segments = task->segments;
  content_.finish(task, now_);
  for (uint32_t i = 0; i < count; ++i) segments[i]->drop();
}

void Site::on_opened(Exchange& exchange, ContentTask& task) {
  exchange.state = Exchange::State::kDecided;
  if (task.status != ContentStatus::kFound) return decide_for(exchange, decide(task.status), nullptr, nullptr, {});
  Chunk* whole = task.segment_count > 0 ? task.segments[0] : nullptr;
  decide_for(exchange, decide(exchange.conditions, task.info), &task.info, whole, task.file);
}

// What will be answered is settled; takes over `file`, and a reference of its own to `whole` where it is needed.
void Site::decide_for(Exchange& exchange, const Decision& decision, const FileInfo* info, Chunk* whole, FileRef file,
                      Instant fresh_until) {
  exchange.decision = decision;
  const bool has_content = decision.length > 0 && !exchange.is_head;
  exchange.position = exchange.write_at = decision.first;
  exchange.end = has_content ? decision.first + decision.length : decision.first;
  exchange.window = limits_.first_window;
  if (has_content) exchange.file = file;
  if (!has_content && file) content_.close(file);
  if (has_content && whole) {
    whole->hold();
    exchange.ready[0] = whole;
    exchange.ready_count = 1;
    exchange.position = exchange.end;
    ++exchange.held;
    ++held_;
  }
  respond(exchange, info, fresh_until);
}

// info: the file's, if there is one; kept where the answer has to wait for room. fresh_until: how long the same is to
// be answered to the same, but for the date.
void Site::respond(Exchange& exchange, const FileInfo* info, Instant fresh_until) {
  const std::string_view target = exchange.opening ? exchange.target : std::string_view();
  const ResponseFields fields(exchange.decision, info, date_.view(), target);
  const Bytes text = exchange.is_head ? Bytes{} : as_bytes(fields.body());
  const uint64_t length = text.size() + (exchange.end - exchange.write_at);
  const Bytes copied = text.empty() ? content_to_copy(exchange) : text;
  const http3::RequestId id = exchange.id;
  const uint16_t status = exchange.decision.status;
  // Before the call: an answer without content may end the request within it.
  exchange.verdict = exchange.decision.verdict;
  exchange.state = Exchange::State::kSending;
  const Repetition repetition{text.empty() ? static_cast<uint32_t>(copied.size()) : 0, status, exchange.verdict};
  const http3::Repeatable terms{fresh_until, std::bit_cast<uint64_t>(repetition)};
  if (!server_->respond(id, status, fields.fields(), length, copied, &terms)) {
    exchange.verdict = kGivenUp;
    exchange.state = Exchange::State::kDecided;
    exchange.has_info = info != nullptr;
    if (info && info != &exchange.info) exchange.info = *info;
    retry_later(exchange);
    return;
  }
  statistics_.by_status[status].add(1);
  Exchange* sending = find(id);
  if (!sending) return;
  finish_opening(*sending);
  if (text.empty() && !copied.empty()) forget_copied(*sending);
  pump(*sending);
}

// All of the content, where it is at hand and small; else nothing.
Bytes Site::content_to_copy(const Exchange& exchange) const {
  const uint64_t length = exchange.end - exchange.write_at;
  if (exchange.ready_count != 1 || exchange.position != exchange.end || length > kCopiedContent) return {};
  const Chunk& chunk = *exchange.ready[exchange.ready_first];
  const uint64_t offset = exchange.write_at % content_.segment_size();
  return offset + length <= chunk.size() ? chunk.bytes().subspan(offset, length) : Bytes{};
}

void Site::forget_copied(Exchange& exchange) {
  exchange.ready[exchange.ready_first]->drop();
  exchange.ready_count = 0;
  --exchange.held;
  --held_;
  statistics_.body_bytes.add(exchange.end - exchange.write_at);
  exchange.write_at = exchange.end;
}

void Site::on_writable(http3::RequestId id) {
  Exchange* exchange = find(id);
  if (!exchange || exchange->state != Exchange::State::kSending) return;
  const uint32_t in_flight = server_->writes_in_flight(id);
  const uint32_t now_held = in_flight + exchange->ready_count;
  if (now_held < exchange->held) {
    held_ -= exchange->held - now_held;
    exchange->held = now_held;
    exchange->window = std::min(exchange->window + 1, limits_.last_window);
  }
  pump(*exchange);
}

void Site::pump(Exchange& exchange) {
  const http3::RequestId id = exchange.id;
  write_ready(exchange);
  Exchange* still = find(id);  // the last write may have ended it
  if (still) ask_for_more(*still);
}

void Site::write_ready(Exchange& exchange) {
  const http3::RequestId id = exchange.id;
  const uint64_t segment_size = content_.segment_size();
  while (exchange.ready_count > 0) {
    if (server_->room(id) == 0) return retry_later(exchange);
    Chunk* chunk = exchange.ready[exchange.ready_first];
    exchange.ready_first = static_cast<uint8_t>((exchange.ready_first + 1) % exchange.ready.size());
    --exchange.ready_count;
    const auto offset = static_cast<uint32_t>(exchange.write_at % segment_size);
    const auto length =
        static_cast<uint32_t>(std::min<uint64_t>(chunk->size() - offset, exchange.end - exchange.write_at));
    exchange.write_at += length;
    statistics_.body_bytes.add(length);
    server_->write(id, chunk, offset, length);
    if (!find(id)) return;
  }
}

// One read at a time, so that segments come in order; each for as many segments as the window allows. Where it is wide
// a read waits until it is for several: it costs the loader's thread a wake-up.
void Site::ask_for_more(Exchange& exchange) {
  if (!exchange.file || exchange.is_reading || exchange.ready_count > 0 || exchange.position >= exchange.end) return;
  const uint32_t window = held_ < limits_.max_held ? exchange.window : 1;
  if (exchange.held >= window) return;
  const uint64_t segment_size = content_.segment_size();
  const auto first = static_cast<uint32_t>(exchange.position / segment_size);
  const auto last = static_cast<uint32_t>((exchange.end - 1) / segment_size);
  const uint32_t most = std::min(last - first + 1, ContentTask::kMaxSegments);
  const uint32_t wanted = std::min(window - exchange.held, most);
  if (wanted < std::min(window / 2, most)) return;
  ContentTask* task = content_.acquire();
  if (!task) return retry_later(exchange);
  task->kind = ContentTask::Kind::kRead;
  task->file = exchange.file;
  task->first_segment = first;
  task->wanted = wanted;
  task->cookie = pack(exchange.id);
  exchange.is_reading = true;
  content_.submit(task);
}

void Site::on_read(Exchange& exchange, ContentTask& task) {
  exchange.is_reading = false;
  if (task.status != ContentStatus::kFound) {
    const Verdict verdict = task.status == ContentStatus::kBusy ? kContentBusy : kContentChanged;
    finish(&task);
    return fail(exchange, verdict);
  }
  const uint64_t segment_size = content_.segment_size();
  for (uint32_t i = 0; i < task.segment_count; ++i)
    exchange.ready[(exchange.ready_first + exchange.ready_count++) % exchange.ready.size()] = task.segments[i];
  exchange.held += task.segment_count;
  held_ += task.segment_count;
  exchange.position = std::min((uint64_t{task.first_segment} + task.segment_count) * segment_size, exchange.end);
  task.segment_count = 0;  // their references are the exchange's now
  finish(&task);
  pump(exchange);
}

void Site::retry_later(Exchange& exchange) {
  if (!exchange.will_retry) to_retry_.push_back(exchange.id);
  exchange.will_retry = true;
}

void Site::finish_opening(Exchange& exchange) {
  if (ContentTask* task = std::exchange(exchange.opening, nullptr)) finish(task);
}

void Site::fail(Exchange& exchange, Verdict verdict) {
  exchange.verdict = verdict;
  server_->fail(exchange.id);
}

void Site::on_gone(http3::RequestId id) {
  Exchange* exchange = find(id);
  if (!exchange) return;
  verdicts_.count(exchange->verdict);
  statistics_.in_progress.set(statistics_.in_progress.value() - 1);
  for (; exchange->ready_count > 0; --exchange->ready_count) {
    exchange->ready[exchange->ready_first]->drop();
    exchange->ready_first = static_cast<uint8_t>((exchange->ready_first + 1) % exchange->ready.size());
  }
  held_ -= exchange->held;
  if (exchange->file) content_.close(exchange->file);
  // While it is being opened the task is the loader's; its answer will find nobody.
  if (exchange->state != Exchange::State::kOpening) finish_opening(*exchange);
  exchange->state = Exchange::State::kFree;
}

}  // namespace viaduct::origin
