// Bounds-checked readers and writers over bytes, and QUIC's variable-length integers.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace viaduct {

using Bytes = std::span<const uint8_t>;
using MutableBytes = std::span<uint8_t>;

inline bool equal(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

// Largest value of a variable-length integer (RFC 9000 section 16).
inline constexpr uint64_t kMaxVarint = (uint64_t{1} << 62) - 1;

// Bytes that the shortest encoding of value takes: 1, 2, 4 or 8. value <= kMaxVarint.
constexpr size_t varint_size(uint64_t value) {
  if (value < (1u << 6)) return 1;
  if (value < (1u << 14)) return 2;
  if (value < (1u << 30)) return 4;
  return 8;
}

// Reads from the front of a span. A read past the end gives zero or an empty span, and from then on
// ok() is false and every read fails: check once, after a group of reads.
class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : next_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool ok() const { return ok_; }
  size_t remaining() const { return static_cast<size_t>(end_ - next_); }
  bool empty() const { return next_ == end_; }
  const uint8_t* position() const { return next_; }

  uint8_t u8() { return static_cast<uint8_t>(big_endian(1)); }
  uint16_t u16() { return static_cast<uint16_t>(big_endian(2)); }
  uint32_t u24() { return static_cast<uint32_t>(big_endian(3)); }
  uint32_t u32() { return static_cast<uint32_t>(big_endian(4)); }
  uint64_t u64() { return big_endian(8); }
  // An unsigned integer of 1 to 8 bytes, most significant first.
  uint64_t big_endian(size_t size) {
    if (!take(size)) return 0;
    uint64_t value = 0;
    for (const uint8_t* p = next_ - size; p != next_; ++p) value = value << 8 | *p;
    return value;
  }
  uint64_t varint() {
    if (empty()) return fail(), 0;
    const size_t size = size_t{1} << (*next_ >> 6);
    if (!take(size)) return 0;
    const uint8_t* p = next_ - size;
    uint64_t value = *p++ & 0x3f;
    while (p != next_) value = value << 8 | *p++;
    return value;
  }
  Bytes bytes(size_t size) {
    if (!take(size)) return {};
    return {next_ - size, size};
  }
  Bytes rest() { return bytes(remaining()); }
  void skip(size_t size) { take(size); }
  void fail() {
    ok_ = false;
    next_ = end_;
  }

 private:
  bool take(size_t size) {
    if (!ok_ || size > remaining()) return fail(), false;
    next_ += size;
    return true;
  }

  const uint8_t* next_;
  const uint8_t* end_;
  bool ok_ = true;
};

// Writes to the front of a span. What does not fit is not written at all, and ok() is false from
// then on.
class ByteWriter {
 public:
  explicit ByteWriter(MutableBytes room) : begin_(room.data()), next_(room.data()), end_(room.data() + room.size()) {}

  bool ok() const { return ok_; }
  size_t size() const { return static_cast<size_t>(next_ - begin_); }
  size_t remaining() const { return static_cast<size_t>(end_ - next_); }
  uint8_t* position() { return next_; }
  Bytes written() const { return {begin_, size()}; }

  void u8(uint8_t value) { big_endian(value, 1); }
  void u16(uint16_t value) { big_endian(value, 2); }
  void u24(uint32_t value) { big_endian(value, 3); }
  void u32(uint32_t value) { big_endian(value, 4); }
  void u64(uint64_t value) { big_endian(value, 8); }
  void big_endian(uint64_t value, size_t size) {
    if (!take(size)) return;
    for (uint8_t* p = next_; p != next_ - size; value >>= 8) *--p = static_cast<uint8_t>(value);
  }
  void varint(uint64_t value) { varint(value, varint_size(value)); }
  // As many bytes as asked (1, 2, 4 or 8), so that a length can be filled in later.
  void varint(uint64_t value, size_t size) {
    static constexpr uint8_t kPrefix[9] = {0, 0x00, 0x40, 0, 0x80, 0, 0, 0, 0xc0};
    uint8_t* first = next_;
    big_endian(value, size);
    if (ok_) *first |= kPrefix[size];
  }
  void bytes(Bytes source) {
    if (!take(source.size()) || source.empty()) return;
    std::memcpy(next_ - source.size(), source.data(), source.size());
  }
  void fill(uint8_t value, size_t count) {
    if (take(count) && count > 0) std::memset(next_ - count, value, count);
  }
  void skip(size_t size) { take(size); }

 private:
  bool take(size_t size) {
    if (!ok_ || size > remaining()) return ok_ = false;
    next_ += size;
    return true;
  }

  uint8_t* begin_;
  uint8_t* next_;
  uint8_t* end_;
  bool ok_ = true;
};

}  // namespace viaduct
