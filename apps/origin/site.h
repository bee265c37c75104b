// What the origin does with requests: files below the root, to whoever asks by GET or HEAD.
#pragma once

#include <array>
#include <cstdint>
#include <memory_resource>
#include <string>
#include <vector>

#include "apps/http3/server.h"
#include "apps/origin/content_client.h"
#include "apps/origin/responses.h"
#include "apps/origin/verdicts.h"
#include "apps/settings/wall_clock.h"
#include "base/cache_line.h"
#include "base/verdict.h"
#include "base/worker_stats.h"

namespace viaduct::origin {

struct SiteLimits {
  uint32_t max_requests = 16384;  // the server's
  // Segments of one response that are not acknowledged yet: it begins with a few, and each that was delivered allows
  // one more. So who reads fast gets what the path needs, and who does not read holds little.
  uint32_t first_window = 4;
  uint32_t last_window = 64;
  // Segments that this worker's responses may hold in all; beyond, each gets one at a time.
  uint32_t max_held = 1024;
  // POST and PUT to this path, and to what is below it, are answered when all of their content has come, which is
  // counted and dropped. Empty: they are refused.
  std::string upload_path;
};

// Written by the worker, read by any thread.
struct SiteStatistics {
  std::array<Counter, 600> by_status;
  Counter body_bytes;
  Counter upload_bytes;
  Counter in_progress;
};

class Site : public http3::Application {
 public:
  // Content up to here is copied behind its response's head: one write instead of two costs less than the copy. The
  // server's chunks have room for it besides the head.
  static constexpr uint64_t kCopiedContent = 1024;

  Site(const SiteLimits& limits, ContentClient& content, const settings::WallClock& wall);

  // Before anything else; the server outlives all calls.
  void serve_through(http3::Server& server) { server_ = &server; }
  // Takes the loader's answers and tries again what found no room. True where something was done. `now` is also
  // the time of the requests that come after it, so it goes before the server's step.
  bool step(Instant now);
  // After the last step of a round, and what the server did since: tells the loader of what was asked.
  void flush() { content_.flush(); }
  Instant deadline() const;

  void on_request(http3::RequestId request, const http3::RequestHead& head) override;
  void on_content_end(http3::RequestId request, uint64_t length) override;
  void on_repeated(uint64_t mark) override;
  void on_writable(http3::RequestId request) override;
  void on_gone(http3::RequestId request) override;
  void prefetch(http3::RequestId request) const override {
    prefetch_object<Access::kWrite>(static_cast<const Progress&>(exchanges_[request.index]));
  }

  const SiteStatistics& statistics() const { return statistics_; }
  // One for each request.
  const VerdictCounters& verdicts() const { return verdicts_; }

 private:
  // What every request has.
  struct Progress {
    enum class State : uint8_t { kFree, kReceiving, kOpening, kDecided, kSending };
    State state = State::kFree;
    bool is_reading = false;  // a kRead is under way
    bool will_retry = false;  // is in to_retry_
    bool is_head = false;
    bool has_info = false;    // of the file; for one that will retry
    uint8_t ready_count = 0;  // segments that wait for room, in order
    uint8_t ready_first = 0;
    Verdict verdict = kGivenUp;
    http3::RequestId id;
    ContentTask* opening = nullptr;  // until the response began: holds the text of what is kept below
    Decision decision;
    FileRef file;           // a large one
    uint64_t position = 0;  // next byte to ask for
    uint64_t end = 0;
    uint64_t write_at = 0;  // next byte to write
    uint32_t window = 0;
    uint32_t held = 0;  // segments written and not released, or ready
  };
  // A request from its head to its end; at the index of its RequestId. What is beyond its progress is only there for
  // those that are not answered at once, and neither read nor written for others: thousands of requests have theirs in
  // the caches then.
  struct Exchange : Progress {
    std::array<Chunk*, ContentTask::kMaxSegments> ready;
    std::string_view target;
    Conditions conditions;
    FileInfo info;
  };

  Exchange* find(http3::RequestId id);
  bool takes_upload(const http3::RequestHead& head) const;
  void open(Exchange& exchange, const http3::RequestHead& head, const Conditions& conditions, ContentTask* task);
  void on_answer(ContentTask* task);
  void finish(ContentTask* task);
  void on_opened(Exchange& exchange, ContentTask& task);
  void on_read(Exchange& exchange, ContentTask& task);
  void decide_for(Exchange& exchange, const Decision& decision, const FileInfo* info, Chunk* whole, FileRef file,
                  Instant fresh_until = {});
  void respond(Exchange& exchange, const FileInfo* info, Instant fresh_until = {});
  Bytes content_to_copy(const Exchange& exchange) const;
  void forget_copied(Exchange& exchange);
  void pump(Exchange& exchange);
  void write_ready(Exchange& exchange);
  void ask_for_more(Exchange& exchange);
  void fail(Exchange& exchange, Verdict verdict);
  void retry_later(Exchange& exchange);
  void finish_opening(Exchange& exchange);
  void update_date();

  SiteLimits limits_;
  ContentClient& content_;
  const settings::WallClock& wall_;
  http3::Server* server_ = nullptr;
  std::pmr::vector<Exchange> exchanges_;
  std::vector<http3::RequestId> to_retry_, retrying_;
  uint32_t held_ = 0;
  Instant now_;
  int64_t date_second_ = -1;
  HttpDate date_;
  SiteStatistics statistics_;
  VerdictCounters verdicts_;
};

}  // namespace viaduct::origin
