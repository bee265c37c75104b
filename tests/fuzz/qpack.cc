// An encoded field section (RFC 9204 section 4.5).
#include "apps/http3/qpack.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace viaduct;
  using fuzz::require;
  constexpr size_t kMaxSection = 4096;
  static http3::Qpack qpack;
  http3::FieldSection section(kMaxSection);
  if (qpack.decode({data, size}, section) != http3::Qpack::Outcome::kDone) return 0;
  require(section.size() <= kMaxSection, "a section keeps to its limit");

  std::vector<std::pair<std::string, std::string>> fields;
  for (const http3::Field& field : section.fields()) fields.emplace_back(field.name, field.value);
  std::array<uint8_t, 4 * kMaxSection> encoded;
  ByteWriter writer(encoded);
  require(qpack.encode(section.fields(), writer), "what was decoded can be encoded");
  http3::FieldSection again(kMaxSection);
  require(qpack.decode({encoded.data(), writer.size()}, again) == http3::Qpack::Outcome::kDone, "and decoded again");
  const auto same = [](const auto& a, const http3::Field& b) { return a.first == b.name && a.second == b.value; };
  require(std::ranges::equal(fields, again.fields(), same), "to the same fields");
  return 0;
}
