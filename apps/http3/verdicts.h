// What ends a request or a connection of HTTP/3.
#pragma once

#include "apps/http3/errors.h"
#include "base/verdict.h"

namespace viaduct::http3 {

#define VIADUCT_HTTP3_VERDICTS(X)                                                                                  \
  X(kRequestAnswered, "h3-request-answered", "The whole response was delivered.", "RFC 9114 section 4.1")          \
  X(kRequestCancelled, "h3-request-cancelled", "The peer gave the request up before it was answered.",             \
    "RFC 9114 section 4.1.1")                                                                                      \
  X(kRequestLost, "h3-request-lost", "Its connection ended first.", "RFC 9114 section 5.4")                        \
  X(kRequestFailed, "h3-request-failed", "We could not finish the response; reset with H3_INTERNAL_ERROR.",        \
    "RFC 9114 section 8.1")                                                                                        \
  X(kRequestRejected, "h3-request-rejected", "After GOAWAY or beyond a limit of ours; may be tried again.",        \
    "RFC 9114 section 4.1.1")                                                                                      \
  X(kRequestIncomplete, "h3-request-incomplete", "The stream ended before the header section.",                    \
    "RFC 9114 section 4.1")                                                                                        \
  X(kRequestMalformed, "h3-request-malformed", "Against the rules for messages; reset with H3_MESSAGE_ERROR.",     \
    "RFC 9114 section 4.1.2")                                                                                      \
  X(kRequestHeadTooLarge, "h3-request-head-too-large", "Its header section passed our limit; answered with 431.",  \
    "RFC 9114 section 4.2.2")                                                                                      \
  X(kRequestTooEarly, "h3-request-too-early", "Sent as 0-RTT, and not safe to be done twice; answered with 425.",  \
    "RFC 8470 section 5.2")                                                                                        \
  X(kConnectionEnded, "h3-connection-ended", "Closed by the peer, by time, or by us when all was done.",           \
    "RFC 9114 section 5")                                                                                          \
  X(kConnectionRefused, "h3-connection-refused", "Opened while we shut down; closed with H3_NO_ERROR.",            \
    "RFC 9114 section 5.2")                                                                                        \
  X(kStreamCreationError, "h3-stream-creation-error", "A second stream of a kind there may be one of, or a push.", \
    "RFC 9114 section 6.2")                                                                                        \
  X(kClosedCriticalStream, "h3-closed-critical-stream", "The peer ended a stream that must stay open.",            \
    "RFC 9114 section 6.2.1")                                                                                      \
  X(kFrameUnexpected, "h3-frame-unexpected", "A frame where it may not be.", "RFC 9114 section 7.2")               \
  X(kFrameError, "h3-frame-error", "A frame whose content does not fit its length.", "RFC 9114 section 7.1")       \
  X(kExcessiveLoad, "h3-excessive-load", "Too much of what carries nothing, or more than we keep.",                \
    "RFC 9114 section 10.5")                                                                                       \
  X(kIdError, "h3-id-error", "A stream or push id that cannot be.", "RFC 9114 section 8.1")                        \
  X(kSettingsError, "h3-settings-error", "A setting that may not be or is there twice.", "RFC 9114 section 7.2.4") \
  X(kMissingSettings, "h3-missing-settings", "A control stream that does not begin with SETTINGS.",                \
    "RFC 9114 section 6.2.1")                                                                                      \
  X(kQpackDecompressionFailed, "h3-qpack-decompression-failed", "A field section that cannot be decoded.",         \
    "RFC 9204 section 6")                                                                                          \
  X(kQpackEncoderStreamError, "h3-qpack-encoder-stream-error", "An instruction our empty table cannot follow.",    \
    "RFC 9204 section 6")                                                                                          \
  X(kQpackDecoderStreamError, "h3-qpack-decoder-stream-error", "An acknowledgement of what we never sent.",        \
    "RFC 9204 section 6")

VIADUCT_DEFINE_VERDICTS(VerdictRange::kHttp3, VIADUCT_HTTP3_VERDICTS)

// The verdict of a connection that we close with an error.
constexpr Verdict verdict_of(Error error) {
  switch (error) {
    case Error::kStreamCreationError:
      return kStreamCreationError;
    case Error::kClosedCriticalStream:
      return kClosedCriticalStream;
    case Error::kFrameUnexpected:
      return kFrameUnexpected;
    case Error::kFrameError:
      return kFrameError;
    case Error::kExcessiveLoad:
      return kExcessiveLoad;
    case Error::kIdError:
      return kIdError;
    case Error::kSettingsError:
      return kSettingsError;
    case Error::kMissingSettings:
      return kMissingSettings;
    case Error::kQpackDecompressionFailed:
      return kQpackDecompressionFailed;
    case Error::kQpackEncoderStreamError:
      return kQpackEncoderStreamError;
    case Error::kQpackDecoderStreamError:
      return kQpackDecoderStreamError;
    default:
      return kConnectionEnded;
  }
}

}  // namespace viaduct::http3
