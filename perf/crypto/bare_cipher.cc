#include "perf/crypto/bare_cipher.h"

namespace viaduct::perf {

using crypto::Aead;

BareCipher::BareCipher(const std::vector<crypto::RawKeys>& raw)
    : manager_(alloc_mb_mgr(0)),
      raw_(raw),
      gcm_(std::make_unique_for_overwrite<gcm_key_data[]>(raw.size())),
      header_(raw.size()) {
  init_mb_mgr_auto(manager_.get(), nullptr);
  HeaderSchedule unused;
  for (size_t i = 0; i < raw.size(); ++i) {
    uint8_t* schedule = header_[i].round_keys.data();
    const uint8_t* header_key = raw[i].header_key.data();
    if (raw[i].aead == Aead::kAes128Gcm) {
      IMB_AES_KEYEXP_128(manager_.get(), header_key, schedule, unused.round_keys.data());
    } else {
      IMB_AES_KEYEXP_256(manager_.get(), header_key, schedule, unused.round_keys.data());
    }
    if (raw[i].aead == Aead::kAes128Gcm) IMB_AES128_GCM_PRE(manager_.get(), raw[i].key.data(), &gcm_[i]);
    if (raw[i].aead == Aead::kAes256Gcm) IMB_AES256_GCM_PRE(manager_.get(), raw[i].key.data(), &gcm_[i]);
  }
}

void BareCipher::seal(size_t key, uint8_t* out, const uint8_t* in, size_t size, const uint8_t* aad, size_t aad_size) {
  const uint8_t* iv = raw_[key].iv.data();
  if (raw_[key].aead == Aead::kAes128Gcm) {
    IMB_AES128_GCM_ENC(manager_.get(), &gcm_[key], &gcm_context_, out, in, size, iv, aad, aad_size, out + size, 16);
  } else if (raw_[key].aead == Aead::kAes256Gcm) {
    IMB_AES256_GCM_ENC(manager_.get(), &gcm_[key], &gcm_context_, out, in, size, iv, aad, aad_size, out + size, 16);
  } else {
    const uint8_t* raw = raw_[key].key.data();
    IMB_CHACHA20_POLY1305_INIT(manager_.get(), raw, &chacha_context_, iv, aad, aad_size);
    IMB_CHACHA20_POLY1305_ENC_UPDATE(manager_.get(), raw, &chacha_context_, out, in, size);
    IMB_CHACHA20_POLY1305_ENC_FINALIZE(manager_.get(), &chacha_context_, out + size, 16);
  }
}

void BareCipher::open(size_t key, uint8_t* data, size_t size, const uint8_t* aad, size_t aad_size) {
  const uint8_t* iv = raw_[key].iv.data();
  uint8_t tag[16];
  if (raw_[key].aead == Aead::kAes128Gcm) {
    IMB_AES128_GCM_DEC(manager_.get(), &gcm_[key], &gcm_context_, data, data, size, iv, aad, aad_size, tag, 16);
  } else if (raw_[key].aead == Aead::kAes256Gcm) {
    IMB_AES256_GCM_DEC(manager_.get(), &gcm_[key], &gcm_context_, data, data, size, iv, aad, aad_size, tag, 16);
  } else {
    const uint8_t* raw = raw_[key].key.data();
    IMB_CHACHA20_POLY1305_INIT(manager_.get(), raw, &chacha_context_, iv, aad, aad_size);
    IMB_CHACHA20_POLY1305_DEC_UPDATE(manager_.get(), raw, &chacha_context_, data, data, size);
    IMB_CHACHA20_POLY1305_DEC_FINALIZE(manager_.get(), &chacha_context_, tag, 16);
  }
}

void BareCipher::masks(std::span<const uint32_t> keys, const uint8_t* const* samples, uint8_t* const* out) {
  if (raw_.size() == 1) return masks(raw_[0], header_[0], samples, out, keys.size());
  for (size_t i = 0; i < keys.size(); ++i) masks(raw_[keys[i]], header_[keys[i]], samples + i, out + i, 1);
}

void BareCipher::masks(const crypto::RawKeys& raw, const HeaderSchedule& schedule, const uint8_t* const* samples,
                       uint8_t* const* out, size_t count) {
  auto* const from = reinterpret_cast<const void* const*>(samples);
  auto* const to = const_cast<void**>(reinterpret_cast<void* const*>(out));
  if (raw.aead == Aead::kChaCha20Poly1305) {
    imb_quic_hp_chacha20(manager_.get(), raw.header_key.data(), to, from, count);
  } else {
    imb_quic_hp_aes_ecb(manager_.get(), schedule.round_keys.data(), to, from, count,
                        raw.aead == Aead::kAes128Gcm ? IMB_KEY_128_BYTES : IMB_KEY_256_BYTES);
  }
}

std::string BareCipher::version() { return imb_get_version_str(); }

}  // namespace viaduct::perf
