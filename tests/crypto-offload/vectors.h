// RFC 9001 appendix A and RFC 9369 appendix A, in hexadecimal.
#pragma once

#include <cstdint>
#include <string_view>

#include "crypto-offload/key_schedule.h"

namespace viaduct::crypto::vectors {

inline constexpr std::string_view kDestinationConnectionId = "8394c8f03e515708";
// The CRYPTO frame of the client's first packet; PADDING follows up to 1,162 bytes.
inline constexpr std::string_view kClientFrame =
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c000004130113"
    "02010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d00170018001000070005"
    "04616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce1"
    "5d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c0002400100"
    "3900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806"
    "048000ffff";
inline constexpr size_t kClientPayloadSize = 1162;
inline constexpr std::string_view kServerPayload =
    "02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc79825df566dc5430b9a045a1200"
    "130100002e00330024001d00209d3c940d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00"
    "020304";

struct Side {
  std::string_view secret;
  std::string_view key;
  std::string_view iv;
  std::string_view header_key;
  std::string_view header;  // unprotected, up to and with the packet number
  size_t packet_number_size;
  uint64_t packet_number;
  std::string_view sample;
  std::string_view mask;
  std::string_view packet;         // protected; only its front where packet_sha256 is given
  std::string_view packet_sha256;  // of the whole packet, or empty
};

struct Version {
  uint32_t number;
  Side client;
  Side server;
  std::string_view retry;
  std::string_view chacha_packet;
};

inline constexpr Version kVersions[] = {
    {kQuicVersion1,
     {"c00cf151ca5be075ed0ebfb5c80323c42d6b7db67881289af4008f1f6c357aea", "1f369613dd76d5467730efcbe3b1a22d",
      "fa044b2f42a3fd3b46fb255c", "9f50449e04a0e810283a1e9933adedd2", "c300000001088394c8f03e5157080000449e00000002", 4,
      2, "d1b1c98dd7689fb8ec11d242b123dc9b", "437b9aec36",
      "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9bd8bab936b47d92ec356c"
      "0bab7df5976d27cd449f63300099f399",
      "73fa0210cb4a5a17dc10b9dc98e5cc359ba1c20fe7c0e93a9e1dcb473c37e097"},
     {"3c199828fd139efd216c155ad844cc81fb82fa8d7446fa7d78be803acdda951b", "cf3a5331653c364c88f0f379b6067e37",
      "0ac1493ca1905853b0bba03e", "c206b8d9b9f0f37644430b490eeaa314", "c1000000010008f067a5502a4262b50040750001", 2, 1,
      "2cd0991cd25b0aac406a5816b6394100", "2ec0d8356a",
      "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb3"
      "8cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84"
      "022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee",
      ""},
     "ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba",
     "4cfe4189655e5cd55c41f69080575d7999c25a5bfb"},
    {kQuicVersion2,
     {"14ec9d6eb9fd7af83bf5a668bc17a7e283766aade7ecd0891f70f9ff7f4bf47b", "8b1a0bc121284290a29e0971b5cd045d",
      "91f73e2351d8fa91660e909f", "45b95e15235d6f45a6b19cbcb0294ba9", "d36b3343cf088394c8f03e5157080000449e00000002", 4,
      2, "ffe67b6abcdb4298b485dd04de806071", "94a0c95e80",
      "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485dd04de806071bf03dceebfa162e75d6c"
      "96058bdbfb127cdfcbf903388e99ad04",
      "b0b766fe7e762577072d3365cc4f9635809210cba301a67f8457f5e6fdac5c68"},
     {"0263db1782731bf4588e7e4d93b7463907cb8cd8200b5da55a8bd488eafc37c1", "82db637861d55e1d011f19ea71d5d2a7",
      "dd13c276499c0249d3310652", "edf6d05c83121201b436e16877593c3a", "d16b3343cf0008f067a5502a4262b50040750001", 2, 1,
      "6f05d8a4398c47089698baeea26b91eb", "4dd92e91ea",
      "dc6b3343cf0008f067a5502a4262b5004075d92faaf16f05d8a4398c47089698baeea26b91eb761d9b89237bbf872630"
      "17915358230035f7fd3945d88965cf17f9af6e16886c61bfc703106fbaf3cb4cfa52382dd16a393e42757507698075b2"
      "c984c707f0a0812d8cd5a6881eaf21ceda98f4bd23f6fe1a3e2c43edd9ce7ca84bed8521e2e140",
      ""},
     "cf6b3343cf0008f067a5502a4262b5746f6b656ec8646ce8bfe33952d955543665dcc7b6",
     "5558b1c60ae7b6b932bc27d786f4bc2bb20f2162ba"},
};

// RFC 9001 appendix A.5; RFC 9369 has the same packet under its own labels.
inline constexpr std::string_view kChaChaSecret = "9ac312a7f877468ebe69422748ad00a15443f18203a07d6060f688f30f21632b";
inline constexpr std::string_view kChaChaKey = "c6d98ff3441c3fe1b2182094f69caa2ed4b716b65488960a7a984979fb23e1c8";
inline constexpr std::string_view kChaChaIv = "e0459b3474bdd0e44a41c144";
inline constexpr std::string_view kChaChaHeaderKey = "25a282b9e82f06f21f488917a4fc8f1b73573685608597d0efcb076b0ab7a7a4";
inline constexpr std::string_view kChaChaNextSecret =
    "1223504755036d556342ee9361d253421a826c9ecdf3c7148684b36b714881f9";
inline constexpr uint64_t kChaChaPacketNumber = 654360564;
inline constexpr std::string_view kChaChaHeader = "4200bff4";
inline constexpr std::string_view kChaChaPayload = "01";

}  // namespace viaduct::crypto::vectors
