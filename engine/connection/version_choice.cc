#include "engine/connection/version_choice.h"

#include <algorithm>

#include "engine/wire/version.h"

namespace viaduct::quic {
namespace {

TransportError mismatch(std::string_view reason) { return {ErrorCode::kVersionNegotiationError, 0, reason}; }

std::span<const uint32_t> available(const VersionInformation& information) {
  return std::span(information.available).first(information.available_count);
}

bool contains(std::span<const uint32_t> versions, uint32_t version) {
  return std::ranges::find(versions, version) != versions.end();
}

}  // namespace

VersionInformation version_information(uint32_t chosen, std::span<const uint32_t> spoken, uint32_t random) {
  VersionInformation information{.chosen = chosen};
  const size_t count = std::min(spoken.size(), VersionInformation::kMaxAvailable - 1);
  std::ranges::copy(spoken.first(count), information.available.begin());
  information.available[count] = greased_version(random);
  information.available_count = count + 1;
  return information;
}

uint32_t first_common(std::span<const uint32_t> ours, std::span<const uint32_t> theirs) {
  const auto found = std::ranges::find_if(ours, [&](uint32_t version) { return contains(theirs, version); });
  return found == ours.end() ? 0 : *found;
}

uint32_t choose_version(uint32_t original, uint32_t preferred, const TransportParameters& client) {
  if (preferred == 0 || !client.version_information) return original;
  return contains(available(*client.version_information), preferred) ? preferred : original;
}

TransportError check_client_version(uint32_t original, const TransportParameters& client) {
  if (!client.version_information) return {};
  const VersionInformation& information = *client.version_information;
  if (information.chosen != original) return mismatch("chosen version is not that of the packets");
  const bool is_cut = information.available_count == VersionInformation::kMaxAvailable;
  if (!is_cut && !contains(available(information), original)) return mismatch("chosen version is not available");
  return {};
}

TransportError check_server_version(uint32_t original, uint32_t in_use, bool negotiated, std::span<const uint32_t> ours,
                                    const TransportParameters& server) {
  if (!server.version_information) {
    // Section 8: a server that does not know of all this speaks version 1, and no other.
    const bool is_plain = in_use == original && (!negotiated || in_use == kVersion1);
    return is_plain ? TransportError{} : mismatch("no version information");
  }
  const VersionInformation& information = *server.version_information;
  if (information.chosen != in_use) return mismatch("chosen version is not that of the packets");
  if (negotiated && first_common(ours, available(information)) != original) return mismatch("version downgraded");
  return {};
}

}  // namespace viaduct::quic
