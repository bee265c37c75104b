// How an answer of the origin came about: one for each request that was asked.
#pragma once

#include "base/verdict.h"

namespace viaduct::origin {

#define VIADUCT_ORIGIN_VERDICTS(X)                                                                             \
  X(kServed, "origin-served", "A file or a part of it was sent.", "RFC 9110 section 15.3")                     \
  X(kNotModified, "origin-not-modified", "The client has the current version.", "RFC 9110 section 15.4.5")     \
  X(kRedirected, "origin-redirected", "A folder without its last slash.", "RFC 9110 section 15.4.9")           \
  X(kPathRefused, "origin-path-refused", "A path that may not be served, whatever is there.",                  \
    "RFC 9110 section 15.5.5")                                                                                 \
  X(kFileNotFound, "origin-file-not-found", "Nothing to serve at the path.", "RFC 9110 section 15.5.5")        \
  X(kMethodRefused, "origin-method-refused", "Neither GET nor HEAD.", "RFC 9110 section 15.5.6")               \
  X(kUploadTaken, "origin-upload-taken", "Content that was counted and dropped.", "RFC 9110 section 15.3.5")   \
  X(kPreconditionFailed, "origin-precondition-failed", "A condition of the request does not hold.",            \
    "RFC 9110 section 15.5.13")                                                                                \
  X(kRangeRefused, "origin-range-refused", "No byte of the file is in the range.", "RFC 9110 section 15.5.17") \
  X(kConditionsTooLarge, "origin-conditions-too-large", "Conditions that are longer than we keep.",            \
    "RFC 6585 section 5")                                                                                      \
  X(kContentBusy, "origin-content-busy", "No room in the content store in time, or too much under way.",       \
    "RFC 9110 section 15.6.4")                                                                                 \
  X(kContentChanged, "origin-content-changed", "The file changed or could not be read under way.",             \
    "RFC 9110 section 15.6.1")                                                                                 \
  X(kGivenUp, "origin-given-up", "The client or the connection went away before the answer.", "RFC 9114 section 4.1.1")

VIADUCT_DEFINE_VERDICTS(VerdictRange::kOrigin, VIADUCT_ORIGIN_VERDICTS)

}  // namespace viaduct::origin
