// Which AES-GCM is faster on this very CPU: the program cannot know it beforehand.
#pragma once

#include "crypto-offload/gcm_choice.h"
#include "crypto-offload/packet_protector.h"

namespace viaduct::crypto {

// The share of the library's time, in percent, that our kernel may take to be chosen for a size.
inline constexpr unsigned kWinningPercent = 90;

// Lets both protectors seal and open bursts of packets of many keys, in turns, and chooses ours where it wins. Takes
// some milliseconds; at start.
GcmChoice measure_gcm(PacketProtector& library, PacketProtector& ours);

}  // namespace viaduct::crypto
