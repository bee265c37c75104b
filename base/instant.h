// Time as numbers. Nothing below the worker loop reads a clock: an Instant comes in as an argument.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace viaduct {

// A span of time in nanoseconds; may be negative.
class Duration {
 public:
  constexpr Duration() = default;
  static constexpr Duration nanoseconds(int64_t n) { return Duration(n); }
  static constexpr Duration microseconds(int64_t n) { return Duration(n * 1'000); }
  static constexpr Duration milliseconds(int64_t n) { return Duration(n * 1'000'000); }
  static constexpr Duration seconds(int64_t n) { return Duration(n * 1'000'000'000); }
  static constexpr Duration infinite() { return Duration(std::numeric_limits<int64_t>::max()); }

  constexpr int64_t ns() const { return ns_; }
  constexpr int64_t us() const { return ns_ / 1'000; }
  constexpr int64_t ms() const { return ns_ / 1'000'000; }
  constexpr double seconds() const { return static_cast<double>(ns_) / 1e9; }

  constexpr auto operator<=>(const Duration&) const = default;
  constexpr Duration operator+(Duration d) const { return Duration(ns_ + d.ns_); }
  constexpr Duration operator-(Duration d) const { return Duration(ns_ - d.ns_); }
  constexpr Duration operator*(int64_t n) const { return Duration(ns_ * n); }
  constexpr Duration operator/(int64_t n) const { return Duration(ns_ / n); }
  constexpr Duration& operator+=(Duration d) { return *this = *this + d; }

 private:
  constexpr explicit Duration(int64_t ns) : ns_(ns) {}
  int64_t ns_ = 0;
};

// A moment on a monotonic clock, in nanoseconds since an origin that only the clock knows.
class Instant {
 public:
  constexpr Instant() = default;
  static constexpr Instant from_ns(int64_t ns) { return Instant(ns); }
  // Later than every other instant: the deadline of what waits for nothing.
  static constexpr Instant never() { return Instant(std::numeric_limits<int64_t>::max()); }

  constexpr int64_t ns() const { return ns_; }
  constexpr bool is_never() const { return *this == never(); }
  constexpr auto operator<=>(const Instant&) const = default;
  // never() where the sum lies beyond it.
  constexpr Instant operator+(Duration d) const {
    int64_t sum = 0;
    return is_never() || __builtin_add_overflow(ns_, d.ns(), &sum) ? never() : Instant(sum);
  }
  constexpr Instant operator-(Duration d) const { return is_never() ? never() : Instant(ns_ - d.ns()); }
  constexpr Duration operator-(Instant other) const { return Duration::nanoseconds(ns_ - other.ns_); }

 private:
  constexpr explicit Instant(int64_t ns) : ns_(ns) {}
  int64_t ns_ = 0;
};

}  // namespace viaduct
