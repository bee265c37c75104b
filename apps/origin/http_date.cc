#include "apps/origin/http_date.h"

#include <algorithm>
#include <chrono>

namespace viaduct::origin {
namespace {

using namespace std::chrono;

constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// Cuts text from the front; a mismatch makes everything after it fail.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : left_(text) {}
  bool done() const { return ok_ && left_.empty(); }
  bool ok() const { return ok_; }

  void expect(std::string_view text) {
    if (!left_.starts_with(text)) return fail();
    left_.remove_prefix(text.size());
  }
  int number(size_t digits) {
    if (left_.size() < digits) return fail(), 0;
    int value = 0;
    for (const char c : left_.substr(0, digits)) {
      if (c < '0' || c > '9') return fail(), 0;
      value = value * 10 + (c - '0');
    }
    left_.remove_prefix(digits);
    return value;
  }
  unsigned month() {
    const auto found = std::ranges::find(kMonths, left_.substr(0, 3));
    if (found == std::end(kMonths)) return fail(), 0;
    left_.remove_prefix(3);
    return static_cast<unsigned>(found - kMonths) + 1;
  }
  // asctime pads the day with a space.
  int padded_day() {
    if (!left_.starts_with(' ')) return number(2);
    left_.remove_prefix(1);
    return number(1);
  }
  void skip_until(char end) {
    const size_t at = left_.find(end);
    if (at == std::string_view::npos) return fail();
    left_.remove_prefix(at);
  }

 private:
  void fail() {
    ok_ = false;
    left_ = {};
  }
  std::string_view left_;
  bool ok_ = true;
};

struct Moment {
  int year = 0;
  unsigned month = 0;
  int day = 0, hour = 0, minute = 0, second = 0;

  void read_time(Cursor& in) {
    hour = in.number(2);
    in.expect(":");
    minute = in.number(2);
    in.expect(":");
    second = in.number(2);
  }
  std::optional<int64_t> seconds_since_1970() const {
    const year_month_day date{std::chrono::year{year}, std::chrono::month{month},
                              std::chrono::day{static_cast<unsigned>(day)}};
    if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
    const auto moment = sys_days{date} + hours{hour} + minutes{minute} + seconds{second};
    return duration_cast<seconds>(moment.time_since_epoch()).count();
  }
  using seconds = std::chrono::seconds;
};

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::optional<int64_t> parse_imf(std::string_view text) {
  Cursor in(text);
  Moment moment;
  in.skip_until(',');
  in.expect(", ");
  moment.day = in.number(2);
  in.expect(" ");
  moment.month = in.month();
  in.expect(" ");
  moment.year = in.number(4);
  in.expect(" ");
  moment.read_time(in);
  in.expect(" GMT");
  return in.done() ? moment.seconds_since_1970() : std::nullopt;
}

// "Sunday, 06-Nov-94 08:49:37 GMT"; a year that seems more than 50 years ahead is of the century before.
std::optional<int64_t> parse_rfc850(std::string_view text) {
  Cursor in(text);
  Moment moment;
  in.skip_until(',');
  in.expect(", ");
  moment.day = in.number(2);
  in.expect("-");
  moment.month = in.month();
  in.expect("-");
  moment.year = in.number(2);
  moment.year += moment.year < 76 ? 2000 : 1900;
  in.expect(" ");
  moment.read_time(in);
  in.expect(" GMT");
  return in.done() ? moment.seconds_since_1970() : std::nullopt;
}

// "Sun Nov  6 08:49:37 1994"
std::optional<int64_t> parse_asctime(std::string_view text) {
  Cursor in(text);
  Moment moment;
  in.skip_until(' ');
  in.expect(" ");
  moment.month = in.month();
  in.expect(" ");
  moment.day = in.padded_day();
  in.expect(" ");
  moment.read_time(in);
  in.expect(" ");
  moment.year = in.number(4);
  return in.done() ? moment.seconds_since_1970() : std::nullopt;
}

}  // namespace

HttpDate::HttpDate(int64_t unix_seconds) {
  const sys_seconds moment{seconds{unix_seconds}};
  const sys_days day = floor<days>(moment);
  const year_month_day date{day};
  const hh_mm_ss time{moment - day};
  char* out = text.data();
  const auto put = [&](std::string_view part) { out = std::ranges::copy(part, out).out; };
  const auto digits = [&](int value, int count) {
    for (int i = count; i > 0; --i, value /= 10) out[i - 1] = static_cast<char>('0' + value % 10);
    out += count;
  };
  put(kDays[weekday{day}.c_encoding()]);
  put(", ");
  digits(static_cast<int>(static_cast<unsigned>(date.day())), 2);
  put(" ");
  put(kMonths[static_cast<unsigned>(date.month()) - 1]);
  put(" ");
  digits(static_cast<int>(date.year()), 4);
  put(" ");
  digits(static_cast<int>(time.hours().count()), 2);
  put(":");
  digits(static_cast<int>(time.minutes().count()), 2);
  put(":");
  digits(static_cast<int>(time.seconds().count()), 2);
  put(" GMT");
}

std::optional<int64_t> parse_http_date(std::string_view text) {
  if (const auto moment = parse_imf(text)) return moment;
  if (const auto moment = parse_rfc850(text)) return moment;
  return parse_asctime(text);
}

}  // namespace viaduct::origin
