// QUIC-LB connection IDs with what they encode. All encode their length in the first octet.
#pragma once

namespace viaduct::flowsteer {

struct QuicLbVector {
  int config_id;
  const char* key;  // null: plaintext
  const char* server_id;
  const char* nonce;
  const char* connection_id;
};

inline constexpr char kDraftKey[] = "8f95f09245765f80256934e50c66207f";
inline constexpr char kExampleKey[] = "fdf726a9893ec05c0632d3956680baf0";
inline constexpr char kLengthsKey[] = "6802af01be17201220a530c625171802";

inline constexpr QuicLbVector kQuicLbVectors[] = {
    // draft-ietf-quic-load-balancers-21 appendix B.2. The draft prints 3 for the configuration of the last one, whose
    // first octet says 0.
    {0, kDraftKey, "ed793a", "ee080dbf", "0720b1d07b359d3c"},
    {1, kDraftKey, "ed793a51d49b8f5fab65", "ee080dbf48", "2fcc381bc74cb4fbad2823a3d1f8fed2"},
    {2, kDraftKey, "ed793a51d49b8f5f", "ee080dbf48c0d1e5", "504dd2d05a7b0de9b2b9907afb5ecf8cc3"},
    {0, kDraftKey, "ed793a51d49b8f5fab", "ee080dbf48c0d1e55d", "125779c9cc86beb3a3a4a3ca96fce4bfe0cdbc"},
    // Appendix B.1, and what the unit tests of an independent implementation publish. (The second one of B.1 has an odd
    // number of digits.)
    {0, nullptr, "c4605e", "4504cc4f", "07c4605e4504cc4f"},
    {0, nullptr, "ed793a", "8049718a", "07ed793a8049718a"},
    {1, nullptr, "ed793a51d49b8f5f", "8e9853fe93", "2ded793a51d49b8f5f8e9853fe93"},
    {1, nullptr, "ed793a51d49b8f5f", "ee15da27c4", "2ded793a51d49b8f5fee15da27c4"},
    // The worked example of section 5.4.2.
    {0, kExampleKey, "31441a", "9c69c275", "0767947d29be054a"},
    // Other lengths, from a program written for them that reproduces all of the above.
    {5, kLengthsKey, "53", "69700413", "a53ab02122a0"},
    {1, kLengthsKey, "53", "e4f85dc8b6539c", "28289ca25ff5036dcc"},
    {4, kLengthsKey, "53", "581f7d45f3a8f4770f1f", "8b4538f404d40e5420f274ed"},
    {0, kLengthsKey, "53", "150751ecd3e205ea618adde754", "0eadc4d9ea0098b19dba7144aeb7f9"},
    {3, kLengthsKey, "53", "6e601a9b134d7d304c3bd32a8ca7b2d4", "713729f6143860b48d5b287515ea3d0c0ff5"},
    {6, kLengthsKey, "f322", "69700413", "c656ab2d6bbf2d"},
    {2, kLengthsKey, "f322", "e4f85dc8b6539c", "49e745241a381deddb16"},
    {5, kLengthsKey, "f322", "581f7d45f3a8f4770f1f", "ac28f0fc94685b0c7525171a8d"},
    {1, kLengthsKey, "f322", "150751ecd3e205ea618adde754", "2f4f148acfe1813734d81211a4b07e1b"},
    {4, kLengthsKey, "f322", "6e601a9b134d7d304c3bd32a8ca7b2d4", "922e633c78a65af29f06d39010bc131fa81fb0"},
    {1, kLengthsKey, "d22216", "0a99cdf524", "28561d5a57d053f3b2"},
    {4, kLengthsKey, "d22216", "5c5c3db578dd5aba", "8b4df050377963a786fc4b69"},
    {0, kLengthsKey, "d22216", "62951c0825b486dbd7cf92", "0e200d6a87d2db944b334e88274136"},
    {3, kLengthsKey, "d22216", "0700dda201043cece7a688edcc14", "716bfd7b6c6bf401bd7b7c62b1b5f08e2f83"},
    {1, kLengthsKey, "736612b9", "69700413", "2811a37bc8783c2a30"},
    {4, kLengthsKey, "736612b9", "e4f85dc8b6539c", "8bb55a6575a3f7902b2d7c99"},
    {0, kLengthsKey, "736612b9", "581f7d45f3a8f4770f1f", "0e49fdbf43ad42d62aae5f88885c35"},
    {3, kLengthsKey, "736612b9", "150751ecd3e205ea618adde754", "71621d40c73f8553346e31af7dc16280cb38"},
    {2, kLengthsKey, "913a8b22f2", "69700413", "49e9575062711e379f36"},
    {5, kLengthsKey, "913a8b22f2", "e4f85dc8b6539c", "acd425ac38ff17486cfe74a1a9"},
    {1, kLengthsKey, "913a8b22f2", "581f7d45f3a8f4770f1f", "2f8973064f8cc0239deb88d60026c651"},
    {4, kLengthsKey, "913a8b22f2", "150751ecd3e205ea618adde754", "9255769139a7fb96d8f0ef2c7d4eed67ec5961"},
    {4, kLengthsKey, "88a80c531748", "0a99cdf524", "8b593428875d1038eff0e1b4"},
    {0, kLengthsKey, "88a80c531748", "5c5c3db578dd5aba", "0e5dd5c28c9b6d7b5400586f29a811"},
    {3, kLengthsKey, "88a80c531748", "62951c0825b486dbd7cf92", "717d014ac8d423beb5a177598275a10a3c2e"},
    {4, kLengthsKey, "06acdefc2c3802", "69700413", "8bc415dee7892f64f26c59fa"},
    {0, kLengthsKey, "06acdefc2c3802", "e4f85dc8b6539c", "0eadc1822915eea7602ac14f7ae705"},
    {3, kLengthsKey, "06acdefc2c3802", "581f7d45f3a8f4770f1f", "718cb33f38f5554e1a6f899bbd2e3c45011e"},
    {5, kLengthsKey, "8a57783502f0d6ec", "69700413", "ac5a438ebd2093e574b0094228"},
    {1, kLengthsKey, "8a57783502f0d6ec", "e4f85dc8b6539c", "2f1d76645b4b98319697bb74be7a46a0"},
    {4, kLengthsKey, "8a57783502f0d6ec", "581f7d45f3a8f4770f1f", "92d52967da55dc2aa57c09e41ec7941b34f9f5"},
    {0, kLengthsKey, "ca31e280c1baf4f86e", "0a99cdf524", "0e38e8f20f02f1af7980c0584bec85"},
    {3, kLengthsKey, "ca31e280c1baf4f86e", "5c5c3db578dd5aba", "71990cd81526ab62581f030df984671f83df"},
    {0, kLengthsKey, "5ff7d06c4e4dd206eafa", "69700413", "0e25469993acbda025518412b9e316"},
    {3, kLengthsKey, "5ff7d06c4e4dd206eafa", "e4f85dc8b6539c", "71d13c80f49cc3cd0ed1b49b4e0dad282fa6"},
    {1, kLengthsKey, "5779224746af15ab8c60d7", "69700413", "2fec54d714f8874bcb40b5e369b86030"},
    {4, kLengthsKey, "5779224746af15ab8c60d7", "e4f85dc8b6539c", "9259a302ac1d5c29ae389e3a7492aa1f909fde"},
    {3, kLengthsKey, "c58a04fb6effdbd2af960cd0", "0a99cdf524", "7150a9d3026444660db9e485c69fda5eefaa"},
    {3, kLengthsKey, "b479dece28312dc4ef8445fbe8", "69700413", "71f2d66faef8c30576a495addec4263d1dae"},
    {4, kLengthsKey, "075b596475c67577e6e019e87d07", "69700413", "921c4e6c37ff42c464c463dacb202eee5957d6"},
};

}  // namespace viaduct::flowsteer
