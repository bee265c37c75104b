#include "crypto-offload/ipsec_mb_protector.h"

#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>

#include <algorithm>

#include "crypto-offload/aes_ni.h"
#include "crypto-offload/header_masks.h"
#include "crypto-offload/key_pool.h"
#include "crypto-offload/nonce.h"
#include "crypto-offload/openssl_protector.h"
#include "crypto-offload/schedule_cache.h"
#include "crypto-offload/vaes_gcm.h"

namespace viaduct::crypto {
namespace {

// ipsec-mb refuses null pointers even where the length is zero.
const uint8_t* not_null(Bytes bytes) {
  static constexpr uint8_t kNothing = 0;
  return bytes.empty() ? &kNothing : bytes.data();
}

// Up to which size several spans are copied together and sealed in place rather than in pieces. Pieces have a fixed
// cost of half a small packet, copying one that grows. With AES-NI, copying won by 5 to 30 % up to the size of a
// frame; with VAES the cipher is so fast that copying never did.
constexpr size_t kGatherLimit = 1500;
constexpr size_t kGatherLimitVaes = 0;

// The functions of one GCM key size, so that a packet costs no branch on it.
struct GcmFunctions {
  aes_gcm_enc_dec_t encrypt;
  aes_gcm_enc_dec_t decrypt;
  aes_gcm_init_t init;
  aes_gcm_enc_dec_update_t encrypt_update;
  aes_gcm_enc_dec_finalize_t encrypt_finalize;
  aes_gcm_pre_t expand;
};

// What our kernel reads of an expanded key, whether ipsec-mb's code for VAES made it or ours.
static_assert(sizeof(vaes_gcm::Schedule) <= sizeof(gcm_key_data));
vaes_gcm::Schedule& as_ours(gcm_key_data& expanded) { return reinterpret_cast<vaes_gcm::Schedule&>(expanded); }
const vaes_gcm::Schedule& as_ours(const gcm_key_data& expanded) {
  return reinterpret_cast<const vaes_gcm::Schedule&>(expanded);
}

// A worker's keys: what connections keep of them, and expanded.
struct Keys {
  explicit Keys(size_t capacity);
  KeyPool& pool_of(Aead aead) { return aead == Aead::kAes128Gcm ? short_keys : long_keys; }

  ScheduleCache<gcm_key_data> schedules;
  KeyPool short_keys;  // of 16 bytes
  KeyPool long_keys;   // of 32
};

// Small, because a connection has several and most connections are idle. Its raw bytes follow it, in the pool of its
// size.
class IpsecMbPacketKey final : public PacketKey {
 public:
  explicit IpsecMbPacketKey(const RawKeys& keys) : iv(keys.iv) {
    aead = keys.aead;
    std::copy_n(keys.key.begin(), key_size(aead), raw_bytes());
  }
  ~IpsecMbPacketKey() override {
    OPENSSL_cleanse(iv.data(), iv.size());
    OPENSSL_cleanse(raw_bytes(), key_size(aead));
    static_cast<Keys*>(KeyPool::owner_of(this))->schedules.drop(slot);
  }
  static void operator delete(void* place) { KeyPool::give_back(place); }

  const uint8_t* raw() const { return reinterpret_cast<const uint8_t*>(this) + sizeof *this; }

  mutable CachedSlot slot;  // of ChaCha20-Poly1305, nowhere
  Nonce iv;

 private:
  uint8_t* raw_bytes() { return reinterpret_cast<uint8_t*>(this) + sizeof *this; }
};

Keys::Keys(size_t capacity)
    : schedules(capacity),
      short_keys(sizeof(IpsecMbPacketKey) + key_size(Aead::kAes128Gcm), this),
      long_keys(sizeof(IpsecMbPacketKey) + kMaxKeySize, this) {}

// OpenSSL does this key's work.
class ReferenceKey final : public PacketKey {
 public:
  explicit ReferenceKey(std::unique_ptr<PacketKey> made) : key(std::move(made)) { aead = key->aead; }
  std::unique_ptr<PacketKey> key;
};

struct ManagerFree {
  void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
};
using Manager = std::unique_ptr<IMB_MGR, ManagerFree>;

class IpsecMbProtector final : public PacketProtector {
 public:
  IpsecMbProtector(Manager manager, std::string name, const ProtectorOptions& options, const GcmChoice& choice)
      : manager_(std::move(manager)),
        name_(std::move(name)),
        choice_(choice),
        keys_(options.schedules),
        header_masks_(options.schedules),
        gather_limit_((manager_->features & IMB_FEATURE_VAES) != 0 ? kGatherLimitVaes : kGatherLimit),
        gcm_128_{manager_->gcm128_enc,        manager_->gcm128_dec,          manager_->gcm128_init,
                 manager_->gcm128_enc_update, manager_->gcm128_enc_finalize, manager_->gcm128_pre},
        gcm_256_{manager_->gcm256_enc,        manager_->gcm256_dec,          manager_->gcm256_init,
                 manager_->gcm256_enc_update, manager_->gcm256_enc_finalize, manager_->gcm256_pre} {
    // The SSE code for ChaCha20 of version 2.0 reads beyond its buffers (fixed in 2.0.2).
    if (manager_->used_arch == IMB_ARCH_SSE) reference_ = make_openssl_protector();
  }

  std::string_view name() const override { return name_; }

  std::unique_ptr<PacketKey> make_packet_key(const RawKeys& keys) override {
    if (is_reference(keys.aead)) return std::make_unique<ReferenceKey>(reference_->make_packet_key(keys));
    return std::unique_ptr<PacketKey>(new (keys_.pool_of(keys.aead).take()) IpsecMbPacketKey(keys));
  }

  std::unique_ptr<HeaderKey> make_header_key(const RawKeys& keys) override { return header_masks_.make_key(keys); }

  void seal(std::span<SealJob> jobs) override {
    for (size_t i = 0; i < jobs.size(); ++i) {
      prefetch_ahead(jobs, i);
      if (i + 1 < jobs.size()) prefetch_text(jobs[i + 1].in[1]);
      SealJob& job = jobs[i];
      if (job.key->aead != Aead::kChaCha20Poly1305) {
        seal_gcm(key_of(job), job);
      } else if (!reference_) {
        seal_chacha(key_of(job), job);
      } else {
        SealJob passed_on = job;
        passed_on.key = reference_of(job);
        reference_->seal({&passed_on, 1});
      }
    }
  }

  void open(std::span<OpenJob> jobs) override {
    for (size_t i = 0; i < jobs.size(); ++i) {
      prefetch_ahead(jobs, i);
      OpenJob& job = jobs[i];
      if (is_reference(job.key->aead)) {
        OpenJob passed_on = job;
        passed_on.key = reference_of(job);
        reference_->open({&passed_on, 1});
        job.ok = passed_on.ok;
        continue;
      }
      job.ok = job.data.size() >= kTagSize && open_one(key_of(job), job);
      if (!job.ok) OPENSSL_cleanse(job.data.data(), job.data.size());
    }
  }

  void header_masks(std::span<MaskJob> jobs) override { header_masks_.run(jobs); }

  ScheduleUse schedule_use() const override { return keys_.schedules.use(); }
  ScheduleUse header_schedule_use() const override { return header_masks_.use(); }

 private:
  // Of ipsec-mb's expanded keys: the round keys, and the powers of the hash key that a small packet needs.
  static constexpr size_t kPrefetched = 512;
  // A usual packet; of a longer one the rest comes by itself.
  static constexpr size_t kPrefetchedText = 1536;

  bool is_reference(Aead aead) const { return reference_ && aead == Aead::kChaCha20Poly1305; }
  template <class Job>
  static const IpsecMbPacketKey& key_of(const Job& job) {
    return *static_cast<const IpsecMbPacketKey*>(job.key);
  }
  template <class Job>
  static const PacketKey* reference_of(const Job& job) {
    return static_cast<const ReferenceKey*>(job.key)->key.get();
  }
  const GcmFunctions& functions(Aead aead) const { return aead == Aead::kAes128Gcm ? gcm_128_ : gcm_256_; }
  const gcm_key_data& schedule(const IpsecMbPacketKey& key, const GcmFunctions& gcm) {
    return keys_.schedules.get(key.slot, [&](gcm_key_data& out) {
      if (expands_itself_) {
        vaes_gcm::expand(key.aead, key.raw(), as_ours(out));
      } else {
        gcm.expand(key.raw(), &out);
      }
    });
  }

  // While one packet is worked on, the expanded key of the next comes from memory, and the key of the one after it.
  template <class Job>
  void prefetch_ahead(std::span<Job> jobs, size_t i) const {
    if (i + 2 < jobs.size()) __builtin_prefetch(jobs[i + 2].key);
    if (i + 1 < jobs.size() && !is_reference(jobs[i + 1].key->aead)) {
      keys_.schedules.prefetch(key_of(jobs[i + 1]).slot, prefetched_);
    }
  }

  // What the application has was perhaps not touched for long, and its pages are those of many connections.
  static void prefetch_text(Bytes text) { prefetch_bytes(text.data(), std::min(text.size(), kPrefetchedText)); }

  void seal_gcm(const IpsecMbPacketKey& key, const SealJob& job) {
    const GcmFunctions& gcm = functions(key.aead);
    const gcm_key_data& expanded = schedule(key, gcm);
    const Nonce nonce = make_nonce(key.iv, job.packet_number);
    const size_t size = job.in[0].size() + job.in[1].size() + job.in[2].size();
    if (choice_.seals(size))
      return vaes_gcm::seal(key.aead, as_ours(expanded), nonce, job.associated_data, job.in, job.out);
    const bool one_span = size == job.in[0].size();
    if (one_span || size <= gather_limit_) {
      const uint8_t* text = not_null(job.in[0]);
      if (!one_span) text = gather(job);
      gcm.encrypt(&expanded, &gcm_context_, job.out, text, size, nonce.data(), not_null(job.associated_data),
                  job.associated_data.size(), job.out + size, kTagSize);
      return;
    }
    gcm.init(&expanded, &gcm_context_, nonce.data(), not_null(job.associated_data), job.associated_data.size());
    uint8_t* out = job.out;
    for (const Bytes span : job.in) {
      if (span.empty()) continue;
      gcm.encrypt_update(&expanded, &gcm_context_, out, span.data(), span.size());
      out += span.size();
    }
    gcm.encrypt_finalize(&expanded, &gcm_context_, out, kTagSize);
  }

  // Puts the spans together at `out`.
  static const uint8_t* gather(const SealJob& job) {
    uint8_t* out = job.out;
    for (const Bytes span : job.in) {
      if (!span.empty()) std::memcpy(out, span.data(), span.size());
      out += span.size();
    }
    return job.out;
  }

  void seal_chacha(const IpsecMbPacketKey& key, const SealJob& job) {
    const Nonce nonce = make_nonce(key.iv, job.packet_number);
    const uint8_t* raw = key.raw();
    IMB_CHACHA20_POLY1305_INIT(manager_.get(), raw, &chacha_context_, nonce.data(), not_null(job.associated_data),
                               job.associated_data.size());
    uint8_t* out = job.out;
    for (const Bytes span : job.in) {
      if (span.empty()) continue;
      IMB_CHACHA20_POLY1305_ENC_UPDATE(manager_.get(), raw, &chacha_context_, out, span.data(), span.size());
      out += span.size();
    }
    IMB_CHACHA20_POLY1305_ENC_FINALIZE(manager_.get(), &chacha_context_, out, kTagSize);
  }

  // Decrypts in place and compares the tag that came out with the packet's.
  bool open_one(const IpsecMbPacketKey& key, const OpenJob& job) {
    const Nonce nonce = make_nonce(key.iv, job.packet_number);
    const MutableBytes text = job.data.first(job.data.size() - kTagSize);
    const Bytes aad = job.associated_data;
    uint8_t tag[kTagSize];
    if (key.aead != Aead::kChaCha20Poly1305) {
      const GcmFunctions& gcm = functions(key.aead);
      const gcm_key_data& expanded = schedule(key, gcm);
      if (choice_.opens(text.size())) {
        vaes_gcm::open(key.aead, as_ours(expanded), nonce, aad, text, tag);
      } else {
        gcm.decrypt(&expanded, &gcm_context_, text.data(), text.data(), text.size(), nonce.data(), not_null(aad),
                    aad.size(), tag, kTagSize);
      }
    } else {
      const uint8_t* raw = key.raw();
      IMB_CHACHA20_POLY1305_INIT(manager_.get(), raw, &chacha_context_, nonce.data(), not_null(aad), aad.size());
      if (!text.empty()) {
        IMB_CHACHA20_POLY1305_DEC_UPDATE(manager_.get(), raw, &chacha_context_, text.data(), text.data(), text.size());
      }
      IMB_CHACHA20_POLY1305_DEC_FINALIZE(manager_.get(), &chacha_context_, tag, kTagSize);
    }
    return same_tag(tag, text.data() + text.size());
  }

  Manager manager_;
  const std::string name_;
  const GcmChoice choice_;
  const size_t prefetched_ = choice_ == GcmChoice() ? kPrefetched : sizeof(vaes_gcm::Schedule);
  const bool expands_itself_ = choice_ == GcmChoice::all();  // else both read what ipsec-mb made
  Keys keys_;
  HeaderMasks header_masks_;
  size_t gather_limit_;
  GcmFunctions gcm_128_;
  GcmFunctions gcm_256_;
  std::unique_ptr<PacketProtector> reference_;
  gcm_context_data gcm_context_{};
  chacha20_poly1305_context_data chacha_context_{};
};

Manager make_manager(IpsecMbClass instructions) {
  Manager manager(alloc_mb_mgr(0));
  if (!manager) return nullptr;
  switch (instructions) {
    case IpsecMbClass::kBest:
      init_mb_mgr_auto(manager.get(), nullptr);
      break;
    case IpsecMbClass::kSse:
      init_mb_mgr_sse(manager.get());
      break;
    case IpsecMbClass::kAvx2:
      init_mb_mgr_avx2(manager.get());
      break;
    case IpsecMbClass::kAvx512:
      init_mb_mgr_avx512(manager.get());
      break;
  }
  const bool usable = imb_get_errno(manager.get()) == 0 && (manager->features & IMB_FEATURE_SELF_TEST_PASS) != 0;
  return usable ? std::move(manager) : nullptr;
}

}  // namespace

std::unique_ptr<PacketProtector> make_ipsec_mb_protector(IpsecMbClass instructions, const ProtectorOptions& options,
                                                         const GcmChoice& choice) {
  static constexpr const char* kNames[] = {"ipsec-mb", "ipsec-mb-sse", "ipsec-mb-avx2", "ipsec-mb-avx512"};
  if (!aes_ni::usable()) return nullptr;
  Manager manager = make_manager(instructions);
  if (!manager) return nullptr;
  std::string name = choice == GcmChoice() ? kNames[static_cast<size_t>(instructions)] : describe(choice);
  return std::make_unique<IpsecMbProtector>(std::move(manager), std::move(name), options, choice);
}

}  // namespace viaduct::crypto
