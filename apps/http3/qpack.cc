#include "apps/http3/qpack.h"

#include <nghttp3/nghttp3.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "apps/http3/section_memo.h"

namespace viaduct::http3 {
namespace {

// Room for what the codec allocates while it works on one section: for each literal a little header and up to
// twice its length, and once a length that a peer invents (64 KiB at most, twice that for Huffman).
constexpr size_t kScratchSize = 512 << 10;
constexpr size_t kEncodeRoom = 16 << 10;
constexpr size_t kFlatLengths = 2 * sizeof(uint16_t);
static_assert(SectionMemo::kRoom <= UINT16_MAX);

// Hands memory out from the front and takes it back all at once, so that decoding never calls malloc and
// no peer can fragment anything.
class Scratch {
 public:
  Scratch() : bytes_(new uint8_t[kScratchSize]) {
    memory_ = {this, &Scratch::allocate, &Scratch::release, &Scratch::allocate_zeroed, &Scratch::reallocate};
  }
  const nghttp3_mem* memory() const { return &memory_; }
  // What is there now stays; reset() goes back to here.
  void keep() { kept_ = used_; }
  void reset() { used_ = kept_; }
  size_t used() const { return used_; }
  void rewind(size_t used) { used_ = used; }

 private:
  static constexpr size_t kAlignment = 16;

  static void* allocate(size_t size, void* user) {
    auto* self = static_cast<Scratch*>(user);
    if (size > kScratchSize) return nullptr;
    const size_t whole = kAlignment + (size + kAlignment - 1) / kAlignment * kAlignment;
    if (whole > kScratchSize - self->used_) return nullptr;
    uint8_t* block = self->bytes_.get() + self->used_;
    self->used_ += whole;
    std::memcpy(block, &size, sizeof size);
    return block + kAlignment;
  }
  static void release(void*, void*) {}
  static void* allocate_zeroed(size_t count, size_t size, void* user) {
    if (size != 0 && count > kScratchSize / size) return nullptr;
    void* block = allocate(count * size, user);
    if (block) std::memset(block, 0, count * size);
    return block;
  }
  static void* reallocate(void* old, size_t size, void* user) {
    void* block = allocate(size, user);
    if (block && old) {
      size_t old_size;
      std::memcpy(&old_size, static_cast<uint8_t*>(old) - kAlignment, sizeof old_size);
      std::memcpy(block, old, std::min(old_size, size));
    }
    return block;
  }

  std::unique_ptr<uint8_t[]> bytes_;
  nghttp3_mem memory_{};
  size_t used_ = 0;
  size_t kept_ = 0;
};

nghttp3_nv to_nv(const Field& field) {
  return {.name = reinterpret_cast<const uint8_t*>(field.name.data()),
          .value = reinterpret_cast<const uint8_t*>(field.value.data()),
          .namelen = field.name.size(),
          .valuelen = field.value.size(),
          .flags = NGHTTP3_NV_FLAG_NONE};
}

std::string_view view(nghttp3_rcbuf* buffer) {
  const nghttp3_vec bytes = nghttp3_rcbuf_get_buf(buffer);
  return {reinterpret_cast<const char*>(bytes.base), bytes.len};
}

void put(uint8_t* to, std::string_view text) {
  if (!text.empty()) std::memcpy(to, text.data(), text.size());
}

// Fields in a row, each with its lengths in front. Empty where they are too many to be remembered.
Bytes write_flat(std::span<const Field> fields, MutableBytes room) {
  size_t used = 0;
  for (const Field& field : fields) {
    const size_t size = kFlatLengths + field.name.size() + field.value.size();
    if (size > room.size() - used) return {};
    uint8_t* to = room.data() + used;
    const std::array<uint16_t, 2> lengths{static_cast<uint16_t>(field.name.size()),
                                          static_cast<uint16_t>(field.value.size())};
    std::memcpy(to, lengths.data(), kFlatLengths);
    put(to + kFlatLengths, field.name);
    put(to + kFlatLengths + field.name.size(), field.value);
    used += size;
  }
  return room.first(used);
}

// False where they do not fit; those that did are there.
bool read_flat(Bytes flat, FieldSection& section) {
  while (!flat.empty()) {
    std::array<uint16_t, 2> lengths;
    std::memcpy(lengths.data(), flat.data(), kFlatLengths);
    const auto* text = reinterpret_cast<const char*>(flat.data()) + kFlatLengths;
    if (!section.append({text, lengths[0]}, {text + lengths[0], lengths[1]})) return false;
    flat = flat.subspan(kFlatLengths + lengths[0] + lengths[1]);
  }
  return true;
}

}  // namespace

struct Qpack::State {
  Scratch scratch;
  nghttp3_qpack_encoder* encoder = nullptr;
  nghttp3_qpack_decoder* decoder = nullptr;
  nghttp3_qpack_stream_context* context = nullptr;
  std::vector<nghttp3_nv> fields;
  std::unique_ptr<uint8_t[]> prefix_room{new uint8_t[64]};
  std::unique_ptr<uint8_t[]> section_room{new uint8_t[kEncodeRoom]};
  SectionMemo encoded, decoded;
  std::array<uint8_t, SectionMemo::kRoom> flat_room;

  size_t before_decoder = 0;

  State() {
    fields.reserve(64);
    if (nghttp3_qpack_encoder_new(&encoder, 0, scratch.memory()) != 0) std::abort();
    before_decoder = scratch.used();
    make_decoder();
  }
  // The codec refuses all work after an error, as is right for one connection; ours serves many.
  void make_decoder() {
    scratch.rewind(before_decoder);
    const bool made = nghttp3_qpack_decoder_new(&decoder, 0, 0, scratch.memory()) == 0 &&
                      nghttp3_qpack_stream_context_new(&context, 0, scratch.memory()) == 0;
    if (!made) std::abort();  // the scratch is larger than these by far
    scratch.keep();
  }
};

Qpack::Qpack() : state_(std::make_unique<State>()) {}
Qpack::~Qpack() = default;

bool Qpack::encode(std::span<const Field> fields, ByteWriter& out) {
  const Bytes flat = write_flat(fields, state_->flat_room);
  if (const Bytes known = state_->encoded.find(flat); !known.empty()) {
    out.bytes(known);
    return out.ok();
  }
  const size_t before = out.size();
  if (!encode_anew(fields, out)) return false;
  state_->encoded.remember(flat, out.written().subspan(before));
  return true;
}

bool Qpack::encode_anew(std::span<const Field> fields, ByteWriter& out) {
  State& s = *state_;
  s.fields.clear();
  size_t size = 0;
  for (const Field& field : fields) {
    size += field.name.size() + field.value.size() + kFieldOverhead;
    s.fields.push_back(to_nv(field));
  }
  // An encoded field is never larger than it counts, so the codec never has to grow our buffers.
  if (size > kEncodeRoom) return out.skip(out.remaining() + 1), false;
  const auto over = [](uint8_t* room, size_t length) { return nghttp3_buf{room, room + length, room, room}; };
  nghttp3_buf prefix = over(s.prefix_room.get(), 64);
  nghttp3_buf section = over(s.section_room.get(), kEncodeRoom);
  nghttp3_buf instructions{};
  const int result =
      nghttp3_qpack_encoder_encode(s.encoder, &prefix, &section, &instructions, 0, s.fields.data(), s.fields.size());
  if (result == 0) {
    out.bytes({prefix.pos, prefix.last});
    out.bytes({section.pos, section.last});
  } else {
    out.skip(out.remaining() + 1);
  }
  s.scratch.reset();
  return out.ok();
}

Qpack::Outcome Qpack::decode(Bytes block, FieldSection& section) {
  section.clear();
  if (const Bytes known = state_->decoded.find(block); !known.empty())
    return read_flat(known, section) ? Outcome::kDone : Outcome::kTooLarge;
  const Outcome outcome = decode_anew(block, section);
  if (outcome == Outcome::kDone) state_->decoded.remember(block, write_flat(section.fields(), state_->flat_room));
  return outcome;
}

Qpack::Outcome Qpack::decode_anew(Bytes block, FieldSection& section) {
  State& s = *state_;
  Outcome outcome = Outcome::kInvalid;
  for (;;) {
    nghttp3_qpack_nv field;
    uint8_t flags = 0;
    const nghttp3_ssize used =
        nghttp3_qpack_decoder_read_request(s.decoder, s.context, &field, &flags, block.data(), block.size(), 1);
    if (used == NGHTTP3_ERR_NOMEM || used == NGHTTP3_ERR_QPACK_HEADER_TOO_LARGE) outcome = Outcome::kTooLarge;
    if (used < 0) {
      s.make_decoder();
      return outcome;
    }
    block = block.subspan(static_cast<size_t>(used));
    if (flags & NGHTTP3_QPACK_DECODE_FLAG_EMIT) {
      const bool fits = section.append(view(field.name), view(field.value));
      nghttp3_rcbuf_decref(field.name);
      nghttp3_rcbuf_decref(field.value);
      if (!fits) {
        outcome = Outcome::kTooLarge;
        break;
      }
      continue;
    }
    if (flags & NGHTTP3_QPACK_DECODE_FLAG_FINAL) outcome = Outcome::kDone;
    break;
  }
  nghttp3_qpack_stream_context_reset(s.context);
  s.scratch.reset();
  return outcome;
}

}  // namespace viaduct::http3
